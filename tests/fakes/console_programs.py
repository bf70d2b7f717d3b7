"""A program with a console in a thread of its own, and the console's commands as a test runs them."""

import json
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import attrs
import pytest
import trio

from tests.fakes.consoles import Opened, open_console
from tests.fakes.players import Play
from trouper.actors.cli.main import main
from trouper.actors.logs import configure_logging
from trouper.runtime import Backoff, supervisor

__all__ = ["Done", "Program", "Run", "open_program", "runner"]


@attrs.define(eq=False)
class Program:
    """A program with a console, in a thread of its own."""

    opened: Opened
    token: trio.lowlevel.TrioToken
    stop: trio.Event

    def run(self, function: Callable[..., Any], *args: Any) -> Any:
        """Run an async function in it."""
        return trio.from_thread.run(function, *args, trio_token=self.token)

    @property
    def sock(self) -> str:
        return str(self.opened.console.path)


@contextmanager
def open_program(*more: str) -> Generator[Program]:
    """Players `company/a`, `company/b`, `company/slow` (which backs off for long), `spare` and `more`."""
    there: list[Program] = []
    begun = threading.Event()

    async def serve() -> None:
        play = Play()
        slow = Backoff(first=1e3, initial=1e3, maximum=1e3, jitter=0)
        # Some hang when the program ends.
        a, b, *spare = (play.part(name, shutdown=0.1) for name in ("a", "b", "spare", *more))
        tree = supervisor("company", a, b, play.part("slow", backoff=slow), intensity=100)
        async with open_console(tree, *spare, role="admin", inject=True) as opened:
            stop = trio.Event()
            there.append(Program(opened, trio.lowlevel.current_trio_token(), stop))
            begun.set()
            await stop.wait()

    thread = threading.Thread(target=trio.run, args=(serve,))
    thread.start()
    assert begun.wait(10)
    yield there[0]
    trio.from_thread.run_sync(there[0].stop.set, trio_token=there[0].token)
    thread.join(10)


Run = Callable[..., "Done"]


@attrs.frozen
class Done:
    """How a command ended, and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def rows(self) -> list[list[str]]:
        return [line.split("\t") for line in self.out.splitlines()]


def runner(program: Program, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command before that program."""

    def run(*words: str) -> Done:
        # Critical, so that the program's own log lines are not taken for the command's.
        configure_logging("critical")
        capsys.readouterr()
        try:
            code = main([*words, "--sock", program.sock])
        except SystemExit as left:
            code = int(left.code or 0)
        out, err = capsys.readouterr()
        return Done(code, out, err)

    return run
