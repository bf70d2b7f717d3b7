"""What is checked when an actor's class is made, and what an actor may do."""

# Classes are made here to see them refused.
# pyright: reportUnusedClass=false

from typing import Any, Generic, TypeVar

import attrs
import pytest
import trio

from tests.fakes.players import Hang, Life, Note, Play, Player, until
from trouper.runtime import Actor, Request, Sink, SpecError, Streams, System, child, on
from trouper.runtime.testing import running

T = TypeVar("T")


@attrs.frozen
class Bold(Note):
    """A note, and more."""


class Numbers(Streams[int]):
    """Count."""


def test_a_forgotten_handler_is_found_when_the_class_is_made() -> None:
    with pytest.raises(SpecError, match=r"Half lacks a handler .* declares: @on\(Life\)"):

        class Half(Actor[Note | Life]):
            @on(Note)
            async def note(self, message: Note) -> None: ...


def test_a_single_forgotten_handler_is_found_too() -> None:
    with pytest.raises(SpecError, match=r"@on\(Note\)"):

        class Nothing(Actor[Note]):
            pass


def test_a_handler_for_what_nobody_may_send_is_found() -> None:
    with pytest.raises(SpecError, match=r"Odd handles Life, which Actor\[\.\.\.\] does not name"):

        class Odd(Actor[Note]):
            @on(Note)
            async def note(self, message: Note) -> None: ...

            @on(Life)
            async def life(self, message: Life) -> int:
                return 1


@pytest.mark.parametrize("wrong", [{"limit": 0, "task": True}, {"limit": 3}])
def test_a_limit_goes_with_tasks_and_is_at_least_one(wrong: dict[str, Any]) -> None:
    with pytest.raises(SpecError, match=r"@on\(Note, limit="):
        on(Note, **wrong)


def test_a_class_inherits_handlers_and_may_replace_them() -> None:
    class Base(Actor[Note]):
        @on(Note)
        async def note(self, message: Note) -> None: ...

    class Derived(Base):
        @on(Note)
        async def other(self, message: Note) -> None: ...

    assert Base._handlers[Note].function is Base.note
    assert Derived._handlers[Note].function is Derived.other


def test_a_class_that_is_open_is_checked_when_it_is_closed() -> None:
    class Open(Actor[T], Generic[T]):
        @on(Note)
        async def note(self, message: Note) -> None: ...

    with pytest.raises(SpecError, match=r"@on\(Life\)"):

        class Closed(Open[Life | Note]):
            pass


def test_a_handler_may_be_for_more_special_messages_than_are_declared() -> None:
    class Careful(Actor[Note]):
        @on(Note)
        async def note(self, message: Note) -> None: ...

        @on(Bold)
        async def bold(self, message: Bold) -> None: ...

    assert set(Careful._handlers) == {Note, Bold}


def test_only_actors_with_tasks_have_a_nursery() -> None:
    class Plain(Actor[Note]):
        @on(Note)
        async def note(self, message: Note) -> None: ...

    class Tasks(Actor[Note]):
        @on(Note, task=True)
        async def note(self, message: Note) -> None: ...

    class Streaming(Actor[Numbers]):
        @on(Numbers)
        async def count(self, message: Numbers, sink: Sink[int]) -> None: ...

    class Background(Plain, background=True):
        pass

    assert [k._has_nursery for k in (Plain, Tasks, Streaming, Background)] == [
        False,
        True,
        True,
        True,
    ]


async def test_an_actor_knows_its_path_and_its_ref() -> None:
    class Self(Actor[Life | Note]):
        heard = 0

        @on(Life)
        async def which(self, message: Life) -> int:
            assert self.path == "actor"
            self.ref.tell(Note("to myself"))
            return self.heard

        @on(Note)
        async def note(self, message: Note) -> None:
            self.heard += 1

    async with running(Self) as ref:
        assert await ref.ask(Life()) == 0
        assert await ref.ask(Life()) == 1


async def test_an_actor_finds_others_by_path_and_kind() -> None:
    class Finder(Actor[Note]):
        @on(Note)
        async def note(self, message: Note) -> None:
            with pytest.raises(SpecError, match="no actor at 'nobody'"):
                self.find("nobody", Player)
            with pytest.raises(SpecError, match="a is a Player, not a "):
                self.find("a", Finder)
            found.append(await self.find(message.text, Player).ask(Life()))

    found: list[int] = []
    play = Play()
    async with System(play.part("a"), child("f", Finder)) as system:
        system.ref("f", Finder).tell(Note("a"))

    assert found == [1]


async def test_an_actor_that_stops_itself_ends_normally_after_the_message_in_hand(
    autojump_clock: trio.testing.MockClock,
) -> None:
    class Once(Actor[Note]):
        @on(Note)
        async def note(self, message: Note) -> None:
            self.stop()
            await trio.sleep(2)
            done.append(message.text)

    done: list[str] = []
    async with System(child("once", Once, restart="transient")) as system:
        ref = system.ref("once", Once)
        ref.tell(Note("first"))
        ref.tell(Note("second"))
        await until(system, "once", "stopped")

        assert trio.current_time() == pytest.approx(2, abs=0.01)
        assert done == ["first"]
        assert [letter.message for letter in system.dead_letters] == [Note("second")]


async def test_tasks_in_the_background_run_beside_the_handlers_until_the_end(
    autojump_clock: trio.testing.MockClock,
) -> None:
    class Busy(Actor[Request[int]], background=True):
        beats = 0

        async def on_start(self) -> None:
            self.start_soon(self.beat, 2.0)

        async def beat(self, every: float) -> None:
            while True:
                await trio.sleep(every)
                self.beats += 1

        @on(Request)
        async def count(self, message: Request[int]) -> int:
            return self.beats

    async with running(Busy) as ref:
        await trio.sleep(5)
        assert await ref.ask(Life()) == 2


async def test_tasks_in_the_background_are_asked_for_in_the_class_line() -> None:
    class Plain(Actor[Hang]):
        @on(Hang)
        async def hang(self, message: Hang) -> None:
            with pytest.raises(SpecError, match=r"Plain\(Actor\[\.\.\.\], background=True\)"):
                self.start_soon(trio.sleep, 1)

    async with running(Plain) as ref:
        await ref.ask(Hang())
