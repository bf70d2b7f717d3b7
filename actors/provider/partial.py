"""What there is of an answer that broke off, with what it has probably cost."""

from collections.abc import Sequence

import attrs

from ..chat import Completion, Usage
from ..trail import AttemptRecord
from ..wire.assembly import Assembly
from .pause import added

__all__ = ["partial_answer"]


def partial_answer(
    assembly: Assembly, trail: Sequence[AttemptRecord], before: Usage | None
) -> Completion:
    """The answer so far, of which the last attempt of `trail` has broken off.

    A provider tells what was used at the end of an answer, so the tokens of that
    attempt are mostly our own count; `before` are those of the legs before it.
    """
    completion = assembly.completion()
    usage = completion.usage
    last = trail[-1] if trail else None
    if last is not None and last.output_tokens is not None:
        counted = Usage(last.input_tokens or 0, last.output_tokens, estimated=last.estimated)
        usage = added(before, counted)
    return attrs.evolve(completion, usage=usage, trail=tuple(trail))
