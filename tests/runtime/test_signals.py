"""SIGTERM and SIGINT, sent to real processes."""

import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

PREAMBLE = """
import signal, sys, trio, trio.testing
from trouper.runtime import Actor, System, child, on

class Wait: pass

class Waiter(Actor[Wait]):
    def __init__(self, name, seconds=0.0):
        self.name, self.seconds = name, seconds
    async def on_start(self):
        if self.seconds:
            self.ref.tell(Wait())
    @on(Wait)
    async def wait(self, message):
        print(self.name, "works", flush=True)
        try:
            await trio.sleep(self.seconds)
        except trio.Cancelled:
            print(self.name, "is cancelled", flush=True)
            raise
        print(self.name, "is done", flush=True)
    async def terminate(self, reason):
        print(self.name, "ends", flush=True)

def waiter(name, seconds=0.0):
    return child(name, lambda: Waiter(name, seconds), shutdown=60)
"""

Run = Callable[[str], "subprocess.Popen[str]"]


@pytest.fixture
def run() -> Iterator[Run]:
    """Run a program after the preamble, until it has said "ready"."""
    with ExitStack() as stack:

        def start(program: str) -> "subprocess.Popen[str]":
            process = stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", PREAMBLE + textwrap.dedent(program)],
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                )
            )
            stack.callback(process.kill)
            wait_for(process, "ready")
            return process

        yield start


def wait_for(process: "subprocess.Popen[str]", line: str) -> None:
    assert process.stdout is not None
    while (said := process.stdout.readline().strip()) != line:
        assert said, f"the process ended before it said {line!r}"


def rest(process: "subprocess.Popen[str]") -> list[str]:
    out, _ = process.communicate(timeout=20)
    return out.splitlines()


ONE = """
async def main():
    async with System(waiter("a"), waiter("b", {seconds})) as system:
        await trio.testing.wait_all_tasks_blocked()
        print("ready", flush=True)
        await trio.sleep_forever()
    print("left by", system.stopped_by.name, flush=True)
trio.run(main)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_stops_in_order_and_lets_the_program_end(
    run: Run, number: signal.Signals
) -> None:
    process = run(ONE.format(seconds=0.5))
    process.send_signal(number)

    assert rest(process) == ["b is done", "b ends", "a ends", f"left by {number.name}"]
    assert process.returncode == 0


def test_the_second_signal_cancels_what_still_works(run: Run) -> None:
    process = run(ONE.format(seconds=30))
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGINT)

    # All at once, in no order.
    assert sorted(rest(process)[:3]) == ["a ends", "b ends", "b is cancelled"]
    assert process.returncode == 0


def test_a_signal_during_the_start_stops_it_with_a_clear_error(run: Run) -> None:
    process = run("""
        async def slow():
            print("ready", flush=True)
            await trio.sleep(60)
        class Slow(Waiter):
            init = lambda self: slow()
        async def main():
            async with System(waiter("a"), child("slow", lambda: Slow("slow"), start_timeout=99)):
                print("entered")
        trio.run(main)
    """)
    process.send_signal(signal.SIGTERM)
    said = rest(process)

    assert "a ends" in said
    assert said[-1].endswith("it was stopped before all its children were ready")
    assert process.returncode == 1


def test_all_systems_hear_a_signal_in_whatever_order_they_were_left(run: Run) -> None:
    process = run("""
        async def hold(name, *, task_status):
            async with System(waiter(name)) as system:
                task_status.started(system)
                await trio.sleep_forever()
        async def main():
            async with trio.open_nursery() as nursery:
                first = await nursery.start(hold, "first")
                await nursery.start(hold, "second")
                await nursery.start(hold, "third")
                first.stop()
                await first.stopped()
                await trio.testing.wait_all_tasks_blocked()
                print("ready", flush=True)
            print("left", flush=True)
        trio.run(main)
    """)
    process.send_signal(signal.SIGTERM)

    assert sorted(rest(process)) == ["left", "second ends", "third ends"]
    assert process.returncode == 0


def test_after_the_system_signals_are_the_programs_again(run: Run) -> None:
    process = run("""
        async def main():
            async with System(waiter("a")):
                pass
            print("ready", flush=True)
            await trio.sleep_forever()
        trio.run(main)
    """)
    process.send_signal(signal.SIGTERM)

    assert rest(process) == []
    assert process.returncode == -signal.SIGTERM


def test_a_system_may_leave_signals_alone(run: Run) -> None:
    process = run("""
        async def main():
            async with System(waiter("a"), signals=False):
                print("ready", flush=True)
                await trio.sleep_forever()
        try:
            trio.run(main)
        except KeyboardInterrupt:
            print("interrupted", flush=True)
    """)
    process.send_signal(signal.SIGINT)

    assert rest(process) == ["a ends", "interrupted"]


def test_a_signal_that_is_under_way_when_the_last_system_leaves_is_the_programs(run: Run) -> None:
    process = run("""
        from trouper.runtime.signals import heard
        async def main():
            with heard(print):
                signal.raise_signal(signal.SIGTERM)
            print("ready", flush=True)
            await trio.sleep_forever()
        trio.run(main)
    """)

    assert rest(process) == []
    assert process.returncode == -signal.SIGTERM
