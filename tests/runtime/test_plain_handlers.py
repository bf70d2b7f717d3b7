"""Handlers that are plain functions: an idle actor answers in its asker's turn.

Nobody but a clock can tell the difference, and that is what is held here.
"""

from contextvars import ContextVar
from typing import Any

import attrs
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from trouper.runtime import (
    Actor,
    ActorCrashed,
    ActorDown,
    Ref,
    Reject,
    Request,
    SpecError,
    System,
    child,
    on,
)


@attrs.frozen
class Add(Request[int]):
    number: int


@attrs.frozen
class Note:
    number: int


@attrs.frozen
class Slow(Request[int]):
    seconds: float


@attrs.frozen
class Wait(Request[int]):
    """Answered when `Note` has come."""


@attrs.frozen
class Whose(Request[str]):
    """By whom it is handled."""


_who: ContextVar[str] = ContextVar("who", default="")


class Counter(Actor[Add | Note | Slow | Wait | Whose], background=True):
    def __init__(self) -> None:
        self.sum = 0
        self.noted = trio.Event()

    @on(Add)
    def add(self, message: Add) -> int:
        if message.number == 0:
            raise Reject("nothing to add")
        if message.number < 0:
            raise ArithmeticError("below zero")
        self.sum += message.number
        return self.sum

    @on(Note)
    def note(self, message: Note) -> None:
        self.sum += message.number
        self.noted.set()

    @on(Slow)
    async def slow(self, message: Slow) -> int:
        await trio.sleep(message.seconds)
        return self.sum

    @on(Wait)
    def wait(self, message: Wait) -> int:
        return self.sum if self.noted.is_set() else self.answer_later(self._wait)

    @on(Whose)
    def whose(self, message: Whose) -> str:
        name, _ = _who.get(), _who.set("the actor")
        return f"{self.path} for {name}"

    async def _wait(self) -> int:
        await self.noted.wait()
        return self.sum


class Front(Actor[Add | Whose]):
    """Hands everything on."""

    @on(Add)
    def add(self, message: Add) -> int:
        return self.find("counter", Counter).forward(message)

    @on(Whose)
    def whose(self, message: Whose) -> str:
        return self.path


async def counter(nursery: trio.Nursery, **spec: Any) -> Ref[Add | Note | Slow | Wait | Whose]:
    system = await nursery.start(_system, spec)
    ref: Ref[Any] = system.ref("counter", Counter)
    await wait_all_tasks_blocked()
    return ref


async def _system(spec: dict[str, Any], task_status: trio.TaskStatus[System]) -> None:
    async with System(child("counter", Counter, **spec), signals=False) as system:
        task_status.started(system)
        await trio.sleep_forever()


async def test_an_ask_is_answered_and_refused(nursery: trio.Nursery) -> None:
    ref = await counter(nursery)

    assert await ref.ask(Add(2)) == 2
    with pytest.raises(Reject, match="nothing to add"):
        await ref.ask(Add(0))
    assert await ref.ask(Add(3)) == 5


async def test_an_idle_one_answers_before_others_have_their_turn(nursery: trio.Nursery) -> None:
    ref = await counter(nursery)
    others = 0

    async def other() -> None:
        nonlocal others
        others += 1

    nursery.start_soon(other)
    assert await ref.ask(Add(1)) == 1
    assert others == 0


async def test_many_asks_in_a_row_let_others_have_theirs(nursery: trio.Nursery) -> None:
    ref = await counter(nursery)
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await trio.lowlevel.checkpoint()

    nursery.start_soon(other)
    for _ in range(640):
        await ref.ask(Add(1))
    assert turns >= 15
    nursery.cancel_scope.cancel()


async def test_what_was_told_before_is_handled_before(nursery: trio.Nursery) -> None:
    ref = await counter(nursery)
    for _ in range(100):
        ref.tell(Note(1))
        ref.tell(Note(10))
        answer = await ref.ask(Add(100))
        assert answer % 111 == 0


async def test_behind_one_that_waits_it_waits_its_turn(
    nursery: trio.Nursery, autojump_clock: object
) -> None:
    ref = await counter(nursery)
    answers: list[int] = []

    async def ask(message: Slow | Add) -> None:
        answers.append(await ref.ask(message))

    async with trio.open_nursery() as asks:
        asks.start_soon(ask, Slow(1.0))
        await wait_all_tasks_blocked()
        asks.start_soon(ask, Add(1))
        # And this one finds the first before it, in the mailbox.
        asks.start_soon(ask, Add(1))
    assert sorted(answers) == [0, 1, 2]


async def test_behind_one_that_waits_in_the_mailbox_it_waits_too(
    nursery: trio.Nursery, autojump_clock: object
) -> None:
    ref = await counter(nursery)
    began = trio.current_time()
    ref.tell(Slow(1.0))
    assert await ref.ask(Add(1)) == 1
    assert trio.current_time() - began == pytest.approx(1.0)


async def test_a_fault_is_the_actors_crash_and_not_the_askers(nursery: trio.Nursery) -> None:
    ref = await counter(nursery, restart="permanent")
    await ref.ask(Add(7))

    with pytest.raises(ActorCrashed) as caught:
        await ref.ask(Add(-1))

    assert isinstance(caught.value.__cause__, ArithmeticError)
    while True:  # until it is back, with a new sum
        try:
            assert await ref.ask(Add(1)) == 1
            break
        except ActorDown:
            await trio.sleep(0.01)


async def test_a_fault_in_what_was_told_fails_nobody_else(nursery: trio.Nursery) -> None:
    ref = await counter(nursery, restart="permanent")
    ref.tell(Add(-1))  # a request that nobody waits for
    assert await ref.ask(Add(1), timeout=10) == 1


async def test_who_is_cancelled_before_has_not_asked(nursery: trio.Nursery) -> None:
    ref = await counter(nursery)
    with trio.CancelScope() as scope:
        scope.cancel()
        await ref.ask(Add(5))
    assert scope.cancelled_caught
    assert await ref.ask(Add(1)) == 1


async def test_it_runs_as_its_actor_and_in_its_askers_context(nursery: trio.Nursery) -> None:
    ref = await counter(nursery)
    _who.set("the asker")
    assert await ref.ask(Whose()) == "counter for the asker"
    assert _who.get() == "the asker"


async def test_it_may_go_on_in_a_task_and_be_answered_later(nursery: trio.Nursery) -> None:
    ref = await counter(nursery)
    answers: list[int] = []

    async def ask() -> None:
        answers.append(await ref.ask(Wait()))

    async with trio.open_nursery() as asks:
        asks.start_soon(ask)
        asks.start_soon(ask)
        await wait_all_tasks_blocked()
        assert await ref.ask(Add(1)) == 1  # nobody is held up
        assert not answers
        ref.tell(Note(4))
    assert answers == [5, 5]
    assert await ref.ask(Wait()) == 5


async def test_who_leaves_ends_what_goes_on_aside(nursery: trio.Nursery) -> None:
    ref = await counter(nursery)
    with trio.move_on_after(0.01):
        await ref.ask(Wait())
    await wait_all_tasks_blocked()
    assert not ref._cell.in_flight


async def test_it_may_hand_the_request_on() -> None:
    async with System(child("counter", Counter), child("front", Front), signals=False) as system:
        front = system.ref("front", Front)
        await wait_all_tasks_blocked()
        assert await front.ask(Add(3)) == 3
        assert await front.ask(Whose()) == "front"
        assert await front.ask(Add(1)) == 4


async def test_a_stopped_one_refuses(nursery: trio.Nursery) -> None:
    async with System(child("counter", Counter), signals=False) as system:
        ref = system.ref("counter", Counter)
        assert await ref.ask(Add(1)) == 1
    with pytest.raises(ActorDown):
        await ref.ask(Add(1))


async def test_handled_ones_are_counted(nursery: trio.Nursery) -> None:
    ref = await counter(nursery)
    for _ in range(5):
        await ref.ask(Add(1))
    assert ref._cell.handled == 5
    assert ref._cell.current is None


async def test_answer_later_needs_a_message_in_hand(nursery: trio.Nursery) -> None:
    class Alone(Actor[Add]):
        @on(Add)
        def add(self, message: Add) -> int:
            return self.answer_later(self.later)

        async def later(self) -> int:
            raise AssertionError("it has no nursery")

    async with System(child("alone", Alone), signals=False) as system:
        await wait_all_tasks_blocked()
        with pytest.raises(ActorCrashed, match="background=True"):
            await system.ref("alone", Alone).ask(Add(1))


def test_what_runs_in_a_task_is_async() -> None:
    with pytest.raises(SpecError, match="async function"):

        class Wrong(Actor[Add]):
            @on(Add, task=True)
            def add(self, message: Add) -> int:
                return 1

        assert Wrong is None
