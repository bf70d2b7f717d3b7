"""Whatever a tool does is the result of its call: crash, silence, noise, an end of the world."""

import asyncio
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any

import pytest
import trio
from structlog.testing import capture_logs

from trouper.actors.config import Secret
from trouper.actors.tools import FunctionTool, Progress, Tool, ToolContext, ToolFailed, tool
from trouper.actors.tools.running import ToolRunner

from .conftest import call


async def run(made: Tool, /, **arguments: Any) -> tuple[str, bool]:
    result = await ToolRunner(made).run(call(made.name, **arguments), ToolContext())
    return result.content, result.is_error


@tool
async def shout(text: str) -> str:
    """Say it loud."""
    return text.upper()


async def test_a_result_goes_back_under_the_id_of_its_call() -> None:
    result = await ToolRunner(shout).run(call("shout", id="c7", text="hi"), ToolContext())

    assert (result.call_id, result.content, result.is_error) == ("c7", "HI", False)


async def test_wrong_arguments_never_reach_the_tool() -> None:
    words, is_error = await run(shout, txt="hi")

    assert is_error
    assert "text is required and missing" in words


def crashing(error: BaseException) -> FunctionTool[[], Any]:
    @tool(name="crash", description="Crash.")
    async def crash() -> None:
        raise error

    return crash


class Panic(BaseException):
    """As what a library in Rust raises that has hit a bug of its own (pyo3's PanicException)."""


Secret("hunter2-hunter2")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ValueError("no such city"), "crash failed: ValueError: no such city"),
        (ValueError(), "crash failed: ValueError"),
        (KeyError("x"), "crash failed: KeyError: 'x'"),
        (ExceptionGroup("g", [OSError("gone")]), "crash failed: OSError: gone"),
        (SystemExit(3), "crash failed: SystemExit: 3"),
        (Panic("unwrap on None"), "crash failed: Panic: unwrap on None"),
        (asyncio.CancelledError(), "crash failed: CancelledError"),
        (BaseExceptionGroup("g", [Panic("unwrap")]), "crash failed: Panic: unwrap"),
        (ValueError("the key\nis hunter2-hunter2"), "ValueError: the key is [redacted]"),
        (ValueError("Bearer abcdefgh"), "ValueError: Bearer [redacted]"),
        (ExceptionGroup("g", [ToolFailed("There is none.")]), "There is none."),
        (ToolFailed("There is no Oslo.\nTry Bergen."), "There is no Oslo.\nTry Bergen."),
    ],
    ids=repr,
)
async def test_a_crash_is_one_line_for_the_model_and_a_traceback_for_the_log(
    error: BaseException, words: str
) -> None:
    with capture_logs() as logs:
        content, is_error = await run(crashing(error))

    assert is_error
    assert content.endswith(words)
    assert "Traceback" not in content
    crashes = [line for line in logs if line["event"] == "tool crashed"]
    cause = error.exceptions[0] if isinstance(error, BaseExceptionGroup) else error
    assert [line["exc_info"] for line in crashes] == (
        [] if isinstance(cause, ToolFailed) else [cause]
    )


async def test_a_long_fault_is_one_that_a_model_can_still_read() -> None:
    with capture_logs():
        content, _ = await run(crashing(ValueError("x" * 10_000_000)))

    assert len(content) < 400


async def test_a_secret_of_ours_does_not_leave_by_a_result() -> None:
    @tool(result_limit=20)
    async def leak() -> str:
        """Tell."""
        return "ten chars: hunter2-hunter2 and more"

    content, _ = await run(leak)

    assert content.startswith("ten chars: [redacted")
    assert "hunter2" not in content


async def test_ten_megabytes_are_cut_and_the_model_is_told() -> None:
    @tool
    def flood() -> str:
        """Say much."""
        return "x" * 10_000_000

    content, is_error = await run(flood)

    assert not is_error
    assert content[:32_000] == "x" * 32_000
    assert content[32_000:].startswith("\n[cut: these are its first 32,000 characters")
    assert len(content) < 32_200


async def test_a_tool_that_takes_too_long_is_ended(autojump_clock: object) -> None:
    ended: list[bool] = []

    @tool(timeout=7)
    async def hang() -> None:
        """Hang."""
        try:
            await trio.sleep_forever()
        finally:
            ended.append(True)

    began = trio.current_time()
    content, is_error = await run(hang)

    assert (content, is_error) == ("hang gave no result within 7 s", True)
    assert trio.current_time() - began == pytest.approx(7)
    assert ended == [True]


async def test_a_thread_that_blocks_is_left_to_itself_and_keeps_its_place() -> None:
    release, ran = threading.Event(), threading.Event()

    @tool(timeout=0.1, concurrency=1)
    def block() -> str:
        """Block."""
        ran.set()
        release.wait(30)
        return "done"

    runner = ToolRunner(block)
    with capture_logs() as logs:
        first = await runner.run(call("block"), ToolContext())
    assert ran.is_set()
    ran.clear()
    second = await runner.run(call("block"), ToolContext())
    assert not ran.is_set()
    release.set()
    with trio.fail_after(5):
        while (await runner.run(call("block"), ToolContext())).is_error:
            pass

    words = "block gave no result within 0.1 s; all its threads are held by calls that do not end"
    assert [line["event"] for line in logs][:2] == [
        "tool thread is left to itself",
        "tool took too long",
    ]
    assert first.content.startswith(words)
    assert second.content.startswith(words)


async def test_no_more_calls_run_at_once_than_there_are_places(autojump_clock: object) -> None:
    busy: set[int] = set()
    most = 0

    @tool(concurrency=3, timeout=100)
    async def work(number: int) -> str:
        """Work."""
        nonlocal most
        busy.add(number)
        most = max(most, len(busy))
        await trio.sleep(1)
        busy.remove(number)
        return ""

    runner = ToolRunner(work)
    async with trio.open_nursery() as nursery:
        for number in range(10):
            nursery.start_soon(runner.run, call("work", number=number), ToolContext())

    assert most == 3
    assert trio.current_time() == pytest.approx(4)


async def test_who_waits_too_long_for_a_place_is_told_so(autojump_clock: object) -> None:
    @tool(concurrency=1, timeout=10)
    async def work(seconds: float) -> str:
        """Work."""
        with trio.CancelScope(shield=True):
            await trio.sleep(seconds)
        return "done"

    runner = ToolRunner(work)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(runner.run, call("work", seconds=30), ToolContext())
        await trio.testing.wait_all_tasks_blocked()
        result = await runner.run(call("work", seconds=0), ToolContext())

    assert result.is_error
    assert result.content == ("work is busy: its 1 places were taken for 10 s; try again later")


def flaky(attempts: int, failures: list[Exception], **policy: Any) -> Tool:
    @tool(name="flaky", description="Try.", idempotent=True, attempts=attempts, **policy)
    async def body() -> str:
        if failures:
            raise failures.pop(0)
        return "done"

    return body


async def test_an_idempotent_tool_is_tried_again_where_it_crashes(autojump_clock: object) -> None:
    assert await run(flaky(3, [OSError(), OSError()])) == ("done", False)
    assert trio.current_time() == pytest.approx(0.25 + 0.5)


async def test_the_last_crash_is_the_result(autojump_clock: object) -> None:
    assert await run(flaky(2, [OSError("a"), OSError("b")])) == ("flaky failed: OSError: b", True)


async def test_what_a_tool_says_itself_is_not_tried_again() -> None:
    failures: list[Exception] = [ToolFailed("no"), ToolFailed("again")]

    assert await run(flaky(3, failures)) == ("no", True)
    assert len(failures) == 1


async def test_all_attempts_have_one_timeout(autojump_clock: object) -> None:
    failures: list[Exception] = [OSError()] * 100

    content, _ = await run(flaky(100, failures, timeout=2))

    assert content == "flaky gave no result within 2 s"
    assert trio.current_time() == pytest.approx(2)


async def test_a_call_that_needs_a_person_is_not_run_without_one() -> None:
    ran: list[str] = []

    @tool(approval=lambda arguments: arguments["path"].startswith("/"))
    async def remove(path: str) -> str:
        """Remove it."""
        ran.append(path)
        return "gone"

    runner = ToolRunner(remove)
    refused = await runner.run(call("remove", path="/etc"), ToolContext())
    harmless = await runner.run(call("remove", path="tmp"), ToolContext())
    agreed = await runner.run(call("remove", path="/tmp"), ToolContext(), approved=True)

    assert refused.content == "remove was not run: a person has to agree, and none has"
    assert (refused.is_error, harmless.content, agreed.content) == (True, "gone", "gone")
    assert ran == ["tmp", "/tmp"]


async def test_a_rule_that_crashes_asks_a_person() -> None:
    def rule(arguments: Mapping[str, Any]) -> bool:
        raise KeyError("x")

    @tool(approval=rule)
    async def remove() -> str:
        """Remove it."""
        return "gone"

    assert (await run(remove))[1]


async def test_progress_is_told_on_trios_thread_from_both_kinds_of_function() -> None:
    told: list[tuple[Progress, int]] = []

    @tool
    async def walk(context: ToolContext) -> str:
        """Walk."""
        context.report("half way", 0.5)
        return ""

    @tool(name="run")
    def run_there(context: ToolContext) -> str:
        """Run."""
        context.report("there")
        return ""

    def note(progress: Progress) -> None:
        told.append((progress, threading.get_ident()))

    for made in (walk, run_there):
        await ToolRunner(made).run(call(made.name, id="c"), ToolContext(on_progress=note))

    mine = threading.get_ident()
    assert told == [(Progress("c", "half way", 0.5), mine), (Progress("c", "there"), mine)]


async def test_progress_that_nobody_watches_goes_nowhere() -> None:
    @tool
    async def walk(context: ToolContext) -> str:
        """Walk."""
        context.report("half way")
        return "there"

    assert await run(walk) == ("there", False)


async def test_a_long_function_that_reports_ends_when_nobody_waits_any_more() -> None:
    ended = threading.Event()

    @tool(timeout=0.05)
    def loop(context: ToolContext) -> str:
        """Loop."""
        try:
            while True:
                time.sleep(0.005)
                context.report("still here")
        finally:
            ended.set()

    await run(loop)

    assert await trio.to_thread.run_sync(ended.wait, 5)


async def test_a_nursery_in_which_somebody_ends_the_program_ends_its_call() -> None:
    @tool
    async def leave() -> None:
        """Leave."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(leave_now)

    async def leave_now() -> None:
        sys.exit("bye")

    assert await run(leave) == ("leave failed: SystemExit: bye", True)


async def test_a_crash_while_it_is_cancelled_does_not_hide_that(autojump_clock: object) -> None:
    @tool(timeout=3)
    async def hang() -> None:
        """Hang, and crash when it is ended."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            nursery.start_soon(fall)

    async def fall() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise ValueError("ended")

    with capture_logs() as logs:
        content, _ = await run(hang)

    assert content == "hang gave no result within 3 s"
    assert [line["event"] for line in logs][:2] == ["tool crashed", "tool took too long"]


async def test_a_cancel_in_a_nursery_of_the_tool_is_a_cancel(autojump_clock: object) -> None:
    @tool(timeout=3)
    async def hang() -> None:
        """Hang twice."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            nursery.start_soon(trio.sleep_forever)

    assert await run(hang) == ("hang gave no result within 3 s", True)


async def test_a_function_that_ends_the_program_ends_its_call() -> None:
    @tool
    def leave() -> None:
        """Leave."""
        sys.exit("bye")

    assert await run(leave) == ("leave failed: SystemExit: bye", True)
