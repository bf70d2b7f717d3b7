"""Crashes that a test orders come where, when and as often as it says, and are told."""

from collections.abc import Awaitable
from typing import Any

import attrs
import pytest
import trio
from trio.testing import MockClock

from trouper.runtime import (
    Actor,
    ActorCrashed,
    ActorDown,
    AskTimeout,
    ChildSpec,
    Reject,
    Request,
    Sink,
    SpecError,
    Streams,
    System,
    child,
    dynamic,
    on,
)
from trouper.runtime.events import Poisoned
from trouper.runtime.testing import Crash, Crashes, Moment, Passed


class Add(Request[int]):
    """One more."""


class Slow(Request[int]):
    """One more, after a second."""


class Side(Request[str]):
    """Something in a task of its own."""


class Count(Streams[int]):
    """The numbers from 1."""


@attrs.frozen
class Plain(Request[int]):
    """One more, by a plain function."""


class Tally(Actor[Add | Slow | Side | Count | Plain]):
    """Counts, in a list that outlives it, what it has begun and what it has done."""

    def __init__(self, diary: list[str]) -> None:
        self._diary = diary
        self._total = 0

    @on(Add)
    async def add(self, message: Add) -> int:
        self._diary.append("add")
        self._total += 1
        return self._total

    @on(Plain)
    def plainly(self, message: Plain) -> int:
        self._diary.append("plain")
        self._total += 1
        return self._total

    @on(Slow)
    async def slow(self, message: Slow) -> int:
        self._diary.append("asked")
        try:
            await trio.sleep(1)
            self._diary.append("answered")
            await trio.sleep(1)
        except Exception:  # noqa: BLE001 - a handler that tries to live on
            self._diary.append("caught")
        return self._total

    @on(Side, task=True)
    async def side(self, message: Side) -> str:
        await trio.sleep(1)
        return "done"

    @on(Count)
    async def count(self, message: Count, sink: Sink[int]) -> None:
        for number in range(1, 4):
            await sink.send(number)


def tally(diary: list[str] | None = None, **options: Any) -> ChildSpec:
    return child("tally", lambda: Tally([] if diary is None else diary), **options)


def system(*children: ChildSpec, **options: Any) -> System:
    return System(*children, signals=False, **options)


async def refused(asked: Awaitable[object]) -> None:
    with pytest.raises(ActorCrashed):
        await asked


async def test_an_actor_crashes_with_the_message_that_the_order_counts_to() -> None:
    crashes = Crashes()
    async with system(tally()) as running:
        ref = running.ref("tally", Tally)
        with crashes.into(running, Crash("tally", at=2)):
            assert await ref.ask(Add()) == 1
            with pytest.raises(ActorCrashed) as caught:
                await ref.ask(Add())
            assert await ref.ask(Add()) == 1

    [crashed] = crashes.happened
    assert (crashed.path, crashed.life, crashed.number, crashed.message) == ("tally", 1, 2, "Add")
    assert str(caught.value.__cause__) == f"crash 1 of seed 0, {crashed}"


async def test_a_type_of_message_is_counted_by_itself() -> None:
    async with system(tally()) as running:
        ref = running.ref("tally", Tally)
        with Crashes().into(running, Crash("tally", at=2, message=Plain)):
            await ref.ask(Plain())
            await ref.ask(Add())
            await refused(ref.ask(Plain()))


@pytest.mark.parametrize(
    ("moment", "done"),
    [("begin", []), ("wait", ["asked", "caught"]), ("end", ["asked", "answered"])],
)
async def test_a_moment_says_how_much_is_done(
    moment: Moment, done: list[str], autojump_clock: MockClock
) -> None:
    diary: list[str] = []
    async with system(tally(diary)) as running:
        ref = running.ref("tally", Tally)
        with Crashes().into(running, Crash("tally", moment=moment)) as crashes:
            await refused(ref.ask(Slow()))
    assert diary == done
    assert crashes.happened[0].moment == moment


async def test_what_a_handler_refuses_and_who_waits_no_longer_are_no_crashes(
    autojump_clock: MockClock,
) -> None:
    class Picky(Actor[Add | Side]):
        @on(Add)
        async def add(self, message: Add) -> int:
            await trio.sleep(1)
            raise Reject("not today")

        @on(Side, task=True)
        async def side(self, message: Side) -> str:
            await trio.sleep_forever()
            return ""

    async with system(child("picky", Picky)) as running:
        ref = running.ref("picky", Picky)
        with Crashes().into(running, Crash("picky", at=3, moment="wait")):
            with pytest.raises(Reject, match="not today"):
                await ref.ask(Add())
            with pytest.raises(AskTimeout):
                await ref.ask(Side(), timeout=1)
            await refused(ref.ask(Add()))


@pytest.mark.parametrize("moment", ["begin", "end"])
async def test_plain_handlers_crash_in_the_turn_of_their_asker(moment: Moment) -> None:
    async with system(tally()) as running:
        ref = running.ref("tally", Tally)
        with Crashes().into(running, Crash("tally", moment=moment)):
            with pytest.raises(ActorCrashed):
                await ref.ask(Plain())
            assert await ref.ask(Plain()) == 1


async def test_tasks_and_streams_crash_their_actor_too(autojump_clock: MockClock) -> None:
    orders = (
        Crash("tally", message=Side, moment="wait"),
        Crash("tally", message=Count, moment="end"),
    )
    async with system(tally()) as running:
        ref = running.ref("tally", Tally)
        with Crashes().into(running, *orders):
            with pytest.raises(ActorCrashed):
                await ref.ask(Side())
            with pytest.raises(ActorCrashed):
                async with ref.stream(Count()) as numbers:
                    assert [number async for number in numbers] == [1, 2, 3]
            assert await ref.ask(Side()) == "done"


async def test_it_happens_as_often_as_ordered_and_is_not_taken_for_poison(
    autojump_clock: MockClock,
) -> None:
    events: list[object] = []
    async with system(tally(), intensity=10, observer=events.append) as running:
        ref = running.ref("tally", Tally)
        with Crashes().into(running, Crash("tally", times=5)) as crashes:
            for _ in range(5):
                with pytest.raises(ActorCrashed):
                    await ref.ask(Add())
            assert await ref.ask(Add()) == 1
    assert [crashed.life for crashed in crashes.happened] == [1, 2, 3, 4, 5]
    assert not [event for event in events if isinstance(event, Poisoned)]


async def one_run(seed: int) -> list[tuple[str, int]]:
    """Which of the messages to two actors crash them, with that seed."""
    spec = dynamic("talks", lambda: Tally([]), restart="permanent", intensity=100)
    async with system(spec) as running:
        talks = running.children("talks", Tally)
        refs = [await talks.start(id) for id in ("ann", "bob")]
        crashes = Crashes(seed)
        with crashes.into(running, Crash("talks/*", chance=0.2, times=20)):
            for _ in range(20):
                for ref in refs:
                    ref.tell(Add())
            await trio.sleep(3600)
    return sorted((crashed.path, crashed.number) for crashed in crashes.happened)


def test_a_seed_crashes_the_same_actors_with_the_same_messages_each_time() -> None:
    def run(seed: int) -> list[tuple[str, int]]:
        return trio.run(one_run, seed, clock=MockClock(autojump_threshold=0))

    seen = [run(seed) for seed in range(4)]

    assert seen == [run(seed) for seed in range(4)]
    assert len({str(run) for run in seen}) == 4
    assert {path for run in seen for path, _ in run} == {"talks/ann", "talks/bob"}
    assert 4 <= sum(map(len, seen)) / 4 <= 12  # of 40


async def test_a_child_crashes_at_once_wherever_it_is(autojump_clock: MockClock) -> None:
    lives: list[int] = []

    async def pump() -> None:
        lives.append(1)
        await trio.sleep_forever()

    async with system(tally(), child("pump", pump)) as running:
        ref = running.ref("tally", Tally)
        with Crashes().into(running) as crashes:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(refused, ref.ask(Slow()))
                await trio.sleep(0.5)
                await crashes.now("tally")
            assert await ref.ask(Add()) == 1
            await crashes.now("tally")
            assert await ref.ask(Add()) == 1
            await crashes.now("pump")
            await trio.sleep(1)
            assert len(lives) == 2
            restarts = {actor.path: actor.restarts for actor in running.snapshot()}
            assert (restarts["tally"], restarts["pump"]) == (2, 1)
            with pytest.raises(SpecError, match="no actor at 'tale'"):
                await crashes.now("tale")
        assert str(crashes.happened[0]) == "0.500 s: tally, life 1, at once, wherever it was"


async def test_who_is_not_running_cannot_crash() -> None:
    async with system(tally(restart="temporary")) as running:
        with Crashes().into(running) as crashes:
            await crashes.now("tally")
            with pytest.raises(ActorDown, match="it is not running, so it cannot crash"):
                await crashes.now("tally")
    with pytest.raises(SpecError, match="inside of"):
        await Crashes().now("tally")


@pytest.mark.parametrize(
    ("order", "why"),
    [
        (Crash("tally", at=3), "Crash('tally', at=3) never came: of such messages tally got 2"),
        (
            Crash("ta*", message=Slow),
            "Crash('ta*', message=Slow) never came: tally got no such message",
        ),
        (Crash("tale"), "Crash('tale') never came: nobody is there; there are tally"),
    ],
)
async def test_an_order_that_is_not_carried_out_fails_its_test(order: Crash, why: str) -> None:
    async with system(tally()) as running:
        with pytest.raises(AssertionError) as caught, Crashes().into(running, order):
            for _ in range(2):
                await running.ref("tally", Tally).ask(Add())
    assert str(caught.value) == why


async def test_a_test_that_fails_says_what_has_crashed() -> None:
    async with system(tally()) as running:
        ref = running.ref("tally", Tally)
        with pytest.raises(ActorCrashed) as caught, Crashes(7).into(running, Crash("tally", at=2)):
            await ref.ask(Add())
            await ref.ask(Add())
        assert await ref.ask(Add()) == 1
    [note] = caught.value.__notes__
    first, second = note.splitlines()
    assert first == "Let crash by the test (seed 7):"
    assert second.endswith("s: tally, life 1, with message 2 (Add), before its handler had begun")
    assert Crashes(7).report() == "No actor was let crash (seed 7)."


async def test_all_orders_are_given_at_once() -> None:
    async with system(tally()) as running:
        one, two = Crashes(), Crashes()
        with one.into(running), pytest.raises(SpecError, match="all of them"), two.into(running):
            pytest.fail("two at once")


def test_every_place_where_a_crash_may_come_can_be_tried() -> None:
    async def scenario(crashes: Crashes, *orders: Crash) -> None:
        async with system(tally()) as running:
            with crashes.into(running, *orders):
                for _ in range(3):
                    with trio.fail_after(5):
                        try:
                            await running.ref("tally", Tally).ask(Add())
                        except ActorCrashed:
                            continue

    dry = Crashes()
    trio.run(scenario, dry)
    assert list(dry.passed) == [Passed("tally", number, Add) for number in (1, 2, 3)]
    for place in dry.passed:
        crashes = Crashes()
        trio.run(scenario, crashes, place.crash("end"))
        assert [crashed.number for crashed in crashes.happened] == [place.number]


@pytest.mark.parametrize(
    "wrong", [{"at": 0}, {"chance": 0}, {"chance": 1.5}, {"times": 0}, {"moment": "now"}]
)
def test_an_order_that_means_nothing_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Crash("tally", **wrong)
