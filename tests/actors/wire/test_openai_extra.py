"""What callers add to a chat request: every field of the wire, and nothing that would break it."""

import json
from typing import Any

import pytest

from trouper.actors.chat import ChatRequest, Message, Sampling, TextPart, ToolSpec
from trouper.actors.errors import ErrorKind, ProviderError
from trouper.actors.wire.openai import OpenAICodec

CLOCK = ToolSpec("clock", "tells the time", {"type": "object", "properties": {}})


def request(**said: Any) -> ChatRequest:
    given: dict[str, Any] = {"model": "m", "messages": (Message("user", (TextPart("hello"),)),)}
    return ChatRequest(**(given | said))


def body_of(request: ChatRequest, *, stream: bool = False) -> Any:
    return json.loads(OpenAICodec().encode(request, stream=stream).body)


def test_extra_is_merged_as_it_is_and_outranks_the_rest() -> None:
    extra = {"top_k": 5, "seed": None, "tool_choice": {"type": "allowed_tools"}}
    asked = request(extra=extra, sampling=Sampling(seed=1), tools=(CLOCK,), tool_choice="none")

    assert body_of(asked) | extra == body_of(asked)


def test_extra_is_joined_with_what_the_request_says_in_lists_and_objects_of_its_own() -> None:
    custom = {"type": "custom", "custom": {"name": "shell"}}
    extra = {
        "metadata": {"b": "2"},
        "stream_options": {"include_obfuscation": False},
        "tools": (custom,),
    }
    body = body_of(request(extra=extra, tools=(CLOCK,), metadata={"a": "1"}), stream=True)

    assert body["metadata"] == {"a": "1", "b": "2"}
    assert body["stream_options"] == {"include_usage": True, "include_obfuscation": False}
    assert [tool["type"] for tool in body["tools"]] == ["function", "custom"]
    assert body_of(request(extra=extra))["tools"] == [custom]
    # What is no list or object cannot be joined, and is the caller's own fault.
    assert body_of(request(extra={"tools": None}, tools=(CLOCK,)))["tools"] is None


@pytest.mark.parametrize("name", ["messages", "model", "stream"])
def test_extra_cannot_replace_what_is_asked_or_how_the_answer_is_read(name: str) -> None:
    with pytest.raises(ProviderError, match=f"extra holds {name}") as caught:
        body_of(request(extra={name: []}))

    assert caught.value.kind is ErrorKind.INVALID_REQUEST


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_a_limit_in_extra_replaces_that_of_the_request_because_servers_refuse_two(
    name: str,
) -> None:
    body = body_of(request(max_output_tokens=64, extra={name: 32}))

    assert {key: at for key, at in body.items() if key.startswith("max_")} == {name: 32}


# All that OpenAI's reference names and that no field of ours says.
ONLY_IN_EXTRA: dict[str, Any] = {
    "audio": {"voice": "alloy", "format": "mp3"},
    "logit_bias": {"50256": -100},
    "logprobs": True,
    "modalities": ["text", "audio"],
    "moderation": {"model": "omni"},
    "n": 2,
    "prediction": {"type": "content", "content": "as before"},
    "prompt_cache_key": "k",
    "prompt_cache_options": {"mode": "explicit", "ttl": "30m"},
    "prompt_cache_retention": "24h",
    "response_format": {"type": "json_object"},
    "safety_identifier": "user-1",
    "service_tier": "flex",
    "store": True,
    "top_logprobs": 3,
    "user": "user-1",
    "verbosity": "low",
    "web_search_options": {"search_context_size": "low"},
}


def test_every_field_of_the_wire_can_be_reached() -> None:
    body = body_of(request(extra=ONLY_IN_EXTRA))

    assert body == {**ONLY_IN_EXTRA, "model": "m", "messages": body["messages"]}
