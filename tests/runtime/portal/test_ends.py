"""How a trio side ends, by a stop, a crash or by itself, and who is told."""

import asyncio
import threading
import time
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import pytest
import trio

from tests.fakes.portals import add, crashing, fail, program, run_asyncio, threads
from trouper.runtime import Actor, Request, SupervisorGaveUp, System, child, on
from trouper.runtime.portal import AsyncioPortal, PortalClosed, StopTimedOut, ThreadPortal


@pytest.mark.parametrize("error", [ValueError("bug"), SystemExit(3)], ids=["error", "exit"])
def test_a_crash_of_the_trio_side_fails_what_is_under_way_with_its_cause(
    error: BaseException,
) -> None:
    async def main() -> None:
        async with AsyncioPortal(crashing()) as portal:
            waiting = [asyncio.create_task(portal.call(trio.sleep_forever)) for _ in range(3)]
            await asyncio.sleep(0.02)
            await portal.call_sync(portal.value.start_soon, fail, error)
            outcomes = await asyncio.gather(*waiting, return_exceptions=True)
            for outcome in outcomes:
                assert isinstance(outcome, PortalClosed)
                assert isinstance(outcome.__cause__, BaseExceptionGroup)
                assert outcome.__cause__.exceptions == (error,)
            await portal.wait_ended()
            with pytest.raises(PortalClosed, match="crashed"):
                await portal.call(add, 1)

    with pytest.RaisesGroup(type(error)):
        run_asyncio(main)


def test_a_bug_in_a_callback_of_the_trio_loop_hangs_nobody() -> None:
    """It ends the run at once, by trio's rule; calls in flight waited for ever in a prototype."""

    async def main() -> None:
        async with AsyncioPortal(program()) as portal:
            waiting = asyncio.create_task(portal.call(trio.sleep_forever))
            token = await portal.call_sync(trio.lowlevel.current_trio_token)
            token.run_sync_soon(lambda: 1 // 0)
            with pytest.raises(PortalClosed) as caught:
                await waiting
            assert isinstance(caught.value.__cause__, trio.TrioInternalError)
            raise caught.value

    with pytest.raises(PortalClosed):
        run_asyncio(main)


class Fragile(Actor[str | int]):
    @on(str)
    async def break_down(self, message: str) -> None:
        raise SystemExit(message)

    @on(int)
    async def crash(self, message: int) -> None:
        raise ValueError(message)


class Wait(Request[None]):
    pass


class Slow(Actor[Wait]):
    @on(Wait, task=True)
    async def wait(self, message: Wait) -> None:
        await trio.sleep_forever()


@pytest.mark.parametrize(("message", "error"), [("exit", SystemExit), (1, SupervisorGaveUp)])
def test_a_system_that_falls_fails_the_asks_in_flight(
    message: str | int, error: type[BaseException]
) -> None:
    async def main() -> None:
        tree = System(child("fragile", Fragile), child("slow", Slow, shutdown=0.1), intensity=0)
        async with AsyncioPortal(tree) as portal:
            ask = asyncio.create_task(
                portal.call(portal.value.ref("slow", Slow).ask, Wait(), timeout=60)
            )
            await asyncio.sleep(0.02)
            await portal.call_sync(portal.value.ref("fragile", Fragile).tell, message)
            with pytest.raises(Exception, match=r"slow|portal"):
                await ask
            await portal.wait_ended()

    with pytest.raises(error):
        run_asyncio(main)


def test_a_program_that_ends_by_itself_says_so_to_the_calls_under_way() -> None:
    @asynccontextmanager
    async def short() -> AsyncGenerator[trio.CancelScope]:
        with trio.CancelScope() as scope:
            yield scope

    async def main() -> None:
        async with AsyncioPortal(short()) as portal:
            waiting = asyncio.create_task(portal.call(trio.sleep_forever))
            await asyncio.sleep(0.02)
            await portal.call_sync(portal.value.cancel)
            with pytest.raises(PortalClosed, match="ended"):
                await waiting

    run_asyncio(main)


def test_entering_raises_what_the_program_raises() -> None:
    @asynccontextmanager
    async def broken() -> AsyncGenerator[None]:
        raise OSError("no port")
        yield

    async def main() -> None:
        async with AsyncioPortal(broken()):
            raise AssertionError

    with pytest.raises(OSError, match="no port"):
        run_asyncio(main)
    assert threads() == []


def test_entering_can_be_cancelled() -> None:
    @asynccontextmanager
    async def slow() -> AsyncGenerator[None]:
        await trio.sleep_forever()
        yield

    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05), AsyncioPortal(slow()):
                raise AssertionError

    run_asyncio(main)
    assert threads() == []


def test_leaving_waits_for_calls_and_cuts_streams() -> None:
    async def forever() -> AsyncGenerator[int]:
        yield 1
        await trio.sleep_forever()

    got: list[int] = []

    async def read(portal: AsyncioPortal[str]) -> None:
        async with portal.stream(forever) as items:
            async for item in items:
                got.append(item)  # noqa: PERF401 - kept, whatever comes after

    async def main() -> None:
        async with AsyncioPortal(program()) as portal:
            call = asyncio.create_task(portal.call(trio.sleep, 0.1))
            stream = asyncio.create_task(read(portal))
            await asyncio.sleep(0.02)
        await call
        with pytest.raises(PortalClosed, match="being left"):
            await stream
        assert got == [1]
        with pytest.raises(PortalClosed, match="ended"):
            await portal.call(add, 1)
        await portal.stop()

    run_asyncio(main)


def test_leaving_by_an_error_does_not_wait_for_calls() -> None:
    failed: list[asyncio.Task[None]] = []

    async def main() -> None:
        async with AsyncioPortal(program()) as portal:
            call = asyncio.create_task(portal.call(trio.sleep_forever))
            await asyncio.sleep(0.02)
            failed.append(call)
            raise ValueError("ours")

    with pytest.raises(ValueError, match="ours"):
        run_asyncio(main)
    assert isinstance(failed[0].exception(), PortalClosed)


def test_what_does_not_end_in_its_time_is_cancelled() -> None:
    async def main() -> None:
        async with AsyncioPortal(program(), stop_timeout=0.05) as portal:
            call = asyncio.create_task(portal.call(trio.sleep_forever))
            await asyncio.sleep(0.02)
        with pytest.raises(PortalClosed):
            await call

    run_asyncio(main)
    assert threads() == []


def test_cancelling_a_stop_hastens_it() -> None:
    async def main() -> None:
        portal = AsyncioPortal(program())
        await portal.__aenter__()
        call = asyncio.create_task(portal.call(trio.sleep_forever))
        await asyncio.sleep(0.02)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(portal.stop(), 0.05)
        with pytest.raises(PortalClosed):
            await call

    run_asyncio(main)
    assert threads() == []


def test_a_blocked_trio_side_is_told_of_with_the_place_where_it_stands(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("trouper.runtime.portal.asyncio_portal.LAST_WORDS", 0.05)
    let_go = threading.Event()

    async def main() -> None:
        portal = AsyncioPortal(program())
        await portal.__aenter__()
        call = asyncio.create_task(portal.call_sync(let_go.wait))
        await asyncio.sleep(0.02)
        with pytest.raises(StopTimedOut, match="wait"):
            await portal.stop(0.05)
        let_go.set()
        await call
        await portal.stop()

    run_asyncio(main)
    assert threads() == []


def test_of_a_call_that_a_crash_cut_its_own_errors_are_told_and_not_trios_cancellation() -> None:
    async def unclean(*errors: Exception) -> None:
        try:
            await trio.sleep_forever()
        except trio.Cancelled as cancelled:
            raise BaseExceptionGroup("unclean", [cancelled, *errors]) from None

    async def main() -> None:
        async with AsyncioPortal(crashing()) as portal:
            with_error = asyncio.create_task(portal.call(unclean, OSError("disk")))
            without = asyncio.create_task(portal.call(unclean))
            await asyncio.sleep(0.02)
            await portal.call_sync(portal.value.start_soon, fail, ValueError("bug"))
            with pytest.RaisesGroup(OSError):
                await with_error
            with pytest.raises(PortalClosed, match="crashed"):
                await without

    with pytest.RaisesGroup(ValueError):
        run_asyncio(main)


def test_a_crash_in_a_storm_of_calls_leaves_nobody_waiting() -> None:
    async def short() -> None:
        await trio.lowlevel.checkpoint()

    def storm(portal: ThreadPortal[trio.Nursery]) -> bool:
        while True:
            try:
                portal.call(short)
                portal.call_sync(short.__repr__)
            except PortalClosed:
                return True

    for _ in range(30):
        with ThreadPoolExecutor(4) as pool, pytest.RaisesGroup(ValueError):  # noqa: SIM117
            with ThreadPortal(crashing()) as portal:
                storms = [pool.submit(storm, portal) for _ in range(4)]
                time.sleep(0.003)
                portal.call_sync(portal.value.start_soon, fail, ValueError("bug"))
                assert all(future.result(10) for future in storms)
    assert threads() == []
