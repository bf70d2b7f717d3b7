"""The events of one streamed message, read into chunks.

The answer is whole with message_stop, or when a stop_reason was seen and then
the end of the stream. Every other end is StreamTruncated. Events and deltas of
unknown types are passed over, as the documentation demands; what comes after
message_stop is not read.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import orjson

from ..chat import Chunk, Heartbeat
from ..errors import ProviderError
from ..json_reading import read_json
from .anthropic_answer import answer_chunks
from .anthropic_errors import error_in_stream
from .anthropic_message import MessageEvents
from .event_stream import EventStream
from .sse import MAX_EVENT

__all__ = ["AnthropicDecoder"]


class AnthropicDecoder(EventStream):
    """A `Decoder` of streamed messages, which says what it promises.

    `max_event` bounds one event, and a body that is no stream, in bytes.
    """

    __slots__ = ("_message",)

    _usual: ClassVar[str] = "content_block_delta"
    _usual_line: ClassVar[bytes] = b"event: content_block_delta\n"

    _none_of: ClassVar[str] = "none of Anthropic's"

    def __init__(self, *, max_event: int = MAX_EVENT) -> None:
        super().__init__(max_event)
        self._message = MessageEvents()

    def _take_event(self, data: bytes, kind: str, chunks: list[Chunk]) -> None:
        self._events += 1
        try:
            frame = read_json(data)
        except orjson.JSONDecodeError:
            if data.strip() == b"[DONE]":  # OpenAI's word, which some gateways add
                chunks += self._end_of_events()
                return
            frame = self._mended(data, kind)
        if type(frame) is not dict or kind == "error":
            raise self._foreign(frame, data, kind)
        named = frame.get("type")
        if named is None:
            if frame.get("error") or (frame and kind == "message"):
                raise self._foreign(frame, data, kind)
            named = kind
        self._take_frame(named, frame, chunks)

    def _take_frame(self, kind: Any, frame: Mapping[str, Any], chunks: list[Chunk]) -> None:
        message = self._message
        index = frame.get("index")
        index = index if type(index) is int else None
        match kind:
            case "content_block_delta":
                delta = frame.get("delta")
                if type(delta) is dict:
                    message.take_delta(index, delta, chunks)
            case "content_block_start":
                message.start_block(index, frame.get("content_block"), chunks)
            case "content_block_stop":
                message.stop_block(index, chunks)
            case "message_start":
                begun = frame.get("message")
                message.start(begun if isinstance(begun, Mapping) else {}, chunks)
            case "message_delta":
                message.change(frame.get("delta"), frame.get("usage"), chunks)
            case "message_stop":
                if not message.started:
                    raise self._truncated("message_stop came")
                chunks += self._end()
            case "ping":
                chunks.append(Heartbeat())
            case "error":
                raise error_in_stream(frame)
            case _:
                pass

    def _end_of_events(self) -> list[Chunk]:
        if self._message.raw_finish is None:
            raise self._truncated("the stream ended")
        return self._end()

    def _end(self) -> list[Chunk]:
        self._whole = True
        chunks: list[Chunk] = []
        self._message.end(chunks)
        return chunks

    def _take_body(self, body: bytes) -> list[Chunk]:
        return answer_chunks(200, {}, body)

    def _error_in(self, frame: Any) -> ProviderError:
        return error_in_stream(frame)
