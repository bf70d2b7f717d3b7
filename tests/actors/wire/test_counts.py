"""Counts of tokens: whatever a server says, what is read of it can be added, priced and kept."""

from collections.abc import Callable, Mapping
from typing import Any

import attrs
import pytest
from hypothesis import given, strategies as st

from trouper.actors.chat import MOST_TOKENS, Usage
from trouper.actors.wire import anthropic_values, ollama_values, openai_values, responses_values
from trouper.actors.wire.counts import count_of

READERS: list[Callable[[Mapping[str, Any]], Usage | None]] = [
    anthropic_values.usage_of,
    ollama_values.usage_of,
    openai_values.usage_of,
    responses_values.usage_of,
]
# Of all wires together.
NAMES = [
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "input_tokens",
    "output_tokens",
    "prompt_eval_count",
    "eval_count",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
    "prompt_cache_hit_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "thinking_tokens",
    "ephemeral_1h_input_tokens",
    "ephemeral_5m_input_tokens",
]
WITHIN = [
    "prompt_tokens_details",
    "completion_tokens_details",
    "input_tokens_details",
    "output_tokens_details",
    "cache_creation",
]
COUNTS = st.dictionaries(
    st.sampled_from(NAMES),
    st.integers(-(2**64), 2**64) | st.sampled_from([2**32 - 1, 2**63, 2**64 - 1, "9", None, 1.5]),
    max_size=len(NAMES),
)
DETAILS = st.dictionaries(st.sampled_from(WITHIN), COUNTS, max_size=len(WITHIN))


@pytest.mark.parametrize("read", READERS)
@given(counts=COUNTS, details=DETAILS)
def test_no_usage_has_more_tokens_than_a_few_calls_can_have(
    read: Callable[[Mapping[str, Any]], Usage | None],
    counts: Mapping[str, Any],
    details: Mapping[str, Any],
) -> None:
    usage = read({**counts, **details}) or Usage()

    # Anthropic's input is a sum of four counts.
    assert all(0 <= count <= 4 * MOST_TOKENS for count in attrs.astuple(usage))


@pytest.mark.parametrize("value", [-1, 0, MOST_TOKENS + 1, 2**32 - 1, 2**64 - 1, 1.0, True, "9"])
def test_what_is_no_count_is_not_taken_for_one(value: object) -> None:
    assert count_of(value) == 0


@pytest.mark.parametrize("value", [1, MOST_TOKENS])
def test_a_count_is_itself(value: int) -> None:
    assert count_of(value) == value
