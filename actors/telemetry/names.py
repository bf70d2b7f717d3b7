"""Every metric there is: its name, what it counts, its labels. One table.

docs/reference/metrics.md says the same to operators, and a test holds the two
together. Names of `gen_ai_` are those of OpenTelemetry's conventions for
generative AI (2026-05, status Development) as Prometheus spells them; the
others are ours. A label's values are few and known beforehand: never a path, a
session, a user, a request's id or an error's words.
"""

from typing import Literal

import attrs

from ...runtime.tallies import BOUNDS

__all__ = [
    "CHAT",
    "EXECUTE_TOOL",
    "FAMILIES",
    "FIRST_CHUNK",
    "INVOKE_AGENT",
    "LABELS",
    "OPERATION",
    "OUTPUT_CHUNK",
    "TOKEN_USAGE",
    "TOOL",
    "TURN",
    "Conventions",
    "Family",
    "spelled",
]

CHAT, INVOKE_AGENT, EXECUTE_TOOL = "chat", "invoke_agent", "execute_tool"
"""Operations, as spans and labels name them."""

Conventions = Literal["2026-05", "inference"]
"""Versions of OpenTelemetry's names for calls, as the configuration knows them."""

Type = Literal["counter", "gauge", "histogram"]

# The conventions' own: 10 ms doubled up to 82 s, and tokens by powers of four.
_SECONDS = tuple(0.01 * 2**power for power in range(14))
_TOKENS = tuple(float(4**power) for power in range(14))
# Turns and tools: from a look at the clock to an hour of work. The conventions name none.
_STEPS = (0.01, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1_800.0)
# Between two chunks: a model of this machine writes hundreds a second, a slow one a few.
_CHUNKS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
# Waits at a gate: nearly all are none at all.
_WAITS = (0.001, 0.01, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0)


@attrs.frozen
class Family:
    """One metric: all its series together. Counters are named without `_total`, which is added."""

    name: str
    type: Type
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


_CALL = ("gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model", "provider")

OPERATION = "gen_ai_client_operation_duration_seconds"
TOKEN_USAGE = "gen_ai_client_token_usage"
TURN = "gen_ai_invoke_agent_duration_seconds"
TOOL = "gen_ai_execute_tool_duration_seconds"
FIRST_CHUNK = "gen_ai_client_operation_time_to_first_chunk_seconds"
OUTPUT_CHUNK = "gen_ai_client_operation_time_per_output_chunk_seconds"

_ALL = (
    # Calls to models, counted where they happen (metrics.py).
    Family(
        OPERATION,
        "histogram",
        "Time of a call to a model, from the moment it is sent to its end; error_type is empty where it went well.",
        (*_CALL, "error_type"),
        _SECONDS,
    ),
    Family(
        FIRST_CHUNK,
        "histogram",
        "Time from the moment a streamed call is sent to the first content of its answer.",
        _CALL,
        _SECONDS,
    ),
    Family(
        OUTPUT_CHUNK,
        "histogram",
        "Mean time from one chunk of a streamed answer to the next, after the first content; once a call.",
        _CALL,
        _CHUNKS,
    ),
    Family(
        TOKEN_USAGE,
        "histogram",
        "Tokens of a call, as its provider has counted them.",
        (*_CALL, "gen_ai_token_type"),
        _TOKENS,
    ),
    Family(
        TURN,
        "histogram",
        "Time of a turn of a conversation, tools included; error_type is empty where it went well.",
        ("gen_ai_agent_name", "error_type"),
        _STEPS,
    ),
    Family(
        TOOL,
        "histogram",
        "Time of a tool's run; error_type is empty where it went well.",
        ("gen_ai_tool_name", "error_type"),
        _STEPS,
    ),
    Family(
        "trouper_requests",
        "counter",
        "Requests that have ended, by the model's name in the configuration.",
        ("model", "outcome"),
    ),
    Family(
        "trouper_attempts",
        "counter",
        "Tries of a target that have ended, those refused by a gate of ours included.",
        ("provider", "model", "outcome"),
    ),
    Family(
        "trouper_requests_in_flight",
        "gauge",
        "Tries under way: waiting at our gates, waiting for the model's first content, or answering.",
        ("provider", "phase"),
    ),
    Family(
        "trouper_tokens",
        "counter",
        "Tokens that providers have counted; cached ones are within input, reasoning within output.",
        ("provider", "model", "type"),
    ),
    Family("trouper_cost_usd", "counter", "What calls have cost.", ("provider", "model")),
    Family(
        "trouper_cost_unknown",
        "counter",
        "Calls whose cost nobody knows; they are not within trouper_cost_usd_total.",
        ("provider", "model"),
    ),
    Family(
        "trouper_limiter_wait_seconds",
        "histogram",
        "How long a call that was sent had stood in the limiter's line.",
        ("provider",),
        _WAITS,
    ),
    # The runtime's events (runtime.py).
    Family("trouper_crashes", "counter", "Lives of actors that a fault has ended.", ("kind",)),
    Family("trouper_restarts", "counter", "Lives that follow a crash.", ("kind",)),
    Family(
        "trouper_supervisor_giveups", "counter", "Supervisors with more crashes than they take."
    ),
    Family(
        "trouper_dead_letters",
        "counter",
        "Messages that were not handled to their end.",
        ("reason",),
    ),
    # States, read at each scrape (collector.py).
    Family("trouper_actors", "gauge", "Actors, by class and state.", ("kind", "state")),
    Family(
        "trouper_messages",
        "counter",
        "Messages that actors have handled to their end; those refused, or in hand at a crash, are errors.",
        ("kind", "outcome"),
    ),
    Family(
        "trouper_message_wait_seconds",
        "histogram",
        "How long messages waited to be handled; less than a millisecond counts as none.",
        ("kind",),
        BOUNDS,
    ),
    Family(
        "trouper_message_handle_seconds",
        "histogram",
        "How long handlers took that waited for something; less than a millisecond counts as none.",
        ("kind",),
        BOUNDS,
    ),
    Family(
        "trouper_mailbox_messages", "gauge", "Messages that wait, of all of a class.", ("kind",)
    ),
    Family(
        "trouper_mailbox_max_fill_ratio",
        "gauge",
        "The fullest mailbox of a class, 0 to 1.",
        ("kind",),
    ),
    Family(
        "trouper_mailbox_oldest_seconds",
        "gauge",
        "Age of the oldest message that waits.",
        ("kind",),
    ),
    Family("trouper_sessions", "gauge", "Conversations that are open."),
    Family("trouper_connections", "gauge", "Connections to the gateway.", ("transport",)),
    Family(
        "trouper_console_clients",
        "gauge",
        "Who looks into the program just now, by which way and with which rights.",
        ("transport", "role"),
    ),
    Family(
        "trouper_console_actions",
        "counter",
        "What operators have done, and what was refused to them.",
        ("action", "result"),
    ),
    Family(
        "trouper_limiter_available_ratio",
        "gauge",
        "What is left of a limit, over all keys of a provider; below 0 where it is overdrawn.",
        ("provider", "limit"),
    ),
    Family("trouper_limiter_waiting", "gauge", "Calls in the limiter's line.", ("provider",)),
    Family(
        "trouper_limiter_paused_seconds",
        "gauge",
        "For how long the provider wants no call, of the key that is paused longest.",
        ("provider",),
    ),
    Family(
        "trouper_breaker_state",
        "gauge",
        "1 for the state that the circuit of a deployment is in, 0 for the others.",
        ("provider", "model", "state"),
    ),
    Family(
        "trouper_breaker_transitions",
        "counter",
        "Times that the circuit of a deployment has gone into that state.",
        ("provider", "model", "to"),
    ),
    Family("trouper_budget_limit_usd", "gauge", "What a budget allows in its window.", ("budget",)),
    Family("trouper_budget_spent_usd", "gauge", "What was spent of it.", ("budget",)),
    Family(
        "trouper_budget_reserved_usd", "gauge", "What calls under way may cost yet.", ("budget",)
    ),
    Family(
        "trouper_loop_lag_seconds", "gauge", "The latest the event loop was in the last minute."
    ),
    Family(
        "trouper_loop_stalls", "counter", "Times that the loop did nothing else for half a second."
    ),
)

# Proposed to follow (semantic-conventions-genai, pull request 521).
_INFERENCE = {
    OPERATION: "gen_ai_client_inference_duration_seconds",
    FIRST_CHUNK: "gen_ai_client_inference_time_to_first_chunk_seconds",
    OUTPUT_CHUNK: "gen_ai_client_inference_time_per_output_chunk_seconds",
}


def spelled(name: str, conventions: Conventions) -> str:
    """The name of a metric in that version of the conventions; ours are the same in all."""
    return _INFERENCE.get(name, name) if conventions == "inference" else name


FAMILIES = {family.name: family for family in _ALL}
"""By name, without `_total`."""

LABELS = {
    "gen_ai_token_type": ("input", "output"),
    "type": ("input", "output", "cache_read", "cache_write", "reasoning"),
    "phase": ("gates", "model", "answer"),
    "transport": ("http", "websocket"),
    "limit": ("requests", "tokens", "input_tokens", "output_tokens"),
}
"""The values of labels that never have others."""
