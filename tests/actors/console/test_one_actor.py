"""All of one actor, again and again, and its messages as it handles them."""

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import attrs
import pytest
import trio
import trio.testing
from structlog.testing import capture_logs

from tests.fakes.consoles import ConsoleClient, open_console
from tests.fakes.players import Crash, Hang, Life, Note, Play, Player, eventually
from trouper.actors.config import Secret
from trouper.actors.console.fields import fields_of
from trouper.actors.redaction import MASK
from trouper.runtime import Actor, Request, child, dynamic, on
from trouper.runtime.actor import Inspected


@pytest.fixture
def play() -> Play:
    return Play()


class Look(Request[None]):
    """Do nothing."""


class Vault(Actor[Look]):
    inspected: ClassVar[Mapping[str, Inspected]] = {
        "count": "value",
        "history": "len",
        "pin": "secret",
        "note": "value",
        "odd": "value",
        "share": "value",
        "broken": "value",
    }

    def __init__(self) -> None:
        self.count = 7
        self.history = ["what was said"] * 3
        self.pin = "1234"
        self.note = "a key sk-abcdefgh12345678 and \x1b[31m" + "x" * 500
        self.odd = Odd()
        self.api_key = "plain"
        self._prompt = "nobody declared this"

    @property
    def share(self) -> float:
        return 0.5

    @property
    def broken(self) -> float:
        raise ValueError("not now")

    @on(Look)
    async def look(self, message: Look) -> None: ...


class Odd:
    def __repr__(self) -> str:
        raise RuntimeError("no")


async def fields(client: ConsoleClient, path: str) -> dict[str, Any]:
    told = await client.ask("inspect", path=path, want=["fields"])
    return {each["name"]: (each["type"], each["value"]) for each in told["fields"]}


async def test_fields_show_what_the_class_declares_and_of_others_name_and_type() -> None:
    async with open_console(child("v", Vault)) as opened:
        shown = await fields(opened.client, "v")

    assert shown["count"] == ("int", "7")
    assert shown["history"] == ("list", "3")
    assert shown["pin"] == ("str", MASK)
    assert shown["api_key"] == ("str", MASK)
    assert shown["_prompt"] == ("str", None)
    assert shown["share"] == ("float", "0.5")
    assert shown["odd"][0] == "Odd"
    assert "instance at" in shown["odd"][1]
    assert shown["broken"][0] == "ValueError"
    assert len(shown["note"][1]) <= 200
    assert "sk-abc" not in shown["note"][1]
    assert "\x1b" not in shown["note"][1]
    assert next(iter(shown)) == "count"


class Careless(Actor[Look]):
    """A key in the middle of a long text, of a list's and of an object's."""

    inspected: ClassVar[Mapping[str, Inspected]] = dict.fromkeys(
        ("text", "texts", "thing"), "value"
    )

    def __init__(self, key: str) -> None:
        self.text = f"{'x' * 85}{key}{'y' * 3_000}"
        self.texts = [f"{'x' * 190}{key}"]
        self.thing = Path(f"{'x' * 190}{key}{'y' * 2_000}")

    @on(Look)
    async def look(self, message: Look) -> None: ...


def test_no_half_of_a_secret_is_left_where_a_value_is_cut() -> None:
    key = Secret("planted-value-of-no-known-look", "test").reveal()

    shown = {each["name"]: each["value"] for each in fields_of(Careless(key))}

    assert not [value for value in shown.values() if "planted" in value or "look" in value]
    assert MASK in shown["text"]


def test_a_slow_property_is_read_once_and_those_behind_it_are_left_out() -> None:
    read: list[str] = []

    class Slow:
        inspected: ClassVar[Mapping[str, Inspected]] = {"first": "value", "second": "value"}

        def __init__(self) -> None:
            self.plain = 1

        @property
        def first(self) -> str:
            read.append("first")
            return "slow"

        @property
        def second(self) -> str:
            read.append("second")
            return "slow, too"

    times = iter([0.0, 0.01, 2.0, 2.0])
    shown = fields_of(Slow(), lambda: next(times))

    assert read == ["first"]
    assert [(each["name"], each["type"], each["value"]) for each in shown] == [
        ("first", "str", "'slow'"),
        ("second", "property", "(left out: the others took too long)"),
        ("plain", "int", None),
    ]


async def test_one_actor_shows_what_it_has_in_hand_what_waits_and_where_it_is(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_console(play.part("a")) as opened:
        ref = opened.system.ref("a", Player)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(ref.ask, Hang(30.0), timeout=60))
            await trio.sleep(1)
            ref.tell(Note("private words"))
            await trio.sleep(21)
            told = await opened.client.ask("inspect", path="/a")

    assert (told["t"], told["path"], told["state"], told["gen"]) == ("actor", "a", "running", 1)
    assert told["in_hand"] == [{"msg": "Hang", "ms": 22_000}]
    assert told["mailbox"] == [{"msg": "Note", "ms": 21_000}]
    assert told["health"] == "stuck"
    assert any("Player.hang" in frame for frame in told["stack"])
    assert "private" not in str(told)


async def test_the_last_messages_are_remembered_from_the_first_look_on(play: Play) -> None:
    async with open_console(play.part("a")) as opened:
        ref = opened.system.ref("a", Player)
        await ref.ask(Life())
        first = await opened.client.ask("inspect", path="a", want=["recent"])
        await ref.ask(Life())
        second = await opened.client.ask("inspect", path="a", want=["recent"])

    assert first["recent"] == []
    assert [each["msg"] for each in second["recent"]] == ["Life"]


async def test_looking_on_ends_some_minutes_after_the_last_look(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_console(play.part("a"), play.part("b")) as opened:
        await opened.client.ask("inspect", path="a")
        await trio.sleep(700)
        await opened.client.ask("inspect", path="b")

        assert [cell.path for cell in opened.system.inspector._env.taps] == ["b"]


async def test_a_watched_actor_is_told_each_second_until_it_is_gone(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_console(play.part("a"), play.part("b")) as opened:
        client = opened.client
        await client.say('{"op":"watch","id":5,"path":"a","want":[]}')
        frames = [await client.frame() for _ in range(3)]
        await client.say('{"op":"watch","id":6,"path":"b","want":[]}')
        other = await client.until("actor")
        await client.say('{"op":"unsub"}')
        await client.until("ack")
        await trio.sleep(5)
        last = await client.ask("ping")

    assert [frame["id"] for frame in frames] == [5, 5, 5]
    assert other["id"] in (5, 6)
    assert last["t"] == "pong"


async def test_nobody_at_a_path_is_said(play: Play) -> None:
    async with open_console(play.part("a")) as opened:
        for op in ("inspect", "watch", "trace"):
            answer = await opened.client.ask(op, path="nobody")

            assert answer["err"]["code"] == "not_found"


async def test_a_trace_tells_each_message_and_ends_at_its_limit(play: Play) -> None:
    async with open_console(play.part("a")) as opened:
        client, ref = opened.client, opened.system.ref("a", Player)
        await client.say('{"op":"trace","id":3,"path":"a","limit":2}')
        await trio.testing.wait_all_tasks_blocked()
        ref.tell(Note("private words"))
        await ref.ask(Life())
        frames = [await client.frame() for _ in range(3)]

    assert [(each["t"], each.get("msg")) for each in frames] == [
        ("trace", "Note"),
        ("trace", "Life"),
        ("trace_end", None),
    ]
    assert frames[2]["why"] == "limit"
    assert "private" not in str(frames)


async def test_a_trace_of_an_actor_that_goes_says_so(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_console(dynamic("many", Player)) as opened:
        children = opened.system.children("many", Player)
        await children.start("a", "a", play)
        await opened.client.say('{"op":"trace","id":3,"path":"many/a","seconds":60}')
        await trio.sleep(1)
        await children.stop("a")
        began = trio.current_time()
        end = await opened.client.frame()

    assert (end["t"], end["why"]) == ("trace_end", "gone")
    assert trio.current_time() - began < 2


async def test_a_trace_with_bodies_shows_them_redacted_and_cut(play: Play) -> None:
    async with open_console(play.part("a"), role="admin") as opened:
        client, ref = opened.client, opened.system.ref("a", Player)
        await client.say('{"op":"trace","path":"a","limit":1,"bodies":true}')
        await trio.testing.wait_all_tasks_blocked()
        ref.tell(Note("Bearer abcdef123456 " + "x" * 900))
        frame = await client.until("trace")

    assert frame["body"].startswith(f"Note(text='Bearer {MASK}")
    assert len(frame["body"]) == 200


@pytest.mark.parametrize("role", ["read", "operate"])
async def test_what_is_in_messages_is_told_to_admins_only_and_that_is_written_down(
    play: Play, role: str
) -> None:
    async with open_console(play.part("a"), role=role) as opened:
        client = opened.client
        with capture_logs() as logs:
            denied = await client.ask("trace", path="a", limit=1, bodies=True)
        await client.say('{"op":"trace","path":"a","limit":1}')
        await trio.testing.wait_all_tasks_blocked()
        opened.system.ref("a", Player).tell(Note("private words"))
        frame = await client.until("trace")
        await client.until("trace_end")
        recent = (await client.ask("inspect", path="a", want=["recent"]))["recent"]

    assert denied["err"]["code"] == "denied"
    assert [(line["event"], line["path"], line["result"]) for line in logs] == [
        ("console bodies", "a", "denied")
    ]
    assert "private" not in f"{frame}{recent}"


async def test_a_trace_that_shows_what_is_in_messages_is_written_down(play: Play) -> None:
    async with open_console(play.part("a"), role="admin") as opened:
        with capture_logs() as logs:
            nobody = await opened.client.ask("trace", path="b", bodies=True)
            await opened.client.ask("trace", path="a", seconds=0.1, bodies=True)

    assert nobody["err"]["code"] == "not_found"
    assert [(line["event"], line["path"], line["result"], line["by"]) for line in logs] == [
        ("console bodies", "a", "done", f"uid:{os.getuid()}")
    ]


@attrs.frozen
class Mute:
    def __repr__(self) -> str:
        raise RuntimeError("no")


class Listener(Actor[Mute]):
    @on(Mute)
    def hear(self, message: Mute) -> None: ...


async def test_a_message_that_cannot_be_shown_breaks_nothing() -> None:
    async with open_console(child("l", Listener), role="admin") as opened:
        await opened.client.say('{"op":"trace","path":"l","limit":1,"bodies":true}')
        await trio.testing.wait_all_tasks_blocked()
        opened.system.ref("l", Listener).tell(Mute())

        assert (await opened.client.until("trace"))["body"] == "(cannot be shown: RuntimeError)"


async def test_a_trace_ends_by_itself_when_its_time_is_over(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_console(play.part("a")) as opened:
        began = trio.current_time()
        ended = await opened.client.ask("trace", path="a", seconds=7)

    assert (ended["t"], ended["why"]) == ("trace_end", "time")
    assert trio.current_time() - began == pytest.approx(7.0, abs=0.1)


async def test_a_trace_ends_where_messages_come_faster_than_anybody_reads(play: Play) -> None:
    async with open_console(play.part("a")) as opened:
        client, ref = opened.client, opened.system.ref("a", Player)
        await client.say('{"op":"trace","path":"a","rate":5}')
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(50):
            await ref.ask(Life())
        ended = await client.until("trace_end")

    assert ended["why"] == "rate"


async def test_a_dump_has_everything_and_no_words_of_anybody(play: Play) -> None:
    async with open_console(play.part("a")) as opened:
        ref = opened.system.ref("a", Player)
        ref.tell(Note("private words"))
        ref.tell(Crash())
        await eventually(lambda: opened.system.operator.life("a") == 2)
        await opened.client.say('{"op":"dump","id":1}')
        parts: dict[str, list[Any]] = {}
        while (frame := await opened.client.frame())["t"] == "dump":
            parts.setdefault(frame["part"], []).append(frame["value"])

    assert set(parts) == {"hello", "picture", "crash", "stack"}
    assert [each["path"] for each in parts["crash"]] == ["a"]
    assert "a" in [each["path"] for each in parts["stack"]]
    assert "private" not in str(parts)
