"""Every recorded exchange once more, over real sockets and through a whole provider.

The wire's own tests show that each body is read rightly, however its bytes come
(tests/actors/wire/test_*_cassettes.py). Here a server that others wrote sends
them with the recorded status and headers, chunked at will, and what a caller
gets is the same: no header that a provider has sent, no piece of a chunk and no
cut makes another answer of it.
"""

import random
import re
import sys
from collections.abc import Iterator
from typing import Any

import attrs
import pytest
import trio

from tests.fakes.counterparts import Counterpart, answer_to, counterpart
from tests.fakes.recordings import ROOT, body_of, needs_recordings, recorded, rows
from trouper.actors import (
    ChatRequest,
    ErrorKind,
    Message,
    Provider,
    ProviderConfig,
    ProviderError,
    TextPart,
    open_provider,
)
from trouper.actors.chat import Completion, ToolCallPart
from trouper.actors.config import RetryConfig
from trouper.actors.provider.kinds import codec_for
from trouper.actors.redaction import redact_text
from trouper.actors.wire.assembly import Assembly

SERVER = ROOT.parent / "tools" / "replay_server.py"

pytestmark = [
    needs_recordings,
    pytest.mark.skipif(not SERVER.is_file(), reason=f"no server that replays at {SERVER}"),
]

# The kind that reads an endpoint, and what its paths are appended to.
KINDS = {
    "chat.completions": ("openai", "/v1"),
    "messages": ("anthropic", ""),
    "ollama.chat": ("ollama", ""),
    "responses": ("openai-responses", "/v1"),
}
MODES = ["whole", "byte", "rand-1", "line", "crlf", "len"]

# At a time: the server is one process that reads a file for each request.
AT_ONCE = 8


@pytest.fixture(scope="module")
def replay() -> Iterator[Counterpart]:
    def command(port: int) -> list[str]:
        return [sys.executable, str(SERVER), str(ROOT), str(port)]

    known = next(row["id"] for row in rows("index.jsonl") if row["status"] == 200)
    with counterpart(command, ready=f"/x/{known}/whole/") as server:
        yield server


def config(url: str, kind: str) -> ProviderConfig:
    return ProviderConfig(name="replay", kind=kind, base_url=url, retry=RetryConfig(attempts=1))


async def reply(provider: Provider, *, streamed: bool) -> Completion:
    said = Message("user", (TextPart("hello"),))
    asked = ChatRequest(model="m", messages=(said,), max_output_tokens=16)
    return await answer_to(provider, asked, streamed=streamed)


async def answer_of(provider: ProviderConfig, *, streamed: bool) -> Completion | ProviderError:
    try:
        async with open_provider(provider) as opened:
            return await reply(opened, streamed=streamed)
    except ProviderError as error:
        return error


def reading_of(exchange: dict[str, Any], kind: str) -> Completion | ProviderError:
    """The body as the codec reads it from memory."""
    codec = codec_for(config("http://127.0.0.1:9", kind))
    response = exchange["response"]
    try:
        if not exchange["flags"]["stream"]:
            return codec.parse(response["status"], response["headers"], body_of(exchange))
        decoder, assembly = codec.stream(), Assembly()
        assembly.extend(decoder.feed(body_of(exchange)))
        assembly.extend(decoder.eof())
        return assembly.completion()
    except ProviderError as error:
        return error


MINTED = re.compile(r"call_[0-9a-f]{8,}")


def told(answer: Completion | ProviderError) -> object:
    """What can be compared: ids that were made up here are not the same twice."""
    if isinstance(answer, ProviderError):
        # A provider may quote the key that it was sent: callers are not shown it.
        said = redact_text(answer.message)
        return answer.kind, answer.status, answer.code, answer.type, said
    parts = tuple(
        attrs.evolve(part, id=MINTED.sub("call_", part.id))
        if isinstance(part, ToolCallPart)
        else part
        for part in answer.message.parts
    )
    return attrs.evolve(answer, message=attrs.evolve(answer.message, parts=parts))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("endpoint", KINDS)
async def test_an_exchange_reads_the_same_however_its_bytes_travel(
    replay: Counterpart, endpoint: str, mode: str
) -> None:
    kind, path = KINDS[endpoint]
    exchanges = recorded(endpoint)
    different: dict[str, Any] = {}
    limit = trio.CapacityLimiter(AT_ONCE)

    async def compare(id: str, exchange: dict[str, Any]) -> None:
        async with limit:
            provider = config(f"{replay.url}/x/{id}/{mode}{path}", kind)
            answer = told(await answer_of(provider, streamed=exchange["flags"]["stream"]))
            if answer != told(reading_of(exchange, kind)):
                different[id] = answer

    async with trio.open_nursery() as nursery:
        for id, exchange in exchanges.items():
            nursery.start_soon(compare, id, exchange)

    assert different == {}


# What a cut means: that the answer broke off, or that none had begun.
CUT = {ErrorKind.STREAM_TRUNCATED, ErrorKind.CONNECTION_FAILED}


@pytest.mark.parametrize("endpoint", KINDS)
async def test_a_stream_that_is_cut_or_reset_is_whole_or_says_so(
    replay: Counterpart, endpoint: str
) -> None:
    """At 20 random places each, by turns an end of the connection and a reset of it."""
    kind, path = KINDS[endpoint]
    wrong: dict[str, Any] = {}
    limit = trio.CapacityLimiter(2 * AT_ONCE)

    async def check(id: str, how: str, whole: Completion | ProviderError) -> None:
        async with limit:
            provider = config(f"{replay.url}/x/{id}/{how}{path}", kind)
            answer = await answer_of(provider, streamed=True)
        if isinstance(answer, ProviderError):
            fine = answer.kind in CUT or told(answer) == told(whole)
        else:
            # Of a whole answer nothing but the totals may be missing.
            fine = isinstance(whole, Completion) and (
                told(attrs.evolve(answer, usage=None)) == told(attrs.evolve(whole, usage=None))
            )
        if not fine:
            wrong[f"{id}/{how}"] = answer

    async with trio.open_nursery() as nursery:
        for id, exchange in recorded(endpoint).items():
            if not exchange["flags"]["stream"]:
                continue
            whole = reading_of(exchange, kind)
            places = random.Random(id).choices(range(len(body_of(exchange))), k=20)
            for place, how in zip(places, ("cut", "rst") * 10, strict=True):
                nursery.start_soon(check, id, f"{how}-{place}", whole)

    assert wrong == {}


def told_to_wait() -> list[tuple[str, str]]:
    """The exchanges that were answered, with a `retry-after` of up to a minute all the same."""
    return [
        (endpoint, id)
        for endpoint in KINDS
        for id, exchange in recorded(endpoint).items()
        if exchange["response"]["status"] == 200
        and "retry-after" in exchange["response"]["headers"]
    ]


@pytest.mark.parametrize(("endpoint", "id"), told_to_wait())
async def test_an_answer_that_says_retry_after_makes_nobody_wait(
    replay: Counterpart, endpoint: str, id: str
) -> None:
    kind, path = KINDS[endpoint]
    streamed = recorded(endpoint)[id]["flags"]["stream"]
    provider = attrs.evolve(
        config(f"{replay.url}/x/{id}/whole{path}", kind), requests_per_minute=6000
    )

    with trio.fail_after(10):
        async with open_provider(provider) as opened:
            answers = [await reply(opened, streamed=streamed) for _ in range(3)]

    assert len({told(answer) for answer in answers}) == 1
