"""Trio beside asyncio: calls, what they carry, and how they are cancelled."""

import asyncio
import threading
import traceback
from collections.abc import Callable
from contextvars import ContextVar

import pytest
import trio

from tests.fakes.portals import Main, add, fail, in_time, program, run_asyncio, threads
from trouper.runtime.portal import (
    AsyncioPortal,
    PortalClosed,
    PortalError,
    ThreadPortal,
    WouldBlock,
)
from trouper.runtime.portal.asyncio_portal import Mode

NAME: ContextVar[str] = ContextVar("NAME", default="nobody")


def run_uvloop(main: Main) -> None:
    uvloop = pytest.importorskip("uvloop", reason="uvloop is not installed")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(in_time(main))


@pytest.fixture(params=[run_asyncio, run_uvloop], ids=["asyncio", "uvloop"])
def on_both(request: pytest.FixtureRequest) -> Callable[[Main], None]:
    return request.param  # type: ignore[no-any-return]


def test_a_call_runs_in_trio_and_gives_its_value_back(on_both: Callable[[Main], None]) -> None:
    async def main() -> None:
        async with AsyncioPortal(program()) as portal:
            assert portal.value == "value"
            assert portal.is_running
            assert await portal.call(add, 1, b=2) == 3
            assert await portal.call_sync(max, 1, 2) == 2
            assert await portal.call_sync(threading.get_ident) != threading.get_ident()
            assert sorted(await asyncio.gather(*(portal.call(add, n) for n in range(100)))) == [
                *range(100)
            ]
        assert not portal.is_running

    on_both(main)

    assert threads() == []


def test_an_error_comes_across_as_itself_with_the_lines_where_it_was_raised() -> None:
    async def main() -> None:
        async with AsyncioPortal(program()) as portal:
            with pytest.raises(ValueError, match="there") as caught:
                await portal.call(fail, ValueError("there"))
            assert "in fail" in "".join(traceback.format_tb(caught.value.__traceback__))
            with pytest.raises(ZeroDivisionError):
                await portal.call_sync(lambda: 1 // 0)
            with pytest.raises(RuntimeError, match="StopIteration"):
                await portal.call_sync(next, iter(()))

    run_asyncio(main)


def test_a_group_of_errors_comes_across_whole() -> None:
    async def both() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fail, ValueError("a"))
            nursery.start_soon(fail, KeyError("b"))

    async def main() -> None:
        async with AsyncioPortal(program()) as portal:
            with pytest.RaisesGroup(ValueError, KeyError):
                await portal.call(both)

    run_asyncio(main)


def test_a_call_sees_the_contextvars_of_its_caller_and_keeps_its_own() -> None:
    async def name() -> str:
        seen = NAME.get()
        NAME.set("trio's")
        return seen

    async def main() -> None:
        NAME.set("starter")
        async with AsyncioPortal(program()) as portal:
            NAME.set("alice")
            assert await portal.call(name) == "alice"
            assert await portal.call_sync(NAME.get) == "alice"
            assert NAME.get() == "alice"

    run_asyncio(main)


def test_a_cancelled_call_is_cancelled_in_trio_and_has_cleaned_up_when_it_is_over() -> None:
    seen: list[str] = []

    async def slow() -> None:
        seen.append("began")
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(0.05)
            seen.append("cleaned up")

    async def main() -> None:
        async with AsyncioPortal(program()) as portal:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(portal.call(slow), 0.05)
            assert seen == ["began", "cleaned up"]

    run_asyncio(main)


def test_a_second_cancellation_does_not_wait_for_the_clean_up() -> None:
    let_go = threading.Event()

    async def stubborn() -> None:
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(let_go.wait)

    async def main() -> None:
        async with AsyncioPortal(program()) as portal:
            task = asyncio.create_task(portal.call(stubborn))
            await asyncio.sleep(0.02)
            task.cancel()
            await asyncio.sleep(0.02)
            assert not task.done()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            let_go.set()

    run_asyncio(main)


def test_an_error_of_the_clean_up_takes_the_place_of_the_cancellation() -> None:
    async def unclean() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise ValueError("unclean")

    async def main() -> None:
        async with AsyncioPortal(program()) as portal:
            task = asyncio.create_task(portal.call(unclean))
            await asyncio.sleep(0.02)
            task.cancel()
            with pytest.raises(ValueError, match="unclean"):
                await task

    run_asyncio(main)


@pytest.mark.parametrize("mode", ["thread", "guest"])
def test_a_cancel_storm_leaves_no_task_and_no_pending_call(mode: Mode) -> None:
    async def main() -> None:
        async with AsyncioPortal(program(), mode=mode) as portal:
            before = await portal.call_sync(lambda: trio.lowlevel.current_statistics().tasks_living)
            tasks = [asyncio.create_task(portal.call(trio.sleep, n % 7 / 500)) for n in range(500)]
            for number, task in enumerate(tasks):
                if number % 3:
                    task.cancel()
                if number % 20 == 0:
                    await asyncio.sleep(0.001)
            await asyncio.wait(tasks)
            after = await portal.call_sync(lambda: trio.lowlevel.current_statistics().tasks_living)
            assert after == before
            assert portal._thread._pending == set()
            assert len(asyncio.all_tasks()) == 1 + (asyncio.current_task() is None)

    asyncio.run(main())


def test_it_is_used_in_the_loop_that_entered_it_and_once() -> None:
    async def main() -> None:
        portal = AsyncioPortal(program())
        with pytest.raises(PortalClosed, match="not been entered"):
            await portal.call(add, 1)
        with pytest.raises(PortalClosed, match="not been entered"):
            print(portal.value)
        with pytest.raises(PortalClosed, match="not been entered"):
            await portal.wait_ended()
        await portal.stop()
        async with portal:
            with pytest.raises(PortalError, match="another event loop"):
                await asyncio.to_thread(asyncio.run, portal.call(add, 1))
            with pytest.raises(PortalError, match="runs once"):
                await portal.__aenter__()
            with pytest.raises(PortalError, match="inside trio"):
                await portal.call(portal.call, add, 1)
            with pytest.raises(PortalError, match="inside trio"):
                await portal.call(portal.stop)

    run_asyncio(main)


def test_a_call_that_waits_is_refused_in_the_thread_of_a_loop() -> None:
    async def main() -> None:
        with pytest.raises(WouldBlock, match="asyncio"), ThreadPortal(program()):
            raise AssertionError
        portal = await asyncio.to_thread(ThreadPortal(program()).__enter__)
        with pytest.raises(WouldBlock, match="asyncio"):
            portal.call(add, 1)
        assert await asyncio.to_thread(portal.call, add, 1) == 1
        await asyncio.to_thread(portal.stop)

    run_asyncio(main)


def test_several_portals_do_not_see_each_other() -> None:
    async def main() -> None:
        async with AsyncioPortal(program()) as one, AsyncioPortal(program()) as other:
            idents = {
                await one.call_sync(threading.get_ident),
                await other.call_sync(threading.get_ident),
                threading.get_ident(),
            }
            assert len(idents) == 3

    run_asyncio(main)


def test_a_host_whose_loop_is_gone_does_not_end_the_trio_side() -> None:
    portal = AsyncioPortal(program())

    async def forget() -> None:
        await portal.__aenter__()
        portal._thread.post(lambda: None)
        asyncio.create_task(portal.call(trio.sleep, 0.05))  # noqa: RUF006 - as it happens
        await asyncio.sleep(0)

    asyncio.run(forget())
    with pytest.raises(PortalError, match="another event loop"):
        asyncio.run(portal.call(add, 1))

    assert portal.is_running
    portal._thread.leave(at_once=True)
    portal._thread.join()
