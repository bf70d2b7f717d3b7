"""What each class of actors has done is counted, and how long its messages waited and took."""

import attrs
import pytest
import trio
import trio.testing

from trouper.runtime import (
    Actor,
    ActorCrashed,
    ActorError,
    Mailbox,
    Reject,
    Request,
    System,
    child,
    dynamic,
    on,
)
from trouper.runtime.tallies import BOUNDS, Done, Tally, tally_of


@attrs.frozen
class Work(Request[None]):
    """Take that many seconds."""

    seconds: float = 0.0


@attrs.frozen
class Aside(Request[None]):
    """Take that many seconds, in a task of its own."""

    seconds: float


class Later(Request[None]):
    """Be answered in five seconds, by a task."""


class Refuse(Request[None]):
    """Say no."""


class Die(Request[None]):
    """Crash."""


class Worker(Actor[Work | Aside | Later | Refuse | Die], background=True):
    @on(Work)
    async def work(self, message: Work) -> None:
        if message.seconds:
            await trio.sleep(message.seconds)

    @on(Aside, task=True, limit=1)
    async def aside(self, message: Aside) -> None:
        await trio.sleep(message.seconds)

    @on(Later)
    async def later(self, message: Later) -> None:
        return self.answer_later(trio.sleep, 5)

    @on(Refuse)
    def refuse(self, message: Refuse) -> None:
        raise Reject("not today")

    @on(Die)
    def die(self, message: Die) -> None:
        raise ValueError("a fault")


def done(system: System, kind: str = "Worker") -> Done:
    return next(each for each in system.inspector.done() if each.kind == kind)


def in_bucket(seconds: float, buckets: tuple[int, ...]) -> int:
    return next(n for bound, n in zip(BOUNDS, buckets, strict=False) if seconds <= bound)


@pytest.fixture
def clock(autojump_clock: trio.testing.MockClock) -> trio.testing.MockClock:
    return autojump_clock


async def test_messages_are_counted_by_how_they_ended() -> None:
    async with System(child("w", Worker), signals=False) as system:
        ref = system.ref("w", Worker)
        await ref.ask(Work())
        for message, error in ((Refuse(), Reject), (Die(), ActorCrashed)):
            with pytest.raises(error):
                await ref.ask(message)
        told = done(system)

    assert (told.ok, told.error) == (1, 2)
    assert sum(told.waited) == sum(told.took) == 3


async def test_a_message_that_waits_for_its_turn_and_for_its_handler_is_timed(
    clock: trio.testing.MockClock,
) -> None:
    async with System(child("w", Worker), signals=False) as system:
        ref = system.ref("w", Worker)
        ref.tell(Work(10))
        ref.tell(Work(0.05))
        await ref.ask(Work(), timeout=60)
        told = done(system)

    # The second one waits for the first, and the third for both.
    assert told.waited_sum == pytest.approx(10 + 10.05)
    assert in_bucket(15, told.waited) == 2
    assert told.took_sum == pytest.approx(10.05)
    assert (in_bucket(15, told.took), in_bucket(0.1, told.took), told.took[0]) == (1, 1, 1)


async def test_who_waits_for_a_place_of_a_limited_handler_is_timed(
    clock: trio.testing.MockClock,
) -> None:
    async with System(child("w", Worker), signals=False) as system:
        ref = system.ref("w", Worker)
        async with trio.open_nursery() as nursery:
            for _ in range(2):
                nursery.start_soon(ref.ask, Aside(3), 60)
        told = done(system)

    assert told.waited_sum == pytest.approx(3)
    assert told.took_sum == pytest.approx(6)
    assert told.ok == 2


async def test_an_answer_that_comes_later_is_of_one_message(clock: trio.testing.MockClock) -> None:
    async with System(child("w", Worker), signals=False) as system:
        await system.ref("w", Worker).ask(Later(), timeout=60)
        told = done(system)

    assert (told.ok, told.error) == (1, 0)
    assert told.took_sum == pytest.approx(5)
    assert sum(told.took) == 1


async def test_sums_do_not_sink_when_actors_go() -> None:
    async with System(dynamic("many", Worker), signals=False) as system:
        many = system.children("many", Worker)
        for name in ("a", "b"):
            ref = await many.start(name)
            await ref.ask(Work())
            with pytest.raises(ActorError):
                await ref.ask(Refuse())
        before = done(system)
        await many.stop("a")
        assert [row.path for row in system.snapshot("many")] == ["many", "many/b"]
        assert done(system) == before

    assert (before.ok, before.error) == (2, 2)


async def test_what_was_sent_within_one_pass_of_the_loop_has_not_waited() -> None:
    async with System(child("w", Worker, mailbox=Mailbox(200)), signals=False) as system:
        ref = system.ref("w", Worker)
        for _ in range(100):
            ref.tell(Work())
        await ref.ask(Work())
        told = done(system)

    assert told.ok == sum(told.waited) == 101


def test_classes_without_end_share_numbers_from_some_point_on() -> None:
    tallies: dict[str, Tally] = {}
    for number in range(1000):
        tally_of(tallies, f"K{number}")

    assert len(tallies) == 257
    assert tally_of(tallies, "K999") is tally_of(tallies, "K998") is tallies["other"]
