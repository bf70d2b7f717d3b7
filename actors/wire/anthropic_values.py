"""Anthropic's JSON values as ours: usage and stop reasons, and how both name things.

Every reader takes whatever JSON holds in that place and never raises.
"""

from collections.abc import Mapping
from typing import Any

from ..chat import Finish, Usage
from .counts import count_of

__all__ = ["BESIDE", "ORIGIN", "finish_of", "merged_usage", "usage_of"]

# The provider family in ThinkingPart.origin and OpaquePart.origin.
ORIGIN = "anthropic"

# The type of an OpaquePart of ours that holds the members of the block before it which
# our parts have no room for (citations, caller). They go back within that block.
BESIDE = "trouper.beside"

_FINISH: dict[str, Finish] = {
    "end_turn": Finish.STOP,
    "stop_sequence": Finish.STOP,
    "max_tokens": Finish.LENGTH,
    "tool_use": Finish.TOOL_CALLS,
    "pause_turn": Finish.PAUSE,
    "compaction": Finish.PAUSE,  # in beta: the history was summarized; send it back to go on
    "refusal": Finish.REFUSAL,
    "model_context_window_exceeded": Finish.CONTEXT_WINDOW,
}


def finish_of(raw: str | None) -> Finish:
    """Our word for a stop reason; UNKNOWN for one that nobody has documented."""
    return Finish.UNKNOWN if raw is None else _FINISH.get(raw, Finish.UNKNOWN)


def merged_usage(before: Mapping[str, Any], raw: Any) -> Mapping[str, Any]:
    """The counts of a stream so far: they are totals, and what is left out stays."""
    if not isinstance(raw, Mapping):
        return before
    return {**before, **{name: value for name, value in raw.items() if value is not None}}


def usage_of(raw: Mapping[str, Any]) -> Usage:
    """Tokens by our rule: totals. Anthropic counts what its cache held, or took, beside
    the input. `cache_write_1h` is within `cache_write`, as there."""
    created = raw.get("cache_creation")
    created = created if isinstance(created, Mapping) else {}
    for_hour = count_of(created.get("ephemeral_1h_input_tokens"))
    written = count_of(raw.get("cache_creation_input_tokens"))
    written = written or for_hour + count_of(created.get("ephemeral_5m_input_tokens"))
    read = count_of(raw.get("cache_read_input_tokens"))
    output = count_of(raw.get("output_tokens"))
    details = raw.get("output_tokens_details")
    details = details if isinstance(details, Mapping) else {}
    return Usage(
        input=count_of(raw.get("input_tokens")) + written + read,
        output=output,
        cache_read=read,
        cache_write=written,
        cache_write_1h=min(for_hour, written),
        reasoning=min(count_of(details.get("thinking_tokens")), output),
    )
