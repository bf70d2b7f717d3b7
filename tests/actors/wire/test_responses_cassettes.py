"""Recorded exchanges with the Responses endpoints of OpenAI, Azure, xAI and others.

No SDK's reading of them is at hand. A recorded stream ends with the whole
response, and a plain answer is one: what our chunks amount to is compared with
that, read in the plainest way, and with notes taken by eye. The recordings lie
beside the checkout on machines that have them.
"""

import json
import random
from collections.abc import Iterable
from typing import Any

import pytest

from tests.fakes.recordings import MODES, body_of, by_mode, needs_recordings, recorded
from trouper.actors.chat import (
    Completion,
    Finish,
    OpaquePart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
)
from trouper.actors.errors import ErrorKind, ProviderError, StreamTruncated
from trouper.actors.wire.assembly import Assembly
from trouper.actors.wire.responses import ResponsesCodec

pytestmark = needs_recordings

CODEC = ResponsesCodec()

# Test data of vercel/ai: one begins late and ends before response.completed; in the other
# most deltas were left out, so that the text that was streamed is not the whole.
CUT_OFF = "b3facb7ddaf1"
SHORTENED = "a7a263277818"

# Noted by eye: the kinds of the parts, how the text begins, the arguments of the calls.
NOTED: dict[str, tuple[list[str], str, list[str]]] = {
    "004e441e4073": (
        ["tool_search_call", "tool_search_output", "function_call", "trouper.beside"],
        "",
        ['{"from_currency":"USD","to_currency":"EUR"}'],
    ),
    "08674510d4a1": (["text"], "The capital of Minas Gerais is Belo Horizonte.", []),
    "0a4eb4d32fd8": (["function_call"], "", ['{"country":"France"}']),
    "1081789a459b": (["thinking", "text"], '**Ask: "Will you answer this question with', []),
    "486ec18eff2c": (["text"], "2 + 2 equals 4.", []),
    "94f7e17f18f0": (["text"], "4242", []),
    "a4c3dfe428e8": (["thinking", "function_call"], "", ['{"a":12,"b":7,"op":"add"}']),
    SHORTENED: (
        ["text", "trouper.beside", "text", "trouper.beside"],
        "Got itHere are a few **AI",
        [],
    ),
    "a6162eda587c": (
        ["thinking", "function_call"],
        "",
        ['{"latitude":"52.5200","longitude":"13.4050"}'],
    ),
    "d2a433dcd431": (["thinking", "reasoning", "function_call"], "", ['{"city": "Tokyo"}']),
    "d7a557cf8e85": (["thinking", "reasoning", "text"], "4", []),
    "98d02c3dfbd3": (
        ["text", "trouper.beside", "text", "trouper.beside"],
        "I\u2019ll quickly check reliable, up-to-date ",
        [],
    ),
    "67dea9ccc0c8": (["thinking", "function_call"], "", ['{"id":"refunds"}']),
    "052cb85737f1": (["thinking", "text"], "The weather depends on your location, bu", []),
}

REFUSALS = {
    "0bdddcdd3836": ErrorKind.INVALID_REQUEST,
    "1937a750860f": ErrorKind.AUTH,
    "451c9b5a4cc1": ErrorKind.INVALID_REQUEST,
    "460039953947": ErrorKind.INVALID_REQUEST,
    "4ef0b3d0d29c": ErrorKind.CONTEXT_WINDOW_EXCEEDED,
    "7ab7af3e30cf": ErrorKind.MODEL_NOT_FOUND,
    "8f43b3d6bbea": ErrorKind.MODEL_NOT_FOUND,
    "90928b5d9091": ErrorKind.MODEL_NOT_FOUND,
    "b8ef53ef0067": ErrorKind.AUTH,
    "bef193b87fbd": ErrorKind.INVALID_REQUEST,
    "d7d9194088f4": ErrorKind.INVALID_REQUEST,
    "ef5836e08dc9": ErrorKind.INVALID_REQUEST,
}


EXCHANGES = recorded("responses")
STREAMED = [id for id, exchange in EXCHANGES.items() if exchange["flags"]["stream"]]
PLAIN = [id for id in EXCHANGES if id not in STREAMED]
WHOLE = [id for id in STREAMED if id != CUT_OFF]


def read(parts: Iterable[bytes]) -> Completion:
    decoder = CODEC.stream()
    assembly = Assembly()
    for part in parts:
        assembly.extend(decoder.feed(part))
    assembly.extend(decoder.eof())
    return assembly.completion()


def final_response(body: bytes) -> dict[str, Any]:
    """The response that ends a stream, by the least that finds it.

    In one recording (a4c3dfe428e8, test data of vercel/ai) the streams of several
    requests stand in one body; an answer ends with its response.completed.
    """
    frames = (json.loads(line[6:]) for line in body.splitlines() if line.startswith(b'data: {"'))
    return next(frame["response"] for frame in frames if frame["type"] == "response.completed")


def kinds_of(completion: Completion) -> list[str]:
    kinds: list[str] = []
    for part in completion.message.parts:
        match part:
            case TextPart():
                kinds.append("text")
            case ThinkingPart():
                kinds.append("thinking")
            case OpaquePart(raw=raw):
                kinds.append(raw["type"])
            case _:
                kinds.append("function_call")
    return kinds


def assert_says(completion: Completion, response: dict[str, Any]) -> None:
    items = response["output"]
    usage, counted = completion.usage, response.get("usage")
    calls = [part for part in completion.message.parts if isinstance(part, ToolCallPart)]
    thoughts = [part for part in completion.message.parts if isinstance(part, ThinkingPart)]
    reasoning = [item for item in items if item["type"] == "reasoning"]

    assert completion.text == "".join(
        part["text"] for item in items if item["type"] == "message" for part in item["content"]
    )
    assert [(call.id, call.name, call.args_json) for call in calls] == [
        (item["call_id"], item["name"], item["arguments"])
        for item in items
        if item["type"] == "function_call"
    ]
    # OpenAI encrypts anew for each event that holds the item: the text is another one.
    assert [bool(part.signature) for part in thoughts] == [
        bool(item.get("encrypted_content")) for item in reasoning if _told(item)
    ]
    assert [part.text for part in thoughts if part.text] == [
        "\n\n".join(part["text"] for part in texts)
        for item in reasoning
        if (texts := item["summary"] or item.get("content"))
    ]
    assert completion.finish is (Finish.TOOL_CALLS if calls else Finish.STOP)
    assert (completion.model, completion.response_id) == (response["model"], response["id"])
    assert usage is not None
    assert counted is not None
    assert (usage.input, usage.output) == (counted["input_tokens"], counted["output_tokens"])
    cached = (counted.get("input_tokens_details") or {}).get("cached_tokens", 0)
    thought = (counted.get("output_tokens_details") or {}).get("reasoning_tokens", 0)
    assert (usage.cache_read, usage.reasoning) == (cached, thought)


def _told(item: dict[str, Any]) -> bool:
    return bool(item["summary"] or item.get("content") or item.get("encrypted_content"))


def assert_as_noted(completion: Completion, id: str) -> None:
    if id in NOTED:
        kinds, text, arguments = NOTED[id]
        calls = [part for part in completion.message.parts if isinstance(part, ToolCallPart)]
        assert kinds_of(completion) == kinds
        assert completion.text.startswith(text)
        assert [call.args_json for call in calls] == arguments


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("id", WHOLE)
def test_a_recorded_stream_amounts_to_the_response_that_ends_it(id: str, mode: str) -> None:
    completion = read(by_mode(body_of(EXCHANGES[id]), mode))

    if id != SHORTENED:
        assert_says(completion, final_response(body_of(EXCHANGES[id])))
    assert_as_noted(completion, id)


@pytest.mark.parametrize("mode", MODES)
def test_a_recording_that_breaks_off_is_truncated(mode: str) -> None:
    with pytest.raises(StreamTruncated, match="the stream ended before the answer did, after 4"):
        read(by_mode(body_of(EXCHANGES[CUT_OFF]), mode))


@pytest.mark.parametrize("id", WHOLE)
def test_a_recorded_stream_that_is_cut_ends_properly_or_is_truncated(id: str) -> None:
    body = body_of(EXCHANGES[id])
    whole = read([body])
    for cut in random.Random(id).sample(range(len(body)), k=20):
        try:
            completion = read([body[:cut]])
        except StreamTruncated:
            continue
        assert completion == whole


@pytest.mark.parametrize("id", [id for id in PLAIN if id not in REFUSALS])
def test_a_recorded_plain_answer_says_what_stands_in_it(id: str) -> None:
    response = EXCHANGES[id]["response"]
    completion = CODEC.parse(response["status"], response["headers"], body_of(EXCHANGES[id]))

    assert_says(completion, json.loads(response["body"]))
    assert_as_noted(completion, id)
    # The same body in answer to a streamed request says the same.
    assert read(by_mode(body_of(EXCHANGES[id]), "rand-1")) == completion


@pytest.mark.parametrize("id", REFUSALS)
def test_a_recorded_refusal_is_classified(id: str) -> None:
    response = EXCHANGES[id]["response"]
    with pytest.raises(ProviderError) as caught:
        CODEC.parse(response["status"], response["headers"], body_of(EXCHANGES[id]))

    told = json.loads(response["body"])["error"]
    assert caught.value.kind is REFUSALS[id]
    assert caught.value.status == response["status"]
    assert (caught.value.code, caught.value.message) == (told["code"], told["message"])


def test_the_recordings_are_there_in_numbers() -> None:
    assert len(STREAMED) >= 16
    assert len(PLAIN) >= 36
    assert {*NOTED, *REFUSALS} <= EXCHANGES.keys()
