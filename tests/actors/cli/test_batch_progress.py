"""How a batch's progress is shown, to a person and to a file."""

import io

import attrs

from trouper.actors.batch.rows import BatchRow, Counts, Status
from trouper.actors.cli.batch_progress import Meter


class Terminal(io.StringIO):
    """Somebody looks at it."""

    def isatty(self) -> bool:
        return True


def status_of(batch: BatchRow, **counts: int) -> Status:
    return Status(batch=batch, counts=Counts(**counts), parts=())


def test_on_a_terminal_progress_is_one_line_and_elsewhere_a_line_each_quarter() -> None:
    batch = BatchRow(id="b", at=0, session="", user="", way="auto", state="running")
    terminal, plain = Terminal(), io.StringIO()
    for out in (terminal, plain):
        meter = Meter(out)
        for done in range(101):
            meter.show(status_of(batch, done=done, sent=100 - done))
        meter.show(status_of(attrs.evolve(batch, state="done"), done=100))
        meter.end()
    assert terminal.getvalue().count("\r") == 101
    assert terminal.getvalue().endswith("\rb: 100 done (of 100)\x1b[K\n")
    assert len(plain.getvalue().splitlines()) == 6


def test_what_is_in_the_way_is_said_once_until_it_changes() -> None:
    batch = BatchRow(id="b", at=0, session="", user="", way="auto", state="running")
    out = io.StringIO()
    meter = Meter(out)
    for note in ("no key", "no key", "", "no\x1b key"):
        meter.show(status_of(attrs.evolve(batch, note=note), sent=1))
    said = [line for line in out.getvalue().splitlines() if line.startswith("it waits")]
    assert said == ["it waits: no key", "it waits: no\\x1b key"]
