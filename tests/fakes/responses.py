"""Streams of OpenAI's Responses, put together event by event, and read back."""

import json
from collections.abc import Iterable
from typing import Any

from trouper.actors.chat import Chunk, Completion
from trouper.actors.wire.assembly import Assembly
from trouper.actors.wire.codec import Decoder
from trouper.actors.wire.responses import ResponsesCodec

__all__ = ["added", "completion", "decode", "done", "event", "response", "said", "text"]


def event(kind: str, /, **members: Any) -> bytes:
    """One event, as the wire has it."""
    frame = json.dumps({"type": kind, **members}, ensure_ascii=False)
    return f"event: {kind}\ndata: {frame}\n\n".encode()


def response(kind: str, /, **members: Any) -> bytes:
    """An event that holds the response: created, completed and the like."""
    told = {"id": "resp_1", "model": "m-1", "output": [], **members}
    return event(f"response.{kind}", response=told)


def added(index: int | None, /, **item: Any) -> bytes:
    """An item begins."""
    return event("response.output_item.added", output_index=index, item=item)


def done(index: int | None, /, **item: Any) -> bytes:
    """An item is whole."""
    return event("response.output_item.done", output_index=index, item=item)


def text(index: int | None, delta: str, content_index: int = 0) -> bytes:
    """Text goes on."""
    return event(
        "response.output_text.delta", output_index=index, content_index=content_index, delta=delta
    )


def said(*texts: str, **members: Any) -> dict[str, Any]:
    """A message item that is done."""
    content = [{"type": "output_text", "text": text, "annotations": []} for text in texts]
    return {"type": "message", "id": "msg_1", "role": "assistant", "content": content, **members}


def decode(parts: Iterable[bytes]) -> list[Chunk]:
    """All chunks of a stream in these parts."""
    decoder: Decoder = ResponsesCodec().stream()
    chunks = [chunk for part in parts for chunk in decoder.feed(part)]
    return chunks + decoder.eof()


def completion(*parts: bytes) -> Completion:
    """What a stream of these events amounts to."""
    assembly = Assembly()
    assembly.extend(decode(parts))
    return assembly.completion()
