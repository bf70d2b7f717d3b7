"""The events of one streamed response, read into chunks.

The answer is whole with response.completed or response.incomplete;
response.failed and an event of the type `error` are errors. Every other end is
StreamTruncated. Events of types that mean nothing here (the steps of hosted
tools, the ends of texts that the deltas have told) are passed over.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import orjson

from ..chat import Chunk
from ..json_reading import read_json
from .event_stream import EventStream
from .responses_answer import answer_chunks
from .responses_errors import error_event, failure_of
from .responses_items import OutputItems
from .sse import MAX_EVENT

__all__ = ["ResponsesDecoder"]

_TEXT = "response.output_text.delta"


class ResponsesDecoder(EventStream):
    """A `Decoder` of streamed responses, which says what it promises.

    `max_event` bounds one event, and a body that is no stream, in bytes;
    `skip_malformed` is how many events that are no JSON are passed over.
    """

    __slots__ = ("_items",)

    _usual: ClassVar[str] = _TEXT
    _usual_line: ClassVar[bytes] = b"event: response.output_text.delta\n"

    _none_of: ClassVar[str] = "none of the Responses wire"

    def __init__(self, *, max_event: int = MAX_EVENT, skip_malformed: int = 0) -> None:
        super().__init__(max_event, skip_malformed)
        self._items = OutputItems()

    def _take_event(self, data: bytes, kind: str, chunks: list[Chunk]) -> None:
        self._events += 1
        try:
            frame = read_json(data)
        except orjson.JSONDecodeError:
            if data.strip() == b"[DONE]":  # another wire's word, which some gateways add
                raise self._truncated("[DONE] came") from None
            frame = self._mended(data, kind)
        if type(frame) is not dict:
            raise self._foreign(frame, data, kind)
        named = frame.get("type")
        if named == _TEXT:
            self._items.text(frame, chunks)
            return
        if named is None:
            if frame.get("error") or (frame and kind == "message"):
                raise self._foreign(frame, data, kind)
            named = kind
        self._take_frame(named, frame, chunks)

    def _take_frame(self, kind: Any, frame: Mapping[str, Any], chunks: list[Chunk]) -> None:
        items = self._items
        match kind:
            case "response.output_text.delta":
                items.text(frame, chunks)
            case "response.function_call_arguments.delta" | "response.function_call_arguments.done":
                items.arguments(frame, chunks)
            case "response.reasoning_summary_text.delta" | "response.reasoning_text.delta":
                items.thinking(frame, chunks)
            case "response.refusal.delta":
                items.refusal(frame, chunks)
            case "response.output_item.added":
                items.start_item(frame, chunks)
            case "response.output_item.done":
                items.stop_item(frame, chunks)
            case "response.created" | "response.queued" | "response.in_progress":
                items.start(_response(frame), chunks)
            case "response.completed":
                self._whole = True
                items.end(_response(frame), chunks)
            case "response.incomplete":
                self._whole = True
                items.end({**_response(frame), "status": "incomplete"}, chunks)
            case "response.failed" | "response.cancelled":
                items.count(_response(frame), chunks)
                raise failure_of(_response(frame))
            case "error":
                raise error_event(frame)
            case _:
                pass

    def _end_of_events(self) -> list[Chunk]:
        raise self._truncated("the stream ended")

    def _take_body(self, body: bytes) -> list[Chunk]:
        return answer_chunks(200, {}, body)


def _response(frame: Mapping[str, Any]) -> Mapping[str, Any]:
    response = frame.get("response")
    return response if isinstance(response, Mapping) else {}
