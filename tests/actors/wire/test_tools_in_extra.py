"""Tools that only one provider knows stand in `extra`; what is said of all tools holds for them."""

import json
from typing import Any

import pytest

from trouper.actors.chat import ChatRequest, Message, TextPart
from trouper.actors.wire.anthropic import AnthropicCodec
from trouper.actors.wire.codec import Codec
from trouper.actors.wire.openai import OpenAICodec
from trouper.actors.wire.responses import ResponsesCodec

SERVED = {"type": "web_search", "name": "web_search"}
CASES: dict[str, tuple[Codec, dict[str, Any]]] = {
    "openai": (OpenAICodec(), {"tool_choice": "required", "parallel_tool_calls": False}),
    "responses": (ResponsesCodec(), {"tool_choice": "required", "parallel_tool_calls": False}),
    "anthropic": (
        AnthropicCodec(max_tokens_default=16),
        {"tool_choice": {"type": "any", "disable_parallel_tool_use": True}},
    ),
}


@pytest.mark.parametrize(("codec", "expected"), CASES.values(), ids=CASES)
def test_one_of_them_may_be_required(codec: Codec, expected: dict[str, Any]) -> None:
    request = ChatRequest(
        model="m",
        messages=(Message("user", (TextPart("hello"),)),),
        tool_choice="required",
        parallel_tools=False,
        extra={"tools": [SERVED]},
    )
    body = json.loads(codec.encode(request, stream=False).body)

    assert body["tools"] == [SERVED]
    assert {key: body.get(key) for key in expected} == expected
