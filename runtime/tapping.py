"""Looking on while an actor handles its messages: what, how long it waited, how long it took.

Nothing in the loop that reads messages asks whether somebody looks on. A tap
gives the one actor other handlers, which do what its own do and say so; the
loop looks for them whenever it has been idle, and once a batch. So a tap hears
of messages from the next such moment on, and costs the others nothing.
"""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from .actor import Actor, Handler
from .cell import Cell, Environment

__all__ = ["Heard", "Tap", "put_tap"]

# What is remembered of each tap: a screenful.
_KEPT = 32
# Characters of an error's words.
_ERROR_LIMIT = 200


@attrs.frozen
class Heard:
    """One message that was handled: its type, the seconds that it waited and took.

    `took` is of the handler alone: where it hands the request on, or finishes it
    in a task (`answer_later`), that is not in it. `error` is what it raised.
    """

    at: float
    message: str
    waited: float
    took: float
    error: str | None = None


class Tap:
    """Who looks on at one actor, over all its lives. `heard` has the last messages, newest last.

    A listener is called with what was heard and the message itself; it must be
    quick and must not raise.
    """

    __slots__ = ("heard", "listeners")

    def __init__(self) -> None:
        self.heard: deque[Heard] = deque(maxlen=_KEPT)
        self.listeners: list[Callable[[Heard, object], object]] = []

    def hear(self, heard: Heard, message: object) -> None:
        """Remember it, and tell the listeners."""
        self.heard.append(heard)
        for listener in tuple(self.listeners):
            listener(heard, message)


def put_tap(actor: Actor[Any], cell: Cell) -> None:
    """Let the tap of this cell hear what `actor` handles from now on; nothing where there is none."""
    tap = cell.env.taps.get(cell)
    own = type(actor)._handlers
    handlers: Mapping[type, Handler] = own
    if tap is not None:
        handlers = {kind: _tapped(handler, tap, cell.env) for kind, handler in own.items()}
    elif "_handlers" not in vars(actor):
        return
    # Over the class's own, for this one alone.
    vars(actor)["_handlers"] = handlers


def _tapped(handler: Handler, tap: Tap, env: Environment) -> Handler:
    function = handler.function

    def begin() -> tuple[float, float]:
        hand, now = env.hand(), env.now()
        return now, now - hand.enqueued if hand is not None else 0.0

    def end(message: object, began: tuple[float, float], error: BaseException | None) -> None:
        now, (at, waited) = env.now(), began
        words = env.wording.of(error)[:_ERROR_LIMIT] if error is not None else None
        tap.hear(Heard(now, type(message).__name__, waited, now - at, words), message)

    def plainly(actor: Any, message: object) -> Any:
        began = begin()
        try:
            result = function(actor, message)
        except Exception as error:
            end(message, began, error)
            raise
        end(message, began, None)
        return result

    async def slowly(actor: Any, message: object, *sink: Any) -> Any:
        began = begin()
        try:
            result = await function(actor, message, *sink)
        except BaseException as error:
            end(message, began, error)
            raise
        end(message, began, None)
        return result

    return attrs.evolve(handler, function=plainly if handler.plain else slowly)
