"""A trio loop in a thread, for a command whose main thread waits for a person.

Python delivers Ctrl-C to the main thread, and only there can it interrupt
readline. So the person has the main thread; connections, pings and models have
a loop of their own, which never stands still while somebody thinks.

    with Background(open_app(demo_config())) as background:
        session = background.call(background.value.session, "me")

A `call` that Ctrl-C interrupts is cancelled in the loop.
"""

import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, suppress
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import trio

from ...runtime.errors import TrouperError

__all__ = ["Background"]

T = TypeVar("T")
R = TypeVar("R")


class Background(Generic[T]):
    """Runs `context` in a loop of its own for the length of a `with` block.

    Entering raises what entering `context` raises; leaving waits until it has
    been left, and raises what that raises. Calls come from the thread that
    entered.
    """

    def __init__(self, context: AbstractAsyncContextManager[T]) -> None:
        self._context = context
        self._scope = trio.CancelScope()
        self._leaving = trio.Event()
        self._token: Future[trio.lowlevel.TrioToken] = Future()
        self._entered: Future[T] = Future()
        self._ended: Future[None] = Future()
        # A daemon: a second Ctrl-C does not wait for it.
        self._thread = threading.Thread(target=self._run, name="trouper-loop", daemon=True)

    @property
    def value(self) -> T:
        """What entering the context gave."""
        return self._entered.result(timeout=0)

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            self._entered.result()
        except BaseException:
            self._leave()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._leave()
        if error is None:
            self._ended.result()

    def call(self, function: Callable[..., Awaitable[R]], *args: Any) -> R:
        """What `function(*args)` gives in the loop; raises what it raises.

        Where the loop has ended, or ends before that, raises what ended it.
        """
        scope = trio.CancelScope()
        result: Future[R] = Future()

        async def cancellable() -> None:
            with scope:
                result.set_result(await function(*args))

        try:
            trio.from_thread.run(cancellable, trio_token=self._token.result())
        except (KeyboardInterrupt, SystemExit):
            self._soon(scope.cancel)
            raise
        except (trio.RunFinishedError, trio.Cancelled) as error:
            self._ended.result()
            raise TrouperError("what answered has been stopped") from error
        return result.result(timeout=0)

    # The loop's thread.

    def _run(self) -> None:
        error: BaseException | None = None
        try:
            trio.run(self._main)
        except BaseException as raised:  # noqa: BLE001 - it is raised in the other thread
            error = raised
        for future in (self._token, self._entered):
            if not future.done():
                future.set_exception(error or TrouperError("it was stopped while it started"))
        if error is None:
            self._ended.set_result(None)
        else:
            self._ended.set_exception(error)

    async def _main(self) -> None:
        self._token.set_result(trio.lowlevel.current_trio_token())
        with self._scope:
            async with self._context as value:
                self._entered.set_result(value)
                # Not cancelled: a goodbye needs what would be cancelled with it.
                await self._leaving.wait()

    def _leave(self) -> None:
        self._soon(self._leaving.set)
        if not self._entered.done():
            self._soon(self._scope.cancel)
        self._thread.join()

    def _soon(self, function: Callable[[], object]) -> None:
        with suppress(trio.RunFinishedError):
            self._token.result().run_sync_soon(function)
