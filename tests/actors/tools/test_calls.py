"""The calls of one answer: side by side, in order, and none of them the end of the others."""

import gc
import threading
from typing import Any

import pytest
import trio
import trio.testing
from structlog.testing import capture_logs

from trouper.actors.chat import ToolCallPart, ToolResultPart
from trouper.actors.tools import (
    CallHooks,
    Tool,
    ToolContext,
    ToolDirectory,
    ToolFailed,
    run_calls,
    tool,
)
from trouper.actors.tools.directory import Run
from trouper.actors.tools.executor import Executor
from trouper.runtime import Actor, SpecError, System, child, on

from .conftest import OpenHouse, call


@tool(timeout=60)
async def wait(seconds: float, then: str = "done") -> str:
    """Wait."""
    await trio.sleep(seconds)
    if then == "crash":
        raise ValueError("crashed")
    return then


async def test_calls_run_side_by_side_and_answer_in_their_order(
    house: OpenHouse, autojump_clock: object
) -> None:
    async with house(wait) as tools:
        began = trio.current_time()
        results = await tools.calls(
            *(call("wait", id=str(n), seconds=3 - n, then=f"r{n}") for n in range(3))
        )

    assert [(r.call_id, r.content) for r in results] == [("0", "r0"), ("1", "r1"), ("2", "r2")]
    assert trio.current_time() - began == pytest.approx(3)


async def test_one_that_goes_wrong_is_a_result_among_the_others(
    house: OpenHouse, autojump_clock: object
) -> None:
    async with house(wait) as tools:
        results = await tools.calls(
            call("wait", seconds=1),
            call("wait", seconds=1, then="crash"),
            call("wait", seconds=100),
            call("wait", secs=1),
            call("wiat", seconds=1),
            ToolCallPart("1", "wait", '{"seconds": '),
        )

    assert [r.is_error for r in results] == [False, True, True, True, True, True]
    assert results[1].content == "wait failed: ValueError: crashed"
    assert results[2].content == "wait gave no result within 60 s"
    assert "seconds is required" in results[3].content
    assert results[4].content == "there is no tool 'wiat'; there are: wait; did you mean wait?"
    assert "not valid JSON" in results[5].content


async def test_arguments_that_are_nested_too_deeply_are_a_result_like_any_other_fault(
    house: OpenHouse, autojump_clock: object
) -> None:
    # The bug: this ended the session whose model wrote it.
    deep = f'{{"seconds": {"[" * 300}{"]" * 300}}}'
    async with house(wait) as tools:
        results = await tools.calls(call("wait", seconds=1), ToolCallPart("1", "wait", deep))

    assert [r.is_error for r in results] == [False, True]
    assert "nested more than 128 levels deep" in results[1].content


async def test_the_same_executor_serves_after_a_crash(house: OpenHouse) -> None:
    async with house(wait) as tools:
        await tools.call("wait", seconds=0, then="crash")
        after = await tools.call("wait", seconds=0)
        (executor,) = tools.system.snapshot("tools/wait")

    assert after.content == "done"
    assert executor.restarts == 0


async def test_beyond_the_limit_nothing_is_run(house: OpenHouse) -> None:
    async with house(wait) as tools:
        results = await tools.calls(*(call("wait", id=str(n), seconds=0) for n in range(65)))

    assert [r.is_error for r in results] == [False] * 64 + [True]
    assert results[64].content == "not run: at most 64 tools are called at once"


async def test_an_unknown_tool_among_many_is_answered_with_some(house: OpenHouse) -> None:
    many = [
        tool(name=f"tool{number}", description="One of many.")(wait.function)
        for number in range(60)
    ]
    async with house(*many) as tools:
        result = await tools.call("x" * 1000)

    assert result.content.endswith("tool49 and 10 more")
    assert len(result.content) < 1_000


async def test_where_there_is_no_tool_the_model_is_told_so(house: OpenHouse) -> None:
    async with house() as tools:
        result = await tools.call("wait")

    assert result.content == "there is no tool 'wait'; there are: none"


async def test_a_tool_that_is_not_for_this_assistant_is_not_there(house: OpenHouse) -> None:
    async with house(wait) as tools:
        view = tools.directory.view("clock", "git__*")
        (result,) = await run_calls([call("wait", seconds=0)], view, ToolContext())

    assert result.content == "there is no tool 'wait'; there are: none"
    assert view.specs() == ()


async def test_a_view_shows_what_its_patterns_match(house: OpenHouse) -> None:
    other = tool(name="git__log", description="Log.")(wait.function)
    async with house(wait, other) as tools:
        assert tools.directory.view("*").specs() == (wait.spec, other.spec)
        assert tools.directory.view("git__*").names() == ("git__log",)


class Recorded(CallHooks):
    def __init__(self, agrees: bool = True) -> None:
        self.agrees = agrees
        self.told: list[Any] = []

    async def approve(self, call: ToolCallPart, tool: Tool) -> bool:
        self.told.append(("approve", call.id))
        return self.agrees

    async def starting(self, call: ToolCallPart, tool: Tool) -> None:
        self.told.append(("starting", call.id))

    async def ended(self, call: ToolCallPart, result: ToolResultPart) -> None:
        self.told.append(("ended", result.call_id, result.is_error))


@tool(approval="always")
async def remove(path: str) -> str:
    """Remove it."""
    return f"{path} is gone"


async def test_a_person_who_agrees_lets_the_call_run(house: OpenHouse) -> None:
    hooks = Recorded()
    async with house(remove) as tools:
        (result,) = await tools.calls(call("remove", path="x"), hooks=hooks)

    assert result.content == "x is gone"
    assert hooks.told == [("approve", "1"), ("starting", "1"), ("ended", "1", False)]


async def test_a_person_who_does_not_agree_is_the_result(house: OpenHouse) -> None:
    hooks = Recorded(agrees=False)
    async with house(remove) as tools:
        (result,) = await tools.calls(call("remove", path="x"), hooks=hooks)
        unasked = await tools.call("remove", path="x")

    assert result == unasked
    assert result.content == "remove was not run: the user did not agree to this call"
    assert hooks.told == [("approve", "1"), ("ended", "1", True)]


async def test_nobody_is_asked_about_a_call_that_cannot_run(house: OpenHouse) -> None:
    hooks = Recorded()
    async with house(remove) as tools:
        await tools.calls(call("remove", pth="x"), call("nothing"), hooks=hooks)

    assert sorted(hooks.told) == [("ended", "1", True), ("ended", "1", True)]


async def test_a_journal_that_cannot_be_written_ends_all_calls(house: OpenHouse) -> None:
    class Broken(CallHooks):
        async def starting(self, call: ToolCallPart, tool: Tool) -> None:
            if call.id == "2":
                raise OSError("disk full")

    async with house(wait) as tools:
        with pytest.raises(OSError, match="disk full"):
            await tools.calls(
                call("wait", seconds=1e6),
                call("wait", id="2", seconds=1),
                hooks=Broken(),
            )


async def test_two_hooks_that_fail_at_once_are_both_told(house: OpenHouse) -> None:
    class Broken(CallHooks):
        async def ended(self, call: ToolCallPart, result: ToolResultPart) -> None:
            await trio.testing.wait_all_tasks_blocked()
            raise OSError(call.id)

    async with house() as tools:
        with pytest.RaisesGroup(OSError, OSError):
            await tools.calls(call("a"), call("b", id="2"), hooks=Broken())


async def test_a_cancelled_turn_cancels_its_tools(house: OpenHouse) -> None:
    ended: list[str] = []

    @tool
    async def hang() -> None:
        """Hang."""
        try:
            await trio.sleep_forever()
        finally:
            ended.append("hang")

    async with house(hang) as tools:
        with trio.move_on_after(0.05) as turn:
            await tools.calls(call("hang"), call("hang", id="2"))
        await trio.testing.wait_all_tasks_blocked()
        (executor,) = tools.system.snapshot("tools/hang")

    assert turn.cancelled_caught
    assert ended == ["hang", "hang"]
    assert executor.restarts == 0


async def test_a_storm_of_cancels_leaves_no_task_and_no_thread(house: OpenHouse) -> None:
    stop = threading.Event()

    @tool(concurrency=4)
    def block() -> None:
        """Block."""
        stop.wait(10)

    async with house(wait, block) as tools:
        await tools.call("wait", seconds=0)
        before = trio.lowlevel.current_statistics().tasks_living
        for round in range(40):
            with trio.move_on_after(0.001 * (round % 5)):
                await tools.calls(
                    *(call("wait", seconds=5) for _ in range(5)),
                    *(call("block") for _ in range(5)),
                )
        await trio.testing.wait_all_tasks_blocked(0.05)
        assert trio.lowlevel.current_statistics().tasks_living == before
        threads = [t for t in threading.enumerate() if t.name.startswith("block")]
        assert len(threads) <= 4
        stop.set()
        assert (await tools.call("block")).content == "null"
    gc.collect()


async def test_an_executor_that_has_stopped_is_a_result_too(house: OpenHouse) -> None:
    async with house(wait) as tools:
        directory, view = tools.directory, tools.directory.view("*")
    (result,) = await run_calls([call("wait", seconds=0)], view, ToolContext())

    assert result.is_error
    assert result.content.startswith("wait was not run (")
    assert list(directory) == ["wait"]


class Broken(Actor[Run]):
    """An executor with a bug of ours."""

    @on(Run)
    async def run(self, message: Run) -> ToolResultPart:
        raise ValueError("private")


async def test_a_call_whose_executor_crashes_is_told_without_its_reasons() -> None:
    directory = ToolDirectory()
    with capture_logs() as logs:
        async with System(child("broken", Broken), signals=False) as system:
            directory.offer("broken", [wait], system.ref("broken", Broken))
            view = directory.view("*")
            (result,) = await run_calls([call("wait", seconds=0)], view, ToolContext())

    assert result.is_error
    assert result.content == "wait was broken off; whether it was carried out is not known"
    assert "tool was broken off" in [line["event"] for line in logs]


async def test_two_tools_of_one_name_are_no_tree(house: OpenHouse) -> None:
    with pytest.raises(SpecError, match="two children called 'wait'"):
        async with house(wait, wait):
            pass


async def test_each_tool_has_an_actor_that_an_operator_sees(house: OpenHouse) -> None:
    async with house(wait, remove) as tools:
        paths = [actor.path for actor in tools.system.snapshot("tools")]
        assert tools.system.ref("tools/wait", Executor).path == "tools/wait"

    assert paths == ["tools", "tools/wait", "tools/remove"]


async def test_an_offer_replaces_what_the_same_owner_had_and_nothing_else(
    house: OpenHouse,
) -> None:
    async with house(wait, remove) as tools:
        directory: ToolDirectory = tools.directory
        ref = tools.system.ref("tools/wait", Executor)

        taken = directory.offer("server", [remove], ref)
        assert taken == ("remove",)
        assert directory.offer("tools/wait", [], ref) == ()
        assert list(directory) == ["remove"]


def test_what_a_tool_raises_to_be_read_is_an_error_of_an_actor() -> None:
    assert str(ToolFailed("no")) == "no"
