"""Clients that leave and come back: what they leave behind, and what they find."""

from typing import Any

import pytest
import trio

from tests.fakes.gateway import PATIENCE, AcpClient, Running, acp_client, start_gateway
from tests.fakes.sessions import FakeSession
from trouper.actors.session.events import TitleChanged
from trouper.actors.session.messages import CancelTurn, Detach
from trouper.actors.wire.session import BUSY, NOT_FOUND
from trouper.runtime.errors import MailboxFull


async def opened_before(running: Running) -> tuple[str, FakeSession]:
    """A session that nobody listens to, and that is slow to say what was before."""
    async with acp_client(running) as client:
        session = await client.open()
    fake = running.sessions.only
    await until_left(fake)
    fake.hold_transcript = trio.Event()
    return session, fake


async def until_left(fake: FakeSession) -> None:
    with trio.fail_after(PATIENCE):
        while len(fake.broadcast):  # noqa: ASYNC110 - a fake announces nothing
            await trio.sleep(0.001)


async def heard(client: AcpClient) -> None:
    """Until all that was sent before has been begun."""
    await client.call("session/list", {})


async def both(client: AcpClient) -> list[dict[str, Any]]:
    """The next two answers, in whichever order."""
    answers: list[dict[str, Any]] = []
    while len(answers) < 2:
        if "id" in (body := await client.next()):
            answers.append(body)
        else:
            client.keep(body)
    return answers


async def test_a_call_to_cancel_what_is_no_session_is_told_so(nursery: trio.Nursery) -> None:
    running = await start_gateway(nursery)
    async with acp_client(running) as client:
        await client.initialize()
        answer = await client.call("session/cancel", {"sessionId": "nobody's"})

    assert answer["error"]["code"] == NOT_FOUND


async def test_a_client_that_comes_back_can_cancel_its_turn(nursery: trio.Nursery) -> None:
    running = await start_gateway(nursery)
    async with acp_client(running) as client:
        session = await client.open()
        await client.prompt(session)
        with trio.fail_after(PATIENCE):
            while not running.sessions.only.prompts:  # noqa: ASYNC110 - a fake announces nothing
                await trio.sleep(0.001)
    async with acp_client(running) as again:
        await again.initialize()
        answer = await again.call("session/cancel", {"sessionId": session})

    assert answer["result"] is None
    assert running.sessions.only.cancels == 1
    assert running.sessions.only.turn is None


async def test_a_client_that_leaves_while_it_is_attached_leaves_no_attachment(
    nursery: trio.Nursery,
) -> None:
    running = await start_gateway(nursery)
    # The session has taken the attachment, and its answer is still on its way.
    running.sessions.hold_attach = trio.Event()
    async with acp_client(running) as client:
        await client.initialize()
        await client.begin("session/new", {"cwd": "/", "mcpServers": []})
        with trio.fail_after(PATIENCE):
            while not (  # noqa: ASYNC110 - a fake announces nothing
                running.sessions.opened and running.sessions.only.attachments
            ):
                await trio.sleep(0.001)
    with trio.fail_after(PATIENCE):
        while running.sessions.only.attachments:  # noqa: ASYNC110 - a fake announces nothing
            await trio.sleep(0.001)


@pytest.mark.parametrize("method", ["session/load", "session/resume"])
async def test_a_session_closed_while_it_is_loaded_is_left_once_it_is(
    nursery: trio.Nursery, method: str
) -> None:
    running = await start_gateway(nursery)
    session, fake = await opened_before(running)
    assert fake.hold_transcript is not None
    async with acp_client(running) as client:
        await client.initialize()
        joining = await client.begin(method, {"sessionId": session, "cwd": "/"})
        closing = await client.begin("session/close", {"sessionId": session})
        again = await client.begin("session/close", {"sessionId": session})
        await heard(client)
        fake.hold_transcript.set()
        joined = await client.answer(joining)
        answers = await both(client)

        assert "result" in joined
        assert {answer["id"]: answer["result"] for answer in answers} == {closing: {}, again: {}}
        assert len(fake.broadcast) == 0


async def test_a_session_that_is_loaded_while_it_is_attached_has_one_listener(
    nursery: trio.Nursery,
) -> None:
    running = await start_gateway(nursery)
    session, fake = await opened_before(running)
    assert fake.hold_transcript is not None
    async with acp_client(running) as client:
        await client.initialize()
        await client.begin("session/set_mode", {"sessionId": session, "modeId": "tutor"})
        await heard(client)
        await client.begin("session/load", {"sessionId": session, "cwd": "/"})
        await heard(client)
        fake.hold_transcript.set()
        answers = await both(client)
        listeners = len(fake.broadcast)
    await until_left(fake)

    assert all("error" not in answer for answer in answers)
    assert listeners == 1


async def test_a_session_that_had_no_room_for_a_farewell_is_left_with_its_next_event(
    nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = await start_gateway(nursery)
    async with acp_client(running) as client:
        session = await client.open()
        fake = running.sessions.only
        tell = fake.tell

        def full(message: CancelTurn | Detach, /) -> None:
            if isinstance(message, Detach):
                raise MailboxFull(f"sessions/{session}", 64)

        monkeypatch.setattr(fake, "tell", full)
        await client.call("session/close", {"sessionId": session})
        monkeypatch.setattr(fake, "tell", tell)
        assert len(fake.broadcast) == 1
        fake.happens(TitleChanged, title="Anything")
        await heard(client)

    assert client.updates == []
    assert len(fake.broadcast) == 0


async def test_a_session_is_not_switched_while_it_is_loaded(nursery: trio.Nursery) -> None:
    running = await start_gateway(nursery)
    session, fake = await opened_before(running)
    assert fake.hold_transcript is not None
    mode = {"sessionId": session, "modeId": "tutor"}
    option = {"sessionId": session, "configId": "assistant", "value": "tutor"}
    async with acp_client(running) as client:
        await client.initialize()
        loading = await client.begin("session/load", {"sessionId": session, "cwd": "/"})
        refused = [
            await client.call("session/set_mode", mode),
            await client.call("session/set_config_option", option),
        ]
        fake.hold_transcript.set()
        await client.answer(loading)
        switched = await client.call("session/set_mode", mode)

    assert [answer["error"]["code"] for answer in refused] == [BUSY, BUSY]
    assert "still being loaded" in refused[0]["error"]["message"]
    assert switched["result"] == {}


async def test_requests_that_attach_at_once_are_told_each_event_once(
    nursery: trio.Nursery,
) -> None:
    running = await start_gateway(nursery)
    session, fake = await opened_before(running)
    assert fake.hold_transcript is not None
    mode = {"sessionId": session, "modeId": "tutor"}
    async with acp_client(running) as client:
        await client.initialize()
        await client.begin("session/set_mode", mode)
        await client.begin("session/set_mode", mode)
        await heard(client)
        fake.happens(TitleChanged, title="Meanwhile")
        fake.hold_transcript.set()
        await both(client)

    kinds = [update["update"]["sessionUpdate"] for update in client.updates]
    assert kinds.count("session_info_update") == 1
