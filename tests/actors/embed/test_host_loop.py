"""Functions of an asyncio program that trio calls: both loops may end, block, or be cancelled."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import TypeVar

import pytest
import trio

from trouper.actors.embed.host_loop import HostLoop
from trouper.actors.tools import Progress, ToolContext, ToolFailed, tool
from trouper.runtime.portal import PortalClosed

R = TypeVar("R")


class Host:
    """An asyncio loop in a thread, as a host has one."""

    def __init__(self) -> None:
        self.loop = HostLoop()
        self._ready: Future[asyncio.AbstractEventLoop] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()))

    def __enter__(self) -> "Host":
        self._thread.start()
        self.asyncio = self._ready.result(10)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self._thread.is_alive():
            self.asyncio.call_soon_threadsafe(self._over.set)
            self._thread.join(10)

    async def _main(self) -> None:
        self.loop.enter()
        self._over = asyncio.Event()
        self._ready.set_result(asyncio.get_running_loop())
        await self._over.wait()


def in_trio(main: Callable[[Host], Awaitable[R]]) -> R:
    with Host() as host:

        async def limited() -> R:
            with trio.fail_after(20):
                return await main(host)

        return trio.run(limited)


def test_it_runs_where_the_host_is_and_its_error_is_its_own() -> None:
    async def main(host: Host) -> None:
        async def where() -> asyncio.AbstractEventLoop:
            return asyncio.get_running_loop()

        async def fail() -> None:
            raise OSError("no such printer")

        assert await host.loop.run(where) is host.asyncio
        with pytest.raises(OSError, match="no such printer"):
            await host.loop.run(fail)

    in_trio(main)


def test_a_cancelled_caller_waits_until_it_has_cleaned_up() -> None:
    steps: list[str] = []

    async def main(host: Host) -> None:
        begun = threading.Event()

        async def wait() -> None:
            begun.set()
            try:
                await asyncio.sleep(60)
            finally:
                await asyncio.sleep(0.02)
                steps.append("cleaned up")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(host.loop.run, wait)
            await trio.to_thread.run_sync(begun.wait)
            nursery.cancel_scope.cancel()
        steps.append("left")

    in_trio(main)
    assert steps == ["cleaned up", "left"]


def test_an_error_of_one_that_was_cancelled_is_nobodys() -> None:
    async def main(host: Host) -> None:
        async def stubborn() -> None:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                raise OSError("in the way out") from None

        with trio.move_on_after(0.05) as scope:
            await host.loop.run(stubborn)
        assert scope.cancelled_caught

    in_trio(main)


def test_a_host_that_is_blocked_holds_a_cancelled_caller_for_two_seconds_at_most() -> None:
    with Host() as host:
        free, over = threading.Event(), threading.Event()

        async def block() -> None:
            free.wait(10)
            over.set()

        async def main() -> None:
            with trio.move_on_after(0.05):
                await host.loop.run(block)

        begun = time.monotonic()
        trio.run(main)
        assert 1.9 < time.monotonic() - begun < 5
        # It ends when trio is long over, and tells nobody.
        free.set()
        assert over.wait(10)


def test_a_host_that_has_gone_is_said_to_be() -> None:
    async def main(host: Host) -> None:
        async def nothing() -> None:
            """Never called."""

        host.close()
        with pytest.raises(PortalClosed, match="has been closed"):
            await host.loop.run(nothing)

    in_trio(main)


def test_a_host_that_goes_meanwhile_cancels_it_and_the_caller_hears_that() -> None:
    async def main(host: Host) -> None:
        begun = threading.Event()

        async def wait() -> None:
            begun.set()
            await asyncio.sleep(60)

        async with trio.open_nursery() as nursery:

            async def call() -> None:
                with pytest.raises(ToolFailed, match="cancelled by the program"):
                    await host.loop.run(wait)

            nursery.start_soon(call)
            await trio.to_thread.run_sync(begun.wait)
            await trio.to_thread.run_sync(host.close)

    in_trio(main)


def test_a_tool_reports_from_the_host_in_order() -> None:
    @tool
    async def paint(context: ToolContext) -> str:
        """Paint."""
        for done in range(3):
            context.report(f"coat {done}", done / 3)
            await asyncio.sleep(0.01)
        return context.session

    @tool
    def scrape() -> str:
        """Scrape."""
        return "bare"

    async def main(host: Host) -> None:
        heard: list[Progress] = []
        context = ToolContext(session="s", call_id="c1", on_progress=heard.append)
        assert await host.loop.adopt(paint).body({}, context) == "s"
        assert [progress.text for progress in heard] == ["coat 0", "coat 1", "coat 2"]
        assert heard[0].call_id == "c1"
        assert host.loop.adopt(scrape) is scrape

    in_trio(main)


def test_who_cannot_hear_a_report_fails_alone_and_the_function_is_cancelled() -> None:
    ended: list[str] = []

    @tool
    async def paint(context: ToolContext) -> str:
        """Paint."""
        context.report("coat")
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("cancelled")
        return ""

    async def main(host: Host) -> None:
        def deaf(_: Progress) -> None:
            raise ValueError("what?")

        with pytest.raises(ValueError, match="what"):
            await host.loop.adopt(paint).body({}, ToolContext(on_progress=deaf))
        assert ended == ["cancelled"]

    in_trio(main)
