"""The output items of one response, as chunks.

An answer is a list of items, and each has its place in it: `output_index`. A
message's content becomes parts of text, reasoning a part of thinking, a
function call a tool call; every other item (hosted tools, custom tools, what
is yet to be invented) an OpaquePart, as it came. What our parts have no room
for (annotations, the phase of a message) follows its part as an OpaquePart of
type BESIDE, for which a place is kept free.

An item is found by its id, else by its place: some servers number all items 0
(llama.cpp numbers none), others give an item a new id in each event. What the deltas did not tell is told
when the item is done, or by the list that ends the response.
"""

from collections.abc import Mapping
from typing import Any

import attrs

from ..chat import (
    Chunk,
    Finished,
    Logprobs,
    OpaquePart,
    PartDone,
    RefusalDelta,
    Started,
    TextDelta,
    ThinkingDelta,
    ThinkingSignature,
    ToolArgsDelta,
    ToolCallPart,
    ToolCallStarted,
    UsageUpdate,
)
from ..errors import StreamGarbled
from .openai_values import arguments_of, mint_call_id
from .responses_values import (
    BESIDE,
    CALLS,
    ORIGIN,
    finish_of,
    listed,
    texts_of,
    tier_of,
    usage_of,
)

__all__ = ["OutputItems"]

# Of a function call, what its ToolCallPart holds or nobody needs again.
_OF_A_CALL = frozenset({"type", "id", "status", "call_id", "name", "arguments"})

# Whom a function is called by unless the call says otherwise: the model itself.
_DIRECT = {"type": "direct"}


# The number or the id of an item, and the number of a text within it.
_Place = tuple[Any, Any]


@attrs.define(eq=False)
class _Item:
    """An item that has begun. `index` is its place as it was named then, `place` the text
    within it that was told last."""

    index: int | str
    part: int
    kind: str
    call_id: str = ""
    name: str = ""
    arguments: list[str] = attrs.field(factory=list[str])
    place: tuple[Any, ...] | None = None
    done: bool = False


class OutputItems:
    """Takes what the events of one response say, and adds to `chunks` what each gives."""

    __slots__ = (
        "_at",
        "_by_id",
        "_called",
        "_items",
        "_parts",
        "_refusals",
        "_refused",
        "_texts",
        "started",
    )

    def __init__(self) -> None:
        self.started = False
        self._called = False
        self._refused = False
        self._parts = 0
        self._items: list[_Item] = []
        self._at: dict[int | str, _Item] = {}
        self._by_id: dict[str, _Item] = {}
        # The parts of text and of refusal, by output_index and content_index.
        self._texts: dict[_Place, int] = {}
        self._refusals: dict[_Place, int] = {}

    def start(self, response: Mapping[str, Any], chunks: list[Chunk]) -> None:
        """response.created, or whatever else comes first."""
        if not self.started:
            self.started = True
            chunks.append(
                Started(
                    id=str(response.get("id") or ""),
                    model=str(response.get("model") or ""),
                    service_tier=tier_of(response),
                    origin=ORIGIN,
                )
            )

    def text(self, frame: Mapping[str, Any], chunks: list[Chunk]) -> None:
        """response.output_text.delta: nearly every event of an answer."""
        text = frame.get("delta")
        if text and type(text) is str:
            try:
                part = self._texts.get((frame.get("output_index"), frame.get("content_index")))
            except TypeError:  # one of them is a list or an object
                part = None
            if part is None:
                part = self._part_at(_place(frame), self._texts, chunks)
            chunks.append(TextDelta(part, text))
            likelihoods = frame.get("logprobs")
            if likelihoods and isinstance(likelihoods, list):
                chunks.append(Logprobs({"content": likelihoods}))

    def refusal(self, frame: Mapping[str, Any], chunks: list[Chunk]) -> None:
        """response.refusal.delta."""
        text = frame.get("delta")
        if text and isinstance(text, str):
            self._refused = True
            part = self._part_at(_place(frame), self._refusals, chunks)
            chunks.append(RefusalDelta(part, text))

    def thinking(self, frame: Mapping[str, Any], chunks: list[Chunk]) -> None:
        """A delta of a summary, or of the thinking itself. Each text of an item is a paragraph."""
        text = frame.get("delta")
        if text and isinstance(text, str):
            index, _ = _place(frame)
            item = self._found(frame.get("item_id"), index)
            if item is None or item.kind != "reasoning":
                item = self._begun(index, {"type": "reasoning"}, chunks)
            place = (frame.get("type"), frame.get("summary_index"), frame.get("content_index"))
            if item.place not in (None, place):
                text = f"\n\n{text}"
            item.place = place
            chunks.append(ThinkingDelta(item.part, text))

    def arguments(self, frame: Mapping[str, Any], chunks: list[Chunk]) -> None:
        """A delta of a function call's arguments, or all of them where none were told before.

        Raises StreamGarbled where no such call has begun.
        """
        item = self._found(frame.get("item_id"), _place(frame)[0])
        if item is None or item.kind != "function_call":
            raise StreamGarbled(
                message=(
                    f"the provider went on with the call at {frame.get('output_index')!r}, "
                    f"which had not begun"
                ),
            )
        fragment = frame.get("delta")
        if fragment is None and not item.arguments:
            fragment = arguments_of(frame.get("arguments"))
        if fragment and isinstance(fragment, str):
            item.arguments.append(fragment)
            chunks.append(ToolArgsDelta(item.part, fragment))

    def start_item(self, frame: Mapping[str, Any], chunks: list[Chunk]) -> None:
        """response.output_item.added. One that is repeated says nothing new."""
        raw = frame.get("item")
        if isinstance(raw, Mapping) and str(raw.get("id") or "") not in self._by_id:
            self._begun(_index(frame, raw), raw, chunks)

    def stop_item(self, frame: Mapping[str, Any], chunks: list[Chunk]) -> None:
        """response.output_item.done, which holds the whole item."""
        raw = frame.get("item")
        if not isinstance(raw, Mapping):
            return
        index = _index(frame, raw)
        item = self._found(raw.get("id"), index)
        if item is None or item.kind != raw.get("type"):
            item = self._begun(index, raw, chunks)
        if item.done:
            return
        item.done = True
        match item.kind:
            case "message":
                self._stop_message(item.index, raw, chunks)
            case "reasoning":
                self._stop_reasoning(item, raw, chunks)
            case "function_call":
                self.arguments({**raw, "item_id": raw.get("id"), "output_index": index}, chunks)
                self._stop_call(item, chunks)
                beside = {key: value for key, value in raw.items() if key not in _OF_A_CALL}
                if beside.get("caller") == _DIRECT:
                    del beside["caller"]
                self._beside(item.part, beside, chunks)
            case _:
                chunks.append(PartDone(item.part, OpaquePart(ORIGIN, raw)))

    def end(self, response: Mapping[str, Any], chunks: list[Chunk]) -> None:
        """response.completed or response.incomplete, which holds all items once more."""
        self.start(response, chunks)
        for index, raw in enumerate(listed(response.get("output"))):
            self.stop_item({"output_index": index, "item": raw}, chunks)
        for item in self._items:
            if item.kind == "function_call" and not item.done:
                self._stop_call(item, chunks)
        self.count(response, chunks)
        finish, raw_finish = finish_of(response, called=self._called, refused=self._refused)
        chunks.append(Finished(finish, raw_finish, tier_of(response)))

    def count(self, response: Mapping[str, Any], chunks: list[Chunk]) -> None:
        """The tokens of a response, where it says them."""
        usage = response.get("usage")
        if usage and isinstance(usage, Mapping):
            chunks.append(UsageUpdate(usage_of(usage)))

    # --- one item

    def _begun(self, index: int | str, raw: Mapping[str, Any], chunks: list[Chunk]) -> _Item:
        kind = str(raw.get("type") or "")
        item = _Item(index, part=-1, kind=kind)
        if kind != "message":  # whose parts begin one by one
            item.part = self._next_part(chunks)
        if kind == "function_call":
            item.call_id = str(raw.get("call_id") or raw.get("id") or mint_call_id())
            item.name = str(raw.get("name") or "")
            chunks.append(ToolCallStarted(item.part, item.call_id, item.name))
        self._called = self._called or kind in CALLS
        self._items.append(item)
        self._at[index] = item
        if raw.get("id"):
            self._by_id[str(raw["id"])] = item
        return item

    def _stop_message(self, index: int | str, raw: Mapping[str, Any], chunks: list[Chunk]) -> None:
        for number, content in enumerate(listed(raw.get("content"))):
            place = (index, number)
            if content.get("type") == "refusal":
                if place not in self._refusals:
                    self.refusal(_whole(place, content.get("refusal")), chunks)
                continue
            if place not in self._texts:
                whole = _whole(place, content.get("text"))
                self.text({**whole, "logprobs": content.get("logprobs")}, chunks)
            beside = {"annotations": content.get("annotations"), "phase": raw.get("phase")}
            if place in self._texts:
                self._beside(self._texts[place], beside, chunks)
        # Where all items have one index, what comes is no more of this one.
        for parts in (self._texts, self._refusals):
            for place in [place for place in parts if place[0] == index]:
                del parts[place]

    def _stop_reasoning(self, item: _Item, raw: Mapping[str, Any], chunks: list[Chunk]) -> None:
        text = texts_of(raw)
        if text and item.place is None:
            chunks.append(ThinkingDelta(item.part, text))
        encrypted = raw.get("encrypted_content")
        if encrypted and isinstance(encrypted, str):
            chunks.append(ThinkingSignature(item.part, encrypted))
        elif raw.get("content"):
            # Thinking in plain words has no signature; it goes back as it came.
            chunks.append(PartDone(item.part + 1, OpaquePart(ORIGIN, raw)))

    def _stop_call(self, item: _Item, chunks: list[Chunk]) -> None:
        call = ToolCallPart(item.call_id, item.name, "".join(item.arguments))
        chunks.append(PartDone(item.part, call))

    def _beside(self, part: int, members: Mapping[str, Any], chunks: list[Chunk]) -> None:
        kept = {name: value for name, value in members.items() if value}
        if kept:
            chunks.append(PartDone(part + 1, OpaquePart(ORIGIN, {"type": BESIDE, **kept})))

    def _found(self, id: Any, index: int | str) -> _Item | None:
        return self._by_id.get(str(id or "")) or self._at.get(index)

    def _part_at(self, place: _Place, parts: dict[_Place, int], chunks: list[Chunk]) -> int:
        """The part of `parts` that is told at a place, or a new one."""
        if place not in parts:
            parts[place] = self._next_part(chunks)
        return parts[place]

    def _next_part(self, chunks: list[Chunk]) -> int:
        """A place among the parts, with the next one kept free for what is beside it."""
        if not self.started:
            self.start({}, chunks)
        part = self._parts
        self._parts += 2
        return part


def _index(frame: Mapping[str, Any], item: Mapping[str, Any]) -> int | str:
    """What stands for the place of an item: its number, or its id where it has none."""
    index = frame.get("output_index")
    if type(index) is int:
        return index
    return str(item.get("id") or "")


def _place(frame: Mapping[str, Any]) -> _Place:
    """The place of a text: that of its item, and within it."""
    number = frame.get("content_index")
    return _index(frame, {"id": frame.get("item_id")}), number if type(number) is int else 0


def _whole(place: _Place, text: Any) -> Mapping[str, Any]:
    """The delta that would have told all of a text at once."""
    return {"output_index": place[0], "content_index": place[1], "delta": text}
