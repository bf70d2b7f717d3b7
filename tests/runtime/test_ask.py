"""What an asker sees, row by row, and when: at once is 0 seconds of virtual time."""

from collections.abc import Callable
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from tests.fakes.player import (
    Do,
    InTask,
    Limited,
    Note,
    after,
    answer,
    ask_of,
    boom,
    elapsed,
    player,
    playing,
)
from trouper.runtime import (
    ActorCrashed,
    ActorDown,
    ActorError,
    ActorUnavailable,
    AskCycle,
    AskTimeout,
    Backoff,
    Reject,
    Request,
)

Turn = Callable[[Any], Request[Any]]
every_kind = pytest.mark.parametrize("kind", [Do, InTask, Limited])


class Outcomes:
    """What several asks ended with, by name, and when."""

    def __init__(self) -> None:
        self.watch = elapsed()
        self.seen: dict[str, Any] = {}
        self.at: dict[str, float] = {}

    async def ask(self, name: str, ref: Any, message: Any, timeout: float = 60) -> None:
        try:
            self.seen[name] = await ref.ask(message, timeout=timeout)
        except ActorError as error:
            self.seen[name] = error
        self.at[name] = self.watch()


# The scenarios of the comparison with other runtimes.


@every_kind
async def test_s1_an_ask_in_hand_is_told_at_once_of_the_crash_and_its_cause(
    kind: Turn, autojump_clock: MockClock
) -> None:
    async with playing("a") as stage:
        watch = elapsed()
        with pytest.raises(ActorCrashed, match="a: it crashed with this request") as caught:
            await stage["a"].ask(kind(boom(ValueError("broken"))))

        assert isinstance(caught.value.__cause__, ValueError)
        assert watch() == 0


@every_kind
async def test_s2_a_slow_ask_in_hand_is_told_when_the_grace_of_the_stop_is_over(
    kind: Turn, autojump_clock: MockClock
) -> None:
    outcomes = Outcomes()
    async with trio.open_nursery() as nursery, playing(player("a", shutdown=0.5)) as stage:
        nursery.start_soon(outcomes.ask, "slow", stage["a"], kind(after(30)))
        await trio.sleep(0.05)
        stage.system.stop()

    assert isinstance(outcomes.seen["slow"], ActorDown)
    assert outcomes.at["slow"] == 0.55


async def test_s3_an_ask_behind_a_message_that_crashes_is_answered_by_the_next_life(
    autojump_clock: MockClock,
) -> None:
    async with playing("a") as stage:
        watch = elapsed()
        stage["a"].tell(Do(boom(ValueError())))

        assert await stage["a"].ask(Do(answer("from the next life"))) == "from the next life"
        assert watch() == 0
        assert stage.system.snapshot("a")[0].restarts == 1


async def test_s4_an_ask_behind_a_slow_one_is_told_when_the_actor_is_stopped(
    autojump_clock: MockClock,
) -> None:
    outcomes = Outcomes()
    async with trio.open_nursery() as nursery, playing(player("a", shutdown=0.5)) as stage:
        stage["a"].tell(Do(after(30)))
        nursery.start_soon(outcomes.ask, "queued", stage["a"], Do(answer(1)))
        await trio.sleep(0.05)
        stage.system.stop()

    assert isinstance(outcomes.seen["queued"], ActorDown)
    assert outcomes.at["queued"] == 0.55


async def test_s5_two_actors_that_ask_each_other_are_told_at_once_and_by_name(
    autojump_clock: MockClock,
) -> None:
    async with playing("a", "b") as stage:
        watch = elapsed()
        with pytest.raises(AskCycle) as caught:
            await stage["a"].ask(Do(ask_of("b", Do(ask_of("a", Do(answer(1)))))))

        assert caught.value.cycle == ("b", "a", "b")
        assert watch() == 0


@pytest.mark.parametrize("timeout", [5, float("inf")])
async def test_s6_an_ask_of_a_dead_actor_is_told_at_once(
    timeout: float, autojump_clock: MockClock
) -> None:
    async with playing(player("a", restart="temporary")) as stage:
        stage["a"].tell(Do(boom(ValueError("the end"))))
        await trio.testing.wait_all_tasks_blocked()
        watch = elapsed()
        with pytest.raises(ActorDown, match="the end"):
            await stage["a"].ask(Do(answer(1)), timeout=timeout)

        assert watch() == 0


# The table, column by column: an ask in hand, and one that waits behind it.


@every_kind
@pytest.mark.parametrize("error", [Reject("not today"), AskTimeout("elsewhere", 5)])
async def test_an_actor_error_fails_its_request_only_and_the_actor_lives_on(
    error: ActorError, kind: Turn, autojump_clock: MockClock
) -> None:
    outcomes = Outcomes()
    async with playing("a") as stage:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(outcomes.ask, "in hand", stage["a"], kind(boom(error, seconds=1)))
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(outcomes.ask, "queued", stage["a"], kind(answer("fine")))

        assert outcomes.seen == {"in hand": error, "queued": "fine"}
        assert outcomes.at["in hand"] == 1
        assert stage.system.snapshot("a")[0].life == 1


async def test_a_crash_with_a_restart_fails_what_is_in_hand_and_keeps_what_waits(
    autojump_clock: MockClock,
) -> None:
    outcomes = Outcomes()
    backoff = Backoff(first=3, jitter=0)
    async with (
        playing(player("a", backoff=backoff)) as stage,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(outcomes.ask, "in hand", stage["a"], Do(boom(ValueError(), seconds=1)))
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(outcomes.ask, "queued", stage["a"], Do(answer("later")))

    assert isinstance(outcomes.seen["in hand"], ActorCrashed)
    assert outcomes.seen["queued"] == "later"
    assert outcomes.at == {"in hand": 1, "queued": 4}


async def test_while_down_rejects_tells_what_waits_and_what_comes_when_to_try_again(
    autojump_clock: MockClock,
) -> None:
    outcomes = Outcomes()
    spec = player("a", backoff=Backoff(first=3, jitter=0), while_down="reject")
    async with playing(spec) as stage:
        async with trio.open_nursery() as nursery:
            began = trio.current_time()
            crash = Do(boom(ValueError(), seconds=1))
            nursery.start_soon(outcomes.ask, "in hand", stage["a"], crash)
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(outcomes.ask, "queued", stage["a"], Do(answer(1)))
            await trio.sleep(2)
            await outcomes.ask("new", stage["a"], Do(answer(2)))
            await trio.sleep(3)
            await outcomes.ask("after", stage["a"], Do(answer(3)))

        assert isinstance(outcomes.seen["in hand"], ActorCrashed)
        for name in ("queued", "new"):
            assert isinstance(outcomes.seen[name], ActorUnavailable)
            assert outcomes.seen[name].retry_at == pytest.approx(began + 4)
        assert outcomes.seen["after"] == 3
        assert outcomes.at == {"in hand": 1, "queued": 1, "new": 2, "after": 5}


async def test_while_down_rejects_keeps_the_messages_that_nobody_waits_for(
    autojump_clock: MockClock,
) -> None:
    heard: list[object] = []
    spec = player("a", heard, backoff=Backoff(first=3, jitter=0), while_down="reject")
    async with playing(spec) as stage:
        stage["a"].tell(Do(boom(ValueError(), seconds=1)))
        stage["a"].tell(Note("before"))
        await trio.sleep(2)
        stage["a"].tell(Note("between"))
        with pytest.raises(ActorUnavailable):
            await stage["a"].send(Note("sent"))
        await trio.sleep(3)

        assert heard == ["before"]
        assert ("unavailable", "between") in stage.dead()


@pytest.mark.parametrize("restart", ["temporary", "gives up"])
async def test_a_crash_without_a_restart_tells_what_is_in_hand_and_what_waits_at_once(
    restart: str, autojump_clock: MockClock
) -> None:
    outcomes = Outcomes()
    spec = player("a") if restart == "gives up" else player("a", restart="temporary")
    with trio.CancelScope() as scope:
        try:
            async with trio.open_nursery() as nursery, playing(spec, intensity=0) as stage:
                crash = Do(boom(ValueError("the cause"), seconds=1))
                nursery.start_soon(outcomes.ask, "in hand", stage["a"], crash)
                await trio.testing.wait_all_tasks_blocked()
                nursery.start_soon(outcomes.ask, "queued", stage["a"], Do(answer(1)))
                await trio.sleep(2)
        except* Exception:  # noqa: BLE001 - how a system ends that gave up is another test's
            scope.cancel()

    assert isinstance(outcomes.seen["in hand"], ActorCrashed)
    assert str(outcomes.seen["in hand"].__cause__) == "the cause"
    assert isinstance(outcomes.seen["queued"], ActorDown)
    assert outcomes.at == {"in hand": 1, "queued": 1}


@every_kind
async def test_a_graceful_stop_answers_what_is_in_hand_and_what_waits(
    kind: Turn, autojump_clock: MockClock
) -> None:
    outcomes = Outcomes()
    async with trio.open_nursery() as nursery, playing(player("a", shutdown=5)) as stage:
        nursery.start_soon(outcomes.ask, "in hand", stage["a"], kind(after(2, "done")))
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(outcomes.ask, "queued", stage["a"], kind(after(1, "done, too")))
        await trio.testing.wait_all_tasks_blocked()
        stage.system.stop()
        await trio.testing.wait_all_tasks_blocked()
        await outcomes.ask("new", stage["a"], kind(answer(1)))

    assert (outcomes.seen["in hand"], outcomes.seen["queued"]) == ("done", "done, too")
    assert isinstance(outcomes.seen["new"], ActorDown)
    assert outcomes.at["new"] == 0
    assert outcomes.at["in hand"] == 2


async def test_an_ask_that_does_not_fit_into_the_mailbox_is_told_at_once(
    autojump_clock: MockClock,
) -> None:
    # Each policy has its test in test_mailbox.py; this is the default one.
    async with playing(player("a", mailbox=None)) as stage:
        for number in range(1024):
            stage["a"].tell(Note(number))
        with pytest.raises(ActorError, match="its mailbox holds 1024 messages already"):
            await stage["a"].ask(Do(answer(1)))


async def test_a_message_without_a_handler_is_rejected(autojump_clock: MockClock) -> None:
    class Stranger(Request[int]):
        pass

    async with playing("a") as stage:
        with pytest.raises(Reject, match="has no handler for Stranger"):
            await stage["a"].ask(Stranger())
        stage["a"].tell(Stranger())
        await stage["a"].ask(Do(answer(1)))

        assert [reason for reason, _ in stage.dead()] == ["unknown"]
        assert stage.system.snapshot("a")[0].life == 1


async def test_an_ask_of_an_actor_that_backs_off_ends_with_the_stop_of_its_system(
    autojump_clock: MockClock,
) -> None:
    outcomes = Outcomes()
    spec = player("a", backoff=Backoff(first=50, jitter=0))
    async with trio.open_nursery() as nursery, playing(spec) as stage:
        stage["a"].tell(Do(boom(ValueError())))
        nursery.start_soon(outcomes.ask, "queued", stage["a"], Do(answer(1)))
        await trio.sleep(1)

    assert isinstance(outcomes.seen["queued"], ActorDown)
    assert outcomes.at["queued"] == 1


async def test_a_ref_outlives_the_restarts_and_ends_with_the_actor(
    autojump_clock: MockClock,
) -> None:
    async with playing("a") as stage:
        ref = stage["a"]
        ref.tell(Do(boom(ValueError())))
        assert await ref.ask(Do(answer(1))) == 1
        assert ref == stage["a"]
        assert hash(ref) == hash(stage["a"])
        assert repr(ref) == "<Ref a running>"
        assert not ref.is_down
    assert ref.is_down
    with pytest.raises(ActorDown):
        await ref.ask(Do(answer(1)))
