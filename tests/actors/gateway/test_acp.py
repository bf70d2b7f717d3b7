"""ACP over a real websocket: turns, cancels, several sessions, and everything that goes wrong."""

import pytest
import trio

from tests.fakes.gateway import PATIENCE, acp_client, start_gateway
from tests.fakes.sessions import FakeSession, says
from trouper.actors.chat import TextPart, Usage
from trouper.actors.errors import SessionError
from trouper.actors.gateway.limits import Limits
from trouper.actors.session.events import StopReason
from trouper.actors.wire.session import BUSY, NOT_FOUND, TOO_MANY, TURN_FAILED
from trouper.runtime.errors import ActorCrashed, ActorDown, MailboxFull

INVALID_PARAMS, INTERNAL_ERROR = -32602, -32603


async def until(session: FakeSession, prompts: int = 1) -> None:
    """Wait until the session has been prompted."""
    with trio.fail_after(PATIENCE):
        while len(session.prompts) < prompts:  # noqa: ASYNC110 - a fake announces nothing
            await trio.sleep(0.001)


async def test_an_answer_that_begins_again_is_told_in_words_and_by_our_extension(
    nursery: trio.Nursery,
) -> None:
    async def behave(session: FakeSession) -> None:
        session.say("Once upon")
        session.begin_again()
        session.say("There was")
        session.end(StopReason.END_TURN)

    running = await start_gateway(nursery, behave)
    async with acp_client(running) as client:
        await client.initialize()
        session = await client.open()
        await client.answer(await client.prompt(session, "hi"))

    metas = [update["update"]["_meta"] for update in client.updates]
    assert client.said == ("Once upon\n\n[The answer broke off. It begins again:]\n\nThere was")
    assert [meta.get("trouper.dev/reset") for meta in metas] == [None, True, None]


async def test_a_turn_is_streamed_and_then_answered(nursery: trio.Nursery) -> None:
    usage = Usage(input=7, output=3)
    running = await start_gateway(nursery, says("Hel", "lo ", "there", usage=usage))
    async with acp_client(running) as client:
        hello = await client.initialize()
        session = await client.open()
        answer = await client.answer(await client.prompt(session, "hi"))

    assert hello["result"]["protocolVersion"] == 1
    assert hello["result"]["agentInfo"]["version"] == "0.0.test"
    assert running.sessions.only.prompts == [(TextPart("hi"),)]
    assert client.said == "Hello there"
    assert [update["sessionId"] for update in client.updates] == [session] * len(client.updates)
    assert client.updates[-1]["update"]["sessionUpdate"] == "usage_update"
    assert client.updates[-1]["update"]["used"] == 10
    seqs = [update["update"]["_meta"]["trouper.dev/seq"] for update in client.updates]
    assert seqs == sorted(set(seqs))
    assert answer["result"]["stopReason"] == "end_turn"
    assert answer["result"]["_meta"]["trouper.dev/usage"]["inputTokens"] == 7
    assert answer["result"]["_meta"]["trouper.dev/seq"] == seqs[-1] + 1


async def test_thoughts_are_told_from_text(nursery: trio.Nursery) -> None:
    async def think(session: FakeSession) -> None:
        session.think("hm")
        session.say("yes")
        session.end(StopReason.MAX_TOKENS)

    running = await start_gateway(nursery, think)
    async with acp_client(running) as client:
        answer = await client.answer(await client.prompt(await client.open()))

    kinds = [update["update"]["sessionUpdate"] for update in client.updates]
    assert kinds == ["agent_thought_chunk", "agent_message_chunk"]
    assert answer["result"]["stopReason"] == "max_tokens"


async def test_a_failed_turn_is_an_error_in_plain_words_and_the_next_one_works(
    nursery: trio.Nursery,
) -> None:
    running = await start_gateway(nursery)
    async with acp_client(running) as client:
        session = await client.open()
        first = await client.prompt(session)
        await until(running.sessions.only)
        running.sessions.only.end(StopReason.ERROR, "the provider is overloaded", retryable=True)
        failed = await client.answer(first)
        second = await client.prompt(session)
        await until(running.sessions.only, prompts=2)
        running.sessions.only.end(StopReason.REFUSAL)
        worked = await client.answer(second)

    assert failed["error"]["code"] == TURN_FAILED
    assert failed["error"]["message"] == "the provider is overloaded"
    assert failed["error"]["data"]["retryable"] is True
    assert worked["result"]["stopReason"] == "refusal"


async def test_a_cancelled_turn_is_answered_as_cancelled(nursery: trio.Nursery) -> None:
    running = await start_gateway(nursery)
    async with acp_client(running) as client:
        session = await client.open()
        prompt = await client.prompt(session)
        await until(running.sessions.only)
        running.sessions.only.say("never fin")
        await client.notify("session/cancel", {"sessionId": session})
        answer = await client.answer(prompt)

    assert client.said == "never fin"
    assert answer["result"]["stopReason"] == "cancelled"


async def test_a_cancel_that_overtakes_its_prompt_is_not_lost(nursery: trio.Nursery) -> None:
    running = await start_gateway(nursery)
    async with acp_client(running) as client:
        session = await client.open()
        running.sessions.only.hold = trio.Event()
        prompt = await client.prompt(session)
        await client.notify("session/cancel", {"sessionId": session})
        # The reader has seen the cancel when it has answered what came behind it.
        await client.initialize()
        assert running.sessions.only.cancels == 0
        running.sessions.only.hold.set()
        answer = await client.answer(prompt)

    assert answer["result"]["stopReason"] == "cancelled"


async def test_a_turn_that_ends_before_its_number_is_known_is_answered(
    nursery: trio.Nursery,
) -> None:
    running = await start_gateway(nursery, says("quick"))
    async with acp_client(running) as client:
        session = await client.open()
        running.sessions.only.hold = trio.Event()
        prompt = await client.prompt(session)
        update = await client.next()
        running.sessions.only.hold.set()
        answer = await client.answer(prompt)

    assert update["params"]["update"]["content"]["text"] == "quick"
    assert answer["result"]["stopReason"] == "end_turn"


async def test_giving_up_the_request_cancels_its_turn(nursery: trio.Nursery) -> None:
    running = await start_gateway(nursery)
    async with acp_client(running) as client:
        prompt = await client.prompt(await client.open())
        await until(running.sessions.only)
        await client.notify("$/cancel_request", {"requestId": prompt + 1000})
        await client.notify("$/cancel_request", {"requestId": prompt})
        answer = await client.answer(prompt)

    assert answer["result"]["stopReason"] == "cancelled"
    assert running.sessions.only.cancels == 1


async def test_a_cancel_without_a_turn_or_session_harms_nobody(nursery: trio.Nursery) -> None:
    running = await start_gateway(nursery, says("ok"))
    async with acp_client(running) as client:
        session = await client.open()
        await client.notify("session/cancel", {"sessionId": session})
        await client.notify("session/cancel", {"sessionId": "nobody's"})
        asked = await client.call("session/cancel", {"sessionId": session})
        answer = await client.answer(await client.prompt(session))

    assert asked["result"] is None
    assert answer["result"]["stopReason"] == "end_turn"


async def test_a_second_prompt_during_a_turn_is_refused_and_the_turn_goes_on(
    nursery: trio.Nursery,
) -> None:
    running = await start_gateway(nursery)
    async with acp_client(running) as client:
        session = await client.open()
        first = await client.prompt(session)
        await until(running.sessions.only)
        refused = await client.answer(await client.prompt(session))
        running.sessions.only.say("done")
        running.sessions.only.end(StopReason.END_TURN)
        answer = await client.answer(first)

    assert refused["error"]["code"] == BUSY
    assert "session/cancel" in refused["error"]["message"]
    assert answer["result"]["stopReason"] == "end_turn"


async def test_the_turn_of_another_listener_is_shown_and_refuses_ours(
    nursery: trio.Nursery,
) -> None:
    running = await start_gateway(nursery)
    async with acp_client(running) as one, acp_client(running) as two:
        session = await one.open()
        await two.initialize()
        first = await one.prompt(session)
        await until(running.sessions.only)
        refused = await two.answer(await two.prompt(session))
        running.sessions.only.say("both")
        running.sessions.only.end(StopReason.END_TURN)
        await one.answer(first)
        update = await two.next()

    assert refused["error"]["code"] == BUSY
    assert update["params"]["update"]["content"]["text"] == "both"


async def test_several_sessions_talk_at_once_on_one_connection(nursery: trio.Nursery) -> None:
    running = await start_gateway(nursery, limits=Limits(sessions_per_connection=2))
    async with acp_client(running) as client:
        ids = [await client.open(), await client.open()]
        refused = await client.call("session/new", {"cwd": "/", "mcpServers": []})
        prompts = [await client.prompt(id) for id in ids]
        for id in ids:
            await until(running.sessions.opened[id])
        for id in reversed(ids):
            running.sessions.opened[id].say(f"from {id}")
            running.sessions.opened[id].end(StopReason.END_TURN)
        for prompt in reversed(prompts):
            await client.answer(prompt)

    told = {update["sessionId"]: update["update"]["content"]["text"] for update in client.updates}
    assert told == {id: f"from {id}" for id in ids}
    assert refused["error"]["code"] == TOO_MANY
    assert "another connection" in refused["error"]["message"]


async def test_too_many_requests_under_way_are_refused(nursery: trio.Nursery) -> None:
    running = await start_gateway(nursery, limits=Limits(requests_per_connection=1))
    async with acp_client(running) as client:
        ids = [await client.open(), await client.open()]
        for session in running.sessions.opened.values():
            session.hold = trio.Event()
        await client.prompt(ids[0])
        refused = await client.answer(await client.prompt(ids[1]))

    assert refused["error"]["code"] == TOO_MANY


async def test_a_client_that_leaves_is_detached_and_its_turn_goes_on(
    nursery: trio.Nursery,
) -> None:
    running = await start_gateway(nursery)
    async with acp_client(running) as client:
        session = await client.open()
        await client.prompt(session)
        await until(running.sessions.only)
    await running.settled()

    assert running.sessions.only.attachments == []
    assert running.sessions.only.cancels == 0
    running.sessions.only.say("to nobody")
    running.sessions.only.end(StopReason.END_TURN)
    async with acp_client(running) as client:
        await client.initialize()
        prompt = await client.prompt(session)
        await until(running.sessions.only, prompts=2)
        running.sessions.only.say("welcome back")
        running.sessions.only.end(StopReason.END_TURN)
        await client.answer(prompt)
    assert client.said == "welcome back"


async def test_an_unknown_session_or_assistant_is_named(nursery: trio.Nursery) -> None:
    running = await start_gateway(nursery)
    async with acp_client(running) as client:
        await client.initialize()
        session = await client.answer(await client.prompt("nope"))
        assistant = await client.call("session/new", {"_meta": {"trouper.dev/assistant": "butler"}})

    assert session["error"]["code"] == NOT_FOUND
    assert "'nope'" in session["error"]["message"]
    assert assistant["error"]["code"] == INVALID_PARAMS
    assert "configured are: default" in assistant["error"]["message"]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ActorDown("sessions/1", "it has stopped"), NOT_FOUND),
        (ActorCrashed("sessions/1", "it crashed"), INTERNAL_ERROR),
        (MailboxFull("sessions/1", 64), TOO_MANY),
        (SessionError("the conversation is full"), TURN_FAILED),
    ],
)
async def test_a_session_that_fails_is_an_answer_and_not_the_end_of_the_connection(
    nursery: trio.Nursery, error: Exception, code: int
) -> None:
    running = await start_gateway(nursery, says("ok"))
    async with acp_client(running) as client:
        session = await client.open()
        running.sessions.only.down = error
        failed = await client.answer(await client.prompt(session))
        running.sessions.only.down = None
        worked = await client.answer(await client.prompt(session))
        running.sessions.broken = error
        unopened = await client.call("session/new", {})

    assert failed["error"]["code"] == code
    assert worked["result"]["stopReason"] == "end_turn"
    assert unopened["error"]["code"] == code


async def test_a_session_that_has_ended_makes_room_for_another(nursery: trio.Nursery) -> None:
    running = await start_gateway(nursery, limits=Limits(sessions_per_connection=1))
    async with acp_client(running) as client:
        session = await client.open()
        running.sessions.only.down = ActorDown("sessions/1", "it has crashed")
        failed = await client.answer(await client.prompt(session))
        second = await client.open()

    assert failed["error"]["code"] == NOT_FOUND
    assert second != session


async def test_a_cancel_that_finds_no_room_is_said(nursery: trio.Nursery) -> None:
    running = await start_gateway(nursery)
    async with acp_client(running) as client:
        session = await client.open()
        running.sessions.only.refuses = MailboxFull("sessions/1", 64)
        await client.notify("session/cancel", {"sessionId": session})
        answer = await client.answer(None)

    assert answer["error"]["code"] == TOO_MANY


async def test_a_cancelled_prompt_that_was_not_yet_running_ends_the_turn_once(
    nursery: trio.Nursery,
) -> None:
    running = await start_gateway(nursery)
    async with acp_client(running) as client:
        session = await client.open()
        prompt = await client.prompt(session)
        await until(running.sessions.only)
        for _ in range(3):
            await client.notify("session/cancel", {"sessionId": session})
        answer = await client.answer(prompt)
        again = await client.prompt(session)
        await until(running.sessions.only, prompts=2)
        running.sessions.only.end(StopReason.END_TURN)
        clean = await client.answer(again)

    assert answer["result"]["stopReason"] == "cancelled"
    assert clean["result"]["stopReason"] == "end_turn"
