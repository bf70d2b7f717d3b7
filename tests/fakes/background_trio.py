"""A trio loop in a thread of its own, for tests whose steps are plain functions."""

import threading
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Generic, Self, TypeVar

import trio

__all__ = ["BackgroundTrio"]

T = TypeVar("T")
R = TypeVar("R")


class BackgroundTrio(Generic[T]):
    """Holds what `opened` gives open in a loop of its own, and runs functions there.

    The block is entered and left by one task, as blocks with nurseries must be.
    `reopen` leaves it and enters it again.
    """

    def __init__(self, opened: Callable[[], AbstractAsyncContextManager[T]]) -> None:
        self._opened = opened
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._error: BaseException | None = None
        self._stopping = False

    def __enter__(self) -> Self:
        self._thread.start()
        self._wait()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stopping = True
        trio.from_thread.run_sync(self._leave.set, trio_token=self._token)
        self._thread.join(30)
        assert not self._thread.is_alive()
        if self._error is not None:
            raise self._error

    def run(self, function: Callable[..., Awaitable[R]], *args: object) -> R:
        """Run it in the loop, to its end."""
        return trio.from_thread.run(function, *args, trio_token=self._token)

    def reopen(self) -> None:
        """Leave the block, and enter a new one."""
        self._ready.clear()
        trio.from_thread.run_sync(self._leave.set, trio_token=self._token)
        self._wait()

    def _wait(self) -> None:
        assert self._ready.wait(30), "the loop did not get ready"
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            trio.run(self._main)
        except BaseException as error:  # noqa: BLE001 - raised where the test sees it
            self._error = error
            self._ready.set()

    async def _main(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        while not self._stopping:
            self._leave = trio.Event()
            async with self._opened() as self.value:
                self._ready.set()
                await self._leave.wait()
