"""Functions of an asyncio program that trio calls: its tools, and what it decides.

They run in the host's loop, where the host's clients and locks are at home. The
task in trio waits for the one in asyncio; each is cancelled with the other.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextvars import copy_context
from typing import Any, Generic, TypeVar

import attrs
import trio

from ...runtime.portal import PortalClosed
from ..tools import Body, FunctionTool, Progress, Tool, ToolContext, ToolFailed

__all__ = ["HostLoop"]

R = TypeVar("R")

Hear = Callable[[Progress], None]

# Seconds that a cancelled function of the host has to end in. A loop that is blocked, or
# no more, must not keep the session that waits for it.
_LAST_WORDS = 2.0

# Reports that wait while trio is busy: more tell no more of how far a call is.
_MOST_SAID = 100


class HostLoop:
    """The loop that `enter` was called in."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None

    def enter(self) -> None:
        """The running loop is the host's, for good: an application is entered once."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()

    async def run(self, function: Callable[[], Awaitable[R]]) -> R:
        """What `await function()` gives in the host's loop; called in trio.

        It has a copy of this task's contextvars. Raises what it raises, ToolFailed
        where the host itself cancels it, and PortalClosed where its loop is no more.
        """
        return await self.converse(lambda _: function(), _ignore)

    async def converse(
        self, function: Callable[[Hear], Awaitable[R]], hear: Callable[[Progress], object]
    ) -> R:
        """As `run`, for a function that reports: `hear` is called here, with what it says."""
        loop = self._loop
        assert loop is not None
        job = _Job(function)
        try:
            loop.call_soon_threadsafe(job.start, context=copy_context())
        except RuntimeError as error:
            raise PortalClosed("the program's asyncio loop has been closed") from error
        try:
            await job.wait(hear)
        except BaseException:
            await job.give_up(loop)
            raise
        return job.result()

    def adopt(self, tool: Tool) -> Tool:
        """The tool, run in the host's loop if it is an async function."""
        if isinstance(tool, FunctionTool) and tool.is_async:
            return attrs.evolve(tool, body=_InHost(tool.body, self))
        return tool


@attrs.define(eq=False)
class _Job(Generic[R]):
    """A function on its way. Only `start`, `_cancel`, `_tell` and `_report` run in the host."""

    function: Callable[[Hear], Awaitable[R]]
    token: trio.lowlevel.TrioToken = attrs.field(factory=trio.lowlevel.current_trio_token)
    wake: trio.Event = attrs.field(factory=trio.Event)
    said: deque[Progress] = attrs.field(factory=lambda: deque[Progress](maxlen=_MOST_SAID))
    over: bool = False
    task: asyncio.Task[R] | None = None

    def start(self) -> None:
        self.task = asyncio.ensure_future(self._run())
        self.task.add_done_callback(self._tell)

    async def _run(self) -> R:
        try:
            return await self.function(self._report)
        except SystemExit as error:
            # Out of a task of asyncio it would end the host's loop as well.
            raise _Left(error) from None

    def _report(self, progress: Progress) -> None:
        self.said.append(progress)
        self._wake()

    def _tell(self, task: "asyncio.Task[R]") -> None:
        if not task.cancelled():
            # Else asyncio complains of an error nobody asked for, if nobody does any more.
            task.exception()
        self.over = True
        self._wake()

    def _wake(self) -> None:
        try:
            self.token.run_sync_soon(self._look)
        except trio.RunFinishedError:
            pass  # nobody waits for it

    def _look(self) -> None:
        self.wake.set()

    def _cancel(self) -> None:
        if self.task is not None:
            self.task.cancel()

    async def wait(self, hear: Callable[[Progress], object]) -> None:
        """Wait for its end, and hear what it says until then."""
        while True:
            over = self.over
            while self.said:
                hear(self.said.popleft())
            if over:
                return
            await self.wake.wait()
            self.wake = trio.Event()

    async def give_up(self, loop: asyncio.AbstractEventLoop) -> None:
        """Cancel it, and wait until it has cleaned up."""
        try:
            loop.call_soon_threadsafe(self._cancel)
        except RuntimeError:
            return
        with trio.move_on_after(_LAST_WORDS, shield=True):
            await self.wait(_ignore)

    def result(self) -> R:
        assert self.task is not None
        if self.task.cancelled():
            raise ToolFailed("it was cancelled by the program that runs it")
        try:
            return self.task.result()
        except _Left as left:
            raise left.exit from None


class _Left(Exception):
    """The function called sys.exit, which raised `exit`."""

    def __init__(self, exit: SystemExit) -> None:
        super().__init__(exit)
        self.exit = exit


def _ignore(_: Progress) -> None:
    """What a function says that nobody listens to any more."""


@attrs.frozen(kw_only=True)
class _HostContext(ToolContext):
    """What a function in the host's loop knows of its call."""

    hear: Hear = attrs.field(repr=False)

    def report(self, text: str, done: float | None = None) -> None:
        """Tell whoever watches how far the call is."""
        self.hear(Progress(self.call_id, text, done))


@attrs.frozen
class _InHost:
    """The body of a tool, in the host's loop."""

    body: Body
    host: HostLoop

    async def __call__(self, arguments: Mapping[str, Any], context: ToolContext) -> object:
        def begin(hear: Hear) -> Awaitable[object]:
            told = _HostContext(
                session=context.session,
                principal=context.principal,
                tool=context.tool,
                call_id=context.call_id,
                hear=hear,
            )
            return self.body(arguments, told)

        return await self.host.converse(begin, context.on_progress)
