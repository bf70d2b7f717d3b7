"""A request as one model of several takes it: for who stands in for another.

A request that goes over a chain of targets is written for none of them. What
differs between models and changes no meaning is fitted: a limit, an effort, how
words are drawn. What cannot be (tools, images) is left for `validate` to refuse,
and then the next target is asked. Thinking that another family signed is no
matter of this: every codec leaves it out.
"""

from typing import Any

import attrs

from ..chat import ChatRequest
from .facts import ModelFacts
from .validation import without_refused_sampling

__all__ = ["EFFORTS", "fitted"]

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
"""The words of all providers for how long a model thinks, from the least on."""


def fitted(request: ChatRequest, facts: ModelFacts) -> tuple[ChatRequest, tuple[str, ...]]:
    """The request as this model takes it, and the names of the fields that were changed.

    The same request where there are none. The longest answer is no longer than
    the model's; an effort that it does not know becomes the nearest that it
    knows, the lesser of two; sampling that it refuses is left out.
    """
    changes: dict[str, Any] = {}
    wanted, most = request.max_output_tokens, facts.max_output_tokens
    if wanted is not None and most is not None and wanted > most:
        changes["max_output_tokens"] = most
    effort = _effort(request.reasoning_effort, facts)
    if effort != request.reasoning_effort:
        changes["reasoning_effort"] = effort
    if request.parallel_tools is not None and facts.parallel_tools is False:
        changes["parallel_tools"] = None
    if changes:
        request = attrs.evolve(request, **changes)
    # Last, since what is refused may hang on the effort.
    request, dropped = without_refused_sampling(request, facts)
    return request, (*changes, *dropped)


def _effort(wanted: str | None, facts: ModelFacts) -> str | None:
    if wanted is None or wanted in facts.efforts:
        return wanted
    if not facts.efforts:
        # Of a model that is not known nothing is changed.
        return None if facts.reasoning is False else wanted
    known = [effort for effort in EFFORTS if effort in facts.efforts]
    if wanted not in EFFORTS or not known:
        return None
    rank = EFFORTS.index(wanted)
    return min(known, key=lambda effort: abs(EFFORTS.index(effort) - rank))
