"""The error of a request that nobody has answered: what the last one said, and all before it."""

from collections.abc import Iterable, Sequence
from itertools import groupby

from ..errors import ErrorKind, ProviderError
from ..policy.routing import Chain
from ..trail import AttemptRecord

__all__ = ["last_word", "spent_before"]


def spent_before(
    chain: Chain, failures: Sequence[tuple[str, ProviderError]], target: str
) -> ProviderError | None:
    """The refusal of a budget that keeps a request from who comes before `target`, or beside it.

    Where `target` may not be asked now, that is what stands in the way: money,
    which a person can set aside, and not a pause, which passes by itself.
    """
    before: set[str] = set()
    for link in chain:
        names = {one.name for one in link.candidates}
        before |= names
        if target in names:
            break
    refusals = (
        error
        for name, error in failures
        if name in before and error.kind is ErrorKind.BUDGET_EXCEEDED
    )
    return next(refusals, None)


def last_word(
    last: ProviderError,
    trail: Iterable[AttemptRecord],
    model: str = "",
    reopens_in: float | None = None,
) -> ProviderError:
    """`last`, which says what became of all attempts at `model`, where more than one target
    was asked; and in how many seconds the soonest may be asked again, where that is known."""
    records = tuple(trail)
    last.trail = records
    told: list[str] = []
    if len({record.target for record in records}) > 1:
        of = f" of {model!r}" if model else ""
        told.append(f"no target{of} has answered: {_in_words(records)}")
    if reopens_in is not None:
        last.retry_after = reopens_in
        told.append(f"the soonest may be asked in {reopens_in:.1f} s, which is too late")
    if told:
        last.message = "; ".join((last.message.rstrip(".;"), *told))
    return last


def _in_words(records: Iterable[AttemptRecord]) -> str:
    """For a person: who was asked, what it said, and how long all of that took."""
    words: list[str] = []
    for (target, kind), group in groupby(records, lambda record: (record.target, record.kind)):
        alike = list(group)
        seconds = sum(record.ms for record in alike) / 1000
        times = f" {len(alike)} times" if len(alike) > 1 else ""
        words.append(f"{target} {kind}{times} ({seconds:.1f} s)")
    return ", then ".join(words)
