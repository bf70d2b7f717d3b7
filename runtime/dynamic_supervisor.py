"""A supervisor of children that come and go: one a conversation, one a job."""

import functools
from collections.abc import Callable
from math import inf
from typing import Any

import trio

from .cell import Cell, Exit
from .children import (
    KILL_GRACE,
    Child,
    SupervisingLife,
    leaf_life,
    open_cell,
    report_unkillable,
)
from .errors import ActorDown, ActorUnavailable, ChildExists, SpecError, TooManyChildren
from .life import Host, Leave, Life
from .restarts import comes_back
from .spec import ChildSpec

__all__ = ["DynamicLife"]


class DynamicLife(SupervisingLife):
    """One run of a dynamic supervisor. Its children end with it."""

    __slots__ = ("_again", "_children", "_limit", "_template")

    def __init__(
        self, cell: Cell, spec: ChildSpec, start: Callable[..., Any], host: Host, delay: float
    ) -> None:
        super().__init__(cell, spec, start, host, delay)
        assert spec.subtree is not None
        assert spec.subtree.template is not None
        assert spec.subtree.max_children is not None
        self._template: ChildSpec = spec.subtree.template
        self._limit: int = spec.subtree.max_children
        self._children: dict[str, Child] = {}
        # Those that are being ended to begin anew.
        self._again: set[Child] = set()

    @property
    def children(self) -> dict[str, Child]:
        """By id, oldest first."""
        return self._children

    def child_of(self, life: Life) -> Child | None:
        return self._children.get(life.cell.path.rpartition("/")[2])

    def child_exited(self, life: Life, exit: Exit) -> None:
        # What needs no judgement is done at once, so that whoever hears of the
        # end finds the id free.
        if self._children.get(life.cell.path.rpartition("/")[2]) in self._again:
            pass
        elif life.asked:
            self._forget(life.cell, "it was stopped")
        elif life.number == 1 and life.began == inf:
            # Who could not start at all has a starter, who is told.
            self._forget(life.cell, f"it did not start ({exit})")
        elif not comes_back(self._template.restart, exit.crashed):
            self._forget(life.cell, f"it ended ({exit})")
        super().child_exited(life, exit)

    def _forget(self, cell: Cell, reason: str) -> None:
        cell.close(reason)
        cells, id = self.cell.env.cells, cell.path.rpartition("/")[2]
        # The id may be taken again by now.
        if cells.get(cell.path) is cell:
            del cells[cell.path]
            if cell.tally is not None:
                cell.tally.leave(cell)
        child = self._children.get(id)
        if child is not None and child.cell is cell:
            del self._children[id]

    async def start_child(self, id: str, args: Any, kwargs: Any) -> Cell:
        """Start a child and wait until it is ready. Raises StartFailed."""
        nursery, path = self._nursery, f"{self.cell.path}/{id}"
        if not id or "/" in id:
            raise SpecError(f"{self.cell.path}: a child's id is not empty and has no slash: {id!r}")
        if self.leaving:
            raise ActorDown(self.cell.path, "it is stopping and starts no more children")
        if nursery is None or self.exit is not None:
            raise ActorUnavailable(self.cell.path, self.cell.retry_at)
        if id in self._children:
            raise ChildExists(path)
        if len(self._children) >= self._limit:
            raise TooManyChildren(self.cell.path, self._limit)
        start = self._template.start
        if args or kwargs:
            start = functools.partial(start, *args, **kwargs)
        cell = open_cell(self.cell.env, self.cell.path, id, self._template)
        child = Child(cell, self._template, start)
        self._children[id] = child
        life = child.launch(nursery, self, leaf_life)
        try:
            await life.ready()
        except trio.Cancelled:
            life.kill()  # nobody is left who would ever stop it
            raise
        return cell

    # Asked by a person.

    async def restart_child(self, id: str) -> None:
        child = self._child(id)
        if child in self._again:
            return  # somebody else has asked for it just now
        self._again.add(child)
        try:
            await child.stop(Leave.AFTER_THIS)
        finally:
            self._again.discard(child)
            if child.alive or self.leaving or self._nursery is None:
                self._give_up_on(child)
            else:
                child.cell.restarts += 1
                child.launch(self._nursery, self, leaf_life)

    def _give_up_on(self, child: Child) -> None:
        """It did not end, or its supervisor does: as with a child that is stopped."""
        if child.alive:
            child.close("it was stopped")
        else:
            self._forget(child.cell, "its supervisor was stopped")

    async def end_child(self, id: str, leave: Leave) -> None:
        self._child(id)
        await self.stop_child(id, leave)

    def _child(self, id: str) -> Child:
        child = self._children.get(id)
        if child is None:
            raise SpecError(f"{self.cell.path} has no child {id!r}")
        return child

    async def stop_child(self, id: str, leave: Leave = Leave.WHEN_DRAINED) -> None:
        """Stop a child in order; nothing where there is none."""
        child = self._children.get(id)
        if child is None:
            return
        try:
            await child.stop(leave)
        finally:
            if not child.alive:
                self._forget(child.cell, "it was stopped")
            elif child.life is not None and child.life.killed:
                # It does not end, but keeps its place until it does.
                child.close("it was stopped")
            elif self._nursery is not None:
                # The caller was cancelled: somebody has to see to the deadline.
                self._nursery.start_soon(self.stop_child, id)

    async def body(self) -> None:
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            self.become_ready()
            while not self.leaving:
                await self._rung()
                while self._exits and not self.leaving:
                    await self._judge(*self._exits.popleft())
            await self._stop_all()

    async def _judge(self, child: Child, exit: Exit) -> None:
        if self._children.get(child.cell.path.rpartition("/")[2]) is not child:
            return  # stopped since
        if not self._returns(child, exit):
            self._forget(child.cell, f"it ended ({exit})")
            return
        gave_up = self._too_many(exit)
        if gave_up is not None:
            self.leaving = Leave.WHEN_DRAINED
            self._forget(child.cell, f"it ended ({exit}), and its supervisor gave up")
            await self._stop_all()
            raise gave_up
        self._prepare(child, exit)
        child.launch(self._nursery_of_children(), self, leaf_life)

    async def _stop_all(self) -> None:
        """All at once, under one deadline: they do not build on each other."""
        for child in list(self._children.values()):
            if child.life is not None and child.alive:
                child.life.request(Leave.WHEN_DRAINED)
            else:
                self._forget(child.cell, "its supervisor was stopped")
        with trio.move_on_after(self._template.shutdown):
            await self._all_gone()
        last_words = 0.0
        for child in list(self._children.values()):
            if child.life is not None:
                child.life.kill()
                last_words = max(last_words, child.life.last_words)
        with trio.move_on_after(KILL_GRACE + last_words):
            await self._all_gone()
        for child in list(self._children.values()):
            if child.life is not None:
                report_unkillable(child.life)

    async def _all_gone(self) -> None:
        while self._children:
            await self._rung()

    def settle(self, exit: Exit) -> None:
        for child in list(self._children.values()):
            self._forget(child.cell, "its supervisor was stopped")
