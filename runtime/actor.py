"""Actors: a class with its state in attributes and one handler per message type.

`Actor[A | B]` names the messages; `@on(A)` marks their handlers. When the class
is made it is checked that every message has a handler and every handler a
message, so that a forgotten one is found at import and not at three in the
morning.
"""

import inspect
import types
import typing
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, ClassVar, Generic, Literal, Protocol, TypeVar, overload

import attrs
import trio

from .cell import Exit
from .dynamic_children import Children
from .errors import SpecError
from .events import AnnouncedLevel
from .messages import Asked, Streamed, Streams
from .ref import Down, Ref
from .replies import Sink

__all__ = ["Actor", "Context", "Handler", "Inspected", "nearest", "on"]

S = TypeVar("S")
M = TypeVar("M")
R = TypeVar("R")
T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


Inspected = Literal["value", "len", "secret"]
"""How an attribute is shown: by what it is, by how long it is, or as a mask."""


def _needs_no_turn(handler: "Handler") -> bool:
    return handler.plain or handler.task


@attrs.frozen
class Handler:
    """How one type of message is handled.

    A task handler runs in the actor's own nursery, at most `limit` at once. A `plain`
    one is no coroutine: it never waits. Such a one is run, and a task begun, `at_once`
    in its asker's turn where the actor is idle.
    """

    message: type
    function: Callable[..., Any]
    task: bool
    limit: int | None
    streams: bool
    plain: bool = False
    at_once: bool = attrs.field(init=False, default=attrs.Factory(_needs_no_turn, takes_self=True))


class _Marks(Protocol[M, R]):
    """Takes a handler, a coroutine function or a plain one, and gives it back."""

    @overload
    def __call__(
        self, function: Callable[[S, M], Awaitable[R]], /
    ) -> Callable[[S, M], Awaitable[R]]: ...
    @overload
    def __call__(self, function: Callable[[S, M], R], /) -> Callable[[S, M], R]: ...


# Overloads 1 and 2 are narrower than 3, which takes any class; mypy sees only
# that their results differ.
@overload
def on(  # type: ignore[overload-overlap]
    message: type[Asked[M, R]], *, task: bool = False, limit: int | None = None
) -> _Marks[M, R]: ...
@overload
def on(  # type: ignore[overload-overlap]
    message: type[Streamed[M, T]], *, limit: int | None = None
) -> Callable[
    [Callable[[S, M, Sink[T]], Awaitable[None]]], Callable[[S, M, Sink[T]], Awaitable[None]]
]: ...
@overload
def on(message: type[M], *, task: bool = False, limit: int | None = None) -> _Marks[M, None]: ...
def on(message: type, *, task: bool = False, limit: int | None = None) -> Any:
    """Mark a method as the handler of `message`.

    A handler runs to its end before the next message is read. With `task=True`
    it runs in a task of its own, `limit` of them at once, and further messages
    of this type wait in line while others are handled; without a limit there are as
    many tasks as messages that came. The handler of a `Streams[T]` message always
    runs so; it gets a `Sink` as second argument, whose `send` waits while the reader
    is behind by its buffer (`Ref.stream`).

    A handler that never waits may be a plain function instead of a coroutine.
    Then an ask of an actor that is idle is answered in the asker's own turn,
    at a third of the cost: for gates that every request passes.

    Raises SpecError where a limit is given to what is no task, and where what
    runs in a task of its own is a plain function.
    """
    streams = issubclass(message, Streams)
    if limit is not None and (limit < 1 or not (task or streams)):
        raise SpecError(
            f"@on({message.__name__}, limit={limit}): a limit is at least 1 and goes with task=True"
        )

    def mark(function: F) -> F:
        plain = not inspect.iscoroutinefunction(function)
        if plain and (task or streams):
            raise SpecError(f"@on({message.__name__}): what runs in a task is an async function")
        handler = Handler(message, function, task or streams, limit, streams, plain)
        function.__handler__ = handler  # type: ignore[attr-defined]
        return function

    return mark


class Context(Protocol):
    """What the life of an actor does for it."""

    @property
    def ref(self) -> Ref[Any]: ...
    @property
    def crashing(self) -> bool: ...
    def find(self, path: str) -> Ref[Any]: ...
    def children(self, path: str, kind: type) -> Children[Any]: ...
    def watch(self, ref: Ref[Any]) -> None: ...
    def start_soon(self, function: Callable[..., Awaitable[object]], *args: Any) -> None: ...
    def answer_later(
        self, function: Callable[..., Awaitable[Any]], args: tuple[Any, ...]
    ) -> Any: ...
    def own_scope(self) -> trio.CancelScope: ...
    def leave(self) -> None: ...
    def announce(self, level: AnnouncedLevel, msg: str, detail: str) -> None: ...


class Actor(Generic[M]):
    """One thing with a state, a pace or a failure of its own.

    Subclass it as `class Clock(Actor[Tick | GetTime])` and write one `@on`
    method for each message. An instance lives from a start to a crash or stop;
    the next life has a new instance, behind the same ref. Making the class raises
    SpecError where a message has no handler, or a handler no message.

    `background=True` in the class line allows `start_soon`.
    """

    inspected: ClassVar[Mapping[str, Inspected]] = {}
    """Which attributes an operator may see, and how; of others only name and type are shown."""

    patience: float | None = None
    """Seconds that a handler in a task of its own may take before an operator should look; None
    where nothing is said of it. A class or an actor may say otherwise."""

    _handlers: ClassVar[Mapping[type, Handler]] = {}
    _has_nursery: ClassVar[bool] = False
    # Set by the life before `init`.
    _context: Context

    def __init_subclass__(cls, *, background: bool = False, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        handlers = dict(cls._handlers)
        for name in list(vars(cls)):
            handler = getattr(vars(cls)[name], "__handler__", None)
            if handler is not None:
                handlers[handler.message] = handler
        cls._handlers = handlers
        cls._has_nursery = (
            background or cls._has_nursery or any(handler.task for handler in handlers.values())
        )
        _check_complete(cls)

    # What subclasses may override.

    async def init(self) -> None:
        """Get ready. The supervisor waits for it, within `start_timeout`: keep it short."""

    async def on_start(self) -> None:
        """Slow preparation, before the first message; the supervisor does not wait for it."""

    async def terminate(self, reason: Exit) -> None:
        """Clean up. Shielded from cancellation for the child's `shutdown` seconds, at least 1.

        `reason` says how this life ends: by `stop`, a shutdown or a crash. It is called
        where `init` has failed, too, with whatever there is by then.
        """

    # What subclasses may use.

    @property
    def ref(self) -> Ref[M]:
        """The address of this actor."""
        return self._context.ref

    @property
    def path(self) -> str:
        """Where this actor stands in the tree, as `providers/openai`."""
        return self._context.ref.path

    @property
    def crashing(self) -> bool:
        """Whether a fault is ending this life.

        For a background task that is cancelled and has last words to say: a crash in a
        handler cancels it as the orderly end does, and means something else.
        """
        return self._context.crashing

    def find(self, path: str, kind: "type[Actor[T]]") -> Ref[T]:
        """The ref of another actor of this system. Raises SpecError as System.ref does."""
        return find_ref(self._context.find(path), kind)

    def children(self, path: str, kind: "type[Actor[T]]") -> Children[T]:
        """The children of the dynamic supervisor at `path`, as System.children gives them.

        Raises SpecError if no dynamic supervisor is there.
        """
        return self._context.children(path, kind)

    def watch(self, ref: Ref[Any]) -> None:
        """Be told by one `Down` message when the actor at `ref` stops for good; at once if it has.

        A restart of that actor is no end; a watch outlives the restarts of this
        one. Raises SpecError unless this class has a handler for `Down`.
        """
        if Down not in self._handlers:
            raise SpecError(
                f"{type(self).__qualname__} watches {ref.path} but has no handler for Down"
            )
        self._context.watch(ref)

    def start_soon(self, function: Callable[..., Awaitable[object]], *args: Any) -> None:
        """Run `function(*args)` beside the handlers, until it ends or the actor does.

        An exception in it is a crash of the actor. Raises SpecError unless the
        class says `background=True`.
        """
        self._context.start_soon(function, *args)

    def answer_later(self, function: Callable[..., Awaitable[R]], *args: Any) -> R:
        """Finish the request in hand in a task of its own: `return self.answer_later(self._wait, m)`.

        For a handler that mostly has its answer at once, and sometimes must
        wait for it: the task costs only those who wait. What `function` returns
        or raises is the answer; the rest is as with `@on(..., task=True)`.
        Raises SpecError where no message is in hand in its turn, and unless the
        class says `background=True`.
        """
        answer: R = self._context.answer_later(function, args)
        return answer

    def own_scope(self) -> trio.CancelScope:
        """The cancel scope of the request in hand, for a handler in a task of its own.

        Every such task has one, which is cancelled when nobody waits for its answer. Who
        cancels it for another reason has to raise an error in place of the Cancelled that
        comes of it: that is the answer. So a handler with deadlines needs no second scope
        for them, which would cost as much as a short handler does. Raises SpecError where
        no request is in hand in a task.
        """
        return self._context.own_scope()

    def announce(self, msg: str, detail: str = "", *, level: AnnouncedLevel = "info") -> None:
        """Tell whoever operates this system what has happened: an event (events.Announced).

        `msg` is a constant phrase and the particulars go into `detail`, without secrets and
        without what people said; `level` says how much it matters. For what happens now and
        then: observers hear of each.
        """
        self._context.announce(level, msg, detail)

    def stop(self) -> None:
        """End this life after the message in hand, as a normal exit."""
        self._context.leave()


def find_ref(ref: Ref[Any], kind: type[Actor[T]]) -> Ref[T]:
    """`ref`, typed for messages of `kind`. Raises SpecError where another kind lives there."""
    ref._cell.expect(kind)
    return ref


def _check_complete(cls: type[Actor[Any]]) -> None:
    declared = _declared_messages(cls)
    if declared is None:
        return
    missing = [m for m in declared if m not in cls._handlers]
    if missing:
        names = ", ".join(f"@on({m.__name__})" for m in missing)
        raise SpecError(f"{cls.__qualname__} lacks a handler for a message it declares: {names}")
    extra = [m for m in cls._handlers if not issubclass(m, tuple(declared))]
    if extra:
        names = ", ".join(m.__name__ for m in extra)
        raise SpecError(
            f"{cls.__qualname__} handles {names}, which Actor[...] does not name: "
            f"nobody could send it"
        )


def _declared_messages(cls: type[Actor[Any]]) -> list[type] | None:
    """The members of the union in `Actor[...]`; None while it is still open."""
    for base in getattr(cls, "__orig_bases__", ()):
        origin = typing.get_origin(base)
        if isinstance(origin, type) and issubclass(origin, Actor):
            (argument,) = typing.get_args(base)
            members = (
                typing.get_args(argument)
                if isinstance(argument, types.UnionType)
                or typing.get_origin(argument) is typing.Union
                else (argument,)
            )
            origins = [typing.get_origin(member) or member for member in members]
            if all(isinstance(member, type) for member in origins):
                return origins
    return None


def nearest(handlers: Mapping[type, Handler], message: object) -> Handler | None:
    """A message of a subclass goes to the handler of its nearest base that answers its way."""
    streams = isinstance(message, Streams)
    for base in type(message).__mro__[1:]:
        found = handlers.get(base)
        if found is not None and found.streams == streams:
            return found
    return None
