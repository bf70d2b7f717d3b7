"""ACP where a model acts: tools, leave for them, whom one talks with, and what it costs."""

import json
from typing import Any

import trio

from tests.fakes.gateway import PATIENCE, AcpClient, Running, acp_client, start_gateway
from tests.fakes.sessions import FakeSession
from trouper.actors.chat import ToolCallPart, Usage
from trouper.actors.gateway.auth import Access
from trouper.actors.session.events import (
    StopReason,
    TitleChanged,
    ToolCalled,
    ToolEnded,
    ToolProgressed,
    UsageChanged,
)
from trouper.actors.session.record import Opened, TurnAccepted, TurnOver
from trouper.actors.session.state import replayed
from trouper.actors.wire.session_results import Choices

CALL = ToolCallPart("c1", "delete", '{"path": "/tmp/x"}')
CHOICES = Choices(
    assistants={"default": "large", "tutor": "small"},
    about={"tutor": "Explains, and asks back", "default": ""},
    models=("large", "small"),
    default="default",
    images=frozenset({"large"}),
)


async def prompted(client: AcpClient, running: Running) -> tuple[str, int, FakeSession]:
    """A session with a turn under way."""
    session = await client.open()
    prompt = await client.prompt(session)
    fake = running.sessions.only
    with trio.fail_after(PATIENCE):
        while not fake.prompts:  # noqa: ASYNC110 - a fake announces nothing
            await trio.sleep(0.001)
    return session, prompt, fake


def told(client: AcpClient) -> list[dict[str, Any]]:
    return [update["update"] for update in client.updates]


async def until_asked(client: AcpClient) -> dict[str, Any]:
    """The next request of the server."""
    while "id" not in (body := await client.next()):
        client.updates.append(body["params"])
    assert body["method"] == "session/request_permission"
    return body


async def settled(fake: FakeSession, permits: int = 1) -> None:
    with trio.fail_after(PATIENCE):
        while len(fake.permits) < permits:  # noqa: ASYNC110 - as above
            await trio.sleep(0.001)


def outcome(option: str) -> dict[str, Any]:
    return {"outcome": {"outcome": "selected", "optionId": option}}


async def test_a_tool_is_told_from_its_call_to_its_result(nursery: trio.Nursery) -> None:
    running = await start_gateway(nursery)
    async with acp_client(running) as client:
        _, prompt, fake = await prompted(client, running)
        fake.happens(ToolCalled, call_id="c1", name="clock", arguments='{"zone": "UTC"}')
        fake.happens(ToolProgressed, call_id="c1", note="looking", done=0.5)
        fake.happens(ToolEnded, call_id="c1", name="clock", result="noon", is_error=False)
        fake.happens(ToolCalled, call_id="c2", name="clock", arguments="{")
        fake.happens(ToolEnded, call_id="c2", name="clock", result="no JSON", is_error=True)
        fake.end(StopReason.END_TURN)
        await client.answer(prompt)

    called, progressed, ended, again, failed = told(client)
    assert called == {
        "sessionUpdate": "tool_call",
        "toolCallId": "1/c1",
        "title": "clock",
        "kind": "other",
        "rawInput": {"zone": "UTC"},
        "status": "in_progress",
        "_meta": {"trouper.dev/seq": 2},
    }
    assert (progressed["status"], progressed["_meta"]["trouper.dev/done"]) == ("in_progress", 0.5)
    assert (ended["toolCallId"], ended["status"]) == ("1/c1", "completed")
    assert ended["content"] == [{"type": "content", "content": {"type": "text", "text": "noon"}}]
    assert again["rawInput"] == "{"
    assert (failed["toolCallId"], failed["status"]) == ("1/c2", "failed")


async def test_a_result_of_any_length_is_shown_in_part(nursery: trio.Nursery) -> None:
    running = await start_gateway(nursery)
    async with acp_client(running) as client:
        _, prompt, fake = await prompted(client, running)
        long = json.dumps({"text": "x" * 500_000})
        fake.happens(ToolCalled, call_id="c", name="read", arguments=long)
        fake.happens(ToolEnded, call_id="c", name="read", result="y" * 500_000, is_error=False)
        fake.end(StopReason.END_TURN)
        await client.answer(prompt)

    called, ended = told(client)
    assert len(called["rawInput"]) < 40_000
    text = ended["content"][0]["content"]["text"]
    assert text.endswith("characters more]")
    assert len(text) < 40_000


async def test_leave_is_asked_and_what_the_client_chooses_is_done(nursery: trio.Nursery) -> None:
    running = await start_gateway(nursery)
    async with acp_client(running) as client:
        session, _, fake = await prompted(client, running)
        fake.ask_leave(CALL)
        asked = await until_asked(client)
        await client.send({"jsonrpc": "2.0", "id": asked["id"], "result": outcome("allow")})
        await settled(fake)
        fake.ask_leave(ToolCallPart("c2", "delete", "{}"))
        again = await until_asked(client)
        await client.send({"jsonrpc": "2.0", "id": again["id"], "result": outcome("reject")})
        await settled(fake, 2)

    params = asked["params"]
    assert params["sessionId"] == session
    assert params["toolCall"]["toolCallId"] == "1/c1"
    assert (params["toolCall"]["status"], params["toolCall"]["title"]) == ("pending", "delete")
    assert {option["kind"] for option in params["options"]} == {"allow_once", "reject_once"}
    assert fake.permits == [("c1", True), ("c2", False)]
    statuses = [update["status"] for update in told(client) if "status" in update]
    assert statuses[:3] == ["in_progress", "pending", "in_progress"]


async def test_whatever_is_not_leave_is_none(nursery: trio.Nursery) -> None:
    answers: list[dict[str, Any]] = [
        {"result": {"outcome": {"outcome": "cancelled"}}},
        {"result": outcome("something else")},
        {"result": None},
        {"result": {"outcome": "selected"}},
        {"error": {"code": -32603, "message": "broken"}},
    ]
    running = await start_gateway(nursery)
    async with acp_client(running) as client:
        _, _, fake = await prompted(client, running)
        for number, answer in enumerate(answers):
            fake.ask_leave(ToolCallPart(f"c{number}", "delete", "{}"))
            asked = await until_asked(client)
            await client.send({"jsonrpc": "2.0", "id": asked["id"], **answer})
            await settled(fake, number + 1)

    assert [granted for _, granted in fake.permits] == [False] * len(answers)


async def test_a_client_that_cannot_answer_leaves_it_to_others_and_the_rest_need_not(
    nursery: trio.Nursery,
) -> None:
    running = await start_gateway(nursery)
    async with acp_client(running) as bot, acp_client(running) as person:
        session, _, fake = await prompted(bot, running)
        await person.initialize()
        await person.call("session/resume", {"sessionId": session, "cwd": "/"})
        fake.ask_leave(CALL)
        at_bot, at_person = await until_asked(bot), await until_asked(person)
        unknown = {"code": -32601, "message": "no such method"}
        await bot.send({"jsonrpc": "2.0", "id": at_bot["id"], "error": unknown})
        await person.send({"jsonrpc": "2.0", "id": at_person["id"], "result": outcome("allow")})
        await settled(fake)
        fake.ask_leave(ToolCallPart("c2", "delete", "{}"))
        question = await until_asked(bot)
        second = await until_asked(person)
        await person.send({"jsonrpc": "2.0", "id": second["id"], "result": outcome("reject")})
        while (withdrawn := await bot.next())["method"] == "session/update":
            pass
        # It comes too late, and harms nobody.
        await bot.send({"jsonrpc": "2.0", "id": question["id"], "result": outcome("allow")})
        await bot.call("session/list", {})

    assert fake.permits == [("c1", True), ("c2", False)]
    assert withdrawn["method"] == "$/cancel_request"
    assert withdrawn["params"] == {"requestId": question["id"]}


async def test_a_client_that_comes_back_is_asked_again(nursery: trio.Nursery) -> None:
    running = await start_gateway(nursery)
    async with acp_client(running) as client:
        session, _, fake = await prompted(client, running)
        fake.ask_leave(CALL)
        await until_asked(client)
    await running.settled()
    async with acp_client(running) as client:
        await client.initialize()
        after = {"trouper.dev/afterSeq": fake.seq}
        resume = await client.begin(
            "session/resume", {"sessionId": session, "cwd": "/", "_meta": after}
        )
        asked = await until_asked(client)
        await client.answer(resume)
        await client.send({"jsonrpc": "2.0", "id": asked["id"], "result": outcome("allow")})
        await settled(fake)

    assert fake.permits == [("c1", True)]


async def test_whom_one_talks_with_is_shown_and_switched_for_all(nursery: trio.Nursery) -> None:
    running = await start_gateway(nursery, choices=CHOICES)
    async with acp_client(running) as one, acp_client(running) as two:
        await one.initialize()
        opened = (await one.call("session/new", {"cwd": "/", "mcpServers": []}))["result"]
        session = opened["sessionId"]
        await two.initialize()
        await two.call("session/resume", {"sessionId": session, "cwd": "/"})
        mode = await one.call("session/set_mode", {"sessionId": session, "modeId": "tutor"})
        chosen = await one.call(
            "session/set_config_option",
            {"sessionId": session, "configId": "model", "value": "large"},
        )
        assistant = await one.call(
            "session/set_config_option",
            {"sessionId": session, "configId": "assistant", "value": "tutor"},
        )
        nobody = await one.call("session/set_mode", {"sessionId": session, "modeId": "butler"})
        nothing = await one.call(
            "session/set_config_option", {"sessionId": session, "configId": "x", "value": "y"}
        )
        no_model = await one.call(
            "session/set_config_option", {"sessionId": session, "configId": "model", "value": "m"}
        )
        await two.call("session/list", {})

    assert opened["modes"]["currentModeId"] == "default"
    tutor = {"name": "tutor", "description": "Explains, and asks back"}
    default = {"name": "default"}
    modes = [{"id": "default"} | default, {"id": "tutor"} | tutor]
    assert opened["modes"]["availableModes"] == modes
    options = [{"value": "default"} | default, {"value": "tutor"} | tutor]
    assert opened["configOptions"][0]["options"] == options
    values = [(option["id"], option["currentValue"]) for option in opened["configOptions"]]
    assert values == [("assistant", "default"), ("model", "large")]
    assert mode["result"] == {}
    with_model = [option["currentValue"] for option in chosen["result"]["configOptions"]]
    assert with_model == ["tutor", "large"]
    with_own = [option["currentValue"] for option in assistant["result"]["configOptions"]]
    assert with_own == ["tutor", "small"]
    refusals = (nobody, nothing, no_model)
    assert [answer["error"]["code"] for answer in refusals] == [-32602] * 3
    kinds = [update["sessionUpdate"] for update in told(two)]
    switched = ["current_mode_update", "config_option_update"]
    assert kinds == [*switched, "config_option_update", *switched]
    assert told(two)[0]["currentModeId"] == "tutor"


async def test_a_picture_is_only_for_a_model_that_sees(nursery: trio.Nursery) -> None:
    running = await start_gateway(nursery, choices=CHOICES)
    picture = {"type": "image", "mimeType": "image/png", "data": "aGk="}
    async with acp_client(running) as client:
        hello = await client.initialize()
        session = await client.open()
        prompt = {"sessionId": session, "prompt": [picture]}
        seen = await client.begin("session/prompt", prompt)
        fake = running.sessions.only
        with trio.fail_after(PATIENCE):
            while not fake.prompts:  # noqa: ASYNC110 - as above
                await trio.sleep(0.001)
        fake.end(StopReason.END_TURN)
        await client.answer(seen)
        await client.call("session/set_mode", {"sessionId": session, "modeId": "tutor"})
        blind = await client.call("session/prompt", prompt)

    assert hello["result"]["agentCapabilities"]["promptCapabilities"]["image"] is True
    assert "'small' sees no pictures; those that do: large" in blind["error"]["message"]


async def test_cost_adds_up_over_turns_and_is_left_out_where_it_is_not_known(
    nursery: trio.Nursery,
) -> None:
    running = await start_gateway(nursery)
    async with acp_client(running) as client:
        _, prompt, fake = await prompted(client, running)
        usage = Usage(input=5, output=2)
        fake.happens(UsageChanged, usage=usage, cost=1_000_000_000, context=7, window=4096)
        fake.happens(UsageChanged, usage=usage, cost=1_500_000_000, context=9, window=4096)
        fake.happens(TitleChanged, title="Of time")
        fake.end(StopReason.END_TURN)
        await client.answer(prompt)
        for cost in (500_000_000, None, 1):
            prompt = await client.prompt(fake.id)
            with trio.fail_after(PATIENCE):
                while fake.turn is None:  # noqa: ASYNC110 - as above
                    await trio.sleep(0.001)
            fake.happens(UsageChanged, usage=usage, cost=cost)
            fake.end(StopReason.END_TURN)
            await client.answer(prompt)

    costs = [update.get("cost") for update in told(client) if "used" in update]
    dollars = [None if cost is None else cost["amount"] for cost in costs]
    assert dollars == [1.0, 1.5, 2.0, None, None]
    assert costs[0] == {"amount": 1.0, "currency": "USD"}
    assert (told(client)[1]["used"], told(client)[1]["size"]) == (9, 4096)
    assert told(client)[2]["title"] == "Of time"


async def test_a_session_that_is_resumed_knows_its_assistant_and_its_cost(
    nursery: trio.Nursery,
) -> None:
    running = await start_gateway(nursery, choices=CHOICES, access=Access())
    async with acp_client(running) as one, acp_client(running) as two:
        session = await one.open()
        state = replayed(
            (record, 1.0)
            for record in (
                Opened(owner="local", assistant="tutor"),
                TurnAccepted(turn=1, seq=1, parts=()),
                TurnOver(turn=1, seq=2, stop="end_turn"),
            )
        )
        running.sessions.only.state = state
        await two.initialize()
        resumed = await two.call("session/resume", {"sessionId": session, "cwd": "/"})

    assert resumed["result"]["modes"]["currentModeId"] == "tutor"
