"""Programs of the documentation, run as their readers run them: files of their own, processes."""

import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs

from .simulator import SimulatorProcess

__all__ = ["BUDGET", "DEAR", "DOWN", "EXAMPLES", "ROLL", "Program", "program", "written_config"]

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"

ROLL: tuple[dict[str, Any], ...] = (
    {"times": 1, "reply": {"tool_calls": [{"name": "dice", "arguments": {"sides": 1}}]}},
    {"after_tool": True, "reply": {"text": "You rolled: {result}"}},
)
"""Rules: the model rolls a die of one side, and tells what it shows."""

DOWN: dict[str, Any] = {"times": 1, "fault": {"kind": "status", "status": 503}}
"""A rule: the provider is down, once."""

DEAR: dict[str, Any] = {
    "reply": {
        "text": "That is dear.",
        "usage": {"prompt_tokens": 300_000, "completion_tokens": 1},
    }
}
"""A rule: an answer that takes all that BUDGET gives a user, and a little more."""

BUDGET = """
[budgets.each]
limit_usd = "0.25"
per = "day"
scope = "user"
[prices."sim/sim"]
input = 1.0
output = 1.0
"""
"""What the examples ask for, too, and prices of a dollar a million tokens."""

# Seconds. A start with its imports takes about 1.5 s on an idle machine.
_PATIENCE = 30.0

_CONFIG = """
[store]
path = "trouper.db"
[providers.sim]
kind = "openai"
base_url = "{base_url}"
retry = {{attempts = 1}}
[models.default]
targets = ["sim/sim"]
[assistants.default]
model = "default"
tools = ["dice"]
{more}
"""


def written_config(folder: Path, simulator: SimulatorProcess, more: str = "") -> Path:
    """A file with the configuration that the examples ask for, over the simulator."""
    path = folder / "trouper.toml"
    path.write_text(_CONFIG.format(base_url=simulator.base_url, more=more))
    return path


@attrs.define(eq=False)
class Program:
    """A process whose lines are read as they come."""

    process: subprocess.Popen[str]
    lines: "queue.SimpleQueue[str]" = attrs.field(factory=queue.SimpleQueue)
    seen: list[str] = attrs.field(factory=list[str])

    def read(self) -> None:
        """Read all lines, in a thread of its own."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))

    def line(self, part: str = "", seconds: float = _PATIENCE) -> str:
        """The next line that has `part` in it."""
        while True:
            try:
                self.seen.append(self.lines.get(timeout=seconds))
            except queue.Empty:
                raise AssertionError(f"no line with {part!r} in {self.seen}") from None
            if part in self.seen[-1]:
                return self.seen[-1]

    def write(self, line: str) -> None:
        """Give it a line to read."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def end(self, number: signal.Signals | None = signal.SIGTERM) -> int:
        """Ask it to end, or close what it reads; its status."""
        if number is not None:
            self.process.send_signal(number)
        elif self.process.stdin is not None:
            self.process.stdin.close()
        return self.process.wait(_PATIENCE)


@contextmanager
def program(
    *words: str,
    python: str = sys.executable,
    environ: Mapping[str, str] | None = None,
    folder: Path,
) -> Generator[Program]:
    """Run `python *words` in that folder; it is killed if it is still there at the end."""
    command: Sequence[str] = (python, "-u", *words)
    with subprocess.Popen(
        command,
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder), **(environ or {})},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        running = Program(process)
        reader = threading.Thread(target=running.read, daemon=True)
        reader.start()
        try:
            yield running
        finally:
            if process.poll() is None:
                process.kill()
            process.wait(_PATIENCE)
            reader.join(_PATIENCE)
