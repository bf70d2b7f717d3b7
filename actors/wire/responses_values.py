"""The JSON values of OpenAI's Responses as ours: usage, finish, what an output item says.

Every reader takes whatever JSON holds in that place and never raises: others
speak this wire too, and leave out, null and retype fields as they like.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from ..chat import Finish, Usage
from .counts import count_of
from .openai_values import BESIDE

__all__ = [
    "BESIDE",
    "CALLS",
    "ORIGIN",
    "finish_of",
    "listed",
    "texts_of",
    "tier_of",
    "usage_of",
]

# The provider family in ThinkingPart.origin and OpaquePart.origin. It is not that of
# Chat Completions, which can take none of these back.
ORIGIN = "openai-responses"

# The items after which it is the caller's turn to act.
CALLS = frozenset({"function_call", "custom_tool_call", "computer_call", "local_shell_call"})

_INCOMPLETE: dict[str, Finish] = {
    "max_output_tokens": Finish.LENGTH,
    "max_tokens": Finish.LENGTH,  # the word of other servers on this wire
    "content_filter": Finish.CONTENT_FILTER,
}


def finish_of(
    response: Mapping[str, Any], *, called: bool, refused: bool
) -> tuple[Finish, str | None]:
    """Why a response ended, in our word and in the provider's own.

    The wire says only whether it is complete; `called` says that it ended with
    calls to run, `refused` that the model refused.
    """
    details = response.get("incomplete_details")
    reason = details.get("reason") if isinstance(details, Mapping) else None
    if response.get("status") == "incomplete" or reason:
        raw = str(reason or "incomplete")
        return _INCOMPLETE.get(raw, Finish.UNKNOWN), raw
    if called:
        return Finish.TOOL_CALLS, "completed"
    return (Finish.REFUSAL if refused else Finish.STOP), "completed"


def usage_of(raw: Mapping[str, Any]) -> Usage:
    """Tokens by our rule: totals, with the cached and the reasoning ones within them."""
    asked = raw.get("input_tokens_details")
    answered = raw.get("output_tokens_details")
    asked = asked if isinstance(asked, Mapping) else {}
    answered = answered if isinstance(answered, Mapping) else {}
    total_in = count_of(raw.get("input_tokens"))
    total_out = count_of(raw.get("output_tokens"))
    return Usage(
        input=total_in,
        output=total_out,
        cache_read=min(count_of(asked.get("cached_tokens")), total_in),
        cache_write=min(count_of(asked.get("cache_write_tokens")), total_in),
        reasoning=min(count_of(answered.get("reasoning_tokens")), total_out),
    )


def tier_of(response: Mapping[str, Any]) -> str | None:
    """The tier that served. What was asked for, as `auto`, is none."""
    tier = response.get("service_tier")
    return tier if isinstance(tier, str) and tier not in ("", "auto") else None


def listed(value: Any) -> Iterable[Mapping[str, Any]]:
    """The objects within a list; none where it is no list."""
    items: list[Any] = value if isinstance(value, list) else []
    return (item for item in items if isinstance(item, Mapping))


def texts_of(item: Mapping[str, Any]) -> str:
    """What a reasoning item says: its summary, or the thinking itself where it is told."""
    told = (*listed(item.get("summary")), *listed(item.get("content")))
    texts = (part.get("text") for part in told)
    return "\n\n".join(text for text in texts if isinstance(text, str) and text)
