"""What a client is told: the picture, what changes of it, and that silence is not death."""

import itertools
from typing import Any

import attrs
import pytest
import trio
import trio.testing
from hypothesis import given, settings, strategies as st

from tests.fakes.consoles import ConsoleClient, Opened, connect, open_console
from tests.fakes.players import Crash, Hang, Life, Note, Play, Player, eventually
from trouper.actors.console.feed import FASTEST
from trouper.actors.console.protocol import TOPICS
from trouper.runtime import Backoff, Mailbox, dynamic, supervisor


@pytest.fixture
def play() -> Play:
    return Play()


@attrs.define(eq=False)
class Mirror:
    """A client's own picture, made of what it is told and nothing else."""

    cols: list[str] = attrs.field(factory=list)
    actors: dict[int, dict[str, Any]] = attrs.field(factory=dict)

    def apply(self, frame: dict[str, Any]) -> None:
        self.cols = frame.get("cols", self.cols)
        for each in frame.get("new", ()):
            self.actors[each["id"]] = {**self.actors.get(each["id"], {}), **each}
        for row in frame.get("rows", ()):
            self.actors[row[0]] |= dict(zip(self.cols, row, strict=True))
        for id, _why in frame.get("gone", ()):
            del self.actors[id]

    def of(self, path: str) -> dict[str, Any]:
        return next(each for each in self.actors.values() if each["path"] == path)

    def paths(self) -> set[str]:
        """Those of the test itself."""
        paths = {each["path"] for each in self.actors.values()}
        return {path for path in paths if not path.startswith(("console", "providers"))}


async def subscribe(client: ConsoleClient, **values: Any) -> Mirror:
    mirror = Mirror()
    frame = await client.ask("sub", **{"topics": ["tree"], "hz": 5, **values})
    mirror.apply(frame)
    while frame.get("more"):
        frame = await client.frame()
        mirror.apply(frame)
    return mirror


async def test_the_hello_says_who_one_is_and_what_there_is(play: Play) -> None:
    async with open_console(play.part("a"), role="read") as opened:
        hello = await opened.client.ask("hello", client="test")

    assert (hello["t"], hello["v"], hello["role"], hello["caps"]) == ("hello", 1, "read", [])
    assert hello["topics"] == list(TOPICS)
    assert hello["max_hz"] == FASTEST
    assert hello["thresholds"]["stuck"] == 20.0


async def test_the_first_frame_is_the_whole_tree(play: Play) -> None:
    sub = supervisor("s", play.part("a", mailbox=Mailbox(7)), strategy="rest_for_one")
    async with open_console(sub) as opened:
        mirror = await subscribe(opened.client)

    assert mirror.paths() == {"s", "s/a"}
    top, below = mirror.of("s"), mirror.of("s/a")
    assert (top["parent"], top["strategy"], top["cap"]) == (None, "rest_for_one", 0)
    assert (below["parent"], below["kind"], below["cap"]) == (top["id"], "Player", 7)
    assert (below["state"], below["health"], below["gen"]) == ("running", "ok", 1)


async def test_only_what_changes_is_told_again(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_console(play.part("a"), play.part("b")) as opened:
        mirror = await subscribe(opened.client)
        await opened.system.ref("a", Player).ask(Life())
        frame = await opened.client.until("delta")
        mirror.apply(frame)

    assert [row[0] for row in frame["rows"]] == [mirror.of("a")["id"]]
    assert mirror.of("a")["n"] == 1
    assert "new" not in frame


async def test_who_comes_and_who_goes_is_told(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_console(dynamic("many", Player)) as opened:
        mirror = await subscribe(opened.client)
        children = opened.system.children("many", Player)
        await children.start("1", "one", play)
        mirror.apply(await opened.client.until("delta"))
        assert mirror.of("many/1")["parent"] == mirror.of("many")["id"]
        await children.stop("1")
        mirror.apply(await opened.client.until("delta"))

    assert "many/1" not in mirror.paths()


async def test_a_restart_shows_as_a_new_life_with_its_crash(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    part = play.part("a", backoff=Backoff(first=9, initial=9, jitter=0))
    async with open_console(part) as opened:
        mirror = await subscribe(opened.client, topics=["tree", "events", "attention"])
        opened.system.ref("a", Player).tell(Crash())
        frame = await opened.client.until("delta")
        mirror.apply(frame)

        assert (mirror.of("a")["health"], mirror.of("a")["gen"]) == ("backing off", 2)
        assert [(each["msg"], each["path"]) for each in frame["ev"]] == [
            ("actor crashed", "a"),
            ("actor restarts", "a"),
        ]
        found = (await opened.client.get("attention"))["attention"]

    assert [(each["path"], each["health"], each["severity"]) for each in found] == [
        ("a", "backing off", 1)
    ]


async def test_a_part_of_the_tree_and_a_class_of_actors_can_be_asked_for(play: Play) -> None:
    async with open_console(supervisor("s", play.part("a")), play.part("b")) as opened:
        under = await subscribe(opened.client, under="/s")
        kinds = await opened.client.get("tree", kinds=["Player"])

    assert under.paths() == {"s", "s/a"}
    assert [each["path"] for each in kinds["new"]] == ["b", "s/a"]


async def test_a_large_tree_comes_in_slices_and_is_mended_by_the_next_frame(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_console(dynamic("many", Player)) as opened:
        children = opened.system.children("many", Player)
        for number in range(1_100):
            await children.start(str(number), f"p{number}", play)
        client, mirror = opened.client, Mirror()
        await client.say('{"op":"sub","topics":["tree"],"hz":1}')
        frames = [await client.frame() for _ in range(5)]
        for frame in frames:
            mirror.apply(frame)

    assert all(frame["torn"] for frame in frames)
    assert [frame["more"] for frame in frames] == [True, True, True, True, False]
    assert all(len(frame["rows"]) <= 250 for frame in frames)
    assert len(mirror.paths()) == 1_101


async def test_frames_are_numbered_and_no_faster_than_the_server_allows(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_console(play.part("a")) as opened:
        await opened.client.ask("sub", topics=["totals"], hz=1_000)
        frames = [await opened.client.until("delta") for _ in range(5)]

    assert [frame["seq"] for frame in frames] == [2, 3, 4, 5, 6]
    gaps = [b["mono"] - a["mono"] for a, b in itertools.pairwise(frames)]
    assert min(gaps) >= 1 / FASTEST - 0.002


async def test_silence_is_broken_by_a_ping(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_console(play.part("a")) as opened:
        first = await opened.client.ask("sub", topics=["tree"], hz=5, under="a")
        second = await opened.client.frame()
        pong = await opened.client.ask("ping")

    assert second["t"] == "ping"
    assert 5.0 <= second["mono"] - first["mono"] <= 5.5
    assert pong == {"t": "pong", "id": 1}


async def test_another_subscription_takes_the_place_of_the_first_and_unsub_ends_it(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_console(play.part("a")) as opened:
        client = opened.client
        await client.ask("sub", topics=["totals"], hz=5)
        await client.ask("sub", topics=["events"], hz=5)
        assert (await client.ask("unsub"))["t"] in ("ack", "snap", "delta")
        await trio.sleep(20)
        await client.say('{"op":"ping","id":9}')

        assert (await client.until("pong"))["id"] == 9


async def test_totals_remember_the_last_minute(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_console(play.part("a", mailbox=Mailbox(5))) as opened:
        ref = opened.system.ref("a", Player)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ref.ask, Hang(3.5))
            await trio.testing.wait_all_tasks_blocked()
            ref.tell(Note("waits"))
            await trio.sleep(3)
        told = await opened.client.get("totals", "tree", under="a")

    assert 1 in told["tot"]["hist"]["queued"]
    assert sum(told["new"][0]["hist"]) >= 3
    assert told["tot"]["clients"] == 1


async def test_dead_letters_are_told_by_class_and_reason_and_never_by_content(
    play: Play,
) -> None:
    async with open_console(play.part("a")) as opened:
        await opened.system.operator.stop("a")
        opened.system.ref("a", Player).tell(Note("very private"))
        told = await opened.client.get("dead", "totals")

    assert [(each["n"], each["path"], each["msg"], each["reason"]) for each in told["dead"]] == [
        (1, "a", "Note", "down")
    ]
    assert told["tot"]["dead_by"] == {"down": 1}
    assert "private" not in str(told)


async def test_every_topic_can_be_asked_for_at_once(play: Play) -> None:
    async with open_console(play.part("a")) as opened:
        opened.system.ref("a", Player).tell(Crash())
        await eventually(lambda: opened.system.operator.life("a") == 2)
        told = await opened.client.get(*TOPICS)

    assert told["requests"] == told["sessions"] == []
    assert told["costs"]["budgets"] == []
    assert [each["path"] for each in told["crashes"]] == ["a"]


async def test_no_more_than_eight_clients_are_served(play: Play) -> None:
    async with open_console(play.part("a")) as opened:
        others = [await connect(opened.console) for _ in range(7)]
        for each in (opened.client, *others):
            await each.ask("hello")
        ninth = await connect(opened.console)
        assert (await ninth.frame())["err"]["code"] == "busy"
        assert await ninth.hangs_up()
        await others[0].stream.aclose()
        await trio.testing.wait_all_tasks_blocked()
        tenth = await connect(opened.console)

        assert (await tenth.ask("hello"))["t"] == "hello"
        for each in (*others, ninth, tenth):
            await each.stream.aclose()


async def test_a_crash_is_told_although_hundreds_came_and_went_since(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_console(play.part("a"), dynamic("many", Player)) as opened:
        opened.system.ref("a", Player).tell(Crash())
        await eventually(lambda: opened.system.operator.life("a") == 2)
        children = opened.system.children("many", Player)
        for number in range(150):  # of which each has two events
            await children.start(str(number), str(number), play)
            await children.stop(str(number))
        events = (await opened.client.get("events"))["ev"]

    assert "actor crashed" in [event["msg"] for event in events]
    assert len(events) <= 400
    assert [event["n"] for event in events] == sorted(event["n"] for event in events)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("+-!~"), st.integers(0, 4)), max_size=12))
def test_the_frames_add_up_to_the_picture(steps: list[tuple[str, int]]) -> None:
    """Whatever comes, goes and works meanwhile: a client's own picture is that of a new client."""

    async def run() -> None:
        play = Play()
        async with open_console(dynamic("many", Player)) as opened:
            mirror = await subscribe(opened.client, under="many")
            for what, number in steps:
                await _do(opened, play, what, str(number))
                if number == 4:
                    await trio.sleep(0.3)
            await trio.sleep(1)
            await opened.client.say('{"op":"unsub"}')
            while (frame := await opened.client.frame())["t"] != "ack":
                mirror.apply(frame)
            other = await connect(opened.console)
            async with other.stream:
                fresh = await subscribe(other, under="many")

            assert _known(mirror) == _known(fresh)

    trio.run(run, clock=trio.testing.MockClock(autojump_threshold=0))


async def _do(opened: Opened, play: Play, what: str, id: str) -> None:
    children = opened.system.children("many", Player)
    ref = children.get(id)
    if what == "+" and ref is None:
        await children.start(id, id, play)
    elif what == "-":
        await children.stop(id)
    elif what == "!" and ref is not None:
        await ref.ask(Life())
    elif what == "~" and ref is not None:
        await opened.system.operator.restart(f"many/{id}")


def _known(mirror: Mirror) -> dict[str, Any]:
    """All but the numbers that each subscription gives by itself."""
    return {
        each["path"]: {key: each[key] for key in ("kind", "state", "n", "restarts", "gen", "cap")}
        for each in mirror.actors.values()
    }
