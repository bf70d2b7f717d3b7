"""A batch endpoint over HTTP: lines however they come, and which kinds have one."""

from collections.abc import AsyncIterator
from contextlib import aclosing

import httpx
import pytest
import trio
from hypothesis import given, strategies as st

from trouper.actors import ProviderConfig, ProviderError
from trouper.actors.batch import endpoint as module
from trouper.actors.batch.endpoint import Endpoint, batch_wire
from trouper.actors.errors import ErrorKind
from trouper.actors.provider.kinds import codec_for
from trouper.actors.wire.http import HttpRequest
from trouper.actors.wire.openai_batch import OpenAIBatchWire

GET = HttpRequest("GET", "/x", (), b"")


def config(kind: str = "openai") -> ProviderConfig:
    return ProviderConfig(name="p", kind=kind, base_url="http://localhost:1/v1")


class Pieces(httpx.AsyncBaseTransport, httpx.AsyncByteStream):
    """Answers with these reads of the socket; None is a read that never ends."""

    def __init__(self, *pieces: bytes | None, status: int = 200) -> None:
        self.pieces = pieces
        self.status = status

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(self.status, stream=self)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            await trio.lowlevel.checkpoint()
            if piece is None:
                await trio.sleep_forever()
            else:
                yield piece


async def lines_of(transport: httpx.AsyncBaseTransport) -> list[bytes]:
    async with aclosing(Endpoint(config(), transport).lines(GET, "")) as lines:
        return [line async for line in lines]


@given(st.lists(st.binary(max_size=8).map(lambda data: data.replace(b"x", b"\n")), max_size=12))
def test_lines_are_the_same_however_they_are_cut(pieces: list[bytes]) -> None:
    found = trio.run(lines_of, Pieces(*pieces))
    assert found == b"".join(pieces).split(b"\n")


async def test_a_refusal_is_raised_and_no_line() -> None:
    with pytest.raises(ProviderError, match="no such file") as caught:
        await lines_of(Pieces(b'{"error":\n{"message":\n', b'"no such file"}}', status=404))
    assert (caught.value.provider, caught.value.status) == ("p", 404)


async def test_whoever_says_nothing_more_is_not_waited_for_for_ever(
    autojump_clock: trio.testing.MockClock,
) -> None:
    with pytest.raises(ProviderError, match="nothing more came within 120 s") as caught:
        await lines_of(Pieces(b"one", None))
    assert caught.value.kind is ErrorKind.TIMEOUT
    endpoint = Endpoint(config(), Pieces(None))
    with pytest.raises(ProviderError, match="no answer within 300 s"):
        await endpoint.ask(GET, "", endpoint.wire.batch)


async def test_answers_and_lines_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_LINE", 10)
    monkeypatch.setattr(module, "_MOST_BODY", 10)
    with pytest.raises(ProviderError, match="longer than 10 bytes"):
        await lines_of(Pieces(b"123456", b"123456"))
    endpoint = Endpoint(config(), Pieces(b"123456", b"123456"))
    with pytest.raises(ProviderError, match="longer than"):
        await endpoint.ask(GET, "", endpoint.wire.batch)


@pytest.mark.parametrize(
    ("kind", "endpoint"),
    [("openai", "/v1/chat/completions"), ("openai-responses", "/v1/responses")],
)
def test_openais_kinds_ask_for_their_own_endpoint(kind: str, endpoint: str) -> None:
    wire = batch_wire(config(kind), codec_for(config(kind)))
    assert isinstance(wire, OpenAIBatchWire)
    assert wire.endpoint == endpoint


def test_other_kinds_have_none() -> None:
    assert batch_wire(config("ollama"), codec_for(config("ollama"))) is None
