"""Hosts that leave in the middle: Ctrl-C at any line, closed coroutines, collected generators.

Each names the bug that it guards: whoever waited then waited for ever, or the
portal's end did.
"""

import asyncio
import gc
import linecache
import sys
import time
from collections.abc import AsyncGenerator, Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from types import FrameType
from typing import Any

import pytest
import sniffio
import trio
import trio.testing

from tests.fakes.portals import add, program, run_asyncio
from trouper.runtime.portal import AsyncioPortal, PortalClosed, PortalError, ThreadPortal
from trouper.runtime.portal.asyncio_portal import Mode
from trouper.runtime.portal.calls import Called
from trouper.runtime.portal.letters import Letters

MODES: tuple[Mode, ...] = ("thread", "guest")


async def ticks() -> AsyncGenerator[int]:
    while True:
        yield 1
        await trio.lowlevel.checkpoint()


class Interrupting:
    """Does something at the so-manieth line that a portal runs in this thread, as signals do."""

    def __init__(self, line: int, handler: Callable[[], object]) -> None:
        self.left = line
        self._handler = handler

    def __call__(self, frame: FrameType, event: str, _: object) -> "Interrupting | None":
        if "runtime/portal" not in frame.f_code.co_filename:
            return None
        # A block's own line comes again at its end, where Python handles no signal.
        source = linecache.getline(frame.f_code.co_filename, frame.f_lineno)
        if event == "line" and not source.lstrip().startswith("with "):
            self.left -= 1
            if not self.left:
                self._handler()
        return self

    def during(self, function: Callable[[], object]) -> bool:
        """Run it; whether it was interrupted."""
        return next(self._during(function))

    def _during(self, function: Callable[[], object]) -> Generator[bool]:
        # What a trace function raises at an `except` leaves that one's exception as the one in
        # hand, for good: of this generator, and not of all tests that come behind.
        before = sys.gettrace()
        sys.settrace(self)
        interrupted = False
        try:
            function()
        except KeyboardInterrupt:
            interrupted = True
        finally:
            sys.settrace(before)
        yield interrupted


def ctrl_c() -> None:
    raise KeyboardInterrupt


def read_one(portal: ThreadPortal[str]) -> None:
    with portal.stream(ticks) as items:
        next(items)


def call(portal: ThreadPortal[str]) -> None:
    portal.call(add, 1)


def call_sync(portal: ThreadPortal[str]) -> None:
    portal.call_sync(max, 1, 2)


@pytest.mark.parametrize("use", [call, call_sync, read_one])
def test_ctrl_c_at_any_line_leaves_the_portal_to_others(
    use: Callable[[ThreadPortal[str]], object],
) -> None:
    """Between a job and its wake-up it left all that was ever posted lying there."""
    line, interrupted = 0, True
    with ThreadPoolExecutor(1) as other, ThreadPortal(program()) as portal:
        while interrupted:
            line += 1
            interrupted = Interrupting(line, ctrl_c).during(lambda: use(portal))
            assert other.submit(portal.call, add, line).result(5) == line
        began = time.monotonic()
    assert line > 20
    assert time.monotonic() - began < 5


def test_a_call_that_ctrl_c_stopped_before_its_start_is_not_under_way() -> None:
    """It was written down as pending before it was posted, and never taken off."""
    line, interrupted = 0, True
    with ThreadPortal(program()) as portal:
        while interrupted:
            line += 1
            interrupted = Interrupting(line, ctrl_c).during(lambda: portal.call(add, 1))
            assert portal._thread._pending == set()


def test_a_signals_handler_may_stop_the_portal_at_any_line_of_a_call() -> None:
    """In the middle of a call's begin it waited for a lock that its own thread held."""
    line = 0
    while True:
        line += 1
        with ThreadPortal(program()) as portal:
            stopping = Interrupting(line, partial(portal.stop, 5))
            began = time.monotonic()
            with suppress(PortalClosed):
                stopping.during(partial(call, portal))
            assert time.monotonic() - began < 4
            if portal.is_running:
                break
    assert line > 10


def test_a_job_that_ctrl_c_left_without_its_wake_up_goes_with_the_next_one() -> None:
    done: list[str] = []
    wakes: list[Callable[[], object]] = []

    def wake(job: Callable[[], object]) -> None:
        wakes.append(job)
        if len(wakes) == 1:
            raise KeyboardInterrupt

    letters = Letters(wake)
    with pytest.raises(KeyboardInterrupt):
        letters.post(lambda: done.append("first"))
    letters.post(lambda: done.append("second"))
    wakes[1]()

    assert done == ["first", "second"]


def test_a_stream_whose_block_ctrl_c_kept_from_being_entered_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with ThreadPortal(program()) as portal:
        begin = portal._thread.begin

        def interrupted(call: Called) -> None:
            begin(call)
            raise KeyboardInterrupt

        monkeypatch.setattr(portal._thread, "begin", interrupted)
        with pytest.raises(KeyboardInterrupt), portal.stream(ticks):
            raise AssertionError
        monkeypatch.undo()
        portal.call(trio.testing.wait_all_tasks_blocked)
        assert portal._thread._pending == set()


def test_jobs_behind_one_that_was_interrupted_are_done_all_the_same() -> None:
    done: list[str] = []
    wakes: list[Callable[[], object]] = []

    def interrupt() -> None:
        raise KeyboardInterrupt

    letters = Letters(wakes.append)
    letters.post(interrupt)
    letters.post(lambda: done.append("second"))
    with pytest.raises(KeyboardInterrupt):
        wakes.pop()()
    wakes.pop()()

    assert done == ["second"]


def test_a_coroutine_that_is_closed_gives_its_call_up() -> None:
    """Leaving waited for that call, for all the time that a stop has."""

    async def main() -> None:
        async with AsyncioPortal(program()) as portal:
            call = portal.call(trio.sleep_forever)
            call.send(None)
            call.close()
            began = time.monotonic()
        assert time.monotonic() - began < 5

    run_asyncio(main)


def test_a_generator_over_a_stream_may_be_collected_in_trios_own_thread() -> None:
    """The thread waited for itself, and with it everybody."""

    def lines(portal: ThreadPortal[str]) -> Generator[int]:
        with portal.stream(ticks) as items:
            yield from items

    with ThreadPortal(program()) as portal:
        generator = lines(portal)
        next(generator)
        cycle: list[Any] = [generator]
        cycle.append(cycle)
        gc.disable()
        try:
            del generator, cycle
            portal.call_sync(gc.collect)
        finally:
            gc.enable()
        assert portal.call(add, 1) == 1


@pytest.mark.parametrize("mode", MODES)
def test_a_stream_that_is_read_without_its_block_is_refused(mode: Mode) -> None:
    """`anext` and `next` waited for ever for what nobody had been asked to bring."""

    async def main() -> None:
        async with AsyncioPortal(program(), mode=mode) as portal:
            with pytest.raises(PortalError, match="inside its `with` block"):
                await anext(portal.stream(ticks))

    run_asyncio(main)
    with (
        ThreadPortal(program()) as portal,
        pytest.raises(PortalError, match="inside its `with` block"),
    ):
        next(portal.stream(ticks))


@pytest.mark.parametrize("mode", MODES)
def test_a_host_that_never_reads_its_stream_holds_up_nobody(mode: Mode) -> None:
    made = 0

    async def source() -> AsyncGenerator[int]:
        nonlocal made
        while True:
            made += 1
            yield made

    async def main() -> None:
        async with AsyncioPortal(program(), buffer=8, mode=mode) as portal:
            stream = portal.stream(source)
            await stream.__aenter__()
            await portal.call(trio.testing.wait_all_tasks_blocked)
            assert made in (8, 9)
            began = time.monotonic()
        assert time.monotonic() - began < 5
        with pytest.raises(PortalClosed, match="being left"):
            await stream.__aexit__(None, None, None)

    run_asyncio(main)


@pytest.mark.parametrize("mode", MODES)
def test_a_cancellation_at_the_moment_of_the_answer_is_never_swallowed(mode: Mode) -> None:
    async def main() -> None:
        async with AsyncioPortal(program(), mode=mode) as portal:
            for number in range(300):
                task = asyncio.create_task(portal.call(add, number))
                for _ in range(number % 12):
                    await asyncio.sleep(0)
                cancelled = task.cancel()
                await asyncio.wait([task])
                assert task.cancelled() is cancelled
                assert cancelled or task.result() == number
            assert portal._thread._pending == set()

    run_asyncio(main)


def test_a_cancelled_host_is_not_told_instead_that_the_portal_is_left() -> None:
    """With PortalClosed in its place, Ctrl-C while leaving was no KeyboardInterrupt."""

    async def slow() -> None:
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(0.1)

    async def main() -> None:
        portal = AsyncioPortal(program())
        await portal.__aenter__()
        call = asyncio.create_task(portal.call(slow))
        await asyncio.sleep(0.02)
        leaving = asyncio.create_task(portal._stop(5, at_once=True))
        await asyncio.sleep(0.02)
        call.cancel()
        await asyncio.wait([call])
        assert call.cancelled()
        await leaving

    run_asyncio(main)


def test_entering_a_second_time_takes_no_loop_away_from_the_first() -> None:
    """Calls under way were answered in the other loop, where nobody waited."""

    async def main() -> None:
        async with AsyncioPortal(program()) as portal:
            call = asyncio.create_task(portal.call(trio.sleep, 0.05))
            await asyncio.sleep(0)
            with pytest.raises(PortalError, match="runs once"):
                await asyncio.to_thread(asyncio.run, portal.__aenter__())
            await call
            assert await portal.call(add, 1) == 1

    run_asyncio(main)


@pytest.mark.parametrize("mode", MODES)
def test_libraries_know_on_which_side_they_are(mode: Mode) -> None:
    """httpx and anyio choose their backend by it."""

    async def main() -> None:
        async with AsyncioPortal(program(), mode=mode) as portal:
            assert sniffio.current_async_library() == "asyncio"
            assert await portal.call_sync(sniffio.current_async_library) == "trio"
            assert sniffio.current_async_library() == "asyncio"

    run_asyncio(main)


def test_a_host_that_looks_again_and_again_whether_it_has_ended_leaves_nothing_behind() -> None:
    """Each look was kept until the end, which of a bot is months away."""

    async def main() -> None:
        async with AsyncioPortal(program()) as portal:
            for _ in range(20):
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(portal.wait_ended(), 0)
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(portal.wait_ended(), 0.001)
            assert len(vars(portal._thread.over)["_done_callbacks"]) == 1

    run_asyncio(main)
    with ThreadPortal(program()) as portal:
        for _ in range(20):
            assert not portal.wait_ended(0.001)
        assert vars(portal._thread.over)["_done_callbacks"] == []
