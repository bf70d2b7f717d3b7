"""Trio in the asyncio loop itself: the same promises, but for the thread."""

import asyncio
import threading
import time
import traceback
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import pytest
import trio
import uvloop

from tests.fakes.portals import Main, add, crashing, fail, in_time, program, run_asyncio
from trouper.runtime.portal import AsyncioPortal, PortalClosed, PortalError, StopTimedOut


def run_uvloop(main: Main) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(in_time(main))


@pytest.fixture(params=[run_asyncio, run_uvloop], ids=["asyncio", "uvloop"])
def on_both(request: pytest.FixtureRequest) -> Callable[[Main], None]:
    return request.param  # type: ignore[no-any-return]


async def count(to: int) -> AsyncGenerator[int]:
    for number in range(to):
        yield number
        await trio.lowlevel.checkpoint()


def test_calls_and_streams_run_in_the_same_thread(on_both: Callable[[Main], None]) -> None:
    async def main() -> None:
        async with AsyncioPortal(program(), mode="guest") as portal:
            assert portal.value == "value"
            assert await portal.call(add, 1, b=2) == 3
            assert await portal.call_sync(threading.get_ident) == threading.get_ident()
            assert sorted(await asyncio.gather(*(portal.call(add, n) for n in range(100)))) == [
                *range(100)
            ]
            async with portal.stream(count, 1000) as numbers:
                assert [number async for number in numbers] == [*range(1000)]
            await portal.call(trio.sleep, 0.01)
        assert not portal.is_running
        with pytest.raises(PortalClosed):
            await portal.call(add, 1)

    on_both(main)


def test_errors_come_across_with_the_lines_where_they_were_raised() -> None:
    async def main() -> None:
        async with AsyncioPortal(program(), mode="guest") as portal:
            with pytest.raises(ValueError, match="there") as caught:
                await portal.call(fail, ValueError("there"))
            assert "in fail" in "".join(traceback.format_tb(caught.value.__traceback__))

    run_asyncio(main)


def test_a_cancelled_call_is_cancelled_in_trio_and_has_cleaned_up_by_then(
    on_both: Callable[[Main], None],
) -> None:
    steps: list[str] = []

    async def wait() -> None:
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(0.02)
            steps.append("cleaned up")

    async def main() -> None:
        async with AsyncioPortal(program(), mode="guest") as portal:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.02):
                    await portal.call(wait)
            steps.append("told")
            async with portal.stream(count, 10**9) as numbers:
                assert await anext(numbers) == 0

    on_both(main)
    assert steps == ["cleaned up", "told"]


def test_a_crash_fails_what_is_under_way_and_is_raised_at_the_end() -> None:
    async def main() -> None:
        with pytest.RaisesGroup(ZeroDivisionError):
            async with AsyncioPortal(crashing, mode="guest") as portal:
                waiting = asyncio.create_task(portal.call(trio.sleep_forever))
                await asyncio.sleep(0.01)
                await portal.call_sync(portal.value.start_soon, fail, ZeroDivisionError("crash"))
                with pytest.raises(PortalClosed):
                    await waiting
                await portal.wait_ended()

    run_asyncio(main)


def test_a_program_that_cannot_start_says_why() -> None:
    @asynccontextmanager
    async def broken() -> AsyncGenerator[None]:
        raise OSError("no disk")
        yield

    async def main() -> None:
        with pytest.raises(OSError, match="no disk"):
            async with AsyncioPortal(broken, mode="guest"):
                pass

    run_asyncio(main)


def test_what_does_not_end_is_cancelled_after_its_time() -> None:
    async def main() -> None:
        async with AsyncioPortal(program(), mode="guest") as portal:
            waiting = asyncio.create_task(portal.call(trio.sleep_forever))
            await asyncio.sleep(0.01)
            begun = time.monotonic()
            await portal.stop(0.05)
            assert time.monotonic() - begun < 2
            with pytest.raises(PortalClosed):
                await waiting

    run_asyncio(main)


def test_a_cancelled_host_leaves_in_order() -> None:
    steps: list[str] = []

    @asynccontextmanager
    async def opened() -> AsyncGenerator[None]:
        try:
            yield
        finally:
            await trio.sleep(0.01)
            steps.append("left")

    async def host() -> None:
        async with AsyncioPortal(opened, mode="guest") as portal:
            await portal.call(trio.sleep_forever)

    async def main() -> None:
        task = asyncio.create_task(host())
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run_asyncio(main)
    assert steps == ["left"]


def test_what_shields_itself_for_ever_is_left_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trouper.runtime.portal.asyncio_portal.LAST_WORDS", 0.05)

    async def stubborn(free: trio.Event) -> None:
        with trio.CancelScope(shield=True):
            await free.wait()

    async def main() -> None:
        free = trio.Event()
        portal = AsyncioPortal(program(), mode="guest")
        await portal.__aenter__()
        waiting = asyncio.create_task(portal.call(stubborn, free))
        await asyncio.sleep(0.01)
        with pytest.raises(StopTimedOut, match="shields itself"):
            await portal.stop(0.05)
        free.set()
        await waiting
        await portal.wait_ended()

    run_asyncio(main)


def test_it_runs_once_and_there_are_two_modes() -> None:
    async def main() -> None:
        portal = AsyncioPortal(program(), mode="guest")
        async with portal:
            pass
        with pytest.raises(PortalError, match="once"):
            await portal.__aenter__()

    run_asyncio(main)
    with pytest.raises(PortalError, match="'thread' or 'guest'"):
        AsyncioPortal(program(), mode="host")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
