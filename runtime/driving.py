"""Driving a coroutine by hand, in a context that is not its task's.

A handler runs in its sender's context without a task of its own: its steps are
made here, and what it waits for is handed on to trio as if there were nobody
between.
"""

from collections.abc import Generator
from contextvars import Context
from types import coroutine
from typing import Any

__all__ = ["drive"]


@coroutine
def drive(context: Context, body: Any, trap: Any) -> Generator[Any, Any, Any]:
    """Go on with a handler that has waited once, in its sender's context."""
    while True:
        try:
            sent = yield trap
        except BaseException as error:  # noqa: BLE001 - the handler's to see, Cancelled included
            step: Any = body.throw
            value: Any = error
        else:
            step, value = body.send, sent
        try:
            trap = context.run(step, value)
        except StopIteration as done:
            return done.value
        # An error holds this frame by its traceback; the frame is not to hold the error.
        value = None
