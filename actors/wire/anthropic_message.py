"""The events of one message, as chunks.

A block of text, of thinking or of a tool call becomes a part of ours; every
other one (server tools and their results, what is yet to be invented) an
OpaquePart, which goes back as it came. What our parts have no room for
(citations) follows its block as an OpaquePart of type BESIDE.
"""

from collections.abc import Mapping
from typing import Any

import attrs
import orjson

from ..chat import (
    Chunk,
    Finished,
    OpaquePart,
    PartDone,
    RefusalDelta,
    Started,
    TextDelta,
    ThinkingDelta,
    ThinkingPart,
    ThinkingSignature,
    ToolArgsDelta,
    ToolCallPart,
    ToolCallStarted,
    UsageUpdate,
)
from ..errors import StreamGarbled
from ..json_reading import read_json
from .anthropic_values import BESIDE, ORIGIN, finish_of, merged_usage, usage_of
from .openai_values import mint_call_id

__all__ = ["MessageEvents"]

# What kind of block a delta belongs to that comes before its block has begun.
_IMPLIED = {"text_delta": "text", "thinking_delta": "thinking"}

# Whom a tool is called by unless the call says otherwise: the model itself.
_DIRECT = {"type": "direct"}


@attrs.define(eq=False)
class _Block:
    """A block that has begun: as it came, and what its deltas have brought since."""

    part: int
    kind: str
    raw: dict[str, Any]
    json: list[str] = attrs.field(factory=list[str])


class MessageEvents:
    """Takes the events of one message and adds to `chunks` what each of them gives."""

    __slots__ = ("_blocks", "_parts", "_usage", "raw_finish", "started")

    def __init__(self) -> None:
        self.started = False
        self.raw_finish: str | None = None
        self._blocks: dict[int | None, _Block] = {}
        self._parts = 0
        self._usage: Mapping[str, Any] = {}

    def start(self, message: Mapping[str, Any], chunks: list[Chunk]) -> None:
        """message_start. One that is repeated says nothing new."""
        if self.started:
            return
        self.started = True
        self._usage = merged_usage({}, message.get("usage"))
        tier = self._usage.get("service_tier")
        chunks.append(
            Started(
                id=str(message.get("id") or ""),
                model=str(message.get("model") or ""),
                service_tier=tier if isinstance(tier, str) and tier else None,
                origin=ORIGIN,
            )
        )
        if self._usage:
            chunks.append(UsageUpdate(usage_of(self._usage)))

    def start_block(self, index: int | None, block: Any, chunks: list[Chunk]) -> None:
        """content_block_start. What the block holds already is its first delta."""
        if not isinstance(block, Mapping):
            return
        self.stop_block(index, chunks)
        if not self.started:
            self.start({}, chunks)
        kind = str(block.get("type") or "")
        opened = self._blocks[index] = _Block(self._next_part(), kind, dict(block))
        match kind:
            case "text" | "thinking":
                self.take_delta(index, {"type": f"{kind}_delta", kind: block.get(kind)}, chunks)
                if block.get("signature"):
                    signed = {"type": "signature_delta", "signature": block["signature"]}
                    self.take_delta(index, signed, chunks)
            case "tool_use":
                opened.raw["id"] = call_id = str(block.get("id") or mint_call_id())
                opened.raw["name"] = name = str(block.get("name") or "")
                chunks.append(ToolCallStarted(opened.part, call_id, name))
            case _:
                pass  # its place among the parts is taken; it is told once it is whole

    def take_delta(self, index: int | None, delta: Mapping[str, Any], chunks: list[Chunk]) -> None:
        """content_block_delta. Raises StreamGarbled for one that belongs to no block."""
        kind = delta.get("type")
        block = self._blocks.get(index) or self._implied(index, kind, chunks)
        # Nearly every delta of an answer is this one.
        if kind == "text_delta" and block.kind == "text":
            if delta.get("text"):
                chunks.append(TextDelta(block.part, str(delta["text"])))
            return
        match block.kind, kind:
            case "thinking", "thinking_delta":
                if delta.get("thinking"):
                    chunks.append(ThinkingDelta(block.part, str(delta["thinking"])))
            case "thinking", "signature_delta":
                if delta.get("signature"):
                    chunks.append(ThinkingSignature(block.part, str(delta["signature"])))
            case _, "input_json_delta":
                fragment = delta.get("partial_json")
                if fragment and isinstance(fragment, str):
                    block.json.append(fragment)
                    if block.kind == "tool_use":
                        chunks.append(ToolArgsDelta(block.part, fragment))
            case _, "citations_delta":
                cited = block.raw.get("citations")
                cited = cited if isinstance(cited, list) else []
                block.raw["citations"] = cited
                cited.append(delta.get("citation"))
            case (("text" | "thinking" | "tool_use"), _):
                pass  # what is unknown is to be passed over, the documentation says
            case _:
                _merge(block.raw, delta)

    def stop_block(self, index: int | None, chunks: list[Chunk]) -> None:
        """content_block_stop. Nothing happens for a block that has not begun."""
        block = self._blocks.pop(index, None)
        if block is None:
            return
        match block.kind:
            case "thinking":
                return
            case "text":
                self._beside("citations", block.raw.get("citations"), chunks)
            case "tool_use":
                arguments = "".join(block.json)
                if not arguments.strip():
                    arguments = orjson.dumps(block.raw.get("input") or {}).decode()
                    chunks.append(ToolArgsDelta(block.part, arguments))
                call = ToolCallPart(block.raw["id"], block.raw["name"], arguments)
                chunks.append(PartDone(block.part, call))
                caller = block.raw.get("caller")
                self._beside("caller", None if caller == _DIRECT else caller, chunks)
            case "redacted_thinking":
                data = str(block.raw.get("data") or "")
                thought = ThinkingPart("", signature=data, redacted=True, origin=ORIGIN)
                chunks.append(PartDone(block.part, thought))
            case _:
                if block.json:
                    block.raw["input"] = _parsed("".join(block.json), block.raw.get("input"))
                chunks.append(PartDone(block.part, OpaquePart(ORIGIN, block.raw)))

    def change(self, delta: Any, usage: Any, chunks: list[Chunk]) -> None:
        """message_delta: why the message ends, and the counts so far."""
        if not self.started:
            self.start({}, chunks)
        if isinstance(delta, Mapping):
            reason = delta.get("stop_reason")
            if reason and isinstance(reason, str):
                self.raw_finish = reason
            details = delta.get("stop_details")
            if isinstance(details, Mapping):
                self._explain(details, chunks)
        if usage and isinstance(usage, Mapping):
            self._usage = merged_usage(self._usage, usage)
            chunks.append(UsageUpdate(usage_of(self._usage)))

    def end(self, chunks: list[Chunk]) -> None:
        """message_stop, or the end of a stream that has named its stop reason."""
        for index in list(self._blocks):
            self.stop_block(index, chunks)
        chunks.append(Finished(finish_of(self.raw_finish), self.raw_finish))

    def _next_part(self) -> int:
        part = self._parts
        self._parts += 1
        return part

    def _implied(self, index: int | None, kind: Any, chunks: list[Chunk]) -> _Block:
        if kind not in _IMPLIED:
            raise StreamGarbled(
                message=f"the provider went on with block {index!r}, which had not begun",
            )
        self.start_block(index, {"type": _IMPLIED[kind]}, chunks)
        return self._blocks[index]

    def _beside(self, name: str, value: Any, chunks: list[Chunk]) -> None:
        if value:
            raw = {"type": BESIDE, name: value}
            chunks.append(PartDone(self._next_part(), OpaquePart(ORIGIN, raw)))

    def _explain(self, details: Mapping[str, Any], chunks: list[Chunk]) -> None:
        """Why the model refuses, which is no text of the answer."""
        explanation = details.get("explanation")
        if details.get("type") == "refusal" and explanation and isinstance(explanation, str):
            part = self._next_part()
            chunks.append(RefusalDelta(part, explanation))
            raw = {**details, "refusal": explanation}
            chunks.append(PartDone(part, OpaquePart(ORIGIN, raw)))


def _merge(raw: dict[str, Any], delta: Mapping[str, Any]) -> None:
    """A delta of a kind that we do not know into its block: text goes on, all else replaces."""
    for name, value in delta.items():
        before = raw.get(name)
        if name == "type" or value is None:
            continue
        if isinstance(before, str) and isinstance(value, str):
            raw[name] = before + value
        else:
            raw[name] = value


def _parsed(text: str, otherwise: Any) -> Any:
    """The input of a server's tool, which goes back as an object."""
    try:
        return read_json(text)
    except orjson.JSONDecodeError:  # the answer was cut off within it
        return otherwise
