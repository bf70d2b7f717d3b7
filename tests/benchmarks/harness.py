"""Figures that can be trusted on a busy machine: CPU time, interleaved, as ratios.

Wall time on a shared machine differs twofold from run to run, CPU time by some
per cent, and the ratio of two sides measured in turns (A B B A ..) by less. So a
goal is a ratio of CPU times wherever there is something to compare with.

To add a section, put a module into this folder that has

    def rows() -> Iterator[Row]:
        yield compare("tell", ours, reference, goal=at_most(0.5), unit="us")

where `ours` and `reference` are functions without arguments that do the work
once and return its figure (usually `trio.run(...)` around a `with cpu() as
spent:` and then `spent.microseconds / operations`). Whatever needs warming up is
warmed up inside them, before the clock starts. A section that cannot run here
raises `Unavailable("why")` before its first row; that is said in one line and is
no failure. Then `python -m tests.benchmarks NAME_OF_THE_MODULE` runs it.
"""

import gc
import os
import statistics
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import attrs

__all__ = [
    "ROUNDS",
    "Goal",
    "Row",
    "Spent",
    "Unavailable",
    "at_least",
    "at_most",
    "compare",
    "cpu",
    "interleave",
    "measure",
    "pin",
    "print_table",
    "shared",
]

# The fewest rounds whose median shrugs off two bad ones.
ROUNDS = 5

Side = Callable[[], float]


class Unavailable(Exception):
    """A section cannot run here; the text says what is missing."""


@attrs.frozen
class Goal:
    """A bound on the ratio, or on the figure itself where there is no reference."""

    bound: float
    most: bool

    def met(self, value: float) -> bool:
        return value <= self.bound if self.most else value >= self.bound

    def __str__(self) -> str:
        return f"{'<=' if self.most else '>='} {self.bound:g}"


def at_most(bound: float) -> Goal:
    return Goal(bound, most=True)


def at_least(bound: float) -> Goal:
    return Goal(bound, most=False)


@attrs.frozen
class Row:
    """One line of the table. Without a reference, the goal is about `ours` itself.

    `spread` is the least and the greatest of our rounds: a wide one says that
    the figure is to be taken with care.
    """

    name: str
    unit: str
    ours: float
    reference: float | None
    ratio: float | None
    goal: Goal
    met: bool
    spread: tuple[float, float]


@attrs.define
class Spent:
    """CPU seconds of this process; filled when the block of `cpu()` ends."""

    seconds: float = 0.0

    @property
    def microseconds(self) -> float:
        return self.seconds * 1e6


@contextmanager
def cpu() -> Generator[Spent, None, None]:
    """Measure the CPU time of a block, after the garbage of what came before is gone."""
    gc.collect()
    spent = Spent()
    began = time.process_time()
    try:
        yield spent
    finally:
        spent.seconds = time.process_time() - began


def interleave(sides: Sequence[Side], rounds: int = ROUNDS) -> list[list[float]]:
    """Run the sides in turns, A B C C B A A B C .., and return each side's figures."""
    figures: list[list[float]] = [[] for _ in sides]
    order = list(range(len(sides)))
    for _ in range(rounds):
        for index in order:
            figures[index].append(sides[index]())
        order.reverse()
    return figures


def compare(
    name: str,
    ours: Side,
    reference: Side,
    *,
    goal: Goal,
    unit: str,
    rounds: int = ROUNDS,
    inverse: bool = False,
) -> Row:
    """Measure two sides in turns; the goal is about median(ours) / median(reference).

    `inverse` turns the ratio round: how many times quicker ours is, where the
    figures are times and the goal says "at least so many times the reference".
    """
    mine, theirs = interleave((ours, reference), rounds)
    a, b = statistics.median(mine), statistics.median(theirs)
    ratio = b / a if inverse else a / b
    return Row(name, unit, a, b, ratio, goal, goal.met(ratio), (min(mine), max(mine)))


def measure(name: str, ours: Side, *, goal: Goal, unit: str, rounds: int = ROUNDS) -> Row:
    """Measure one side alone; the goal is about the median itself."""
    (mine,) = interleave((ours,), rounds)
    a = statistics.median(mine)
    return Row(name, unit, a, None, None, goal, goal.met(a), (min(mine), max(mine)))


def pin(core: int, pid: int = 0) -> None:
    """Keep a process on one core, where there are two and the system can."""
    if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) >= 2:
        os.sched_setaffinity(pid, {core})


def shared(name: str) -> Path:
    """A file of ../shared/bench, which lies beside the checkout on machines that measure."""
    path = Path(__file__).resolve().parents[3] / "shared" / "bench" / name
    if not path.exists():
        raise Unavailable(f"{path} is not here")
    return path


def print_table(rows: Iterable[Row], file: TextIO | None = None) -> None:
    """Print each row as soon as it is measured: a whole run takes minutes."""
    print(
        f"{'what':44} {'ours':>10} {'reference':>10} {'unit':7} {'ratio':>7} {'goal':>8}"
        "  met  ours min..max",
        file=file,
        flush=True,
    )
    for row in rows:
        reference = "" if row.reference is None else f"{row.reference:.2f}"
        ratio = "" if row.ratio is None else f"{row.ratio:.3f}"
        low, high = row.spread
        print(
            f"{row.name:44} {row.ours:>10.2f} {reference:>10} {row.unit:7} {ratio:>7} "
            f"{row.goal!s:>8}  {'yes' if row.met else 'NO':3}  {low:.2f}..{high:.2f}",
            file=file,
            flush=True,
        )
