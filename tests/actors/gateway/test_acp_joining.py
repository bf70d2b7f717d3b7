"""ACP's ways into a session that is there already: list, load, resume; and out of it: close, delete."""

from typing import Any

import trio

from tests.fakes.gateway import PATIENCE, AcpClient, acp_client, start_gateway
from tests.fakes.sessions import FakeSession, says
from trouper.actors.chat import (
    Finish,
    ImagePart,
    Message,
    Part,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolResultPart,
)
from trouper.actors.gateway.auth import Access
from trouper.actors.gateway.limits import Limits
from trouper.actors.session.events import StopReason
from trouper.actors.session.record import (
    Answered,
    Record,
    Titled,
    ToolIntended,
    ToolReturned,
    TurnAccepted,
    TurnOver,
)
from trouper.actors.session.state import replayed
from trouper.actors.wire.session import BUSY, EVENTS_GONE, NOT_FOUND

INVALID_PARAMS = -32602


def join(session: str, **meta: Any) -> dict[str, Any]:
    params: dict[str, Any] = {"sessionId": session, "cwd": "/", "mcpServers": []}
    return {**params, "_meta": meta} if meta else params


def seqs(client: AcpClient) -> list[int]:
    return [update["update"]["_meta"]["trouper.dev/seq"] for update in client.updates]


def kinds(client: AcpClient) -> list[str]:
    return [update["update"]["sessionUpdate"] for update in client.updates]


def asked(turn: int, seq: int, *parts: Part) -> Record:
    return TurnAccepted(turn=turn, seq=seq, parts=parts)


def said(turn: int, seq: int, *parts: Part) -> Record:
    message = Message("assistant", parts)
    return Answered(
        turn=turn, first=seq, seq=seq, cuts=(), message=message, finish=Finish.STOP, target="a/b"
    )


def remember(session: FakeSession, *records: Record) -> None:
    session.state = replayed((record, 1.0) for record in records)


async def test_all_sessions_of_a_principal_are_listed_page_by_page(nursery: trio.Nursery) -> None:
    running = await start_gateway(nursery, access=Access(["alice", "bob"]))
    running.sessions.owners.update({f"s{number:03}": "" for number in range(120)})

    def as_user(token: str) -> Any:
        return acp_client(running, extra_headers=[(b"authorization", f"Bearer {token}".encode())])

    async with as_user("alice") as alice, as_user("bob") as bob:
        mine = await alice.open()
        owner = running.sessions.owners[mine]
        fake = running.sessions.only
        running.sessions.opened |= {f"s{number:03}": fake for number in range(120)}
        running.sessions.owners |= {f"s{number:03}": owner for number in range(120)}
        pages: list[Any] = []
        cursor: dict[str, str] = {}
        while True:
            page = (await alice.call("session/list", {"cwd": "/home/alice", **cursor}))["result"]
            pages.append(page["sessions"])
            if "nextCursor" not in page:
                break
            cursor = {"cursor": page["nextCursor"]}
        await bob.initialize()
        others = await bob.call("session/list", {})
        wrong = await bob.call("session/list", {"cursor": "x"})

    assert [len(page) for page in pages] == [50, 50, 21]
    ids = [session["sessionId"] for page in pages for session in page]
    assert ids == sorted({mine, *(f"s{number:03}" for number in range(120))})
    assert pages[0][0] == {
        "sessionId": ids[0],
        "cwd": "/home/alice",
        "title": f"title of {ids[0]}",
        "updatedAt": "2026-11-21T12:00:00+00:00",
    }
    assert others["result"]["sessions"] == []
    assert wrong["error"]["code"] == INVALID_PARAMS


async def test_a_loaded_session_tells_all_of_it_and_then_goes_on(nursery: trio.Nursery) -> None:
    running = await start_gateway(nursery, says("And more."))
    async with acp_client(running) as one, acp_client(running) as two:
        session = await one.open()
        call = ToolCallPart("c1", "clock", '{"zone": "UTC"}')
        lost = ToolCallPart("c2", "clock", "{")
        remember(
            running.sessions.only,
            Titled(title="About time"),
            asked(1, 1, TextPart("hi"), ImagePart("data:image/png;base64,aGk=")),
            said(1, 2, ThinkingPart("hm"), TextPart("I look."), call, lost),
            ToolIntended(turn=1, call=call),
            ToolIntended(turn=1, call=lost),
            ToolReturned(turn=1, result=ToolResultPart("c1", "noon")),
            said(1, 3, TextPart("It is noon.")),
            TurnOver(turn=1, seq=4, stop="end_turn"),
        )
        running.sessions.only.broadcast.seq = running.sessions.only.seq = 4
        await two.initialize()
        loaded = await two.call("session/load", join(session))
        history = kinds(two)
        await two.answer(await two.prompt(session, "go on"))

    assert history == [
        "session_info_update",
        "user_message_chunk",
        "user_message_chunk",
        "agent_thought_chunk",
        "agent_message_chunk",
        "tool_call",
        "tool_call",
        "agent_message_chunk",
    ]
    told = [update["update"] for update in two.updates]
    assert told[0]["title"] == "About time"
    assert told[2]["content"] == {"type": "image", "mimeType": "image/png", "data": "aGk="}
    assert told[5]["rawInput"] == {"zone": "UTC"}
    assert (told[5]["status"], told[5]["content"][0]["content"]["text"]) == ("completed", "noon")
    assert (told[6]["status"], told[6]["rawInput"]) == ("failed", "{")
    assert "not known" in told[6]["content"][0]["content"]["text"]
    assert all(update["_meta"] == {"trouper.dev/replayed": True} for update in told[:8])
    assert loaded["result"]["_meta"]["trouper.dev/seq"] == 4
    assert two.said == "I look.It is noon.And more."


async def test_a_history_of_many_times_the_outbox_is_loaded_whole(nursery: trio.Nursery) -> None:
    running = await start_gateway(nursery, limits=Limits(outbox_bytes=96 * 1024))
    text = "0123456789abcdef" * 40_000
    async with acp_client(running) as client:
        session = await client.open()
        remember(
            running.sessions.only,
            asked(1, 1, TextPart("long, please")),
            said(1, 2, TextPart(text)),
            TurnOver(turn=1, seq=3, stop="end_turn"),
        )
        running.sessions.only.broadcast.seq = 3
        await client.call("session/load", join(session))

    assert client.said == text


async def test_a_picture_larger_than_the_outbox_is_loaded(nursery: trio.Nursery) -> None:
    running = await start_gateway(nursery)
    picture = "aGkh" * 100_000
    async with acp_client(running) as one, acp_client(running) as two:
        session = await one.open()
        pictures = [ImagePart(f"data:image/png;base64,{picture}")] * 3
        remember(
            running.sessions.only,
            Titled(title="A picture"),
            asked(1, 1, TextPart("what is it"), *pictures),
            TurnOver(turn=1, seq=2, stop="end_turn"),
        )
        running.sessions.only.broadcast.seq = running.sessions.only.seq = 2
        await two.initialize()
        loaded = await two.call("session/load", join(session))

    assert "result" in loaded
    assert [update["update"]["content"]["data"] for update in two.updates[2:]] == [picture] * 3


async def test_a_session_loaded_in_mid_turn_loses_and_repeats_nothing(
    nursery: trio.Nursery,
) -> None:
    running = await start_gateway(nursery)
    async with acp_client(running) as one, acp_client(running) as two:
        session = await one.open()
        fake = running.sessions.only
        prompt = await one.prompt(session, "hi")
        with trio.fail_after(PATIENCE):
            while not fake.prompts:  # noqa: ASYNC110 - a fake announces nothing
                await trio.sleep(0.001)
        remember(fake, asked(1, 1, TextPart("hi")))
        fake.say("Once ")
        fake.say("upon ")
        await two.initialize()
        loaded = await two.call("session/load", join(session))
        fake.say("a time")
        fake.end(StopReason.END_TURN)
        await one.answer(prompt)
        await two.call("session/list", {})

    assert "user_message_chunk" in kinds(two)
    assert two.said == one.said == "Once upon a time"
    assert loaded["result"]["_meta"] == {"trouper.dev/seq": 3, "trouper.dev/turn": 1}


async def test_a_client_that_resumes_gets_what_it_has_missed_and_no_more(
    nursery: trio.Nursery,
) -> None:
    running = await start_gateway(nursery)
    async with acp_client(running) as one:
        session = await one.open()
        fake = running.sessions.only
        await one.prompt(session, "hi")
        with trio.fail_after(PATIENCE):
            while not fake.prompts:  # noqa: ASYNC110 - a fake announces nothing
                await trio.sleep(0.001)
        fake.say("Once ")
        seen = (await one.next())["params"]["update"]["_meta"]["trouper.dev/seq"]
    await running.settled()
    fake.say("upon ")
    async with acp_client(running) as two:
        capable = {"_meta": {"trouper.dev": {"v": 1}}}
        await two.call("initialize", {"protocolVersion": 1, "clientCapabilities": capable})
        resumed = await two.call("session/resume", join(session, **{"trouper.dev/afterSeq": seen}))
        missed = two.said
        fake.say("a time")
        fake.end(StopReason.END_TURN)
        text = await two.next()
        ended = await two.next()

    assert missed == "upon "
    assert seqs(two) == [seen + 1]
    assert resumed["result"]["_meta"] == {"trouper.dev/seq": seen + 1, "trouper.dev/turn": 1}
    assert text["params"]["update"]["content"]["text"] == "a time"
    assert ended["method"] == "_trouper.dev/turn"
    assert ended["params"] == {
        "sessionId": session,
        "turn": 1,
        "state": "ended",
        "stopReason": "end_turn",
        "_meta": {"trouper.dev/seq": seen + 3},
    }


async def test_what_is_no_longer_at_hand_is_to_be_loaded(nursery: trio.Nursery) -> None:
    running = await start_gateway(nursery, says("fine"))
    async with acp_client(running) as client:
        session = await client.open()
        running.sessions.only.broadcast.seq = 500
        gone = await client.call("session/resume", join(session, **{"trouper.dev/afterSeq": 7}))
        plain = await client.call("session/resume", join(session))
        await client.answer(await client.prompt(session))

    assert gone["error"]["code"] == EVENTS_GONE
    assert "session/load" in gone["error"]["message"]
    assert "result" in plain
    assert client.said == "fine"


async def test_a_session_of_somebody_else_is_neither_loaded_nor_resumed_nor_ended(
    nursery: trio.Nursery,
) -> None:
    running = await start_gateway(nursery, access=Access(["alice", "mallory"]))

    def as_user(token: str) -> Any:
        return acp_client(running, extra_headers=[(b"authorization", f"Bearer {token}".encode())])

    async with as_user("alice") as alice, as_user("mallory") as mallory:
        session = await alice.open()
        await mallory.initialize()
        answers = [
            await mallory.call(f"session/{what}", {**join(session), **more})
            for what, more in (
                ("load", {}),
                ("resume", {}),
                ("close", {}),
                ("delete", {}),
                ("set_mode", {"modeId": "tutor"}),
                ("set_config_option", {"configId": "model", "value": "small"}),
            )
        ]

    assert [answer["error"]["code"] for answer in answers] == [NOT_FOUND] * len(answers)


async def test_a_session_is_closed_with_its_turn_which_is_answered_first(
    nursery: trio.Nursery,
) -> None:
    running = await start_gateway(nursery)
    async with acp_client(running) as client:
        session = await client.open()
        prompt = await client.prompt(session)
        close = await client.begin("session/close", {"sessionId": session})
        cancelled = await client.answer(prompt)
        closed = await client.answer(close)
        again = await client.call("session/close", {"sessionId": session})
        with trio.fail_after(PATIENCE):
            while running.sessions.only.attachments:  # noqa: ASYNC110 - as above
                await trio.sleep(0.001)

    assert cancelled["result"]["stopReason"] == "cancelled"
    assert closed["result"] == again["result"] == {}


async def test_a_deleted_session_is_gone(nursery: trio.Nursery) -> None:
    running = await start_gateway(nursery)
    async with acp_client(running) as client:
        session = await client.open()
        deleted = await client.call("session/delete", {"sessionId": session})
        again = await client.call("session/load", join(session))

    assert deleted["result"] == {}
    assert again["error"]["code"] == NOT_FOUND
    assert running.sessions.opened == {}


async def test_a_session_with_a_turn_under_way_is_not_loaded_on_the_same_connection(
    nursery: trio.Nursery,
) -> None:
    running = await start_gateway(nursery)
    async with acp_client(running) as client:
        session = await client.open()
        await client.prompt(session)
        refused = await client.call("session/load", join(session))

    assert refused["error"]["code"] == BUSY


async def test_servers_of_the_client_are_not_used_and_the_answer_says_so(
    nursery: trio.Nursery,
) -> None:
    running = await start_gateway(nursery)
    server = {"name": "files", "command": "files", "args": [], "env": []}
    async with acp_client(running) as client:
        await client.initialize()
        answer = await client.call("session/new", {"cwd": "/", "mcpServers": [server]})

    assert answer["result"]["_meta"]["trouper.dev/ignored"] == ["mcpServers"]
