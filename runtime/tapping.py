"""Looking on while an actor handles its messages: what, how long it waited, how long it took.

Nothing in the loop that reads messages asks whether somebody looks on. A tap
gives the one actor other handlers, which do what its own do and say so; the
loop looks for them whenever it has been idle, and once a batch. So a tap hears
of messages from the next such moment on, and costs the others nothing.
"""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import attrs

from .actor import Actor, Handler
from .cell import Cell

__all__ = ["Heard", "Tap", "put_tap"]

# What is remembered of each tap: a screenful.
_KEPT = 32
# Characters of an error's words.
_ERROR_LIMIT = 200


class Heard(NamedTuple):
    """One message that was handled: its type, the seconds that it waited and took, and when it
    ended, `at`, in seconds on the system's clock.

    `took` is of the handler alone: where it hands the request on, or finishes it
    in a task (`answer_later`), that is not in it. `error` is what it raised.
    """

    at: float
    message: str
    waited: float
    took: float
    error: str | None = None


class Tap:
    """Who looks on at one actor, over all its lives.

    Each of `listeners` is called with what was heard and the message itself; it
    must be quick and must not raise.
    """

    __slots__ = ("_last", "listeners")

    def __init__(self) -> None:
        # As `Heard` has it, with the type itself: most of them nobody ever reads.
        self._last: deque[tuple[float, type, float, float, str | None]] = deque(maxlen=_KEPT)
        self.listeners: list[Callable[[Heard, object], object]] = []

    @property
    def heard(self) -> tuple[Heard, ...]:
        """The last 32 messages, newest last."""
        return tuple(
            Heard(at, kind.__name__, waited, took, error)
            for at, kind, waited, took, error in self._last
        )

    def hear(
        self, message: object, at: float, waited: float, took: float, error: str | None = None
    ) -> None:
        """A message has been handled: remember it, and tell the listeners.

        `at`, `waited` and `took` are in seconds, as Heard has them.
        """
        kind = type(message)
        self._last.append((at, kind, waited, took, error))
        if self.listeners:
            heard = Heard(at, kind.__name__, waited, took, error)
            for listener in tuple(self.listeners):
                listener(heard, message)


def put_tap(actor: Actor[Any], cell: Cell) -> None:
    """Let the tap of this cell hear what `actor` handles from now on; nothing where there is none."""
    tap, dress = cell.env.taps.get(cell), cell.env.dress
    own = type(actor)._handlers
    handlers: Mapping[type, Handler] = own if dress is None else dress(cell, own)
    if tap is not None:
        handlers = {kind: _tapped(handler, tap, cell) for kind, handler in handlers.items()}
    elif handlers is own and "_handlers" not in vars(actor):
        return
    # Over the class's own, for this one alone.
    vars(actor)["_handlers"] = handlers


def _tapped(handler: Handler, tap: Tap, cell: Cell) -> Handler:
    """The same handler, which says what it does. Each of its lines is paid for by every message."""
    function, now, hear = handler.function, cell.env.now, tap.hear

    def fail(message: object, waited: float, began: float, error: BaseException) -> None:
        ended = now()
        hear(message, ended, waited, ended - began, cell.env.wording.of(error)[:_ERROR_LIMIT])

    def plainly(actor: Any, message: object) -> Any:
        # In its turn, so that it is what the cell has in hand.
        hand, began = cell.current, now()
        waited = began - hand.enqueued if hand is not None else 0.0
        try:
            result = function(actor, message)
        except Exception as error:
            fail(message, waited, began, error)
            raise
        ended = now()
        hear(message, ended, waited, ended - began)
        return result

    async def slowly(actor: Any, message: object, *sink: Any) -> Any:
        hand = cell.env.hand() if handler.task else cell.current
        began = now()
        waited = began - hand.enqueued if hand is not None else 0.0
        try:
            result = await function(actor, message, *sink)
        except BaseException as error:
            fail(message, waited, began, error)
            raise
        ended = now()
        hear(message, ended, waited, ended - began)
        return result

    return attrs.evolve(handler, function=plainly if handler.plain else slowly)
