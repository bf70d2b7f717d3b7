"""Recorded exchanges of a dozen OpenAI-compatible providers read as the official SDK read them.

The recordings lie beside the checkout on machines that have them. Where our
reading differs from the SDK's, it is named here with its reason.
"""

import json
import random
from collections.abc import Iterable
from typing import Any

import pytest

from tests.fakes.recordings import MODES, body_of, by_mode, needs_recordings, recorded, rows
from trouper.actors.chat import Completion, ThinkingPart, ToolCallPart
from trouper.actors.errors import ErrorKind, ProviderError, StreamTruncated
from trouper.actors.wire.assembly import Assembly
from trouper.actors.wire.openai import OpenAICodec

pytestmark = needs_recordings

# The SDK's own reader fails on these two; we read what is there.
BLOCKED_WITHOUT_A_MESSAGE = "1129ffff6390"  # Azure's filter: finish_reason and nothing else
CONTENT_IN_PARTS = "0b955401d1b9"  # Mistral's list of typed parts, which the SDK hands on raw

KINDS = {
    "AuthenticationError": {ErrorKind.AUTH},
    "RateLimitError": {ErrorKind.RATE_LIMITED, ErrorKind.QUOTA_EXHAUSTED},
    "NotFoundError": {ErrorKind.MODEL_NOT_FOUND},
    "BadRequestError": {ErrorKind.INVALID_REQUEST, ErrorKind.CONTEXT_WINDOW_EXCEEDED},
    "APIError": {ErrorKind.INVALID_REQUEST},  # within a stream
    "JSONDecodeError": {ErrorKind.PROTOCOL_ERROR},  # an empty body
}


RECORDED = recorded("chat.completions")
EXCHANGES = {
    row["id"]: (RECORDED[row["id"]], row) for row in rows("expected.jsonl") if row["id"] in RECORDED
}
STREAMED = [id for id, (exchange, _) in EXCHANGES.items() if exchange["flags"]["stream"]]
PLAIN = [id for id in EXCHANGES if id not in STREAMED]


def read(parts: Iterable[bytes]) -> Completion:
    decoder = OpenAICodec().stream()
    assembly = Assembly()
    for part in parts:
        assembly.extend(decoder.feed(part))
    assembly.extend(decoder.eof())
    return assembly.completion()


def parsed(arguments: str) -> Any:
    try:
        return json.loads(arguments)
    except ValueError:
        return arguments


def assert_reads_as(completion: Completion, expected: dict[str, Any], streamed: bool) -> None:
    text = expected["text"] if expected["id"] != CONTENT_IN_PARTS else {"0": "5 + 3 equals 8."}
    assert completion.text == text.get("0", "")
    calls = [part for part in completion.message.parts if isinstance(part, ToolCallPart)]
    assert [(call.id, call.name, parsed(call.args_json)) for call in calls] == [
        (call["id"], call["name"], parsed(call["arguments"])) for call in expected["tool_calls"]
    ]
    assert completion.raw_finish == expected["finish"].get("0")
    assert_counts_as(completion, expected["usage"])
    # The SDK knows neither Mistral's thinking in parts nor reasoning_details: it says 0.
    if streamed and expected["reasoning_len"]:
        thoughts = [part for part in completion.message.parts if isinstance(part, ThinkingPart)]
        assert sum(len(part.text) for part in thoughts) == expected["reasoning_len"]


def assert_counts_as(completion: Completion, expected: dict[str, Any] | None) -> None:
    usage = completion.usage
    if expected is None or usage is None:
        assert (expected, usage) == (None, None)
        return
    reasoning = (expected.get("completion_tokens_details") or {}).get("reasoning_tokens") or 0
    output = expected["completion_tokens"]
    if reasoning > output:  # xAI counts it beside the completion; with us it is within
        output += reasoning
    cached = (expected.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
    assert (usage.input, usage.output, usage.reasoning) == (
        expected["prompt_tokens"],
        output,
        reasoning,
    )
    # xAI says more cached than there were: a part is never more than its whole.
    assert usage.cache_read == min(cached, usage.input)


def assert_fails_as(error: ProviderError, expected: dict[str, Any]) -> None:
    assert error.kind in KINDS[expected["error"]]
    if "status" in expected:
        body = expected["body"]
        assert error.status == expected["status"]
        assert (body.get("message") or body["detail"]) in error.message
        assert error.code == (None if body.get("code") is None else str(body["code"]))
        assert error.type == body.get("type")
    elif error.in_stream:
        assert error.message == expected["msg"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("id", STREAMED)
def test_a_recorded_stream_reads_as_the_sdk_read_it(id: str, mode: str) -> None:
    expected = EXCHANGES[id][1]
    parts = by_mode(body_of(EXCHANGES[id][0]), mode)
    if expected["ok"]:
        assert_reads_as(read(parts), expected, streamed=True)
        return

    with pytest.raises(ProviderError) as caught:
        read(parts)

    assert_fails_as(caught.value, expected)


@pytest.mark.parametrize("id", [id for id in STREAMED if EXCHANGES[id][1]["ok"]])
def test_a_recorded_stream_that_is_cut_ends_properly_or_is_truncated(id: str) -> None:
    body = body_of(EXCHANGES[id][0])
    whole = read([body])
    for cut in random.Random(id).sample(range(len(body)), k=20):
        try:
            completion = read([body[:cut]])
        except StreamTruncated:
            continue
        # What may be missing is what comes after the finish_reason: the totals.
        assert (completion.message, completion.finish) == (whole.message, whole.finish)


@pytest.mark.parametrize("id", [id for id in STREAMED if not EXCHANGES[id][1]["ok"]])
def test_a_recorded_stream_that_is_cut_before_its_error_is_no_answer(id: str) -> None:
    body = body_of(EXCHANGES[id][0])
    for cut in random.Random(id).sample(range(len(body)), k=20):
        with pytest.raises(ProviderError) as caught:
            read([body[:cut]])
        if not isinstance(caught.value, StreamTruncated):
            assert_fails_as(caught.value, EXCHANGES[id][1])


@pytest.mark.parametrize("id", PLAIN)
def test_a_recorded_plain_answer_reads_as_the_sdk_read_it(id: str) -> None:
    exchange, expected = EXCHANGES[id]
    response = exchange["response"]
    if expected["ok"] or id == BLOCKED_WITHOUT_A_MESSAGE:
        completion = OpenAICodec().parse(
            response["status"], response["headers"], body_of(EXCHANGES[id][0])
        )
        if expected["ok"]:
            assert_reads_as(completion, expected, streamed=False)
        else:
            assert (completion.text, completion.raw_finish) == ("", "content_filter")
        return

    with pytest.raises(ProviderError) as caught:
        OpenAICodec().parse(response["status"], response["headers"], body_of(EXCHANGES[id][0]))

    assert_fails_as(caught.value, expected)


def test_the_recordings_are_there_in_numbers() -> None:
    assert len(STREAMED) >= 60
    assert len(PLAIN) >= 100
