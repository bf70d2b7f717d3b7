"""Handlers that do what they should not: the actors beside them and their askers do not suffer."""

from collections.abc import Callable
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from tests.fakes.player import (
    Do,
    InTask,
    Items,
    Note,
    Player,
    after,
    answer,
    boom,
    elapsed,
    player,
    playing,
)
from trouper.runtime import Actor, ActorCrashed, ActorDown, ActorError, Sink, System, child, on
from trouper.runtime.cell import Exit
from trouper.runtime.events import ChildCrashed, Unkillable
from trouper.runtime.life import Leave

kinds = pytest.mark.parametrize("kind", [Do, InTask])


async def ask_and_note(seen: list[Any], watch: Callable[[], float], ref: Any, message: Any) -> None:
    try:
        seen.append((await ref.ask(message, timeout=float("inf")), watch()))
    except ActorError as error:
        seen.append((type(error), watch()))


async def swallow_the_kill(_: Player) -> str:
    try:
        await trio.sleep(60)
    except BaseException:  # noqa: BLE001 - what users should not do
        pass
    return "swallowed"


@kinds
async def test_a_swallowed_kill_is_still_the_end(kind: Any, autojump_clock: MockClock) -> None:
    heard: list[object] = []
    seen: list[Any] = []
    async with trio.open_nursery() as nursery, playing(player("a", heard, shutdown=1)) as stage:
        watch = elapsed()
        nursery.start_soon(ask_and_note, seen, watch, stage["a"], kind(swallow_the_kill))
        await trio.testing.wait_all_tasks_blocked()
        if kind is Do:
            for number in range(5):
                stage["a"].tell(Note(number))
        stage.system.stop()
        await stage.system.stopped()
        assert watch() == 1
        dead = stage.dead()

    assert seen == [("swallowed", 1)]
    assert heard == [], "nothing is begun after the kill"
    assert [reason for reason, _ in dead] == ["down"] * (5 if kind is Do else 0)


@kinds
async def test_a_shielded_handler_is_reported_with_where_it_stands_and_holds_up_nobody(
    kind: Any, autojump_clock: MockClock
) -> None:
    async def deaf(_: Player) -> None:
        with trio.CancelScope(shield=True):
            await trio.sleep(60)

    seen: list[Any] = []
    async with trio.open_nursery() as nursery, playing("b", player("a", shutdown=1)) as stage:
        watch = elapsed()
        nursery.start_soon(ask_and_note, seen, watch, stage["a"], kind(deaf))
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(ask_and_note, seen, watch, stage["b"], Do(after(30, "b")))
        await trio.testing.wait_all_tasks_blocked()
        stage.system.stop()

    # The asker is told when the runtime gives up, and not when the handler does.
    assert (ActorDown, 2) in seen
    (event,) = [event for event in stage.events if isinstance(event, Unkillable)]
    assert event.path == "a"
    if kind is Do:
        assert any("deaf" in line for line in event.stack)


async def test_the_reader_of_a_shielded_stream_is_told_likewise(
    autojump_clock: MockClock,
) -> None:
    async def deaf(_: Player, sink: Sink[Any]) -> None:
        await sink.send("first")
        with trio.CancelScope(shield=True):
            await trio.sleep(60)

    seen: list[Any] = []

    async def read(stage: Any) -> None:
        async with stage["a"].stream(Items(deaf)) as items:
            seen.append(await anext(items))
            with pytest.raises(ActorDown):
                await anext(items)
            seen.append(watch())

    async with trio.open_nursery() as nursery, playing(player("a", shutdown=1)) as stage:
        watch = elapsed()
        nursery.start_soon(read, stage)
        await trio.testing.wait_all_tasks_blocked()
        stage.system.stop()

    assert seen == ["first", 2]


async def test_a_life_that_has_ended_stands_nowhere(autojump_clock: MockClock) -> None:
    async with playing("a") as stage:
        life = stage["a"]._cell.life
        assert life.stack() != ()
    assert life.stack() == ()


async def test_a_fault_in_terminate_is_told_with_the_crash_before_it(
    autojump_clock: MockClock,
) -> None:
    class Clumsy(Player):
        async def terminate(self, reason: Exit) -> None:
            raise KeyError("in terminate")

    async with playing(child("a", Clumsy)) as stage:
        with pytest.raises(ActorCrashed):
            await stage["a"].ask(Do(boom(ValueError("first"))))
        await trio.testing.wait_all_tasks_blocked()
        error = stage.crash("a").exception
        assert isinstance(error, ValueError)
        assert error.__notes__ == ["and terminate raised KeyError: 'in terminate'"]


@kinds
async def test_a_crash_while_it_is_killed_is_told_as_the_crash(
    kind: Any, autojump_clock: MockClock
) -> None:
    """A nursery then raises a group of the cancellation and the fault."""

    async def crash_when_cancelled(_: Player) -> None:
        async def fail() -> None:
            try:
                await trio.sleep(60)
            finally:
                raise ValueError("in the cleanup")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(fail)
            nursery.start_soon(trio.sleep, 60)

    seen: list[Any] = []
    async with trio.open_nursery() as nursery, playing(player("a", shutdown=1)) as stage:
        watch = elapsed()
        nursery.start_soon(ask_and_note, seen, watch, stage["a"], kind(crash_when_cancelled))
        await trio.testing.wait_all_tasks_blocked()
        stage.system.stop()

    assert seen == [(ActorCrashed, 1)]
    (crash,) = [event for event in stage.events if isinstance(event, ChildCrashed)]
    assert isinstance(crash.error, ValueError)
    assert crash.message == kind.__name__


@kinds
async def test_a_crash_while_the_whole_system_is_cancelled_lets_the_cancellation_through(
    kind: Any, autojump_clock: MockClock
) -> None:
    async def crash_when_cancelled(_: Player) -> None:
        try:
            await trio.sleep(60)
        finally:
            raise ValueError("in the cleanup")

    seen: list[Any] = []
    events: list[Any] = []
    async with trio.open_nursery() as nursery:
        watch = elapsed()
        with trio.move_on_after(1) as scope:
            async with playing("a", "b", observer=events.append) as stage:
                nursery.start_soon(
                    ask_and_note, seen, watch, stage["a"], kind(crash_when_cancelled)
                )
                nursery.start_soon(ask_and_note, seen, watch, stage["b"], kind(after(60)))
                await trio.sleep_forever()

    assert scope.cancelled_caught
    assert sorted((error.__name__, at) for error, at in seen) == [
        ("ActorCrashed", 1),
        ("ActorDown", 1),
    ]
    assert [type(e.error) for e in events if isinstance(e, ChildCrashed)] == [ValueError]


@pytest.mark.parametrize("seconds", [0, 1])
@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
@kinds
def test_an_interrupt_in_a_handler_leaves_the_system_as_itself(
    kind: Any, error: type[BaseException], seconds: float
) -> None:
    seen: list[Any] = []

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            try:
                async with playing("a", "b") as stage:
                    watch = elapsed()
                    nursery.start_soon(ask_and_note, seen, watch, stage["b"], Do(after(60)))
                    await trio.testing.wait_all_tasks_blocked()
                    nursery.start_soon(
                        ask_and_note, seen, watch, stage["a"], kind(boom(error(), seconds))
                    )
                    await trio.sleep(30)
            finally:
                seen.append("left")

    # The nursery of this test wraps it; nothing else does.
    with pytest.raises(BaseExceptionGroup) as caught:
        trio.run(main, clock=MockClock(autojump_threshold=0))
    assert [type(one) for one in caught.value.exceptions] == [error]
    # In what order is trio's affair, but nobody is left without a word.
    assert [one for one in seen if one != "left"] == [(ActorDown, seconds)] * 2


def test_an_interrupt_in_terminate_is_no_silence_either() -> None:
    class Rude(Actor[Note]):
        @on(Note)
        async def note(self, message: Note) -> None:
            pass

        async def terminate(self, reason: Exit) -> None:
            raise KeyboardInterrupt

    async def main() -> None:
        async with System(child("rude", Rude), signals=False):
            pass

    with pytest.raises(KeyboardInterrupt):
        trio.run(main, clock=MockClock(autojump_threshold=0))


async def test_an_asker_hears_of_a_crash_before_the_actor_has_cleaned_up(
    autojump_clock: MockClock,
) -> None:
    class Slow(Player):
        async def terminate(self, reason: Exit) -> None:
            await trio.sleep(3)

    seen: list[Any] = []
    async with System(child("a", Slow), signals=False) as system:
        watch = elapsed()
        await ask_and_note(seen, watch, system.ref("a", Player), Do(boom(ValueError())))
        await ask_and_note(seen, watch, system.ref("a", Player), Do(answer("next life")))
    assert seen == [(ActorCrashed, 0), ("next life", 3)]


async def test_a_stop_reaches_an_actor_that_has_just_been_woken(
    autojump_clock: MockClock,
) -> None:
    for _ in range(10):
        heard: list[object] = []
        async with playing(player("a", heard)) as stage:
            await trio.testing.wait_all_tasks_blocked()
            # Parked, woken by a message, and told to stop, all in one pass.
            stage["a"].tell(Note("last"))
            stage["a"]._cell.life.request(Leave.WHEN_DRAINED)
            with pytest.raises(ActorDown):
                await stage["a"].ask(Do(answer(1)))
            await trio.testing.wait_all_tasks_blocked()
            assert heard == ["last"]


async def test_an_actor_that_stops_itself_in_init_ends_in_order(
    autojump_clock: MockClock,
) -> None:
    class Brief(Player):
        async def init(self) -> None:
            self.stop()
            await trio.sleep(1)

    async with playing(child("a", Brief, restart="transient")) as stage:
        await trio.testing.wait_all_tasks_blocked()
        now = stage.system.snapshot("a")[0]
        assert (now.state, now.life, now.last_crash) == ("stopped", 1, None)
        assert now.stopped_because == "it ended (normal)"


async def test_actors_beside_a_crash_go_on_with_what_they_do(autojump_clock: MockClock) -> None:
    seen: list[Any] = []
    async with playing("a", "b") as stage, trio.open_nursery() as nursery:
        watch = elapsed()
        nursery.start_soon(ask_and_note, seen, watch, stage["b"], Do(after(2, "undisturbed")))
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(5):
            stage["a"].tell(Do(boom(ValueError())))
    assert seen == [("undisturbed", 2)]
