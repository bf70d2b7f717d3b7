"""A loop in a thread: calls go in, errors come out, and Ctrl-C cancels what is waited for."""

import signal
import threading
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager

import pytest
import trio

from trouper.actors.cli.background import Background
from trouper.runtime.errors import TrouperError


@asynccontextmanager
async def house(notes: list[str]) -> AsyncGenerator[str]:
    notes.append("opened")
    try:
        yield "house"
    finally:
        # It is left in order: who says goodbye may wait.
        await trio.sleep(0.01)
        notes.append("closed")


@contextmanager
def ctrl_c_after(seconds: float) -> Generator[None]:
    # What the kernel does, at a time when the main thread waits in a lock.
    def press() -> None:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    timer = threading.Timer(seconds, press)
    timer.start()
    yield
    timer.join()


def test_calls_run_in_the_loop_and_the_context_is_left_in_order() -> None:
    notes: list[str] = []

    async def double(number: int) -> int:
        await trio.lowlevel.checkpoint()
        assert threading.current_thread() is not threading.main_thread()
        return 2 * number

    with Background(house(notes)) as background:
        assert background.value == "house"
        assert background.call(double, 21) == 42
        assert notes == ["opened"]

    assert notes == ["opened", "closed"]


def test_what_a_call_raises_comes_out() -> None:
    async def fail() -> None:
        raise ValueError("mine")

    with Background(house([])) as background, pytest.raises(ValueError, match="mine"):
        background.call(fail)


def test_what_entering_raises_comes_out() -> None:
    @asynccontextmanager
    async def burnt() -> AsyncGenerator[None]:
        raise ValueError("burnt down")
        yield

    with pytest.raises(ValueError, match="burnt down"), Background(burnt()):
        raise AssertionError


def test_what_leaving_raises_comes_out() -> None:
    @asynccontextmanager
    async def haunted() -> AsyncGenerator[None]:
        yield
        raise ValueError("it does not let go")

    with pytest.raises(ValueError, match="it does not let go"), Background(haunted()):
        pass


def test_an_error_of_the_block_outranks_one_of_leaving() -> None:
    @asynccontextmanager
    async def haunted() -> AsyncGenerator[None]:
        yield
        raise ValueError("it does not let go")

    with pytest.raises(KeyError), Background(haunted()):
        raise KeyError


@pytest.mark.parametrize("broken", [True, False])
def test_a_call_ends_when_the_loop_does(broken: bool) -> None:
    ends = trio.Event()

    @asynccontextmanager
    async def collapsing() -> AsyncGenerator[None]:
        async with trio.open_nursery() as nursery:
            scope = nursery.cancel_scope

            async def collapse() -> None:
                await ends.wait()
                if broken:
                    raise TrouperError("it gave up")
                scope.cancel()

            nursery.start_soon(collapse)
            yield

    async def wait_for_ever() -> None:
        ends.set()
        await trio.sleep_forever()

    words = "it gave up" if broken else "what answered has been stopped"
    with pytest.raises((TrouperError, ExceptionGroup)) as ended, Background(collapsing()) as ground:
        ground.call(wait_for_ever)
    assert words in repr(ended.value)


def test_ctrl_c_cancels_what_is_waited_for_and_the_loop_goes_on() -> None:
    cancelled = threading.Event()

    async def wait_for_ever() -> None:
        try:
            await trio.sleep_forever()
        finally:
            cancelled.set()

    async def answer() -> int:
        await trio.lowlevel.checkpoint()
        return 42

    with Background(house([])) as background:
        with ctrl_c_after(0.1), pytest.raises(KeyboardInterrupt):
            background.call(wait_for_ever)

        assert cancelled.wait(5)
        assert background.call(answer) == 42


def test_ctrl_c_while_it_is_entered_leaves() -> None:
    left = threading.Event()

    @asynccontextmanager
    async def slow() -> AsyncGenerator[None]:
        try:
            await trio.sleep_forever()
            yield
        finally:
            left.set()

    with ctrl_c_after(0.1), pytest.raises(KeyboardInterrupt), Background(slow()):
        raise AssertionError
    assert left.is_set()
