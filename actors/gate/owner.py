"""Whether the task that holds a grant is still there; every gate asks it of what is out."""

import inspect
from typing import Generic, TypeVar

import attrs
import trio

__all__ = ["OwnedCall", "is_dead"]

R = TypeVar("R")


def is_dead(task: trio.lowlevel.Task | None) -> bool:
    """Whether that task has ended, so that it can give nothing back any more. None has not."""
    return task is not None and inspect.getcoroutinestate(task.coro) == inspect.CORO_CLOSED


@attrs.define(eq=False)
class OwnedCall(Generic[R]):
    """What a gate holds of a call that a task makes: how it has ended, once it has.

    Not the gate's own side of the call, which holds the question that this is part
    of: a cycle for each call would be work for the garbage collector. `if_dead`
    is how a call has ended whose task has gone without a word.
    """

    if_dead: R
    task: trio.lowlevel.Task | None = None
    result: R | None = None

    @property
    def ended(self) -> R | None:
        """How it has ended; None while it is under way."""
        return self.if_dead if is_dead(self.task) else self.result
