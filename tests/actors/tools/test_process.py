"""Tools that are programs: their results, their failures, and that nothing of them is left."""

import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest
import trio

from trouper.actors.tools import Tool, ToolContext, ToolDefinitionError, process_tool
from trouper.actors.tools.running import ToolRunner

from .conftest import OpenHouse, call

DESCRIPTION = {
    "name": "program",
    "description": "Run it.",
    "parameters": {"type": "object", "properties": {"text": {"type": "string"}}},
}


def program(source: str, *argv: str, **options: Any) -> Tool:
    return process_tool([sys.executable, "-c", source, *argv], DESCRIPTION, **options)


async def run(made: Tool, **arguments: Any) -> tuple[str, bool]:
    result = await ToolRunner(made).run(call("program", **arguments), ToolContext())
    return result.content, result.is_error


async def test_arguments_come_by_stdin_and_the_result_by_stdout() -> None:
    echo = program("import json, sys; print(json.load(sys.stdin)['text'] + '!')")

    assert await run(echo, text="hü") == ("hü!", False)


async def test_a_program_that_does_not_read_is_none_the_worse() -> None:
    assert await run(program("print('x')"), text="y" * 900_000) == ("x", False)


async def test_a_status_is_a_failure_with_the_end_of_stderr() -> None:
    source = "import sys; sys.stderr.write('x' * 9000 + '\\nno key: sk-abcdefghij'); sys.exit(3)"

    content, is_error = await run(program(source))

    assert is_error
    assert content.startswith("program ended with status 3: xxx")
    assert content.endswith("\nno key: [redacted]")
    assert len(content) < 2_100


async def test_a_failure_without_words_says_so() -> None:
    assert await run(program("raise SystemExit(2)")) == (
        "program ended with status 2 and said nothing",
        True,
    )
    assert await run(program("import os; os.kill(os.getpid(), 9)")) == (
        "program was ended by signal 9 and said nothing",
        True,
    )


async def test_a_program_that_is_not_there_is_a_failure() -> None:
    made = process_tool(["/nowhere/at/all"], DESCRIPTION)

    content, is_error = await run(made)

    assert is_error
    assert "No such file" in content


async def test_ten_megabytes_are_read_and_cut() -> None:
    flood = program("import sys; sys.stdout.write('ü' * 5_000_000)", result_limit=1_000)

    content, _ = await run(flood)

    assert content.startswith("ü" * 1_000 + "\n[cut: ")


async def test_keys_in_our_environment_are_not_for_a_program(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    source = "import os, json; print(json.dumps([dict(os.environ), os.getcwd()]))"

    content, _ = await run(program(source, env={"MINE": "yes"}, cwd=str(tmp_path)))
    environment, folder = json.loads(content)

    assert "OPENAI_API_KEY" not in environment
    assert (environment["MINE"], environment["PATH"]) == ("yes", os.environ["PATH"])
    assert folder == str(tmp_path)


# It writes its own number and its child's, and then neither of them ends.
FAMILY = """
import os, signal, subprocess, sys, time
if sys.argv[2:] == ["deaf"]:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
with open(sys.argv[1] + ".new", "w") as file:
    file.write(f"{os.getpid()} {child.pid}")
os.rename(sys.argv[1] + ".new", sys.argv[1])
if sys.argv[2:] != ["leaves"]:
    time.sleep(60)
"""


async def until(true: Callable[[], bool]) -> None:
    with trio.fail_after(20):
        while not true():  # noqa: ASYNC110 - of another process, which tells nobody
            await trio.sleep(0.01)


async def family(path: Path) -> list[int]:
    await until(path.exists)
    return [int(word) for word in (await trio.Path(path).read_text()).split()]


async def gone(pids: Sequence[int]) -> None:
    """Wait until no process of these numbers lives; orphans are reaped by whom they went to."""
    await until(lambda: not any(alive(pid) for pid in pids))


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize("manner", ["polite", "deaf"])
async def test_a_timeout_ends_the_program_and_its_children(tmp_path: Path, manner: str) -> None:
    path = tmp_path / "pids"

    content, _ = await run(program(FAMILY, str(path), manner, timeout=1))

    assert content == "program gave no result within 1 s"
    await gone(await family(path))


async def test_a_cancelled_turn_ends_the_program_and_its_children(
    house: OpenHouse, tmp_path: Path
) -> None:
    path = tmp_path / "pids"
    async with house(program(FAMILY, str(path))) as tools, trio.open_nursery() as nursery:
        nursery.start_soon(tools.call, "program")
        pids = await family(path)
        nursery.cancel_scope.cancel()
        await gone(pids)


async def test_what_a_program_leaves_behind_neither_holds_its_result_nor_stays(
    tmp_path: Path,
) -> None:
    path = tmp_path / "pids"
    with trio.fail_after(20):
        assert await run(program(FAMILY, str(path), "leaves", timeout=15)) == ("", False)

    await gone(await family(path))


async def test_a_storm_of_cancels_leaves_no_process(house: OpenHouse) -> None:
    me = psutil.Process()
    before = set(me.children())
    made = program("import time; time.sleep(60)", concurrency=4)
    async with house(made) as tools:
        for round in range(12):
            with trio.move_on_after(0.01 * (round % 6)):
                await tools.calls(*(call("program", id=str(n)) for n in range(6)))
        await until(lambda: set(me.children()) <= before)


@pytest.mark.parametrize("argv", [[], "ls -l"])
def test_a_program_is_a_list_and_no_line_for_a_shell(argv: Any) -> None:
    with pytest.raises(ToolDefinitionError, match="a list: the program and its arguments"):
        process_tool(argv, DESCRIPTION)
