"""A stream from trio as asyncio reads it, and how a task of asyncio waits for trio."""

import asyncio
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar

import attrs

from .base import PortalStream
from .calls import Called
from .errors import PortalError
from .flow import Flow, Source
from .letters import Letters
from .trio_thread import TrioThread

__all__ = ["AsyncioStream", "Waiter"]

Item = TypeVar("Item")


@attrs.define(eq=False)
class Waiter:
    """Who waits in asyncio for one call; changed in the loop's thread only."""

    loop: asyncio.AbstractEventLoop
    over: bool = False
    future: asyncio.Future[None] | None = None

    def call_over(self) -> None:
        """The call has ended: whoever waits looks for the last time."""
        self.over = True
        self.look()

    def look(self) -> None:
        """There is something to look at."""
        if self.future is not None and not self.future.done():
            self.future.set_result(None)

    def again(self) -> asyncio.Future[None]:
        """What is done as soon as there is something new to look at."""
        self.future = self.loop.create_future()
        return self.future

    async def give_up(self, thread: TrioThread[Any], call: Called) -> None:
        """Cancel the call, and wait until it has cleaned up."""
        thread.give_up(call)
        while not self.over:
            await self.again()


class AsyncioStream(PortalStream[Item]):
    """A stream from trio: a block, and in it an async iterator for one task.

    Made by `AsyncioPortal.stream`. Raises PortalError where it is read twice, by two
    tasks, or outside of its block.
    """

    def __init__(
        self,
        thread: TrioThread[Any],
        waiter: Waiter,
        home: Letters,
        opened: Callable[[], Source[Item]],
        buffer: int,
    ) -> None:
        self._waiter = waiter
        # Items until the loop has a turn, however many are there: where the source is
        # quick there would be none.
        self._turn = self._left = buffer
        wake, told = partial(home.post, waiter.look), partial(home.post, waiter.call_over)
        flow: Flow[Item] = Flow(opened, buffer, thread.post, wake, told)
        super().__init__(thread, flow)

    async def __aenter__(self) -> Self:
        self._begin()
        return self

    def __aiter__(self) -> Self:
        self._check_begun()
        return self

    async def __anext__(self) -> Item:
        flow = self._flow
        self._left -= 1
        if not self._left:
            self._left = self._turn
            await asyncio.sleep(0)
        while True:
            try:
                return flow.take()
            except IndexError:
                pass
            if flow.must_wait():
                await self._wait()
            elif flow.is_dry:
                break
        flow.raise_error()
        raise StopAsyncIteration

    async def _wait(self) -> None:
        self._check_begun()
        waiter = self._waiter
        if waiter.future is not None and not waiter.future.done():
            raise PortalError("another task reads this stream")
        await waiter.again()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        flow = self._flow
        if self._thread.is_elsewhere:
            return
        if not flow.settled:
            await self._waiter.give_up(self._thread, flow)
        flow.raise_error(unless_closed=error is not None)
