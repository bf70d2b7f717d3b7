"""Says how a batch is: in a table, in a line, and in a line that is rewritten while it goes on."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import TextIO

from ..batch.rows import Counts, Status
from ..redaction import printable

__all__ = ["Meter", "bar", "heading", "write_table"]

_WORDS = {
    "waiting": "waiting",
    "sent": "with the provider",
    "done": "done",
    "failed": "failed",
    "cancelled": "cancelled",
}


def bar(counts: Counts) -> str:
    """How many requests are in each state, of how many."""
    found = ((words, getattr(counts, state)) for state, words in _WORDS.items())
    told = ", ".join(f"{number} {words}" for words, number in found if number)
    return f"{told or 'nothing yet'} (of {counts.total})"


def heading(status: Status) -> Iterator[str]:
    """What else there is to say of a batch."""
    batch = status.batch
    at = datetime.fromtimestamp(batch.at, UTC).isoformat(timespec="seconds")
    whose = "".join(f" {name}={value}" for name, value in _whose(status) if value)
    yield f"{batch.id} {batch.state} since={at.replace('+00:00', 'Z')}{printable(whose)}"
    for part in status.parts:
        known = f" as {part.remote_id}" if part.remote_id else ""
        yield printable(f"  {part.target}: {part.state}{known}")
    if batch.note:
        yield f"  it waits: {printable(batch.note)}"


def _whose(status: Status) -> tuple[tuple[str, str], ...]:
    return ("user", status.batch.user), ("session", status.batch.session)


def write_table(out: TextIO, statuses: Iterable[Status]) -> None:
    """A line a batch."""
    for status in statuses:
        note = f"; it waits: {printable(status.batch.note)}" if status.batch.note else ""
        out.write(f"{status.batch.id}  {status.batch.state:10}  {bar(status.counts)}{note}\n")


class Meter:
    """Shows a batch's progress: on a terminal in one line, elsewhere a line each quarter."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._live = out.isatty()
        self._shown: object = None
        self._note = ""

    def show(self, status: Status) -> None:
        """It is so now."""
        counts, note = status.counts, status.batch.note
        if note and note != self._note:
            self.say(f"it waits: {printable(note)}")
        self._note = note
        ended = counts.total - counts.waiting - counts.sent
        quarter = 4 * ended // max(1, counts.total)
        step: object = counts if self._live else (quarter, status.ended)
        if step == self._shown:
            return
        self._shown = step
        text = f"{status.batch.id}: {bar(counts)}"
        # Erase to the line's end: the last text may have been longer.
        shown = f"\r{text}\x1b[K" if self._live else f"{text}\n"
        self._out.write(shown)
        self._out.flush()

    def say(self, words: str) -> None:
        """A line of its own."""
        self.end()
        print(words, file=self._out, flush=True)

    def end(self) -> None:
        """Leave the line that was rewritten."""
        if self._live and self._shown is not None:
            print(file=self._out, flush=True)
        self._shown = None
