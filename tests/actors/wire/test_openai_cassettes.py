"""Recorded exchanges of a dozen OpenAI-compatible providers read as the official SDK read them.

The recordings lie beside the checkout on machines that have them. Where our
reading differs from the SDK's, it is named here with its reason.
"""

import json
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from trouper.actors.chat import Completion, ThinkingPart, ToolCallPart
from trouper.actors.errors import ErrorKind, ProviderError
from trouper.actors.wire.assembly import Assembly
from trouper.actors.wire.openai import OpenAICodec

ROOT = Path(__file__).resolve().parents[4] / "shared" / "cassettes"

pytestmark = pytest.mark.skipif(not ROOT.is_dir(), reason=f"no recorded exchanges at {ROOT}")

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


def rows(path: Path) -> list[dict[str, Any]]:
    with path.open() as lines:
        return [json.loads(line) for line in lines]


def exchanges() -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    if not ROOT.is_dir():
        return {}
    index = rows(ROOT / "index.jsonl")
    expected = rows(ROOT / "expected.jsonl")
    paths = {row["id"]: row["path"] for row in index if row["endpoint"] == "chat.completions"}
    return {
        row["id"]: (json.loads((ROOT / paths[row["id"]]).read_text()), row)
        for row in expected
        if row["id"] in paths
    }


EXCHANGES = exchanges()
STREAMED = [id for id, (exchange, _) in EXCHANGES.items() if exchange["flags"]["stream"]]
PLAIN = [id for id in EXCHANGES if id not in STREAMED]


def body_of(id: str) -> bytes:
    return str(EXCHANGES[id][0]["response"]["body"]).encode()


def at_random(body: bytes, seed: int) -> Iterable[bytes]:
    dice = random.Random(seed)
    place = 0
    while place < len(body):
        size = dice.randint(1, 17)
        yield body[place : place + size]
        place += size


def by_mode(body: bytes, mode: str) -> Iterable[bytes]:
    match mode.partition("-"):
        case "byte", _, _:
            return (body[i : i + 1] for i in range(len(body)))
        case "rand", _, seed:
            return at_random(body, int(seed))
        case "line", _, _:
            return body.splitlines(keepends=True)
        case "crlf", _, _:
            return body.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n").splitlines(keepends=True)
        case _:
            return (body,)


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


MODES = ["whole", "byte", "rand-1", "rand-2", "rand-3", "line", "crlf"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("id", STREAMED)
def test_a_recorded_stream_reads_as_the_sdk_read_it(id: str, mode: str) -> None:
    expected = EXCHANGES[id][1]
    parts = by_mode(body_of(id), mode)
    if expected["ok"]:
        assert_reads_as(read(parts), expected, streamed=True)
        return

    with pytest.raises(ProviderError) as caught:
        read(parts)

    assert_fails_as(caught.value, expected)


@pytest.mark.parametrize("id", PLAIN)
def test_a_recorded_plain_answer_reads_as_the_sdk_read_it(id: str) -> None:
    exchange, expected = EXCHANGES[id]
    response = exchange["response"]
    if expected["ok"] or id == BLOCKED_WITHOUT_A_MESSAGE:
        completion = OpenAICodec().parse(response["status"], response["headers"], body_of(id))
        if expected["ok"]:
            assert_reads_as(completion, expected, streamed=False)
        else:
            assert (completion.text, completion.raw_finish) == ("", "content_filter")
        return

    with pytest.raises(ProviderError) as caught:
        OpenAICodec().parse(response["status"], response["headers"], body_of(id))

    assert_fails_as(caught.value, expected)


def test_the_recordings_are_there_in_numbers() -> None:
    assert len(STREAMED) >= 60
    assert len(PLAIN) >= 100
