"""What the actors of each class have done, all of them together: plain numbers for metrics.

Before you edit: a message may cost a comparison here and no more. What takes
less than a millisecond is not measured, which is nearly all there is; the rest
is sorted into buckets. How many messages were handled each cell counts for
itself, and leaves it to its class when it is gone, so that sums never sink.
"""

from bisect import bisect_left
from collections.abc import Iterable
from typing import Protocol

import attrs

__all__ = ["BOUNDS", "MOMENT", "Counts", "Done", "Seconds", "Tally", "done_by_kind", "tally_of"]

MOMENT = 0.001
"""Seconds: what is shorter counts as no time at all. Also the first of BOUNDS."""

BOUNDS = (MOMENT, 0.01, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0)
"""Seconds: the upper ends of the buckets; from a turn of the loop to a slow model's answer."""

# Classes of actors that are told apart. A program has some dozens; one that makes
# classes as it goes must not keep numbers for each of them without end.
_MOST_KINDS = 256
_OTHER = "other"


class Seconds:
    """How long something took, of those times that took a millisecond or more."""

    __slots__ = ("buckets", "total")

    def __init__(self) -> None:
        self.total = 0.0
        self.buckets = [0] * (len(BOUNDS) + 1)

    def add(self, seconds: float) -> None:
        """Count something that took so many seconds."""
        self.total += seconds
        self.buckets[bisect_left(BOUNDS, seconds)] += 1


class Counts(Protocol):
    """A cell, as far as it counts."""

    handled: int
    failed: int
    tally: "Tally | None"


class Tally:
    """The numbers of one class. `handled` and `failed` are of those cells that are gone."""

    __slots__ = ("crashed", "failed", "handled", "kind", "took", "waited")

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.handled = 0
        self.failed = 0
        self.crashed = 0
        self.waited = Seconds()
        self.took = Seconds()

    def leave(self, cell: Counts) -> None:
        """Take over what a cell has counted that is gone for good."""
        self.handled += cell.handled
        self.failed += cell.failed


@attrs.frozen
class Done:
    """What a class of actors, `kind`, has done since the start.

    `ok` and `error` count messages: a refusal is an error, and so is what was in
    hand at a crash. `waited` (in the mailbox, or for a place of a limited
    handler) and `took` are how many messages did so for up to 0.001, 0.01, 0.1, 0.5,
    1, 5, 15 and 60 seconds (BOUNDS) and for longer, each message in one of them;
    `waited_sum` and `took_sum` are seconds.
    """

    kind: str
    ok: int
    error: int
    waited: tuple[int, ...]
    waited_sum: float
    took: tuple[int, ...]
    took_sum: float


def tally_of(tallies: dict[str, Tally], kind: str) -> Tally:
    """The numbers of a class; beyond 256 classes those that all others share."""
    tally = tallies.get(kind)
    if tally is None:
        if len(tallies) >= _MOST_KINDS:
            kind = _OTHER
        tally = tallies.setdefault(kind, Tally(kind))
    return tally


def done_by_kind(tallies: Iterable[Tally], cells: Iterable[Counts]) -> list[Done]:
    """All classes, with what the cells that are there have counted."""
    sums = {tally: [tally.handled, tally.failed] for tally in tallies}
    for cell in cells:
        if cell.tally is not None:
            both = sums[cell.tally]
            both[0] += cell.handled
            both[1] += cell.failed
    return [_done(tally, handled, failed) for tally, (handled, failed) in sums.items()]


def _done(tally: Tally, handled: int, failed: int) -> Done:
    ended = handled + tally.crashed
    return Done(
        kind=tally.kind,
        ok=handled - failed,
        error=failed + tally.crashed,
        waited=_all(tally.waited, ended),
        waited_sum=tally.waited.total,
        took=_all(tally.took, ended),
        took_sum=tally.took.total,
    )


def _all(seconds: Seconds, messages: int) -> tuple[int, ...]:
    """The buckets, with those in the first that were not measured."""
    measured = sum(seconds.buckets)
    first, *others = seconds.buckets
    # A message whose handler is at work has waited, and is not counted yet.
    return (first + max(0, messages - measured), *others)
