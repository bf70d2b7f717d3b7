"""An event loop that stands still is noticed from a thread, which names the line.

These wait in real time, half a second and more: what stands still is the loop itself.
"""

import os
import signal
import time
from collections.abc import Callable
from math import inf

import trio
import trio.lowlevel
from structlog.testing import capture_logs

from tests.fakes.players import eventually
from trouper.actors.console.stalls import LoopWatchdog
from trouper.actors.console.survey import Stall


def block_until(done: Callable[[], bool], *, at_least: float) -> float:
    """Hold the loop; how many seconds it took until it was `done`."""
    began, took = time.monotonic(), inf
    while (passed := time.monotonic() - began) < at_least or (took == inf and passed < 5):
        if took == inf and done():
            took = passed
        time.sleep(0.01)
    return took


def signal_and_block_until(done: Callable[[], bool]) -> None:
    os.kill(os.getpid(), signal.SIGUSR1)
    began = time.monotonic()
    while not done() and time.monotonic() < began + 5:
        time.sleep(0.01)


async def test_the_line_that_blocks_the_loop_is_named_while_it_blocks() -> None:
    noticed: list[Stall] = []
    with capture_logs() as logs, LoopWatchdog(noticed.append).watch():
        await trio.sleep(0.15)
        told_after = block_until(lambda: bool(logs), at_least=0.7)
        told_meanwhile = [line["event"] for line in logs]
        await eventually(lambda: bool(noticed))

    (stall,) = noticed
    assert told_meanwhile == ["event loop stalled"]
    assert [line["event"] for line in logs] == ["event loop stalled", "event loop goes on"]
    assert "test_stalls.py" in logs[0]["at"]
    assert logs[0]["at"].split()[-1] in ("block_until", "<lambda>")
    # (0.45 s at most, on a machine that is not busy.)
    assert told_after < 1.5
    assert "test_the_line_that_blocks" in logs[0]["stack"]
    assert 0.7 <= stall.seconds <= 5.0
    assert stall.line == logs[0]["at"]


async def test_a_loop_that_runs_is_left_alone() -> None:
    noticed: list[Stall] = []
    # (More patient than it is: a busy machine holds up any loop for a moment.)
    with capture_logs() as logs, LoopWatchdog(noticed.append, stalled=3.0).watch():
        await trio.sleep(0.7)

    assert logs == []
    assert noticed == []


async def test_on_sigusr1_stacks_and_tree_are_in_the_log_also_while_the_loop_stands_still() -> None:
    before = signal.getsignal(signal.SIGUSR1)
    with capture_logs() as logs:
        tree = [f"actor-{number} running" for number in range(300)]
        with LoopWatchdog(lambda stall: None, lambda: tree).watch(signals=True):
            signal_and_block_until(lambda: any(line.get("tree") == "and more" for line in logs))
            found = list(logs)

    stacks = [line for line in found if line["event"] == "stack"]
    actors = [line["tree"] for line in found if line["event"] == "actor"]
    assert any("signal_and_block_until" in line["stack"] for line in stacks)
    assert any(line["thread"] == "trouper watchdog" for line in stacks)
    assert (actors[0], actors[-1], len(actors)) == ("actor-0 running", "and more", 201)
    assert signal.getsignal(signal.SIGUSR1) == before


def test_a_loop_that_has_ended_is_watched_no_longer() -> None:
    watchdog = LoopWatchdog(lambda stall: None)

    async def main() -> None:
        with watchdog.watch():
            await trio.lowlevel.checkpoint()

    trio.run(main)

    assert watchdog._ask() is False
