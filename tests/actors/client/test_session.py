"""A client of ours against a gateway with fake sessions, and against what is no gateway."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from itertools import pairwise

import pytest
import trio
from trio_websocket import WebSocketConnection, WebSocketRequest, serve_websocket

from tests.fakes.gateway import PATIENCE, Running, start_gateway
from tests.fakes.sessions import FakeSession, says
from trouper.actors.chat import Usage
from trouper.actors.client import session as opening, turn as under_test
from trouper.actors.client.errors import CannotConnect, ClientError, ConnectionLost
from trouper.actors.client.session import Client, RemoteTurn, open_client
from trouper.actors.errors import SessionError, TooManySessions, TurnFailed, TurnInProgress
from trouper.actors.gateway.auth import Access
from trouper.actors.session.events import AnswerReset, StopReason, TextAdded, ThoughtAdded
from trouper.actors.wire.session_client import Update


async def all_of(turn: RemoteTurn) -> str:
    return "".join([event.text async for event in turn if isinstance(event, TextAdded)])


async def on_and_on(session: FakeSession) -> None:
    turn = session.turn
    while session.turn == turn:
        session.say("on and on ")
        await trio.sleep(0.001)


@asynccontextmanager
async def client_of(running: Running) -> AsyncGenerator[Client]:
    with trio.fail_after(PATIENCE):
        async with open_client(running.acp) as client:
            yield client


async def test_an_answer_that_begins_again_is_an_event_between_the_two(
    nursery: trio.Nursery,
) -> None:
    async def behave(session: FakeSession) -> None:
        session.say("Once ")
        session.say("upon")
        session.begin_again()
        session.say("There ")
        session.say("was")
        session.end(StopReason.END_TURN)

    running = await start_gateway(nursery, behave)
    async with client_of(running) as client:
        session = await client.open_session()
        async with session.prompt("hello") as turn:
            events = [event async for event in turn]
    await running.settled()

    [reset] = [number for number, one in enumerate(events) if isinstance(one, AnswerReset)]
    texts = [event.text if isinstance(event, TextAdded) else "" for event in events]
    assert "".join(texts[:reset]) == "Once upon"
    assert "".join(texts[reset:]) == "There was"
    assert all(later.first == earlier.seq + 1 for earlier, later in pairwise(events))


async def test_a_turn_reads_as_an_embedded_one(nursery: trio.Nursery) -> None:
    async def behave(session: FakeSession) -> None:
        session.think("hm")
        session.think("m ")
        session.say("Good ")
        session.say("day.")
        session.count(Usage(input=1, output=2))
        session.end(StopReason.MAX_TOKENS)

    running = await start_gateway(nursery, behave)
    async with client_of(running) as client:
        session = await client.open_session()
        async with session.prompt("hello") as turn:
            events = [event async for event in turn]
    await running.settled()

    thoughts = "".join(event.text for event in events if isinstance(event, ThoughtAdded))
    words = "".join(event.text for event in events if isinstance(event, TextAdded))
    assert (thoughts, words, turn.stop) == ("hmm ", "Good day.", StopReason.MAX_TOKENS)
    assert [event.seq for event in events] == sorted(event.seq for event in events)
    assert session.id == "session-1"


async def test_leaving_the_block_cancels_and_the_next_turn_has_only_its_own_words(
    nursery: trio.Nursery,
) -> None:
    async def behave(session: FakeSession) -> None:
        if len(session.prompts) == 1:
            await on_and_on(session)
        else:
            await says("fine")(session)

    running = await start_gateway(nursery, behave)
    async with client_of(running) as client:
        session = await client.open_session()
        async with session.prompt("endless") as first:
            await anext(first)
        async with session.prompt("next") as second:
            assert await all_of(second) == "fine"

    assert running.sessions.only.cancels == 1
    assert second.stop is StopReason.END_TURN


async def test_a_failed_turn_raises_the_words_of_the_server(nursery: trio.Nursery) -> None:
    async def behave(session: FakeSession) -> None:
        session.say("Well")
        session.end(StopReason.ERROR, "the model has gone; it will be back", retryable=True)

    running = await start_gateway(nursery, behave)
    async with client_of(running) as client:
        session = await client.open_session()
        async with session.prompt("hello") as turn:
            first = await anext(turn)
            assert isinstance(first, TextAdded)
            assert first.text == "Well"
            with pytest.raises(TurnFailed, match="the model has gone; it will be back") as failed:
                await anext(turn)

    assert failed.value.retryable


async def test_what_a_server_refuses_is_told_in_its_words(nursery: trio.Nursery) -> None:
    running = await start_gateway(nursery, says("fine"))
    async with client_of(running) as client:
        with pytest.raises(SessionError, match="no assistant 'nobody'; configured are: default"):
            await client.open_session("nobody")
        session = await client.open_session("default")
        running.sessions.only.down = TurnInProgress("session-1")
        async with session.prompt("hello") as turn:
            with pytest.raises(SessionError, match="session session-1 is still answering"):
                await anext(turn)
        running.sessions.broken = TooManySessions(1)
        with pytest.raises(SessionError, match="1 sessions are open"):
            await client.open_session()


async def test_a_server_that_stops_is_told_to_who_reads_and_to_who_asks(
    nursery: trio.Nursery,
) -> None:
    running = await start_gateway(nursery)
    words = "the server is stopping or restarting; connect again in a moment"
    async with client_of(running) as client:
        session = await client.open_session()
        async with session.prompt("hello") as turn:
            running.scope.cancel()
            with pytest.raises(ConnectionLost, match=words) as lost:
                await anext(turn)
        with pytest.raises(ConnectionLost, match=words):
            async with session.prompt("again"):
                raise AssertionError
        with pytest.raises(ConnectionLost, match=words):
            await client.open_session()
    await running.ended.wait()

    assert lost.value.code == 1012


async def test_a_reader_that_never_reads_costs_no_more_than_a_bound(
    nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(under_test, "_MOST_WAITING", 1000)
    running = await start_gateway(nursery, on_and_on)
    async with client_of(running) as client:
        session = await client.open_session()
        async with session.prompt("endless") as turn:
            while turn._waiting <= 1000:  # noqa: ASYNC110 - the socket announces it to nobody
                await trio.sleep(0.01)

            waiting = [news for news in turn._news if isinstance(news, Update)]
            assert sum(len(update.text) for update in waiting) <= 1000
            with pytest.raises(SessionError, match="too far behind; read faster"):
                await anext(turn)


@pytest.mark.parametrize(
    ("token", "access", "status"),
    [(None, Access(["right"]), 401), ("wrong", Access(["right"]), 401), ("right", None, None)],
)
async def test_a_token_is_shown_and_a_refusal_has_its_status(
    nursery: trio.Nursery, token: str | None, access: Access | None, status: int | None
) -> None:
    running = await start_gateway(nursery, says("fine"), access=access or Access(["right"]))

    if status is None:
        async with open_client(running.acp, token=token) as client:
            assert (await client.open_session()).id == "session-1"
    else:
        with pytest.raises(CannotConnect, match="wants a valid token") as refused:
            async with open_client(running.acp, token=token):
                raise AssertionError
        assert refused.value.status == status


async def test_a_cancelled_client_leaves_at_once(nursery: trio.Nursery) -> None:
    running = await start_gateway(nursery, on_and_on)

    with trio.move_on_after(0.2) as scope:
        async with open_client(running.acp) as client:
            session = await client.open_session()
            async with session.prompt("endless"):
                await trio.sleep_forever()
    with trio.fail_after(1):
        await running.settled()

    assert scope.cancelled_caught


async def test_an_error_of_the_block_comes_out_as_it_is(nursery: trio.Nursery) -> None:
    running = await start_gateway(nursery)

    with pytest.raises(ValueError, match="mine"):
        async with open_client(running.acp):
            raise ValueError("mine")


# What is no gateway.


async def websocket_server(nursery: trio.Nursery, *frames: str | bytes) -> str:
    """A server that answers each frame with the next of `frames`, then with nothing."""

    async def handle(request: WebSocketRequest) -> None:
        websocket: WebSocketConnection = await request.accept()
        for frame in frames:
            await websocket.get_message()
            await websocket.send_message(frame)
        await trio.sleep_forever()

    serve = partial(serve_websocket, handle, "127.0.0.1", 0, None)
    served = await nursery.start(serve)
    return f"ws://127.0.0.1:{served.port}/"


HELLO = '{"jsonrpc": "2.0", "id": 1, "result": {}}'


async def test_a_websocket_that_is_not_acp(nursery: trio.Nursery) -> None:
    url = await websocket_server(nursery, "welcome!")

    with pytest.raises(ConnectionLost, match="sends is no ACP: this frame is not JSON"):
        async with open_client(url):
            raise AssertionError
    nursery.cancel_scope.cancel()


async def test_a_session_without_an_id(nursery: trio.Nursery) -> None:
    url = await websocket_server(nursery, HELLO, HELLO.replace("1,", "2,"))

    with pytest.raises(ClientError, match="opened a session without an id"):
        async with open_client(url) as client:
            await client.open_session()
    nursery.cancel_scope.cancel()


async def test_a_server_that_does_not_answer(
    nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "_ANSWER", 0.2)
    url = await websocket_server(nursery, HELLO)

    with pytest.raises(ClientError, match=r"did not answer within 0\.2 s"):
        async with open_client(url) as client:
            await client.open_session()
    nursery.cancel_scope.cancel()


async def test_frames_that_nobody_waits_for_are_let_pass(nursery: trio.Nursery) -> None:
    late = '{"jsonrpc": "2.0", "id": 9, "result": {}}'
    opened = '{"jsonrpc": "2.0", "id": 4, "result": {"sessionId": "s"}}'
    url = await websocket_server(nursery, HELLO, b"\x00", late, opened)

    async with open_client(url) as client:
        for _ in range(2):
            with trio.move_on_after(0.05):
                await client.open_session()
        session = await client.open_session()
    nursery.cancel_scope.cancel()

    assert session.id == "s"
