"""Recorded exchanges with the Messages endpoint read as the official SDK read them.

The recordings lie beside the checkout on machines that have them. Where our
reading differs from the SDK's, it is named here with its reason.
"""

import json
import random
from collections.abc import Iterable
from typing import Any

import pytest

from tests.fakes.recordings import MODES, body_of, by_mode, needs_recordings, recorded, rows
from trouper.actors.chat import Completion, Finish, OpaquePart, ThinkingPart, ToolCallPart
from trouper.actors.errors import ErrorKind, ProviderError, StreamTruncated
from trouper.actors.wire.anthropic import AnthropicCodec
from trouper.actors.wire.assembly import Assembly

pytestmark = needs_recordings

CODEC = AnthropicCodec(max_tokens_default=1024)

# Test data of vercel/ai, in which the streams of several requests stand one after the
# other in one body: each has an id of its own, and counts a longer prompt than the one
# before, for a tool has run between them. No server sends that. The SDK reads on after
# message_stop, puts the later messages' deltas into the first one's blocks, and says
# end_turn and the last one's tokens of an answer that waits for a tool; an answer ends
# with its message_stop. By eye: the first one's blocks, and its tokens in and out.
GLUED = {
    "1ad9d019e587": (
        ["text", "server_tool_use", "tool_search_tool_result", "text", "tool_use"],
        (1630, 158),
    ),
    "5d1aab4e863c": (
        ["server_tool_use", "tool_search_tool_result", "text", "tool_use"],
        (1681, 163),
    ),
    "7d01976dd1cf": (["text", "tool_use", "server_tool_use"], (904, 175)),
    "97137d47a378": (["text", "server_tool_use", "tool_use"], (3369, 725)),
    "e72eeddb38c7": (["text", "tool_use", "server_tool_use"], (879, 177)),
}

# Cut off by max_tokens within a tool's arguments: the SDK closes the list by guess, so
# that half a file would be written; we keep the text as it came, and it is not to be run.
CUT_OFF = "bd84b81c858a"

KINDS = {
    "AuthenticationError": {ErrorKind.AUTH},
    "NotFoundError": {ErrorKind.MODEL_NOT_FOUND},
    "BadRequestError": {ErrorKind.INVALID_REQUEST, ErrorKind.CONTEXT_WINDOW_EXCEEDED},
}


RECORDED = recorded("messages")
EXCHANGES = {
    row["id"]: (RECORDED[row["id"]], row) for row in rows("expected.jsonl") if row["id"] in RECORDED
}
STREAMED = [id for id, (exchange, _) in EXCHANGES.items() if exchange["flags"]["stream"]]
PLAIN = [id for id in EXCHANGES if id not in STREAMED]


def read(parts: Iterable[bytes]) -> Completion:
    decoder = CODEC.stream()
    assembly = Assembly()
    for part in parts:
        assembly.extend(decoder.feed(part))
    assembly.extend(decoder.eof())
    return assembly.completion()


def kinds_of(completion: Completion) -> list[str]:
    """The types of the blocks that the parts were, but for what is no block of its own."""
    kinds: list[str] = []
    for part in completion.message.parts:
        match part:
            case ToolCallPart():
                kinds.append("tool_use")
            case ThinkingPart(redacted=redacted):
                kinds.append("redacted_thinking" if redacted else "thinking")
            case OpaquePart(raw=raw):
                kinds.append(raw["type"])
            case _:
                kinds.append("text")
    return [kind for kind in kinds if kind not in ("trouper.beside", "refusal")]


def assert_reads_as(completion: Completion, expected: dict[str, Any]) -> None:
    parts = completion.message.parts
    assert completion.text == expected["text"]
    calls = [part for part in parts if isinstance(part, ToolCallPart)]
    assert [(call.id, call.name) for call in calls] == [
        (call["id"], call["name"]) for call in expected["tool_calls"]
    ]
    if expected["id"] == CUT_OFF:
        assert completion.finish is Finish.LENGTH
        assert calls[0].args_json.startswith('{"filename": "taxes.txt", "lines_of_text": [')
    else:
        assert [json.loads(call.args_json) for call in calls] == [
            call["arguments"] for call in expected["tool_calls"]
        ]
    thoughts = [part for part in parts if isinstance(part, ThinkingPart) and not part.redacted]
    assert "".join(part.text for part in thoughts) == expected["thinking"]
    assert completion.raw_finish == expected["finish"]
    assert kinds_of(completion) == expected["block_types"]
    assert_counts_as(completion, expected["usage"])


def assert_counts_as(completion: Completion, expected: dict[str, Any]) -> None:
    usage = completion.usage
    assert usage is not None
    read_from = expected.get("cache_read_input_tokens") or 0
    written = expected.get("cache_creation_input_tokens") or 0
    details = expected.get("output_tokens_details") or {}
    created = expected.get("cache_creation") or {}
    assert usage.input == expected["input_tokens"] + read_from + written
    assert usage.output == expected["output_tokens"]
    assert (usage.cache_read, usage.cache_write) == (read_from, written)
    assert usage.cache_write_1h == created.get("ephemeral_1h_input_tokens", 0)
    assert usage.reasoning == details.get("thinking_tokens", 0)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("id", [id for id in STREAMED if id not in GLUED])
def test_a_recorded_stream_reads_as_the_sdk_read_it(id: str, mode: str) -> None:
    assert_reads_as(read(by_mode(body_of(EXCHANGES[id][0]), mode)), EXCHANGES[id][1])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("id", sorted(GLUED))
def test_of_several_answers_in_one_body_the_first_is_read(id: str, mode: str) -> None:
    body = body_of(EXCHANGES[id][0])
    first = body[: body.index(b"event: message_start", 1)]
    completion = read(by_mode(body, mode))

    assert completion == read([first])
    assert completion.raw_finish == "tool_use"
    assert completion.usage is not None
    tokens = (completion.usage.input, completion.usage.output)
    assert (kinds_of(completion), tokens) == GLUED[id]
    calls = [part for part in completion.message.parts if isinstance(part, ToolCallPart)]
    assert [call.id for call in calls] == [
        call["id"] for call in EXCHANGES[id][1]["tool_calls"][: len(calls)]
    ]


@pytest.mark.parametrize("id", STREAMED)
def test_a_recorded_stream_that_is_cut_ends_properly_or_is_truncated(id: str) -> None:
    body = body_of(EXCHANGES[id][0])
    whole = read([body])
    for cut in random.Random(id).sample(range(len(body)), k=20):
        try:
            completion = read([body[:cut]])
        except StreamTruncated:
            continue
        assert completion == whole


@pytest.mark.parametrize("id", PLAIN)
def test_a_recorded_plain_answer_reads_as_the_sdk_read_it(id: str) -> None:
    exchange, expected = EXCHANGES[id]
    response = exchange["response"]
    if expected["ok"]:
        assert_reads_as(
            CODEC.parse(response["status"], response["headers"], body_of(EXCHANGES[id][0])),
            expected,
        )
        return

    with pytest.raises(ProviderError) as caught:
        CODEC.parse(response["status"], response["headers"], body_of(EXCHANGES[id][0]))

    error, told = caught.value, expected["body"]["error"]
    assert error.kind in KINDS[expected["error"]]
    assert error.status == expected["status"]
    assert error.type == told["type"]
    assert error.message == told["message"]
    assert (error.kind is ErrorKind.CONTEXT_WINDOW_EXCEEDED) == ("prompt is too long" in str(error))
    assert error.request_id == response["headers"].get(
        "request-id", expected["body"].get("request_id")
    )


@pytest.mark.parametrize("id", [id for id in PLAIN if EXCHANGES[id][1]["ok"]])
def test_a_recorded_plain_answer_to_a_streamed_request_reads_the_same(id: str) -> None:
    plain = CODEC.parse(200, {}, body_of(EXCHANGES[id][0]))

    assert read([body_of(EXCHANGES[id][0])]) == plain


def test_the_recordings_are_there_in_numbers() -> None:
    assert len(STREAMED) >= 40
    assert len(PLAIN) >= 60
