"""A client whose connections are cut goes on with its sessions, and misses nothing."""

import json
from typing import Any

import pytest
import trio

from tests.fakes.gateway import PATIENCE, Running, start_gateway
from tests.fakes.sessions import FakeSession, says
from tests.fakes.severed import open_way
from trouper.actors.chat import ToolCallPart
from trouper.actors.client.errors import CannotConnect, ConnectionLost
from trouper.actors.client.link import ServerLink, open_link
from trouper.actors.client.session import open_client
from trouper.actors.gateway.auth import Access
from trouper.actors.session.events import (
    PermissionAsked,
    StopReason,
    TextAdded,
    ToolCalled,
    ToolEnded,
    ToolProgressed,
)


async def prompted(running: Running, prompts: int = 1) -> FakeSession:
    with trio.fail_after(PATIENCE):
        # A fake announces nothing.
        while not running.sessions.opened or len(running.sessions.only.prompts) < prompts:  # noqa: ASYNC110
            await trio.sleep(0.001)
    return running.sessions.only


async def call(link: ServerLink, id: int, method: str, **params: Any) -> dict[str, Any]:
    """The answer to a call; the updates before it are let pass."""
    link.send(json.dumps({"jsonrpc": "2.0", "id": id, "method": method, "params": params}))
    return await answer(link, id)


async def answer(link: ServerLink, id: int) -> dict[str, Any]:
    with trio.fail_after(PATIENCE):
        while (body := json.loads(await link.receive())).get("id") != id:
            pass
    assert isinstance(body, dict)
    return body


async def test_a_turn_goes_on_over_as_many_connections_as_it_takes(nursery: trio.Nursery) -> None:
    running = await start_gateway(nursery)
    heard: list[str] = []
    async with open_way(running.listening.port) as way:
        async with open_client(way.acp, patience=PATIENCE, notice=heard.append) as client:
            session = await client.open_session()
            async with session.prompt("hello") as turn:
                fake = await prompted(running)
                said = ""
                for number in range(60):
                    fake.say(f"{number} ")
                    if number % 20 == 10:
                        way.cut()
                    if number % 3 == 0:
                        await trio.sleep(0.005)
                fake.end(StopReason.END_TURN)
                with trio.fail_after(PATIENCE):
                    async for event in turn:
                        if isinstance(event, TextAdded):
                            said += event.text
        assert way.taken == 4

    assert said == "".join(f"{number} " for number in range(60))
    assert turn.stop is StopReason.END_TURN
    assert fake.cancels == 0
    assert "trying again" in heard[0]
    assert "again" in heard[1]


async def test_a_question_that_waits_is_answered_over_the_next_connection(
    nursery: trio.Nursery,
) -> None:
    running = await start_gateway(nursery)
    async with (
        open_way(running.listening.port) as way,
        open_client(way.acp, patience=PATIENCE) as client,
    ):
        session = await client.open_session()
        async with session.prompt("hello") as turn:
            fake = await prompted(running)
            fake.ask_leave(ToolCallPart("c", "delete", '{"path":"x"}'))
            called, asked = await anext(turn), await anext(turn)
            way.cut()
            assert isinstance(asked, PermissionAsked)
            assert await session.permit(asked.call_id, granted=True)
            assert not await session.permit(asked.call_id, granted=True)
            with trio.fail_after(PATIENCE):
                while not fake.permits:  # noqa: ASYNC110 - a fake announces nothing
                    await trio.sleep(0.001)
            fake.happens(ToolProgressed, call_id="c", note="half", done=0.5)
            fake.happens(ToolEnded, call_id="c", name="delete", result="done", is_error=False)
            progressed, ended = await anext(turn), await anext(turn)
            fake.end(StopReason.END_TURN)
            assert [event async for event in turn] == []

    assert fake.permits == [("c", True)]
    assert isinstance(called, ToolCalled)
    assert (called.name, called.arguments) == ("delete", '{"path":"x"}')
    assert (asked.name, asked.arguments) == ("delete", '{"path":"x"}')
    assert isinstance(progressed, ToolProgressed)
    assert isinstance(ended, ToolEnded)
    assert (ended.name, ended.result, ended.is_error) == ("delete", "done", False)


async def test_what_is_said_while_there_is_no_connection_is_sent_later(
    nursery: trio.Nursery,
) -> None:
    running = await start_gateway(nursery, says("fine"))
    lost = trio.Event()
    async with (
        open_way(running.listening.port) as way,
        open_client(way.acp, patience=PATIENCE, notice=lambda _: lost.set()) as client,
    ):
        session = await client.open_session()
        way.closed = True
        way.cut()
        with trio.fail_after(PATIENCE):
            await lost.wait()
            async with session.prompt("hello") as turn:
                await trio.sleep(0.05)
                way.closed = False
                text = "".join([event.text async for event in turn if isinstance(event, TextAdded)])

    assert text == "fine"
    assert len(running.sessions.only.prompts) == 1


async def test_without_patience_a_lost_connection_is_the_end(nursery: trio.Nursery) -> None:
    running = await start_gateway(nursery)
    async with open_way(running.listening.port) as way, open_link(way.acp) as link:
        await call(link, 1, "initialize", protocolVersion=1)
        way.cut()
        with trio.fail_after(PATIENCE), pytest.raises(ConnectionLost, match="was lost"):
            await link.receive()
        with pytest.raises(ConnectionLost):
            link.send("{}")

    assert not link.is_alive


async def test_after_its_patience_it_says_why_there_is_no_connection(
    nursery: trio.Nursery,
) -> None:
    running = await start_gateway(nursery)
    async with open_link(running.acp, patience=0.2) as link:
        await call(link, 1, "initialize", protocolVersion=1)
        running.scope.cancel()
        await running.ended.wait()
        with trio.fail_after(PATIENCE), pytest.raises(CannotConnect, match="nothing listens"):
            await link.receive()


async def test_a_server_that_does_not_let_it_in_is_not_asked_again(nursery: trio.Nursery) -> None:
    running = await start_gateway(nursery, access=Access(["right"]))
    with trio.fail_after(PATIENCE), pytest.raises(CannotConnect) as refused:
        async with open_link(running.acp, "wrong", patience=PATIENCE):
            pass

    assert refused.value.status == 401


async def test_a_session_is_loaded_with_what_was_said_in_it(nursery: trio.Nursery) -> None:
    running = await start_gateway(nursery, says("Good ", "day."))
    async with open_client(running.acp) as client:
        first = await client.open_session()
        async with first.prompt("hello") as turn:
            async for _ in turn:
                pass
    fake = running.sessions.only
    fake.remember("hello", "Good day.")
    async with open_client(running.acp) as client:
        session = await client.load_session(first.id)
        async with session.prompt("and?") as turn:
            text = "".join([event.text async for event in turn if isinstance(event, TextAdded)])

    assert [(said.role, said.text) for said in session.history] == [
        ("user", "hello"),
        ("assistant", "Good day."),
    ]
    assert text == "Good day."
