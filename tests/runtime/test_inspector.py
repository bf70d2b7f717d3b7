"""What is seen of single actors, of all of them cheaply, and of what they handle meanwhile."""

from math import inf

import attrs
import pytest
import trio
import trio.testing

from tests.fakes.players import Crash, Hang, Life, Note, Play, Player, eventually
from trouper.runtime import (
    Actor,
    Mailbox,
    Reject,
    Request,
    Sink,
    Streams,
    System,
    child,
    dynamic,
    on,
    supervisor,
)
from trouper.runtime.inspector import Shape, Waits
from trouper.runtime.tapping import Heard


@pytest.fixture
def play() -> Play:
    return Play()


class Plain(Request[int]):
    """Answer at once."""


class Slow(Request[None]):
    """Take two seconds, beside what else there is."""


class Count(Streams[int]):
    """Three numbers."""


class Refuse(Request[None]):
    """Say no."""


class Later(Request[None]):
    """Say it in a while."""


class Worker(Actor[Plain | Slow | Count | Refuse], background=True):
    @on(Plain)
    def plain(self, message: Plain) -> int:
        return 7

    @on(Slow, task=True, limit=1)
    async def slow(self, message: Slow) -> None:
        await trio.sleep(2)

    @on(Count)
    async def count(self, message: Count, sink: Sink[int]) -> None:
        for number in range(3):
            await sink.send(number)

    @on(Refuse)
    async def refuse(self, message: Refuse) -> None:
        raise Reject("no")


def row(system: System, path: str) -> object:
    return next(iter(system.inspector.rows([path])))


async def test_rows_count_what_is_handled_refused_waits_and_is_in_hand(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with System(child("w", Worker), signals=False) as system:
        ref = system.ref("w", Worker)
        with pytest.raises(Reject):
            await ref.ask(Refuse())
        async with trio.open_nursery() as nursery:
            began = trio.current_time()
            nursery.start_soon(ref.ask, Slow())
            nursery.start_soon(ref.ask, Slow())
            await trio.sleep(1)
            (seen,) = system.inspector.rows(["w", "nobody"])
        (after,) = system.inspector.rows(["w"])

        assert (seen.handled, seen.failed, seen.depth, seen.in_hand) == (1, 1, 1, 1)
        assert (seen.oldest, seen.current, seen.flight) == (began, inf, began)
        assert seen.busy == 1.0
        assert list(system.inspector.depths(["w", "nobody"])) == [("w", 0, 3)]
        assert (after.handled, after.in_hand, after.busy) == (3, 0, 4.0)
        assert (after.oldest, after.flight) == (inf, inf)


async def test_who_runs_and_has_nothing_to_do_is_passed_by_unless_it_is_named(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    parts = [play.part(name) for name in ("idle", "at_work", "suspended")]
    async with System(child("w", Worker), *parts, signals=False) as system:

        def restless(besides: tuple[str, ...] = ()) -> list[str]:
            inspector = system.inspector
            return [row.path for row in inspector.restless([*inspector.paths, "nobody"], besides)]

        assert restless() == []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(system.ref("at_work", Player).ask, Hang(3.0))
            for _ in range(2):  # one in a task of its own, one that waits for its place
                nursery.start_soon(system.ref("w", Worker).ask, Slow())
            system.operator.suspend("suspended")
            await trio.sleep(1)
            assert restless() == ["w", "at_work", "suspended"]
            assert restless(besides=("idle",)) == ["w", "idle", "at_work", "suspended"]
        system.operator.resume("suspended")
        assert restless() == []


async def test_a_row_shows_how_long_a_handler_has_waited_in_its_turn(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    async with System(play.part("a"), signals=False) as system:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(system.ref("a", Player).ask, Hang(3.0))
            await trio.sleep(1)
            (seen,) = system.inspector.rows(["a"])
        (after,) = system.inspector.rows(["a"])

        assert (seen.busy, seen.in_hand, seen.current) == (1.0, 1, 0.0)
        assert after.busy == 3.0


async def test_a_shape_names_kind_mailbox_and_strategy(play: Play) -> None:
    sub = supervisor("s", play.part("a", mailbox=Mailbox(3, "drop_oldest")), strategy="one_for_all")
    async with System(sub, dynamic("many", Player), signals=False) as system:
        inspector = system.inspector

        assert inspector.paths == ["s", "many", "s/a"]
        assert inspector.shape("s/a") == Shape("s/a", "Player", 3, "drop_oldest", None)
        assert [inspector.shape(path).strategy for path in ("s", "many")] == [  # type: ignore[union-attr]
            "one_for_all",
            "one_for_one",
        ]
        assert inspector.shape("nobody") is None


async def test_one_actor_shows_its_stack_its_mailbox_and_itself(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    async with System(play.part("a"), signals=False) as system:
        inspector, ref = system.inspector, system.ref("a", Player)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ref.ask, Hang(3.0))
            await trio.sleep(1)
            ref.tell(Note("one"))
            await trio.sleep(1)

            assert inspector.waiting("a") == (Waits("Note", 1.0),)
            assert any("Player.hang" in line for line in inspector.stack("a"))
        found = inspector.actor("a")
        assert isinstance(found, Player)
        assert found.name == "a"
        assert inspector.now == trio.current_time()


async def test_where_nobody_is_there_is_nothing_to_see(play: Play) -> None:
    async with System(play.part("a"), child("f", trio.sleep_forever), signals=False) as system:
        inspector = system.inspector

        assert inspector.snapshot("x") is None
        assert inspector.actor("x") is None
        assert inspector.tap("x") is None
        assert inspector.stack("x") == ()
        assert inspector.waiting("x") == ()
        assert inspector.actor("f") is None
        assert inspector.tap("f") is not None
        inspector.untap("x")


async def test_a_tap_hears_what_is_handled_how_long_it_waited_and_took(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with System(child("w", Worker), signals=False) as system:
        ref = system.ref("w", Worker)
        await ref.ask(Plain())
        tap = system.inspector.tap("w")
        assert tap is not None
        heard: list[object] = []
        tap.listeners.append(lambda _heard, message: heard.append(message))
        await ref.ask(Plain())
        with pytest.raises(Reject):
            await ref.ask(Refuse())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ref.ask, Slow())
            nursery.start_soon(ref.ask, Slow())
        async with ref.stream(Count()) as numbers:
            assert [number async for number in numbers] == [0, 1, 2]
        await trio.testing.wait_all_tasks_blocked()

        assert [(one.message, one.waited, one.took, one.error) for one in tap.heard] == [
            ("Plain", 0.0, 0.0, None),
            ("Refuse", 0.0, 0.0, "Reject: no"),
            ("Slow", 0.0, 2.0, None),
            ("Slow", 2.0, 2.0, None),
            ("Count", 0.0, 0.0, None),
        ]
        assert [type(message) for message in heard] == [Plain, Refuse, Slow, Slow, Count]
        assert system.inspector.tap("w") is tap


async def test_a_tap_hears_of_a_plain_handler_that_fails() -> None:
    class Fragile(Actor[Plain]):
        @on(Plain)
        def plain(self, message: Plain) -> int:
            raise Reject("not today")

    async with System(child("w", Fragile), signals=False) as system:
        tap = system.inspector.tap("w")
        assert tap is not None
        with pytest.raises(Reject):
            await system.ref("w", Fragile).ask(Plain())

        assert [one.error for one in tap.heard] == ["Reject: not today"]


async def test_a_tap_stays_over_a_restart_and_ends_with_untap(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    async with System(play.part("a"), signals=False) as system:
        ref, tap = system.ref("a", Player), system.inspector.tap("a")
        assert tap is not None
        ref.tell(Crash())
        await eventually(lambda: system.operator.life("a") == 2)
        await ref.ask(Life())
        system.inspector.untap("a")
        system.inspector.untap("a")
        await ref.ask(Life())
        await ref.ask(Life())

        assert [one.message for one in tap.heard] == ["Crash", "Life"]


async def test_a_tap_ends_with_its_actor_and_leaves_nothing_behind(play: Play) -> None:
    async with System(dynamic("many", Player), signals=False) as system:
        children, inspector = system.children("many", Player), system.inspector
        await children.start("a", "a", play)
        tap = inspector.tap("many/a")
        assert tap is not None
        assert inspector.has(tap, "many/a")

        await children.stop("a")
        assert not inspector.has(tap, "many/a")
        assert not inspector._env.taps
        await children.start("a", "a", play)
        assert not inspector.has(tap, "many/a")


@attrs.frozen
class Many:
    number: int


class Counter(Actor[Many]):
    @on(Many)
    async def many(self, message: Many) -> None: ...


async def test_a_tap_remembers_the_last_ones_only() -> None:
    async with System(child("c", Counter), signals=False) as system:
        ref, tap = system.ref("c", Counter), system.inspector.tap("c")
        assert tap is not None
        for number in range(200):
            await ref.send(Many(number))
        await eventually(lambda: system.inspector.waiting("c") == ())

        assert len(tap.heard) == 32
        assert isinstance(tap.heard[0], Heard)


async def test_a_system_knows_which_actor_runs_and_none_elsewhere(play: Play) -> None:
    async with System(play.part("a"), signals=False) as system:
        assert system.acting == ""
        assert await trio.to_thread.run_sync(lambda: system.acting) == ""
