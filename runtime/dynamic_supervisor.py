"""A supervisor of children that come and go: one a conversation, one a job."""

import functools
from collections.abc import Callable, Iterator
from math import inf
from typing import Any, Generic, TypeVar

import trio

from .cell import Cell, Door, Exit
from .children import KILL_GRACE, Child, SupervisingLife, leaf_life, open_cell
from .errors import ActorDown, ChildExists, SpecError, TooManyChildren
from .events import Unkillable
from .life import Host, Leave, Life
from .ref import Ref
from .spec import ChildSpec

__all__ = ["Children", "DynamicLife"]

M = TypeVar("M")


class DynamicLife(SupervisingLife):
    """One run of a dynamic supervisor. Its children end with it."""

    __slots__ = ("_children", "_limit", "_template")

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

    @property
    def children(self) -> dict[str, Child]:
        return self._children

    def child_of(self, life: Life) -> Child | None:
        return self._children.get(life.cell.path.rpartition("/")[2])

    def child_exited(self, life: Life, exit: Exit) -> None:
        if life.asked:
            self._forget(life.cell, "it was stopped")
        super().child_exited(life, exit)

    def _forget(self, cell: Cell, reason: str) -> None:
        cell.close(reason)
        id = cell.path.rpartition("/")[2]
        # The id may be taken again by now.
        if id in self._children and self._children[id].cell is cell:
            del self._children[id]

    async def start_child(self, id: str, args: Any, kwargs: Any) -> Cell:
        """Start a child and wait until it is ready. Raises StartFailed."""
        path = f"{self.cell.path}/{id}"
        if not id or "/" in id:
            raise SpecError(f"{self.cell.path}: a child's id is not empty and has no slash: {id!r}")
        if self.leaving or self._nursery is None:
            raise ActorDown(self.cell.path, "it is stopping and starts no more children")
        if id in self._children:
            raise ChildExists(path)
        if len(self._children) >= self._limit:
            raise TooManyChildren(self.cell.path, self._limit)
        start = self._template.start
        if args or kwargs:
            start = functools.partial(start, *args, **kwargs)
        cell = open_cell(self.cell.env, self.cell.path, id, self._template, True)
        child = Child(cell, self._template, start)
        self._children[id] = child
        life = child.launch(self._nursery, self, leaf_life)
        try:
            await life.ready()
        except trio.Cancelled:
            life.kill()  # nobody is left who would ever stop it
            raise
        return cell

    async def stop_child(self, id: str) -> None:
        """Stop a child in order; nothing where there is none."""
        child = self._children.get(id)
        if child is not None:
            await child.stop(Leave.WHEN_DRAINED)
            self._forget(child.cell, "it was stopped")

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
        unready = child.life is not None and child.life.began == inf
        if (unready and child.cell.lives == 1) or not self._returns(child, exit):
            # Who could not start at all has a starter, who was told.
            self._forget(child.cell, f"it ended ({exit})")
            return
        gave_up = self._too_many(exit)
        if gave_up is not None:
            await self._stop_all()
            raise gave_up
        self._prepare(child, exit)
        child.launch(self._nursery_of_children(), self, leaf_life)

    async def _stop_all(self) -> None:
        """All at once, under one deadline: they do not build on each other."""
        for child in list(self._children.values()):
            if child.life is not None:
                child.life.request(Leave.WHEN_DRAINED)
        with trio.move_on_after(self._template.shutdown):
            await self._all_gone()
        for child in list(self._children.values()):
            if child.life is not None:
                child.life.kill()
        with trio.move_on_after(KILL_GRACE):
            await self._all_gone()
        for child in list(self._children.values()):
            if child.life is not None and child.life.exit is None:
                stack = child.life.stack()
                self.cell.env.reports.emit(Unkillable(child.cell.path, stack))

    async def _all_gone(self) -> None:
        while self._children:
            await self._rung()

    def settle(self, exit: Exit) -> None:
        for child in list(self._children.values()):
            self._forget(child.cell, "its supervisor was stopped")


class Children(Generic[M]):
    """The children of a dynamic supervisor, by id; stays good over its restarts."""

    __slots__ = ("_cell",)

    def __init__(self, cell: Cell) -> None:
        self._cell = cell

    def _life(self) -> DynamicLife:
        life = self._cell.life
        if not isinstance(life, DynamicLife) or life.exit is not None:
            raise ActorDown(self._cell.path, "it is not running")
        return life

    async def start(self, id: str, *args: Any, **kwargs: Any) -> Ref[M]:
        """Start child `id` with the arguments of its factory; returns when it is ready.

        Raises ChildExists, TooManyChildren, StartFailed, ActorDown.
        """
        return Ref(await self._life().start_child(id, args, kwargs))

    async def stop(self, id: str) -> None:
        """Stop child `id` in order, within its shutdown time; nothing if there is none."""
        await self._life().stop_child(id)

    def get(self, id: str) -> Ref[M] | None:
        """The ref of child `id`, or None."""
        life = self._cell.life
        child = life.children.get(id) if isinstance(life, DynamicLife) else None
        if child is None or child.cell.door is Door.CLOSED:
            return None
        return Ref(child.cell)

    def __len__(self) -> int:
        life = self._cell.life
        return len(life.children) if isinstance(life, DynamicLife) else 0

    def __iter__(self) -> Iterator[str]:
        life = self._cell.life
        return iter(list(life.children) if isinstance(life, DynamicLife) else [])
