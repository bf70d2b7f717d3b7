"""Whether the task that holds a grant is still there; every gate asks it of what is out."""

import inspect

import trio

__all__ = ["is_dead"]


def is_dead(task: trio.lowlevel.Task | None) -> bool:
    """Whether that task has ended, so that it can give nothing back any more. None has not."""
    return task is not None and inspect.getcoroutinestate(task.coro) == inspect.CORO_CLOSED
