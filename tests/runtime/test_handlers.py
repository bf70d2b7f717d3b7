"""What a handler may do, and what it may raise: it is driven by hand, and shall not notice."""

import contextvars
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from tests.fakes.player import (
    Do,
    InTask,
    Items,
    Limited,
    Player,
    answer,
    boom,
    elapsed,
    playing,
)
from trouper.runtime import ActorCrashed, ActorError, AskTimeout, Reject, Sink

kinds = pytest.mark.parametrize("kind", [Do, InTask, Limited])
waits = pytest.mark.parametrize("wait", [0, 1], ids=["at once", "after a wait"])

request_id: contextvars.ContextVar[str] = contextvars.ContextVar("request_id", default="none")


# Errors.


@kinds
@waits
async def test_a_group_of_actor_errors_fails_its_request_only(
    wait: int, kind: Any, autojump_clock: MockClock
) -> None:
    """A nursery wraps what its tasks raise; the asker gets what was in it."""
    refusal = Reject("from a nursery")

    async def refuse_in_a_nursery(_: Player) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(boom(refusal, wait), _)

    async with playing("a") as stage:
        with pytest.raises(Reject) as caught:
            await stage["a"].ask(kind(refuse_in_a_nursery))
        assert caught.value is refusal
        assert stage.system.snapshot("a")[0].life == 1


async def test_of_several_actor_errors_the_asker_gets_the_first(
    autojump_clock: MockClock,
) -> None:
    errors = ExceptionGroup("", [ExceptionGroup("", [AskTimeout("x", 1)]), Reject("second")])
    async with playing("a") as stage:
        with pytest.raises(AskTimeout):
            await stage["a"].ask(Do(boom(errors)))
        assert stage.system.snapshot("a")[0].life == 1


@kinds
@waits
async def test_a_group_with_anything_else_in_it_is_a_crash(
    wait: int, kind: Any, autojump_clock: MockClock
) -> None:
    errors = ExceptionGroup("both", [Reject("no"), ValueError("bug")])
    async with playing("a") as stage:
        with pytest.raises(ActorCrashed) as caught:
            await stage["a"].ask(kind(boom(errors, wait)))
        cause = caught.value.__cause__
        assert isinstance(cause, ExceptionGroup)
        assert cause.exceptions == errors.exceptions
        assert stage.crash("a").message == kind.__name__


@kinds
@waits
async def test_a_crash_out_of_a_nursery_is_named_by_what_was_raised(
    wait: int, kind: Any, autojump_clock: MockClock
) -> None:
    async def crash_in_a_nursery(_: Player) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(boom(ValueError("deep inside"), wait), _)

    async with playing("a") as stage:
        with pytest.raises(ActorCrashed, match="ValueError: deep inside") as caught:
            await stage["a"].ask(kind(crash_in_a_nursery))
        assert isinstance(caught.value.__cause__, ValueError)


async def test_an_error_that_is_raised_twice_is_told_twice(autojump_clock: MockClock) -> None:
    shared = Reject("the same object")
    async with playing("a") as stage:
        for _ in range(3):
            with pytest.raises(Reject) as caught:
                await stage["a"].ask(Do(boom(shared)))
            assert caught.value is shared


async def test_an_answer_may_be_an_exception_or_none(autojump_clock: MockClock) -> None:
    error = ValueError("returned, not raised")
    async with playing("a") as stage:
        for kind in (Do, InTask):
            assert await stage["a"].ask(kind(answer(error))) is error
            assert await stage["a"].ask(kind(answer(None))) is None


async def test_stop_iteration_in_a_handler_is_a_crash_like_any_other(
    autojump_clock: MockClock,
) -> None:
    async with playing("a") as stage:
        for seconds in (0, 1):
            with pytest.raises(ActorCrashed) as caught:
                await stage["a"].ask(Do(boom(StopIteration("odd"), seconds)))
            assert isinstance(caught.value.__cause__, RuntimeError)


# Being driven by hand.


async def test_a_handler_catches_what_is_thrown_where_it_waits(
    autojump_clock: MockClock,
) -> None:
    async def catch(_: Player) -> str:
        with pytest.raises(trio.TooSlowError):
            with trio.fail_after(1):
                await trio.sleep_forever()
        try:
            with trio.fail_after(1):
                await trio.sleep_forever()
        except trio.TooSlowError:
            return "caught"
        return "not reached"

    async with playing("a") as stage:
        watch = elapsed()
        assert await stage["a"].ask(Do(catch)) == "caught"
        assert watch() == 2


async def test_scopes_and_nurseries_work_in_a_handler(autojump_clock: MockClock) -> None:
    async def work(_: Player) -> list[str]:
        done: list[str] = []

        async def part(name: str, seconds: float) -> None:
            await trio.sleep(seconds)
            done.append(name)

        with trio.move_on_after(5):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(part, "one", 1)
                nursery.start_soon(part, "three", 3)
                with trio.move_on_after(2) as inner:
                    await trio.sleep(60)
                assert inner.cancelled_caught
                done.append("two")
                nursery.start_soon(part, "never", 60)
        return done

    async with playing("a") as stage:
        watch = elapsed()
        assert await stage["a"].ask(Do(work), timeout=60) == ["one", "two", "three"]
        assert watch() == 5
        # And the actor's own task is in no scope of that handler any more.
        assert await stage["a"].ask(Do(answer(1))) == 1


async def test_async_generators_work_in_a_handler(autojump_clock: MockClock) -> None:
    closed: list[str] = []

    async def numbers() -> AsyncIterator[int]:
        try:
            for number in range(10):
                await trio.sleep(0.1)
                yield number
        finally:
            await trio.lowlevel.checkpoint()
            closed.append("closed")

    @asynccontextmanager
    async def resource() -> AsyncGenerator[str]:
        await trio.sleep(0.1)
        yield "resource"
        closed.append("released")

    async def use(_: Player) -> tuple[str, list[int]]:
        from_generator: list[int] = []
        async with resource() as name:
            generator = numbers()
            async for number in generator:
                from_generator.append(number)
                if number == 3:
                    break
            await generator.aclose()  # type: ignore[attr-defined]
        return name, from_generator

    async with playing("a") as stage:
        assert await stage["a"].ask(Do(use)) == ("resource", [0, 1, 2, 3])
        assert closed == ["closed", "released"]


async def test_threads_can_be_used_in_a_handler() -> None:
    async def in_thread(_: Player) -> str:
        request_id.set("set in the handler")
        return await trio.to_thread.run_sync(request_id.get)

    async with playing("a") as stage:
        assert await stage["a"].ask(Do(in_thread)) == "set in the handler"


async def test_a_handler_that_swallows_a_cancellation_of_its_own_goes_on(
    autojump_clock: MockClock,
) -> None:
    async def swallow(_: Player) -> str:
        with trio.CancelScope() as scope:
            scope.cancel()
            try:
                await trio.sleep(1)
            except trio.Cancelled:
                return "went on"
        return "left the scope"

    async with playing("a") as stage:
        assert await stage["a"].ask(Do(swallow)) == "went on"


async def test_where_a_handler_waits_is_in_the_stack(autojump_clock: MockClock) -> None:
    async def wait_here(_: Player) -> None:
        await trio.sleep(1)

    async with playing("a") as stage, trio.open_nursery() as nursery:
        nursery.start_soon(stage["a"].ask, Do(wait_here))
        await trio.testing.wait_all_tasks_blocked()
        stack = stage["a"]._cell.life.stack()
        assert any("wait_here" in line for line in stack)
        assert any("_timeouts.py" in line and line.endswith(" sleep") for line in stack)


# Context.


@kinds
@waits
async def test_a_handler_sees_the_context_of_its_sender_and_keeps_its_own(
    wait: int, kind: Any, autojump_clock: MockClock
) -> None:
    async def look(_: Player) -> list[str]:
        seen = [request_id.get()]
        await trio.sleep(wait)
        seen.append(request_id.get())
        request_id.set("changed by the handler")
        await trio.sleep(wait)
        seen.append(request_id.get())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(note_in_child, seen)
        return seen

    async def note_in_child(seen: list[str]) -> None:
        seen.append(request_id.get())

    async with playing("a") as stage:
        request_id.set("mine")
        changed = "changed by the handler"
        assert await stage["a"].ask(kind(look)) == ["mine", "mine", changed, changed]
        assert request_id.get() == "mine"
        request_id.set("another")
        assert (await stage["a"].ask(kind(look)))[0] == "another"


async def test_the_context_travels_through_asks_tells_sends_streams_and_forwards(
    autojump_clock: MockClock,
) -> None:
    seen: dict[str, str] = {}

    def see(name: str) -> Any:
        async def act(actor: Player, *_: Any) -> None:
            seen[name] = request_id.get()

        return act

    async def spread(actor: Player) -> Any:
        b = actor.find("b", Player)
        await b.ask(Do(see("ask")))
        b.tell(Do(see("tell")))
        await b.send(Do(see("send")))
        async with b.stream(Items(see("stream"))) as items:
            async for _ in items:
                pass
        return b.forward(InTask(see("forward")))

    async with playing("a", "b") as stage:
        request_id.set("42")
        await stage["a"].ask(Do(spread))
        assert seen == dict.fromkeys(("ask", "tell", "send", "stream", "forward"), "42")


async def test_queued_messages_keep_the_context_of_the_time_they_were_sent(
    autojump_clock: MockClock,
) -> None:
    seen: list[str] = []

    async def see(_: Player) -> None:
        seen.append(request_id.get())

    async with playing("a") as stage:
        for name in ("first", "second"):
            request_id.set(name)
            stage["a"].tell(Do(see))
        request_id.set("third")
        await trio.testing.wait_all_tasks_blocked()
        assert seen == ["first", "second"]


async def test_a_stream_handler_may_refuse_before_its_first_item(
    autojump_clock: MockClock,
) -> None:
    async def refuse(_: Player, sink: Sink[Any]) -> None:
        raise ActorError("nothing to stream")

    async with playing("a") as stage, stage["a"].stream(Items(refuse)) as items:
        with pytest.raises(ActorError, match="nothing to stream"):
            await anext(items)
