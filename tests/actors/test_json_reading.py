"""What is read as JSON can be written again, and what cannot is refused to who sent it."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import given, strategies as st

from trouper.actors.chat import ChatRequest, Finish, Message, OpaquePart, TextPart, ToolCallPart
from trouper.actors.errors import ProviderError
from trouper.actors.json_reading import DEEPEST, NestedTooDeeply, read_json
from trouper.actors.session.record import Answered
from trouper.actors.session.record_codec import read_record, write_record
from trouper.actors.store.journal import StoredEvent
from trouper.actors.wire.anthropic import AnthropicCodec
from trouper.actors.wire.codec import Codec
from trouper.actors.wire.jsonrpc import PARSE_ERROR, RpcFault, decode
from trouper.actors.wire.ollama import OllamaCodec
from trouper.actors.wire.openai import OpenAICodec
from trouper.actors.wire.openai_served_request import RefusedRequest, read_served_request
from trouper.actors.wire.openai_values import arguments_of
from trouper.actors.wire.responses import ResponsesCodec

CODECS: list[Codec] = [
    OpenAICodec(),
    ResponsesCodec(),
    AnthropicCodec(max_tokens_default=16),
    OllamaCodec(),
]
TOO_DEEP = [DEEPEST + 1, 255, 400, 1_000, 100_000]


def nested(levels: int) -> str:
    return "[" * levels + "]" * levels


@pytest.mark.parametrize("levels", [1, DEEPEST // 2, DEEPEST])
def test_what_is_nested_as_deeply_as_it_may_be_is_read(levels: int) -> None:
    text = nested(levels)

    assert orjson.dumps(read_json(text)).decode() == text
    assert read_json(text.encode()) == read_json(text)


@pytest.mark.parametrize("levels", TOO_DEEP)
def test_what_is_nested_more_deeply_is_refused_as_what_is_no_json_is(levels: int) -> None:
    for text in (nested(levels), nested(levels).encode()):
        with pytest.raises(orjson.JSONDecodeError) as caught:
            read_json(text)
        if levels < 1_024:  # which orjson does not read itself
            assert isinstance(caught.value, NestedTooDeeply)
            assert caught.value.msg == "nested more than 128 levels deep"


def test_brackets_within_text_and_beside_each_other_are_no_levels() -> None:
    value = {"text": "[{" * 1_000, "rows": [[{}]] * 1_000}

    assert read_json(orjson.dumps(value)) == value


@given(st.recursive(st.none() | st.text(), st.lists, max_leaves=30))
def test_everything_else_is_read_as_it_was_written(value: Any) -> None:
    assert read_json(orjson.dumps(value)) == value


def from_deep_within(levels: int, then: Callable[[], Any]) -> Any:
    """Called as deep in the stack as the actors of a program may be."""
    return then() if levels == 0 else from_deep_within(levels - 1, then)


def test_what_a_provider_sent_can_be_kept_and_goes_back() -> None:
    # The bug: a journal could not write what a wire had read, which ended the session.
    part = OpaquePart("openai", {"type": "odd", "deep": read_json(nested(DEEPEST))})
    message = Message("assistant", (part, TextPart("so")))
    record = Answered(
        turn=1, first=2, seq=2, cuts=(), message=message, finish=Finish.STOP, target="p/m"
    )

    written = from_deep_within(200, lambda: write_record(record, 0.0))

    stored = StoredEvent(1, written.kind, written.v, written.at, written.body)
    assert from_deep_within(200, lambda: read_record("s", stored)) == record
    asked = ChatRequest(model="m", messages=(Message("user", (TextPart("?"),)), message))
    for codec in CODECS:
        assert codec.encode(asked, stream=False).body


def test_arguments_that_a_server_sent_as_an_object_become_text() -> None:
    deep = read_json(nested(DEEPEST))

    assert arguments_of({"a": deep}) == f'{{"a":{nested(DEEPEST)}}}'


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: type(codec).__name__)
@pytest.mark.parametrize("levels", TOO_DEEP)
def test_an_answer_that_is_nested_too_deeply_is_a_fault_of_its_provider(
    codec: Codec, levels: int
) -> None:
    deep = nested(levels)
    call = f'[{{"function": {{"name": "f", "arguments": {{"a": {deep}}}}}}}]'
    message = f'{{"role": "assistant", "content": {deep}, "tool_calls": {call}}}'
    whole = f'{{"model": "m", "message": {message}, "choices": [{{"message": {message}}}]}}'
    for status in (200, 400):
        with pytest.raises(ProviderError):
            codec.parse(status, {}, whole.encode())
    decoder = codec.stream()
    with pytest.raises(ProviderError):
        decoder.feed(f"event: message_start\ndata: {whole}\n\n{whole}\n\n".encode())
        decoder.eof()


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: type(codec).__name__)
@pytest.mark.parametrize("levels", TOO_DEEP)
def test_arguments_that_are_nested_too_deeply_do_not_poison_the_conversation(
    codec: Codec, levels: int
) -> None:
    # The bug: each later request was refused, as one that cannot be written as JSON.
    call = ToolCallPart("call_1", "f", f'{{"a": {nested(levels)}}}')
    messages = (Message("user", (TextPart("?"),)), Message("assistant", (call,)))

    assert codec.encode(ChatRequest(model="m", messages=messages), stream=False).body
    assert call.fault


@pytest.mark.parametrize("levels", TOO_DEEP)
def test_a_client_that_nests_too_deeply_is_told(levels: int) -> None:
    with pytest.raises(RpcFault) as fault:
        decode(f'{{"jsonrpc": "2.0", "id": 1, "method": "m", "params": {{"a": {nested(levels)}}}}}')
    assert fault.value.code == PARSE_ERROR

    with pytest.raises(RefusedRequest, match="not valid JSON"):
        read_served_request(f'{{"model": "m", "messages": {nested(levels)}}}'.encode())
