"""How a guest ends: with its loop, by a bug of trio's loop, by a second guest, by the host's fork."""

import asyncio
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from contextvars import ContextVar

import pytest
import trio

from tests.fakes.portals import add, fail, program, run_asyncio
from trouper.runtime.portal import AsyncioPortal, PortalClosed, PortalError, ThreadPortal

NAME: ContextVar[str] = ContextVar("NAME", default="nobody")


@asynccontextmanager
async def tidy(steps: list[str]) -> AsyncGenerator[None]:
    try:
        yield
    finally:
        await trio.sleep(0.01)
        steps.append("cleaned up")


def test_a_guest_that_is_never_left_is_stopped_with_its_loop() -> None:
    """Its `finally` blocks never ran, its calls never ended, and nobody was told."""
    steps: list[str] = []

    async def main() -> None:
        portal = AsyncioPortal(tidy(steps), mode="guest")
        await portal.__aenter__()
        asyncio.create_task(portal.call(trio.sleep_forever))  # noqa: RUF006 - as it happens
        await asyncio.sleep(0.02)

    with pytest.warns(ResourceWarning, match="never left; it is stopped with its loop"):
        asyncio.run(main())
    assert steps == ["cleaned up"]
    assert not trio.lowlevel.in_trio_run()


def test_a_guest_that_was_left_is_not_spoken_of_when_its_loop_ends() -> None:
    steps: list[str] = []

    async def main() -> None:
        async with AsyncioPortal(tidy(steps), mode="guest"):
            steps.append("entered")

    run_asyncio(main)
    assert steps == ["entered", "cleaned up"]


def test_a_bug_in_a_callback_of_the_trio_loop_hangs_nobody() -> None:
    async def main() -> None:
        async with AsyncioPortal(program(), mode="guest") as portal:
            waiting = asyncio.create_task(portal.call(trio.sleep_forever))
            token = await portal.call_sync(trio.lowlevel.current_trio_token)
            token.run_sync_soon(lambda: 1 // 0)
            with pytest.raises(PortalClosed) as caught:
                await waiting
            assert isinstance(caught.value.__cause__, trio.TrioInternalError)
            raise caught.value

    with pytest.raises(PortalClosed):
        run_asyncio(main)


def test_a_loop_has_one_guest_at_a_time_and_portals_with_threads_beside_it() -> None:
    """The second one was neither begun nor over: leaving it waited for its end."""

    async def main() -> None:
        async with AsyncioPortal(program(), mode="guest") as guest:
            second = AsyncioPortal(program(), mode="guest")
            with pytest.raises(PortalError, match="another one goes on in this thread"):
                await second.__aenter__()
            with pytest.raises(PortalClosed):
                await second.call(add, 1)
            await second.stop()
            async with AsyncioPortal(program()) as other:
                ident = await other.call_sync(threading.get_ident)
                assert ident != await guest.call_sync(threading.get_ident)
        async with AsyncioPortal(program(), mode="guest") as guest:
            assert await guest.call(add, 1) == 1

    run_asyncio(main)


def test_two_loops_have_a_guest_each() -> None:
    meet = threading.Barrier(2)

    async def main() -> None:
        async with AsyncioPortal(program(), mode="guest") as portal:
            await asyncio.to_thread(meet.wait, 10)
            assert await portal.call(add, 1) == 1
            await asyncio.to_thread(meet.wait, 10)

    other = threading.Thread(target=run_asyncio, args=[main])
    other.start()
    run_asyncio(main)
    other.join(10)
    assert not other.is_alive()


def test_a_group_of_errors_comes_across_whole_and_contextvars_go_along() -> None:
    async def both() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fail, ValueError("a"))
            nursery.start_soon(fail, KeyError("b"))

    async def name() -> str:
        seen = NAME.get()
        NAME.set("trio's")
        return seen

    async def main() -> None:
        async with AsyncioPortal(program(), mode="guest") as portal:
            with pytest.RaisesGroup(ValueError, KeyError):
                await portal.call(both)
            NAME.set("alice")
            assert await portal.call(name) == "alice"
            assert NAME.get() == "alice"

    run_asyncio(main)


def test_a_call_that_waits_is_refused_inside_the_guest() -> None:
    """It is the thread of a loop, of two even: either call would wait for itself."""

    async def main() -> None:
        with pytest.raises(PortalError, match="asyncio"), ThreadPortal(program()):
            raise AssertionError
        async with AsyncioPortal(program(), mode="guest") as portal:
            with pytest.raises(PortalError, match="inside trio"):
                await portal.call(portal.call, add, 1)
            with pytest.raises(PortalError, match="inside trio"):
                await portal.call(portal.stop)

    run_asyncio(main)


def test_what_was_under_way_when_a_guest_is_left_by_an_error_is_told_why() -> None:
    async def forever() -> AsyncGenerator[int]:
        yield 1
        await trio.sleep_forever()

    outcomes: list[BaseException | None] = []

    async def main() -> None:
        async with AsyncioPortal(program(), mode="guest") as portal:
            call = asyncio.create_task(portal.call(trio.sleep_forever))
            async with portal.stream(forever) as items:
                assert await anext(items) == 1
                try:
                    await portal.stop(0.05)
                finally:
                    with pytest.raises(PortalClosed, match="being left"):
                        await anext(items)
            await asyncio.wait([call])
            outcomes.append(call.exception())

    run_asyncio(main)
    assert isinstance(outcomes[0], PortalClosed)
