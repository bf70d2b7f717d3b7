"""One event of a stream that cannot be read: the wrong server, or a fault in a right one's answer."""

import pickle

import pytest

from trouper.actors.errors import ErrorKind, ProviderError, StreamGarbled
from trouper.actors.wire.anthropic import AnthropicCodec
from trouper.actors.wire.codec import Codec
from trouper.actors.wire.ollama import OllamaCodec
from trouper.actors.wire.openai import OpenAICodec
from trouper.actors.wire.responses import ResponsesCodec

CODECS: dict[str, tuple[Codec, bytes, bytes]] = {
    "openai": (
        OpenAICodec(),
        b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n',
        b'data: {"choices":[{"index"\n\n',
    ),
    "openai, another wire's": (
        OpenAICodec(),
        b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n',
        b"data: 7\n\n",
    ),
    "anthropic": (
        AnthropicCodec(max_tokens_default=16),
        b'event: message_start\ndata: {"type":"message_start","message":{"id":"m","usage":{}}}\n\n',
        b'event: content_block_delta\ndata: {"type":"content_block_d\n\n',
    ),
    "anthropic, a block that had not begun": (
        AnthropicCodec(max_tokens_default=16),
        b'event: message_start\ndata: {"type":"message_start","message":{"id":"m","usage":{}}}\n\n',
        b'data: {"type":"content_block_delta","index":4,"delta":{"partial_json":"{"}}\n\n',
    ),
    "responses": (
        ResponsesCodec(),
        b'data: {"type":"response.created","response":{"id":"r"}}\n\n',
        b'data: {"type":"response.out\n\n',
    ),
    "responses, a call that had not begun": (
        ResponsesCodec(),
        b'data: {"type":"response.created","response":{"id":"r"}}\n\n',
        b'data: {"type":"response.function_call_arguments.delta","output_index":4,"delta":"{"}\n\n',
    ),
    "ollama": (
        OllamaCodec(),
        b'{"model":"m","message":{"role":"assistant","content":"a"},"done":false}\n',
        b'{"model":"m","mess\n',
    ),
}
ALL = pytest.mark.parametrize(("codec", "good", "bad"), CODECS.values(), ids=CODECS)
BROKEN_JSON = pytest.mark.parametrize(
    ("codec", "good", "bad"),
    [CODECS[wire] for wire in ("openai", "anthropic", "responses", "ollama")],
)


def failure(codec: Codec, data: bytes) -> ProviderError:
    decoder = codec.stream()
    decoder.feed(data)
    with pytest.raises(ProviderError) as caught:
        decoder.eof()
    return caught.value


@ALL
def test_an_event_that_cannot_be_read_after_one_that_could_may_be_asked_for_again(
    codec: Codec, good: bytes, bad: bytes
) -> None:
    error = failure(codec, good + bad + good)

    assert isinstance(error, StreamGarbled)
    assert (error.kind, error.retryable) == (ErrorKind.PROTOCOL_ERROR, True)
    assert (error.in_stream, error.phase, error.billed) == (True, "stream", "maybe")
    assert "ask again" in str(error)
    assert "base_url" not in str(error)


@BROKEN_JSON
def test_a_first_event_that_cannot_be_read_says_that_it_is_the_wrong_server(
    codec: Codec, good: bytes, bad: bytes
) -> None:
    error = failure(codec, bad + good)

    assert not isinstance(error, StreamGarbled)
    assert (error.kind, error.retryable) == (ErrorKind.PROTOCOL_ERROR, False)
    assert "check base_url" in str(error)


def test_the_error_stays_what_it_is_when_it_is_pickled_and_the_servers_word_outranks_it() -> None:
    error = pickle.loads(pickle.dumps(StreamGarbled(message="event 3", should_retry=False)))

    assert isinstance(error, StreamGarbled)
    assert (error.message, error.retryable) == ("event 3", False)
