"""What a tool may know of the call that it serves."""

from collections.abc import Callable

import attrs
import trio

__all__ = ["Progress", "ToolContext"]


@attrs.frozen
class Progress:
    """How far call `call_id` is: words for the user, in `text`, and in `done` a share from 0 to 1,
    None where that is not known."""

    call_id: str
    text: str
    done: float | None = None


def _nobody(progress: Progress) -> None:
    """Progress of a call that nobody watches."""


@attrs.frozen(kw_only=True)
class ToolContext:
    """Given to a function that has a parameter of this type; the model does not see it.

    `session` and `principal` are whom the call is for, "" where nobody has said; `tool`
    is the tool's name and `call_id` the call's. `on_progress` is called on trio's thread
    and must not block. `threads` is the executor's: how many threads the tool may have.
    """

    session: str = ""
    principal: str = ""
    tool: str = ""
    call_id: str = ""
    on_progress: Callable[[Progress], None] = attrs.field(default=_nobody, repr=False)
    # Of the executor: how many threads this tool may have, abandoned ones included.
    threads: trio.CapacityLimiter | None = attrs.field(default=None, repr=False)

    def report(self, text: str, done: float | None = None) -> None:
        """Tell whoever watches how far the call is: words, and a share `done` from 0 to 1.

        From an async function or from the worker thread of a sync one, where it
        also raises trio.Cancelled once nobody waits for the result any more: a
        long function that reports is one that can be cancelled.
        """
        progress = Progress(self.call_id, text, done)
        if trio.lowlevel.in_trio_task():
            self.on_progress(progress)
        else:
            trio.from_thread.check_cancelled()
            trio.from_thread.run_sync(self.on_progress, progress)
