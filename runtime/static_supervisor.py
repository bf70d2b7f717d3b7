"""A supervisor of children that are known beforehand.

It starts them left to right, each ready before the next, and stops them right
to left. It judges one exit after the other and never sleeps: backing off is
the child's own waiting. A group that restarts together is a queue of children
to launch, of which the head must be ready before the next begins. A child that
was cancelled and does not end leaves the queue, and comes back when it has.
"""

from collections import deque
from collections.abc import Callable
from math import inf
from typing import Any

import trio

from .cell import Cell, Door, Exit
from .children import Child, SupervisingLife, leaf_life, open_cell
from .dynamic_supervisor import DynamicLife
from .errors import ActorDown, SpecError
from .life import Host, Leave, Life, start_failure
from .replies import Promise
from .restarts import Restart
from .spec import AutoShutdown, ChildSpec, Strategy, SubtreeSpec

__all__ = ["SupervisorLife", "new_life"]


def new_life(
    cell: Cell, spec: ChildSpec, start: Callable[..., Any], host: Host, delay: float
) -> Life:
    """The next life of any child."""
    if spec.subtree is None:
        return leaf_life(cell, spec, start, host, delay)
    kind = SupervisorLife if spec.subtree.template is None else DynamicLife
    return kind(cell, spec, start, host, delay)


class _Order:
    """Asked by a person: to end a child in that way, or with None to restart it."""

    __slots__ = ("child", "done", "leave")

    def __init__(self, child: Child, leave: Leave | None) -> None:
        self.child = child
        self.leave = leave
        self.done = Promise()


class SupervisorLife(SupervisingLife):
    """One run of a supervisor, from the start of its first child to the stop of its last."""

    __slots__ = ("_by_cell", "_children", "_finished", "_late", "_launching", "_orders", "_subtree")

    def __init__(
        self, cell: Cell, spec: ChildSpec, start: Callable[..., Any], host: Host, delay: float
    ) -> None:
        super().__init__(cell, spec, start, host, delay)
        assert spec.subtree is not None
        self._subtree: SubtreeSpec = spec.subtree
        self._children: list[Child] = []
        self._by_cell: dict[Cell, Child] = {}
        self._launching: deque[Child] = deque()
        # Those that are to be launched, once the life they have lets go.
        self._late: set[Child] = set()
        self._finished = False
        self._orders: deque[_Order] = deque()

    def child_of(self, life: Life) -> Child | None:
        return self._by_cell.get(life.cell)

    def child_ready(self, life: Life) -> None:
        if self._launching and self._launching[0].life is life:
            self._launching.popleft()
        self._bell.set()

    def child_exited(self, life: Life, exit: Exit) -> None:
        child = self.child_of(life)
        if child in self._late:
            self._late.remove(child)
            self._launching.append(child)
        super().child_exited(life, exit)

    async def body(self) -> None:
        env, path = self.cell.env, self.cell.path
        for spec in self._subtree.children:
            child = Child(open_cell(env, path, spec.id, spec), spec, spec.start)
            self._children.append(child)
            self._by_cell[child.cell] = child
        self._launching.extend(self._children)
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            await self._supervise()

    async def _supervise(self) -> None:
        while True:
            # Ready before a look at the exits: a child may be ready and gone at once.
            if not self._launching and self.began == inf and not self.leaving:
                self.become_ready()
            while self._exits and not self.leaving:
                await self._judge(*self._exits.popleft())
            while self._orders and not self.leaving:
                await self._obey(self._orders.popleft())
            if self._finished and not self.leaving:
                self.leaving = Leave.WHEN_DRAINED
            if self.leaving:
                await self._stop_all(self.leaving, "it was stopped")
                return
            if self._launching and not self._launching[0].alive:
                self._launching[0].launch(self._nursery_of_children(), self, new_life)
            await self._rung()

    async def _judge(self, child: Child, exit: Exit) -> None:
        unready = child.life is not None and child.life.began == inf
        if self.began == inf and unready:
            # The first start of the whole: who cannot start now is no crash to
            # be restarted but news for whoever starts us.
            failure = start_failure(child.cell, exit)
            child.close(str(failure))
            await self._stop_all(Leave.WHEN_DRAINED, f"its supervisor did not start ({failure})")
            raise failure
        if not self._returns(child, exit):
            self._retired(child)
            return
        gave_up = self._too_many(exit)
        if gave_up is not None:
            # Its own askers hear it now, and not when the siblings have stopped.
            child.close(f"it ended ({exit}), and its supervisor gave up")
            await self._stop_all(Leave.WHEN_DRAINED, "its supervisor gave up")
            raise gave_up
        self._prepare(child, exit)
        if self._subtree.strategy is Strategy.ONE_FOR_ONE:
            child.launch(self._nursery_of_children(), self, new_life)
        else:
            await self._restart_group(child)

    def _group(self, crashed: Child) -> list[Child]:
        """Who restarts together with a child, and the child itself."""
        first = 0
        if self._subtree.strategy is Strategy.REST_FOR_ONE:
            first = self._children.index(crashed)
        return [child for child in self._children[first:] if child not in self._late]

    async def _restart_group(self, crashed: Child) -> None:
        group = self._group(crashed)
        for child in reversed(group):
            if child.alive:
                await child.stop(Leave.AFTER_THIS)
                if child.spec.restart is Restart.TEMPORARY:
                    child.close("it was stopped with a sibling that crashed")
                    continue
                child.cell.restarts += 1
                child.cell.shut_while_down(inf)
        self._late.update(
            child for child in group if child.alive and child.cell.door is not Door.CLOSED
        )
        again = {*group, *self._launching} - self._late
        self._launching = deque(
            child
            for child in self._children
            if child in again and child.cell.door is not Door.CLOSED
        )

    # Asked by a person.

    def along(self, id: str) -> tuple[str, ...]:
        child = self._child(id)
        if self._subtree.strategy is Strategy.ONE_FOR_ONE:
            return ()
        return tuple(one.cell.path for one in self._group(child) if one is not child and one.alive)

    async def restart_child(self, id: str) -> None:
        await self._ask(_Order(self._child(id), None))

    async def end_child(self, id: str, leave: Leave) -> None:
        await self._ask(_Order(self._child(id), leave))

    def _child(self, id: str) -> Child:
        found = next((child for child in self._children if child.spec.id == id), None)
        if found is None:
            raise SpecError(f"{self.cell.path or self.spec.id} has no child {id!r}")
        return found

    async def _ask(self, order: "_Order") -> None:
        if self.leaving or self.exit is not None:
            raise ActorDown(self.cell.path, "it is stopping")
        self._orders.append(order)
        self._bell.set()
        await order.done.settled()

    async def _obey(self, order: "_Order") -> None:
        child = order.child
        try:
            if order.leave is not None:
                await child.stop(order.leave)
                if child in self._launching:
                    self._launching.remove(child)
                child.close("it was stopped by hand")
            elif self._subtree.strategy is Strategy.ONE_FOR_ONE:
                await self._restart_alone(child)
            else:
                if child.cell.door is Door.CLOSED:
                    child.cell.open()
                await self._restart_group(child)
        finally:
            # Also where the supervisor is cancelled meanwhile.
            order.done.succeed(None)

    async def _restart_alone(self, child: Child) -> None:
        await child.stop(Leave.AFTER_THIS)
        if child.cell.door is Door.CLOSED:
            child.cell.open()
        child.cell.restarts += 1
        if child.alive:  # it does not end, and comes back when it has
            self._late.add(child)
        elif child not in self._launching:
            child.launch(self._nursery_of_children(), self, new_life)

    def _retired(self, child: Child) -> None:
        if child in self._launching:
            self._launching.remove(child)
        when = self._subtree.auto_shutdown
        if not child.spec.significant or when is AutoShutdown.NEVER:
            return
        left = [c for c in self._children if c.spec.significant and c.cell.door is not Door.CLOSED]
        if when is AutoShutdown.ANY or not left:
            self._finished = True

    async def _stop_all(self, leave: Leave, reason: str) -> None:
        self._launching.clear()
        self._late.clear()
        for child in reversed(self._children):
            await child.stop(leave)
            if leave is Leave.WHEN_DRAINED:
                child.close(reason)

    def settle(self, exit: Exit) -> None:
        for order in self._orders:
            order.done.fail(ActorDown(self.cell.path, "it has stopped"))
        if self.leaving is Leave.AFTER_THIS:
            return  # what waits, waits for the next life
        for child in reversed(self._children):
            child.close("its supervisor was stopped")
