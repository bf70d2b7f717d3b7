"""What OpenAI's wires cost: a chunk of a stream into an event, a request into its body."""

import json
from collections.abc import Callable, Iterator

from trouper.actors.chat import ChatRequest, Message, TextPart
from trouper.actors.wire.assembly import Assembly
from trouper.actors.wire.codec import Codec
from trouper.actors.wire.openai import OpenAICodec
from trouper.actors.wire.responses import ResponsesCodec

from .harness import Row, Side, at_most, compare, cpu, measure

# A chunk as OpenAI sends it with include_usage and obfuscation on: 337 bytes of JSON.
CHUNK = (
    b'{"id":"chatcmpl-C1KMEUDb1vVwsROQUCZTgG6A6vtWo","object":"chat.completion.chunk",'
    b'"created":1754432618,"model":"gpt-4o-2024-08-06","service_tier":"default",'
    b'"system_fingerprint":"fp_ff25b2783a","usage":null,"choices":[{"index":0,'
    b'"delta":{"content":" much"},"logprobs":null,"finish_reason":null}],'
    b'"obfuscation":"8RXlE4Z5NTabcdefghijklmnopq"}'
)
EVENT = b"data: " + CHUNK + b"\n\n"

# The same of Responses: 243 bytes of JSON, and a line that names the type.
RESPONSES_EVENT = (
    b"event: response.output_text.delta\n"
    b'data: {"type":"response.output_text.delta","sequence_number":6,'
    b'"item_id":"msg_0149c5fe3ad7762400695cb5b7dfd88196bf4e6587d59c4958","output_index":1,'
    b'"content_index":0,"delta":" much","logprobs":[],"obfuscation":"Fm7p3pIPFiVk7"}\n\n'
)

READS = 20_000
HISTORY = 200  # messages, 430 characters each: 86 KB, as the reference conversation
TURNS = 200


def decoding(events_a_read: int, codec: Codec | None = None, event: bytes = EVENT) -> float:
    """Microseconds a chunk, from bytes to TextDelta."""
    decoder = (codec or OpenAICodec()).stream()
    data = event * events_a_read
    decoder.feed(data)
    reads = READS // events_a_read
    with cpu() as spent:
        for _ in range(reads):
            decoder.feed(data)
    return spent.microseconds / (reads * events_a_read)


def decoding_responses(events_a_read: int) -> float:
    """The same on the Responses wire."""
    return decoding(events_a_read, ResponsesCodec(), RESPONSES_EVENT)


def plain_json() -> float:
    """The least that anybody would write: split lines, json.loads, three look-ups."""
    texts: list[str] = []
    with cpu() as spent:
        for _ in range(READS):
            for line in EVENT.split(b"\n"):
                if line.startswith(b"data: "):
                    frame = json.loads(line[6:])
                    texts.append(frame["choices"][0]["delta"]["content"])
    return spent.microseconds / READS


def answer_of(chunks: int) -> Side:
    """Microseconds a chunk of one whole answer, decoded and put together."""

    def side() -> float:
        answers = READS // chunks
        with cpu() as spent:
            for _ in range(answers):
                decoder, assembly = OpenAICodec().stream(), Assembly()
                for _ in range(chunks):
                    assembly.extend(decoder.feed(EVENT))
                assembly.completion()
        return spent.microseconds / (answers * chunks)

    return side


def next_turns(make: Callable[[], Codec], *, known: bool) -> float:
    """Microseconds to encode a request whose history has been sent before, or has not."""
    history = [Message("user", (TextPart("word " * 86),)) for _ in range(HISTORY)]
    codec = make()
    codec.encode(ChatRequest(model="m", messages=tuple(history)), stream=True)
    requests = [
        ChatRequest(model="m", messages=(*history, Message("user", (TextPart(str(turn)),))))
        for turn in range(TURNS)
    ]
    with cpu() as spent:
        for request in requests:
            (codec if known else make()).encode(request, stream=True)
    return spent.microseconds / TURNS


def rows() -> Iterator[Row]:
    """Goal 13: a chunk into an event in 2 us; a turn costs its new message."""
    yield measure("chunk to event, 1 a read", lambda: decoding(1), goal=at_most(2.0), unit="us")
    yield measure("chunk to event, 16 a read", lambda: decoding(16), goal=at_most(2.0), unit="us")
    yield measure(
        "Responses event, 1 a read", lambda: decoding_responses(1), goal=at_most(2.0), unit="us"
    )
    yield measure(
        "Responses event, 16 a read", lambda: decoding_responses(16), goal=at_most(2.0), unit="us"
    )
    yield compare(
        "chunk to event : json.loads and dicts",
        lambda: decoding(1),
        plain_json,
        goal=at_most(1.0),
        unit="us",
    )
    yield compare(
        "chunk of an answer of 5,000 : of 500",
        answer_of(5_000),
        answer_of(500),
        goal=at_most(1.2),
        unit="us",
    )
    yield compare(
        "request after 200 messages : all new",
        lambda: next_turns(OpenAICodec, known=True),
        lambda: next_turns(OpenAICodec, known=False),
        goal=at_most(0.25),
        unit="us",
    )
    yield compare(
        "the same on the Responses wire",
        lambda: next_turns(ResponsesCodec, known=True),
        lambda: next_turns(ResponsesCodec, known=False),
        goal=at_most(0.25),
        unit="us",
    )
