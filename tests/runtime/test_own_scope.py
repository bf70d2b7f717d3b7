"""The scope of a request in hand, and whether an ask is begun at once."""

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from trouper.runtime import Actor, Reject, Request, SpecError, System, child, on


@attrs.frozen
class Hang(Request[str]):
    """Answered by whoever ends it."""


@attrs.frozen
class Told:
    """The same, and nobody waits."""


@attrs.frozen
class Plain(Request[str]):
    """Asked in the actor's own turn."""


@attrs.frozen
class Turn(Request[str]):
    """Waits in the actor's own turn."""


class Watched(Actor[Hang | Told | Plain | Turn]):
    """Ends what hangs after a second, and says so."""

    def __init__(self) -> None:
        self.ended: list[str] = []

    @on(Hang, task=True, limit=1)
    async def hang(self, message: Hang) -> str:
        scope = self.own_scope()
        scope.deadline = trio.current_time() + 1
        try:
            await trio.sleep_forever()
        except trio.Cancelled:
            if trio.current_time() < scope.deadline:
                self.ended.append("left")
                raise
            raise Reject("it took too long") from None

    @on(Told, task=True)
    async def told(self, message: Told) -> None:
        self.own_scope()

    @on(Plain)
    def plain(self, message: Plain) -> str:
        with pytest.raises(SpecError, match="own_scope needs a request in hand"):
            self.own_scope()
        return ", ".join(self.ended)

    @on(Turn)
    async def turn(self, message: Turn) -> str:
        await trio.sleep(1)
        return "done"


async def test_a_task_may_end_itself_by_its_own_scope_and_say_why(
    autojump_clock: MockClock,
) -> None:
    async with System(child("a", Watched)) as system:
        with pytest.raises(Reject, match="too long"):
            await system.ref("a", Watched).ask(Hang())

    assert trio.current_time() == 1


async def test_it_is_the_scope_that_ends_when_nobody_waits_any_more(
    autojump_clock: MockClock,
) -> None:
    async with System(child("a", Watched)) as system:
        ref = system.ref("a", Watched)
        with trio.move_on_after(0.5):
            await ref.ask(Hang())
        await trio.sleep(0.1)

        assert await ref.ask(Plain()) == "left"


async def test_who_was_only_told_has_none(autojump_clock: MockClock) -> None:
    async with System(child("a", Watched)) as system:
        ref = system.ref("a", Watched)
        ref.tell(Told())
        await trio.sleep(1)

        crash = system.snapshot("a")[0].last_crash
        assert crash is not None
        assert "own_scope needs a request in hand" in crash.error


async def test_an_idle_actor_is_free_until_its_places_are_taken(autojump_clock: MockClock) -> None:
    async with System(child("a", Watched)) as system, trio.open_nursery() as nursery:
        ref = system.ref("a", Watched)
        await wait_all_tasks_blocked()
        assert ref.is_free_for(Hang())
        assert ref.is_free_for(Plain())
        assert not ref.is_free_for(Turn()), "it needs the actor's own turn"

        async def hang() -> None:
            with pytest.raises(Reject):
                await ref.ask(Hang())

        nursery.start_soon(hang)
        await trio.sleep(0.5)

        assert not ref.is_free_for(Hang()), "the one place is taken"
        assert ref.is_free_for(Plain())


async def test_a_busy_actor_is_free_for_nothing(autojump_clock: MockClock) -> None:
    async with System(child("a", Watched)) as system, trio.open_nursery() as nursery:
        ref = system.ref("a", Watched)
        nursery.start_soon(ref.ask, Turn())
        await trio.sleep(0.5)

        assert not ref.is_free_for(Plain())
