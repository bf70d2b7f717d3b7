"""A body as programs write it is read as the request that it is, or every fault of it is told."""

from typing import Any

import orjson
import pytest

from trouper.actors.chat import (
    AudioPart,
    ChatRequest,
    FilePart,
    ImagePart,
    Message,
    OpaquePart,
    Sampling,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    ToolSpec,
)
from trouper.actors.wire.openai import OpenAICodec
from trouper.actors.wire.openai_request import InvalidBody, read_request

WHOLE = ChatRequest(
    model="m",
    messages=(
        Message("system", (TextPart("be brief"),)),
        Message(
            "user",
            (
                TextPart("look"),
                ImagePart("https://x/y.png", detail="low"),
                AudioPart("aGk=", "wav"),
                FilePart(data="data:x", name="a.pdf"),
                FilePart(file_id="file-1"),
            ),
            name="alice",
        ),
        Message("assistant", (TextPart("hm"), ToolCallPart("c1", "clock", '{"tz":"UTC"}'))),
        Message("tool", (ToolResultPart("c1", "noon"),)),
        Message("assistant", (ToolCallPart("c2", "clock", "{}"),)),
        Message("tool", (ToolResultPart("c2", "one"),)),
    ),
    tools=(ToolSpec("clock", "tells time", {"type": "object", "properties": {}}, strict=True),),
    tool_choice="clock",
    parallel_tools=False,
    max_output_tokens=77,
    sampling=Sampling(
        temperature=0.5, top_p=0.9, seed=7, frequency_penalty=0.1, presence_penalty=0.2
    ),
    stop=("a", "b"),
    response_schema={"type": "object"},
    reasoning_effort="low",
    metadata={"k": "v"},
    extra={"logprobs": True, "n": 1},
)


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
def test_what_our_own_codec_writes_is_read_as_what_it_was(field: Any) -> None:
    body = OpenAICodec(max_tokens_field=field).encode(WHOLE, stream=False).body
    assert read_request(orjson.loads(body)) == WHOLE


def test_words_of_other_days_and_makers_are_understood() -> None:
    custom = {"type": "custom", "custom": {"name": "sql"}}
    request = read_request(
        {
            "messages": [
                {"role": "developer", "content": "be brief"},
                {"role": "user", "content": [{"type": "new_kind", "x": 1}]},
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [{"type": "custom", "id": "c", "custom": {"name": "sql"}}],
                },
                {"role": "user", "content": ""},
            ],
            "tools": [custom],
            "tool_choice": "required",
            "stop": "end",
            "response_format": {"type": "json_object"},
            "stream": True,
            "temperature": None,
        }
    )
    system, odd, called, empty = request.messages
    assert (request.model, system.role) == ("", "system")
    assert odd.parts == (OpaquePart("openai", {"type": "new_kind", "x": 1}),)
    assert isinstance(called.parts[0], OpaquePart)
    assert empty.parts == (TextPart(""),)
    assert (request.stop, request.tool_choice, request.tools) == (("end",), "required", ())
    assert request.extra == {"response_format": {"type": "json_object"}, "tools": [custom]}


def test_every_fault_is_told_with_its_place() -> None:
    with pytest.raises(InvalidBody) as caught:
        read_request(
            {
                "model": 7,
                "messages": [
                    {"role": "robot", "content": "x"},
                    {"role": "user"},
                    "junk",
                    {"role": "user", "content": [{"type": "text"}, 5]},
                    {"role": "tool", "content": "x"},
                    {"role": "user", "content": [{"type": "image_url", "image_url": {"url": 1}}]},
                ],
                "tools": [{"function": {"name": "x", "parameters": []}}],
                "tool_choice": 5,
                "max_tokens": True,
                "temperature": "warm",
                "stop": [1],
                "metadata": {"a": 1},
                "parallel_tool_calls": "yes",
            }
        )
    told = "\n".join(caught.value.faults)
    for place in (
        "model: must be text, not 7",
        "messages[0].role: must be one of",
        "messages[1].content: is missing or empty",
        "messages[2]: must be an object",
        "messages[3].content[0].text: is missing",
        "messages[3].content[1]: must be an object, not 5",
        "messages[4].tool_call_id: is missing",
        "messages[5].content[0].image_url.url: must be text, not 1",
        "tools[0].function.parameters: must be a JSON schema, not a list",
        "tool_choice: must be auto, none, required or a function, not 5",
        "max_tokens: must be a whole number, not true",
        "temperature: must be a number",
        "stop: must be text or a list of texts",
        "metadata: must be an object of texts",
        "parallel_tool_calls: must be true or false",
    ):
        assert place in told


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (None, "must be an object"),
        ({}, "messages: is missing or empty"),
        ({"messages": "hello"}, "messages: must be a list"),
    ],
)
def test_what_is_no_request_is_said_to_be_none(body: Any, fault: str) -> None:
    with pytest.raises(InvalidBody, match=fault):
        read_request(body)
