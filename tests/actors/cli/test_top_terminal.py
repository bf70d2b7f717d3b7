"""`trouper top` on a real terminal, before a program that runs, goes away and comes back.

Each of these starts processes: a server takes half a second, and so does the screen.
"""

import fcntl
import os
import signal
import struct
import sys
import termios
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.fakes.commands import TROUPER, Server, config, server, trouper
from tests.fakes.consoles import short_folder
from tests.fakes.terminal import CTRL_C, Terminal, terminal

TOP = [*TROUPER, "top"]
PROVIDER = 'kind = "openai"\nbase_url = "http://127.0.0.1:9/v1"'


@pytest.fixture(autouse=True)
def sockets() -> Generator[Path]:
    with short_folder() as folder:
        yield folder


@contextmanager
def program(folder: Path) -> Generator[Server]:
    with server(folder, config(PROVIDER)) as running:
        yield running


def resize(person: Terminal, columns: int, rows: int) -> None:
    size = struct.pack("HHHH", rows, columns, 0, 0)
    fcntl.ioctl(person.descriptor, termios.TIOCSWINSZ, size)


def test_an_operator_restarts_something_resizes_and_leaves_the_terminal_as_it_was(
    tmp_path: Path,
) -> None:
    with program(tmp_path) as running, terminal(TOP, columns=80) as person:
        person.wait_for(f"trouper {running.process.pid}")
        person.wait_for("router")
        resize(person, 132, 40)
        person.wait_for("dead letters")
        resize(person, 20, 4)
        person.wait_for("too small")
        resize(person, 80, 24)
        person.type("/router\r")
        person.wait_for("/router")
        person.type("R")
        person.wait_for("Restart router? [y/N]")
        person.type("y")
        person.wait_for("done: restart router")
        # A screen is drawn in pieces: what stays where it was is not drawn again.
        person.type("\r")
        person.wait_for("life 2")
        assert not person.echoes
        person.type("q")

        assert person.leave()[1] == 0
        assert person.echoes
        events = trouper("events", "-o", "jsonl").out
    assert '"console action"' in events
    assert "restart by uid:" in events


def test_it_waits_for_a_program_that_went_away_and_finds_it_under_its_new_number(
    tmp_path: Path,
) -> None:
    with (
        program(tmp_path) as first,
        terminal([*TOP, "--sock", "trouper"], columns=100) as person,
    ):
        person.wait_for(f"trouper {first.process.pid}")
        first.process.kill()
        person.wait_for("LOST")
        person.wait_for("nothing below is current")
        with program(tmp_path) as second:
            person.wait_for(str(second.process.pid))
            person.type("q")
            assert person.leave()[1] == 0


# A NUL, beginnings of sequences, a mouse, Ctrl-S, Ctrl-Q, Ctrl-\\, no UTF-8, wide, and Delete.
JUNK = (
    b"\x00",
    b"\x1b[",
    b"\x1b[9;9R",
    b"\x1b[M   ",
    b"\x13",
    b"\x11",
    b"\x1c",
    b"\xff",
    b"\xe5\xad",
    b"\x7f",
)


def test_no_key_ends_it_but_those_that_are_meant_to(tmp_path: Path) -> None:
    with program(tmp_path), terminal(TOP, columns=80) as person:
        person.wait_for("router")
        for junk in JUNK:
            os.write(person.descriptor, junk)
        for page in "123456":
            person.type(f"{page}jkJKgG \x1b\rs/zz\r?n\x1b")
        person.type("\x1b1")
        person.wait_for("providers")
        assert person.process.poll() is None
        person.type(CTRL_C)
        shown, code = person.leave()

        assert code == 0, shown
        assert person.echoes


def test_sigterm_leaves_the_terminal_as_it_was(tmp_path: Path) -> None:
    with program(tmp_path), terminal(TOP) as person:
        person.wait_for("router")
        person.process.send_signal(signal.SIGTERM)

        assert person.leave()[1] == 128 + signal.SIGTERM
        assert person.echoes


def test_where_no_program_runs_it_says_so_and_leaves() -> None:
    with terminal(TOP) as person:
        shown, code = person.leave()

    assert code == 4
    assert "no program runs" in shown


def test_without_urwid_it_names_the_extra() -> None:
    without = (
        "import sys; sys.modules['urwid'] = None; sys.argv[1:] = ['top'];"
        "from trouper.actors.cli.main import main; sys.exit(main())"
    )
    with terminal([sys.executable, "-c", without]) as person:
        shown, code = person.leave()

    assert code == 1
    assert "pip install 'trouper[console]'" in shown
