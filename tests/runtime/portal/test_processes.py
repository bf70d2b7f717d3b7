"""What only a whole process shows: Ctrl-C, the interpreter's exit, a fork."""

import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

START = r"""
import asyncio, os, sys, threading, time
from contextlib import asynccontextmanager
import trio
from trouper.runtime import System
from trouper.runtime.portal import AsyncioPortal, ThreadPortal, PortalClosed, UsedAfterFork

@asynccontextmanager
async def program():
    try:
        yield
    finally:
        with trio.CancelScope(shield=True):
            await trio.sleep(0.05)
        # In one piece, and not between the pieces of another thread.
        os.write(1, b"trio cleaned up\n")

async def numbers():
    yield 1
    await trio.sleep_forever()
"""


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a program of these lines; what still runs when the test is over is killed."""
    with ExitStack() as stack:

        def start(code: str, *flags: str, argument: str = "") -> "subprocess.Popen[str]":
            process = subprocess.Popen(
                [sys.executable, *flags, "-c", START + textwrap.dedent(code), argument],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        yield start


def finish(process: "subprocess.Popen[str]") -> tuple[str, str]:
    return process.communicate(timeout=20)


ASYNCIO = """
async def main():
    async with AsyncioPortal(program(), mode="{mode}") as portal:
        print("ready", flush=True)
        await portal.call(trio.sleep_forever)
{run}
"""

THREADS = """
with ThreadPortal(program()) as portal:
    print("ready", flush=True)
    portal.call(trio.sleep_forever)
"""

SYSTEM = """
async def main():
    async with AsyncioPortal(lambda: opened()) as portal:
        print("ready", flush=True)
        await asyncio.sleep(60)

@asynccontextmanager
async def opened():
    async with System(), program():
        yield

asyncio.run(main())
"""


@pytest.mark.parametrize(
    "code",
    [
        ASYNCIO.format(mode="thread", run="asyncio.run(main())"),
        ASYNCIO.format(mode="thread", run="import uvloop; uvloop.run(main())"),
        ASYNCIO.format(mode="guest", run="asyncio.run(main())"),
        # Nobody but trio handles SIGINT here.
        ASYNCIO.format(mode="guest", run="asyncio.new_event_loop().run_until_complete(main())"),
        THREADS,
        SYSTEM,
    ],
    ids=["asyncio", "uvloop", "guest", "guest-by-hand", "threads", "system"],
)
def test_ctrl_c_ends_the_host_and_lets_the_trio_side_clean_up(start: Start, code: str) -> None:
    if "uvloop" in code:
        pytest.importorskip("uvloop", reason="uvloop is not installed")
    process = start(code)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    out, error = finish(process)

    assert out == "trio cleaned up\n"
    assert "KeyboardInterrupt" in error
    assert process.returncode in (1, -signal.SIGINT)
    assert time.monotonic() - began < 5


def test_a_portal_that_is_never_left_cleans_up_at_the_interpreters_exit(start: Start) -> None:
    process = start(
        """
        async def main():
            portal = AsyncioPortal(program())
            await portal.__aenter__()
            asyncio.create_task(portal.call(trio.sleep_forever))
            await asyncio.sleep(0.02)
        asyncio.run(main())
        ThreadPortal(program(), name="other").__enter__()
        # A guest can do nothing any more when its loop has been closed by hand.
        loop = asyncio.new_event_loop()
        guest = AsyncioPortal(program(), mode="guest", name="guest")
        loop.run_until_complete(guest.__aenter__())
        loop.close()
        print("main is over", flush=True)
        """,
        *("-W", "always::ResourceWarning"),
    )
    out, error = finish(process)

    assert out == "main is over\n" + "trio cleaned up\n" * 2
    assert "the portal 'portal' was never left" in error
    assert "the portal 'other' was never left" in error
    assert "the portal 'guest' was never left; its loop was closed before it" in error
    assert process.returncode == 0


def test_a_forgotten_portal_that_does_not_end_does_not_hold_up_the_exit(start: Start) -> None:
    process = start(
        """
        import trouper.runtime.portal.trio_thread as module
        module._AT_EXIT = 0.1
        portal = ThreadPortal(program())
        portal.__enter__()
        threading.Thread(
            target=lambda: portal.call_sync(time.sleep, 60), daemon=True
        ).start()
        time.sleep(0.1)
        print("main is over", flush=True)
        """
    )
    began = time.monotonic()
    out, _ = finish(process)

    assert out == "main is over\n"
    assert process.returncode == 0
    assert time.monotonic() - began < 10


def test_a_fork_of_the_host_cannot_use_the_portal_and_harms_it_not(start: Start) -> None:
    process = start(
        """
        import warnings
        warnings.simplefilter("ignore", DeprecationWarning)

        def refused(attempt):
            try:
                attempt()
            except UsedAfterFork as error:
                return "fork of it" in str(error)
            return False

        with ThreadPortal(program()) as portal:
            stream = portal.stream(numbers)
            with stream:
                next(stream)
                child = os.fork()
                if not child:
                    attempts = [
                        lambda: portal.call(trio.sleep, 0),
                        lambda: portal.call_sync(print),
                        lambda: portal.stream(numbers).__enter__(),
                        lambda: next(stream),
                    ]
                    ok = all(refused(attempt) for attempt in attempts)
                    print("child", ok and not portal.is_running, flush=True)
                else:
                    os.waitpid(child, 0)
                    portal.call(trio.sleep, 0)
                    print("parent", flush=True)
        print("left", flush=True)
        """
    )
    out, error = finish(process)

    assert error == ""
    assert out.splitlines() == ["child True", "left", "parent", "trio cleaned up", "left"]


@pytest.mark.parametrize("mode", ["thread", "guest"])
def test_a_fork_in_a_coroutine_is_told_the_same(start: Start, mode: str) -> None:
    process = start(
        """
        import warnings
        warnings.simplefilter("ignore", DeprecationWarning)

        async def refused(attempt):
            try:
                await attempt
            except UsedAfterFork:
                return True
            return False

        async def use(portal):
            async with portal.stream(numbers) as stream:
                await anext(stream)
                child = os.fork()
                if not child:
                    results = [
                        await refused(portal.call(trio.sleep, 0)),
                        await refused(portal.call_sync(print)),
                        await refused(anext(stream)),
                    ]
                    os.write(1, f"child {all(results)}\\n".encode())
                else:
                    os.waitpid(child, 0)
                    await portal.call(trio.sleep, 0)
            return child

        async def main():
            async with AsyncioPortal(program(), mode=sys.argv[1]) as portal:
                child = await use(portal)
            if not child:
                os.write(1, b"child left\\n")
                os._exit(0)

        asyncio.run(main())
        """,
        argument=mode,
    )
    out, error = finish(process)

    assert error == ""
    assert out.splitlines() == ["child True", "child left", "trio cleaned up"]


def test_a_portal_that_was_made_before_a_fork_can_be_entered_after_it(start: Start) -> None:
    process = start(
        """
        portal = ThreadPortal(program())
        if not os.fork():
            with portal:
                print(portal.call_sync(max, 1, 2), flush=True)
        else:
            os.wait()
        """
    )
    out, error = finish(process)

    assert (out, error) == ("2\ntrio cleaned up\n", "")
