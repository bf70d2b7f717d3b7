"""What real servers do beside the documentation, each shown on the recordings that have it.

That these read as a whole as the official SDKs read them is shown elsewhere
(test_*_cassettes.py); here each habit has a name, and leaving it out of the
body changes what it may change and nothing else.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import attrs
import pytest

from tests.fakes.recordings import body_of, needs_recordings, recorded
from trouper.actors.chat import (
    Completion,
    Finish,
    OpaquePart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
)
from trouper.actors.errors import ErrorKind, ProviderError, StreamTruncated
from trouper.actors.wire.anthropic import AnthropicCodec
from trouper.actors.wire.assembly import Assembly
from trouper.actors.wire.codec import Codec
from trouper.actors.wire.openai import OpenAICodec

pytestmark = needs_recordings

OPENAI = OpenAICodec()
ANTHROPIC = AnthropicCodec(max_tokens_default=1024)

CHAT = {id: one for id, one in recorded("chat.completions").items() if one["flags"]["stream"]}
MESSAGES = {id: one for id, one in recorded("messages").items() if one["flags"]["stream"]}

# Several answers in one body: see test_anthropic_cassettes.py.
GLUED = {"1ad9d019e587", "5d1aab4e863c", "7d01976dd1cf", "97137d47a378", "e72eeddb38c7"}

ERRORS = ["6c21ee5a1e78", "aa53db65f667"]
SNOWFLAKE = ["d99523e814d2", "f490fae3cb46"]


def read(codec: Codec, body: bytes) -> Completion:
    decoder, assembly = codec.stream(), Assembly()
    assembly.extend(decoder.feed(body))
    assembly.extend(decoder.eof())
    return assembly.completion()


def having(exchanges: dict[str, dict[str, Any]], pattern: str, *but: str) -> list[str]:
    """Which of them have this in their bodies."""
    return [
        id
        for id, one in exchanges.items()
        if re.search(pattern, one["response"]["body"], re.MULTILINE) and id not in but
    ]


def parts_of(completion: Completion, kind: type[Any]) -> list[Any]:
    return [part for part in completion.message.parts if isinstance(part, kind)]


def events_of(body: bytes) -> Iterator[dict[str, Any]]:
    for line in body.decode().splitlines():
        if line.startswith("data: {"):
            yield json.loads(line.removeprefix("data: "))


# Chat completions.


@pytest.mark.parametrize("ending", [b"", b"data: [DONE]\n\n"])
@pytest.mark.parametrize("id", ERRORS)
def test_an_error_within_a_stream_of_status_200_is_an_error(id: str, ending: bytes) -> None:
    with pytest.raises(ProviderError) as caught:
        read(OPENAI, body_of(CHAT[id]) + ending)

    assert (caught.value.kind, caught.value.in_stream) == (ErrorKind.INVALID_REQUEST, True)
    assert caught.value.code == "tool_use_failed"


@pytest.mark.parametrize("id", having(CHAT, r'"finish_reason":\s*"', *ERRORS))
def test_an_answer_is_whole_without_done(id: str) -> None:
    """Of the recordings only Perplexity leaves it out; none needs it."""
    body = body_of(CHAT[id])

    assert told(read(OPENAI, body.replace(b"data: [DONE]", b""))) == told(read(OPENAI, body))


def test_perplexity_ends_its_lines_with_crlf_and_its_streams_with_nothing() -> None:
    body = body_of(CHAT["1293379da67f"])
    assert b"\r\n" in body
    assert b"[DONE]" not in body

    assert read(OPENAI, body).finish is Finish.STOP


@pytest.mark.parametrize("id", having(CHAT, r'"choices":\s*\[\]', *SNOWFLAKE))
def test_a_chunk_without_choices_brings_totals_at_most(id: str) -> None:
    body = body_of(CHAT[id])
    without = re.sub(rb'data: [^\n]*"choices":\s*\[\][^\n]*\n\n', b"", body)
    assert without != body

    completion = read(OPENAI, body)

    assert told(attrs.evolve(read(OPENAI, without), usage=None, service_tier=None)) == told(
        attrs.evolve(completion, usage=None, service_tier=None)
    )


@pytest.mark.parametrize("id", SNOWFLAKE)
def test_snowflake_gives_no_reason_and_its_totals_end_an_answer(id: str) -> None:
    body = body_of(CHAT[id])
    completion = read(OPENAI, body)

    assert (completion.text != "", completion.raw_finish) == (True, None)
    assert completion.usage is not None
    with pytest.raises(StreamTruncated):
        read(OPENAI, re.sub(rb'data: [^\n]*"choices":\s*\[\][^\n]*\n\n', b"", body))


@pytest.mark.parametrize("id", having(CHAT, "^:"))
def test_comments_say_nothing(id: str) -> None:
    body = body_of(CHAT[id])

    assert read(OPENAI, re.sub(rb"(?m)^:[^\n]*\n", b"", body)) == read(OPENAI, body)


@pytest.mark.parametrize("id", having(CHAT, r'"delta":\s*\{[^\n]*"content":\s*\['))
def test_content_in_parts_is_read_as_thoughts_and_text(id: str) -> None:
    thought, said = "", ""
    for event in events_of(body_of(CHAT[id])):
        deltas = [choice["delta"] for choice in event["choices"][:1]]
        content: Any = deltas[0].get("content") if deltas else None
        listed: list[Any] = content if isinstance(content, list) else [{"text": content or ""}]
        for part in listed:
            thought += "".join(each.get("text", "") for each in part.get("thinking", ()))
            said += part.get("text", "")
    assert said + thought

    completion = read(OPENAI, body_of(CHAT[id]))

    assert completion.text == said
    assert "".join(part.text for part in parts_of(completion, ThinkingPart)) == thought


@pytest.mark.parametrize("id", having(CHAT, r'"reasoning(_content)?":\s*"[^"]', *ERRORS))
def test_reasoning_is_read_under_each_of_its_names(id: str) -> None:
    assert parts_of(read(OPENAI, body_of(CHAT[id])), ThinkingPart)


@pytest.mark.parametrize("id", ["33da728621d7", "3bb3e0637434", "4ca0ad22d353", "eea6071c9f3c"])
def test_calls_of_tools_are_kept_apart_and_whole(id: str) -> None:
    """Two at a time, and one whose deltas have no index near them."""
    calls = parts_of(read(OPENAI, body_of(CHAT[id])), ToolCallPart)

    assert len({call.id for call in calls}) == (1 if id == "4ca0ad22d353" else 2)
    assert [call.fault for call in calls] == [None] * len(calls)


# Messages.


@pytest.mark.parametrize("id", having(MESSAGES, "^event: ping", *GLUED))
def test_a_ping_says_nothing(id: str) -> None:
    body = body_of(MESSAGES[id])
    without = re.sub(rb"event: ping\r?\ndata: [^\n]*\n\r?\n", b"", body)
    assert b"event: ping" not in without

    assert read(ANTHROPIC, without) == read(ANTHROPIC, body)


@pytest.mark.parametrize("id", having(MESSAGES, "signature_delta", *GLUED))
def test_a_thoughts_signature_is_kept_letter_by_letter(id: str) -> None:
    body = body_of(MESSAGES[id])
    deltas = [event["delta"] for event in events_of(body) if event["type"].endswith("block_delta")]
    signatures = [delta["signature"] for delta in deltas if delta["type"] == "signature_delta"]

    thoughts = parts_of(read(ANTHROPIC, body), ThinkingPart)

    assert [part.signature for part in thoughts if not part.redacted] == signatures


@pytest.mark.parametrize("id", having(MESSAGES, '"redacted_thinking"', *GLUED))
def test_a_redacted_thought_is_kept_to_be_sent_back(id: str) -> None:
    body = body_of(MESSAGES[id])
    blocks = [event.get("content_block", {}) for event in events_of(body)]
    data = [block["data"] for block in blocks if block.get("type") == "redacted_thinking"]

    thoughts = parts_of(read(ANTHROPIC, body), ThinkingPart)

    assert [part.signature for part in thoughts if part.redacted] == data


@pytest.mark.parametrize("id", having(MESSAGES, '"server_tool_use","?id|"citations_delta"', *GLUED))
def test_a_servers_tools_and_citations_are_kept_as_they_came(id: str) -> None:
    assert parts_of(read(ANTHROPIC, body_of(MESSAGES[id])), OpaquePart)


@pytest.mark.parametrize("id", ["8b93e3b21aaa", "a65c90135ec7"])
def test_a_refusal_is_no_answer_that_stopped(id: str) -> None:
    exchange = recorded("messages")[id]
    if exchange["flags"]["stream"]:
        completion = read(ANTHROPIC, body_of(exchange))
    else:
        completion = ANTHROPIC.parse(200, {}, body_of(exchange))

    assert (completion.finish, completion.raw_finish) == (Finish.REFUSAL, "refusal")


# Both.


@pytest.mark.parametrize(("codec", "exchanges"), [(OPENAI, CHAT), (ANTHROPIC, MESSAGES)])
def test_every_reason_that_a_stream_has_ended_with_is_known(
    codec: Codec, exchanges: dict[str, dict[str, Any]]
) -> None:
    for id, exchange in exchanges.items():
        if id not in (*ERRORS, *SNOWFLAKE):
            assert read(codec, body_of(exchange)).finish is not Finish.UNKNOWN, id


def told(completion: Completion) -> tuple[object, ...]:
    """What can be compared: ids that were made up here are not the same twice."""
    parts = [
        attrs.evolve(part, id="") if isinstance(part, ToolCallPart) else part
        for part in completion.message.parts
    ]
    assert all(part != TextPart("") for part in parts)
    return parts, completion.finish, completion.raw_finish, completion.usage
