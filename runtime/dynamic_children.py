"""The children of a dynamic supervisor, as users hold them."""

from collections.abc import Iterator, Mapping
from typing import Any, Generic, Protocol, TypeVar, cast

from .cell import Cell, Door
from .errors import ActorUnavailable, SpecError
from .ref import Ref

__all__ = ["DYNAMIC", "Children", "Placed", "StartsChildren"]

M = TypeVar("M")

DYNAMIC = "dynamic supervisor"
"""The kind of a cell whose children come and go."""


class Placed(Protocol):
    """Something with a cell: a child."""

    @property
    def cell(self) -> Cell: ...


class StartsChildren(Protocol):
    """A life of a dynamic supervisor, as its handle sees it."""

    @property
    def children(self) -> Mapping[str, Placed]: ...
    async def start_child(self, id: str, args: Any, kwargs: Any) -> Cell: ...
    async def stop_child(self, id: str) -> None: ...


class Children(Generic[M]):
    """The children of a dynamic supervisor, by id; stays good over its restarts.

    `System.children` and `Actor.children` give it out, and raise SpecError where no
    dynamic supervisor is there. Iterate over it for the ids, oldest first; `len`
    counts them.
    """

    __slots__ = ("_cell", "_kind")

    def __init__(self, cell: Cell, kind: type) -> None:
        if cell.kind != DYNAMIC:
            raise SpecError(f"{cell.path} is a {cell.kind} and starts no children on demand")
        self._cell = cell
        self._kind = kind

    async def start(self, id: str, *args: Any, **kwargs: Any) -> Ref[M]:
        """Start child `id` with the arguments of its factory; returns when it is ready.

        Where the caller is cancelled meanwhile, so is the child. Raises
        ChildExists, TooManyChildren, StartFailed with its cause, ActorDown when
        the supervisor stops, ActorUnavailable when it is being restarted.
        """
        life = self._life()
        if life is None:
            raise ActorUnavailable(self._cell.path)
        cell = await life.start_child(id, args, kwargs)
        cell.expect(self._kind)
        return Ref(cell)

    async def stop(self, id: str) -> None:
        """Stop child `id` in order, within its shutdown time; nothing if there is none.

        Where the caller is cancelled meanwhile, the stop goes on without it.
        """
        life = self._life()
        if life is not None:
            await life.stop_child(id)

    def get(self, id: str) -> Ref[M] | None:
        """The ref of child `id`; None where there is none, or where it has stopped for good."""
        child = self._children().get(id)
        if child is None or child.cell.door is Door.CLOSED:
            return None
        child.cell.expect(self._kind)
        return Ref(child.cell)

    def __contains__(self, id: object) -> bool:
        return id in self._children()

    def __len__(self) -> int:
        return len(self._children())

    def __iter__(self) -> Iterator[str]:
        # A copy: children may come and go while the caller awaits between two ids.
        return iter(list(self._children()))

    def _life(self) -> StartsChildren | None:
        # By its kind nothing else lives in this cell.
        return cast("StartsChildren | None", self._cell.life)

    def _children(self) -> Mapping[str, Placed]:
        life = self._life()
        return life.children if life is not None else {}
