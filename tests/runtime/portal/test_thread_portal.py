"""Trio beside plain threads: the same promises, without a loop of the host's."""

import os
import signal
import threading
import time
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from contextvars import ContextVar

import pytest
import trio

from tests.fakes.portals import add, crashing, fail, program, threads
from trouper.runtime.portal import (
    PortalClosed,
    PortalError,
    StopTimedOut,
    ThreadPortal,
    WouldBlock,
)

NAME: ContextVar[str] = ContextVar("NAME", default="nobody")


def interrupt_after(seconds: float) -> threading.Timer:
    """Ctrl-C: a signal to the process, which the system gives to its main thread."""
    timer = threading.Timer(seconds, os.kill, [os.getpid(), signal.SIGINT])
    timer.start()
    return timer


def test_calls_from_many_threads_get_their_own_values() -> None:
    with ThreadPortal(program()) as portal:

        def add_one(number: int) -> int:
            return portal.call(add, number, b=1)

        assert portal.value == "value"
        with ThreadPoolExecutor(8) as pool:
            values = list(pool.map(add_one, range(200)))
        assert values == [n + 1 for n in range(200)]
        assert portal.call_sync(threading.get_ident) != threading.get_ident()
        NAME.set("alice")
        assert portal.call_sync(NAME.get) == "alice"

    assert threads() == []


def test_errors_come_across_as_themselves() -> None:
    with ThreadPortal(program()) as portal:
        with pytest.raises(ValueError, match="there"):
            portal.call(fail, ValueError("there"))
        with pytest.raises(StopIteration):
            portal.call_sync(next, iter(()))
        with pytest.raises(SystemExit):
            portal.call(fail, SystemExit(3))
        assert portal.call(add, 1) == 1


def test_a_call_from_the_portals_own_thread_is_refused_at_once() -> None:
    """It would wait for itself, for ever."""
    with ThreadPortal(program()) as portal:
        with pytest.raises(WouldBlock, match="own thread"):
            portal.call_sync(portal.call, add, 1)
        with pytest.raises(WouldBlock, match="own thread"):
            portal.call_sync(portal.call_sync, max, 1, 2)
        with pytest.raises(WouldBlock, match="own thread"):
            portal.call_sync(portal.stop)
        with pytest.raises(WouldBlock, match="own thread"):
            portal.call_sync(portal.stream(numbers, 1).__enter__)
        with pytest.raises(WouldBlock, match="own thread"):
            portal.call_sync(portal.wait_ended)


async def test_a_call_from_another_trio_loop_is_refused_and_from_its_workers_is_not() -> None:
    portal = ThreadPortal(program())
    with pytest.raises(WouldBlock, match="trio loop"):
        portal.__enter__()
    await trio.to_thread.run_sync(portal.__enter__)
    with pytest.raises(WouldBlock, match="trio loop"):
        portal.call(add, 1)
    assert await trio.to_thread.run_sync(lambda: portal.call(add, 1)) == 1
    await trio.to_thread.run_sync(portal.stop)


def test_ctrl_c_in_a_call_cancels_it_and_waits_for_its_clean_up() -> None:
    seen: list[str] = []

    async def slow() -> None:
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(0.05)
            seen.append("cleaned up")

    with ThreadPortal(program()) as portal:
        timer = interrupt_after(0.05)
        with pytest.raises(KeyboardInterrupt):
            portal.call(slow)
        assert seen == ["cleaned up"]
        assert portal.call(add, 1) == 1
    timer.join()


def test_ctrl_c_that_another_thread_was_given_is_heard_a_little_later() -> None:
    """It waited until the call was over."""
    with ThreadPortal(program()) as portal:
        timer = threading.Timer(0.02, signal.raise_signal, [signal.SIGINT])
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            portal.call(trio.sleep, 30)
    timer.join()


def test_ctrl_c_while_it_starts_cancels_the_start() -> None:
    @asynccontextmanager
    async def slow() -> AsyncGenerator[None]:
        await trio.sleep_forever()
        yield

    timer = interrupt_after(0.05)
    with pytest.raises(KeyboardInterrupt), ThreadPortal(slow()):
        raise AssertionError
    timer.join()

    assert threads() == []


def test_ctrl_c_while_it_stops_cancels_the_rest() -> None:
    @asynccontextmanager
    async def slow() -> AsyncGenerator[None]:
        yield
        await trio.sleep_forever()

    timer = interrupt_after(0.05)
    with pytest.raises(KeyboardInterrupt), ThreadPortal(slow()):
        pass
    timer.join()

    assert threads() == []


def test_the_handler_of_sigint_stays_the_hosts() -> None:
    before = signal.getsignal(signal.SIGINT)
    with ThreadPortal(program()):
        assert signal.getsignal(signal.SIGINT) is before
    assert signal.getsignal(signal.SIGINT) is before


def test_a_crash_fails_the_callers_in_all_threads_with_its_cause() -> None:
    crash = ValueError("bug")

    def outcome(portal: ThreadPortal[trio.Nursery]) -> BaseException | None:
        try:
            portal.call(trio.sleep_forever)
        except PortalClosed as closed:
            return closed.__cause__
        return None

    with ThreadPoolExecutor(4) as pool, pytest.RaisesGroup(ValueError):  # noqa: SIM117
        with ThreadPortal(crashing()) as portal:
            waiting = [pool.submit(outcome, portal) for _ in range(4)]
            time.sleep(0.02)
            portal.call_sync(portal.value.start_soon, fail, crash)
            for future in waiting:
                cause = future.result(10)
                assert isinstance(cause, BaseExceptionGroup)
                assert cause.exceptions == (crash,)
            assert portal.wait_ended(10)
            with pytest.raises(PortalClosed, match="crashed"):
                portal.call(add, 1)


def test_a_crash_that_the_block_tells_of_is_not_told_twice() -> None:
    with pytest.raises(PortalClosed) as caught, ThreadPortal(crashing()) as portal:
        portal.call_sync(portal.value.start_soon, fail, ValueError("bug"))
        portal.call(trio.sleep_forever)

    assert isinstance(caught.value.__cause__, BaseExceptionGroup)


def test_entering_raises_what_the_program_raises() -> None:
    @asynccontextmanager
    async def broken() -> AsyncGenerator[None]:
        raise OSError("no port")
        yield

    with pytest.raises(OSError, match="no port"), ThreadPortal(broken):
        raise AssertionError
    assert threads() == []


def test_what_does_not_end_in_its_time_is_cancelled_and_then_told_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("trouper.runtime.portal.thread_portal.LAST_WORDS", 0.05)
    let_go = threading.Event()

    @asynccontextmanager
    async def stubborn() -> AsyncGenerator[None]:
        yield
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(let_go.wait)

    portal = ThreadPortal(stubborn())
    portal.__enter__()
    with pytest.raises(StopTimedOut, match="shields itself"):
        portal.stop(0.05)
    let_go.set()
    portal.stop()

    assert threads() == []


def test_a_portal_is_entered_first_and_once() -> None:
    portal = ThreadPortal(program())
    with pytest.raises(PortalClosed, match="not been entered"):
        portal.call(add, 1)
    with pytest.raises(PortalClosed, match="not been entered"):
        portal.wait_ended()
    portal.stop()
    with portal:
        assert portal.is_running
        assert not portal.wait_ended(0.0)
        with pytest.raises(PortalError, match="runs once"):
            portal.__enter__()
    with pytest.raises(PortalError, match="at least 1"):
        ThreadPortal(program(), buffer=0)


async def numbers(count: int) -> AsyncGenerator[int]:
    for number in range(count):
        yield number


def test_a_stream_brings_all_items_in_order_and_then_ends() -> None:
    with ThreadPortal(program(), buffer=7) as portal, portal.stream(numbers, 1000) as items:
        assert list(items) == list(range(1000))
        assert list(items) == []


def test_a_stream_in_two_threads_at_once_is_read_by_each_item_once() -> None:
    with ThreadPortal(program()) as portal:

        def read(count: int) -> int:
            with portal.stream(numbers, count) as items:
                return sum(items)

        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(read, [5000] * 4)) == [sum(range(5000))] * 4


def test_a_stream_raises_after_what_had_arrived_and_once() -> None:
    async def broken() -> AsyncGenerator[int]:
        yield 1
        raise ValueError("broken")

    got: list[int] = []
    with (
        ThreadPortal(program()) as portal,
        pytest.raises(ValueError, match="broken"),
        portal.stream(broken) as items,
    ):
        got.extend(items)

    assert got == [1]


def test_a_stream_that_was_not_entered_says_so() -> None:
    """It would wait for ever for what nobody brings."""
    with ThreadPortal(program()) as portal:
        stream = portal.stream(numbers, 1)
        with pytest.raises(PortalError, match="inside its `with`"):
            iter(stream)
        with stream:
            pass
        with pytest.raises(PortalError, match="once"):
            stream.__enter__()


def test_leaving_a_stream_cancels_it_and_waits_for_its_clean_up() -> None:
    seen: list[str] = []

    async def ticks() -> AsyncGenerator[int]:
        try:
            while True:
                yield 1
                await trio.sleep(0.001)
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(0.03)
            seen.append("cleaned up")

    with ThreadPortal(program()) as portal:
        with portal.stream(ticks) as items:
            assert next(items) == 1
        assert seen == ["cleaned up"]
