"""What one websocket of Responses may take: lanes, requests, frames, and what is not read."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import cast

import attrs
import pytest
import trio
from trio.testing import wait_all_tasks_blocked
from trio_websocket import ConnectionClosed, wrap_client_stream

from tests.fakes.gateway import PATIENCE, Pausing, Running, start_gateway
from tests.fakes.http_by_hand import GOOD_HANDSHAKE, LAST, exchange, get, status
from tests.fakes.models import FakeModels, Step, spoken
from tests.fakes.responses_client import ResponsesSocket, open_responses
from trouper.actors.chat import TextDelta
from trouper.actors.config.tokens import Scope
from trouper.actors.gateway.auth import Access, Credential, Principal
from trouper.actors.gateway.limits import Limits
from trouper.actors.gateway.outbox import Outbox
from trouper.actors.gateway.responding import Responding
from trouper.actors.gateway.responses_websocket import ResponsesHandler
from trouper.actors.gateway.websocket import Websocket
from trouper.actors.store.memory_responses import MemoryResponses


async def test_a_client_that_leaves_cancels_what_is_under_way(nursery: trio.Nursery) -> None:
    models = FakeModels([*spoken("You")[:2], trio.Event()])
    running = await start_gateway(nursery, models=models)

    async with open_responses(running) as socket:
        for lane in ("a", "b"):
            await socket.send(stream_id=lane)
        with trio.fail_after(PATIENCE):
            while len(models.answers) < 2:  # noqa: ASYNC110 - the fake announces it to nobody
                await trio.sleep(0.01)

    with trio.fail_after(PATIENCE):
        for answer in models.answers:
            await answer.closed.wait()
    await running.settled()


async def test_a_server_that_stops_lets_responses_come_to_their_end(
    nursery: trio.Nursery,
) -> None:
    go_on = trio.Event()
    models = FakeModels([*spoken("You")[:2], go_on, *spoken(" said")[1:]])
    running = await start_gateway(nursery, models=models)

    async with open_responses(running) as busy, open_responses(running) as idle:
        await busy.send()
        await models.wait_taken(3)
        running.scope.cancel()
        with pytest.raises(ConnectionClosed) as gone:
            await idle.next()
        go_on.set()
        told = await busy.rest()
        with pytest.raises(ConnectionClosed) as ended:
            await busy.next()

    assert told[-1]["type"] == "response.completed"
    codes = [each.value.reason.code for each in (gone, ended) if each.value.reason]
    assert codes == [1012, 1012]


async def test_a_response_that_outlasts_the_grace_is_cut_off(nursery: trio.Nursery) -> None:
    models = FakeModels([*spoken("You")[:2], trio.Event()])
    running = await start_gateway(nursery, models=models, limits=Limits(close_seconds=1.0))

    async with open_responses(running) as socket:
        await socket.send()
        await models.wait_taken(3)
        running.scope.cancel()
        with pytest.raises(ConnectionClosed) as ended:
            await socket.rest()

    assert ended.value.reason is not None
    assert ended.value.reason.code == 1012
    with trio.fail_after(PATIENCE):
        await models.answers[0].closed.wait()


async def test_a_reader_that_is_slow_slows_its_provider_down(nursery: trio.Nursery) -> None:
    """Nothing is kept for it but a batch and what the kernel's buffers hold."""
    steps: list[Step] = [[TextDelta(0, "x" * 100_000)] for _ in range(300)]
    models = FakeModels([*spoken()[:1], *steps, *spoken()[-1:]])
    running = await start_gateway(nursery, models=models)

    async with slow_client(running, nursery) as (socket, stream):
        stream.resumed = trio.Event()
        await socket.send()
        stood_at = await models.wait_stuck()
        stream.resumed.set()
        while len((await socket.next()).get("delta", "")) < 100_000:
            pass
        await models.wait_taken(stood_at + 1)

    assert stood_at < 200
    with trio.fail_after(PATIENCE):
        await models.answers[0].closed.wait()


@asynccontextmanager
async def slow_client(
    running: Running, nursery: trio.Nursery
) -> AsyncGenerator[tuple[ResponsesSocket, Pausing]]:
    """A client that can be made to stop reading."""
    sock = trio.socket.socket()
    sock.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_RCVBUF, 4096)
    await sock.connect((running.listening.host, running.listening.port))
    stream = Pausing(trio.SocketStream(sock))
    ws = await wrap_client_stream(
        nursery, cast("trio.SocketStream", stream), "x", "/v1/responses", max_message_size=2**20
    )
    try:
        yield ResponsesSocket(ws), stream
    finally:
        await trio.aclose_forcefully(stream)


async def test_lanes_are_bounded(nursery: trio.Nursery) -> None:
    models = FakeModels([trio.Event()])
    running = await start_gateway(nursery, models=models)

    async with open_responses(running) as socket:
        for number in range(32):
            await socket.send(stream_id=f"lane-{number}")
        told = await socket.ask(stream_id="one-more")

    assert (told["status"], told["error"]["code"]) == (429, "rate_limit_exceeded")
    assert told["headers"]["retry-after"] == "1"
    assert "32 lanes" in told["error"]["message"]


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (Limits(requests_per_connection=2), "2 requests wait"),
        (Limits(chat_body_bytes=1000), "characters wait"),
    ],
)
async def test_what_waits_in_lanes_is_bounded(
    nursery: trio.Nursery, limits: Limits, words: str
) -> None:
    models = FakeModels([trio.Event()])
    running = await start_gateway(nursery, models=models, limits=limits)

    async with open_responses(running) as socket:
        for _ in range(2):
            await socket.send(input="x" * 850)
        told = await socket.ask(input="x" * 850)

    assert (told["status"], told["error"]["code"]) == (429, "rate_limit_exceeded")
    assert words in told["error"]["message"]


async def test_a_token_has_a_bound_over_all_its_connections(nursery: trio.Nursery) -> None:
    models = FakeModels([trio.Event()])
    access = Access(["token-of-alice"])
    limits = Limits(requests_per_client=1)
    running = await start_gateway(nursery, models=models, access=access, limits=limits)
    headers = {"extra_headers": [(b"Authorization", b"Bearer token-of-alice")]}

    async with open_responses(running, **headers) as one, open_responses(running, **headers) as two:
        await one.send()
        await models.wait_taken(1)
        told = await two.ask()

    assert (told["status"], told["error"]["code"]) == (429, "rate_limit_exceeded")
    assert told["headers"]["retry-after"] == "1"


async def test_a_frame_may_be_as_large_as_a_request_over_http(nursery: trio.Nursery) -> None:
    models = FakeModels()
    running = await start_gateway(nursery, models=models)

    async with open_responses(running) as socket:
        await socket.ask(input="x" * (15 * 1024 * 1024))
        await socket.send(input="x" * (17 * 1024 * 1024))
        with pytest.raises(ConnectionClosed) as closed:
            await socket.next()

    assert len(models.asked) == 1
    assert closed.value.reason is not None
    assert closed.value.reason.code == 1009


async def test_a_token_without_the_scope_for_models_is_refused(nursery: trio.Nursery) -> None:
    access = Access([Credential("token-of-alice", "alice", frozenset({Scope.SESSION}))])
    running = await start_gateway(nursery, models=FakeModels(), access=access)
    alice = "Authorization: Bearer token-of-alice"

    nobody = await exchange(running, get("/v1/responses", *GOOD_HANDSHAKE, LAST))
    known = await exchange(running, get("/v1/responses", *GOOD_HANDSHAKE, alice, LAST))

    assert (status(nobody), status(known)) == (401, 403)


async def test_who_sends_junk_and_reads_nothing_is_closed(nursery: trio.Nursery) -> None:
    limits = Limits(
        outbox_events=20, messages_per_second=1e9, messages_burst=10**9, close_seconds=0.1
    )
    running = await start_gateway(nursery, models=FakeModels(), limits=limits)

    async with slow_client(running, nursery) as (socket, stream):
        stream.resumed = trio.Event()
        with trio.fail_after(PATIENCE):
            while running.gateway.websockets:
                with suppress(ConnectionClosed):
                    await socket.raw("{" * 100)
                await trio.lowlevel.checkpoint()
        stream.resumed.set()


@attrs.define(eq=False)
class Unread:
    """Stands for a websocket whose writer stands still: a test takes what waits, frame by frame."""

    nursery: trio.Nursery
    outbox: Outbox = attrs.Factory(lambda: Outbox(1_000, 100, lambda: None))
    finishes_turns: bool = False

    def start(self, function: Callable[..., Awaitable[None]], *args: object) -> None:
        self.nursery.start_soon(function, *args)

    def begin_turn(self) -> "Unread":
        return self

    def end(self) -> None: ...

    async def take(self, most: int) -> list[str]:
        """So many frames, or all that are told, when everything has come to a standstill."""
        frames: list[str] = []
        await wait_all_tasks_blocked()
        while len(frames) < most and (frame := self.outbox.take()) is not None:
            frames.append(frame)
            await wait_all_tasks_blocked()
        return frames


async def test_a_client_may_leave_when_all_but_the_last_event_is_read() -> None:
    models = FakeModels(spoken("You", " said"))
    responding = Responding(models, MemoryResponses(), Limits())
    request = '{"type":"response.create","model":"small","input":"hi"}'

    async def spoken_to(socket: Unread, most: int) -> list[str]:
        websocket = cast(Websocket, socket)
        talk = ResponsesHandler(responding, Limits(), websocket, Principal("alice"))
        for _ in range(2):
            talk.receive(request)
        frames = await socket.take(most)
        socket.outbox.hang_up()
        talk.gone()
        return frames

    async with trio.open_nursery() as nursery:
        both = await spoken_to(Unread(nursery), 1_000)
    one = len(both) // 2
    assert "response.completed" in both[one - 1]
    asked = len(models.asked)

    async with trio.open_nursery() as nursery:
        await spoken_to(Unread(nursery), one - 1)

    # The second was not begun.
    assert len(models.asked) == asked + 1
