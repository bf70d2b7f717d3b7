"""Items on their way from an async iterator in trio to a reader in another thread.

The reader takes what is there without any lock, and is woken only when it waits;
the writer waits while it is `limit` items ahead, and is woken when the reader has
taken half of them. So a wake-up, in either direction, serves a batch.

Both flags are set by one side before it looks again and cleared by the other
after it has changed what is looked at, so none of the two waits for a wake-up
that was given before.
"""

from collections import deque
from collections.abc import AsyncIterable, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Any, Generic, Protocol, TypeVar, cast

import trio
from trio.lowlevel import Abort, RaiseCancelT, Task, current_task, reschedule

from .calls import PortalCall
from .letters import Job

__all__ = ["Flow", "Source"]

T = TypeVar("T")

Source = AsyncIterable[T] | AbstractAsyncContextManager[AsyncIterable[T]]
"""An async iterator, or a block that gives one, as `Ref.stream` does."""


class Flow(PortalCall[None], Generic[T]):
    """A call that brings the items of `opened()`; `wake` is told when a waiting reader may look."""

    __slots__ = ("_items", "_limit", "_opened", "_parked", "_post", "_wake", "full", "waited_for")

    endless = True

    def __init__(
        self,
        opened: Callable[[], Source[T]],
        limit: int,
        post: Callable[[Job], object],
        wake: Callable[[], object],
        told: Callable[[], object],
    ) -> None:
        super().__init__(self._bring, told)
        self._opened = opened
        self._limit = limit
        self._post = post
        self._wake = wake
        self._items: deque[T] = deque()
        self._parked: Task | None = None
        self.full = False
        self.waited_for = False

    # The reader's side.

    def take(self) -> T:
        """The next item. Raises IndexError where none is there."""
        item = self._items.popleft()
        if self.full and len(self._items) <= self._limit // 2:
            self.full = False
            self._post(self._resume)
        return item

    def must_wait(self) -> bool:
        """Ask for a wake-up, before waiting; False if there is something by now."""
        self.waited_for = True
        if self._items or self.settled:
            self.waited_for = False
            return False
        return True

    @property
    def is_dry(self) -> bool:
        """Whether all items have been taken and none will come."""
        return self.settled and not self._items

    # Trio's side.

    async def _bring(self) -> None:
        source = self._opened()
        if isinstance(source, AbstractAsyncContextManager):
            async with source as items:
                await self._bring_all(items)
        elif hasattr(source, "aclose"):
            # A generator's own clean-up runs here and now, not when it is collected.
            async with aclosing(cast("_Closable", source)):
                await self._bring_all(source)
        else:
            await self._bring_all(source)

    async def _bring_all(self, source: AsyncIterable[T]) -> None:
        items, limit = self._items, self._limit
        left = limit
        async for item in source:
            items.append(item)
            if self.waited_for:
                self.waited_for = False
                self._wake()
            if len(items) >= limit:
                await self._wait_for_room()
            left -= 1
            if not left:
                # The source may have no checkpoint, and the reader be as quick.
                left = limit
                await trio.lowlevel.checkpoint()

    async def _wait_for_room(self) -> None:
        self.full = True
        if len(self._items) <= self._limit // 2:
            self.full = False
            return
        self._parked = current_task()
        await trio.lowlevel.wait_task_rescheduled(self._abort)

    def _abort(self, _raise_cancel: RaiseCancelT) -> Abort:
        self._parked = None
        return Abort.SUCCEEDED

    def _resume(self) -> None:
        if self._parked is not None:
            reschedule(self._parked)
            self._parked = None


class _Closable(Protocol):
    def aclose(self) -> Awaitable[Any]: ...
