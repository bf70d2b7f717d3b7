"""The output items of a response, as they come into being: what opens one, what ends it, what it is.

An item tells its events without their numbers, which are the response's. All text
of an item comes through `pieces`, joined once.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar

import attrs
import orjson

from ..chat import ThinkingPart
from .encoded import dump_json
from .responses_serving_items import CUSTOM_INPUT, seal

__all__ = [
    "CallItem",
    "CustomCallItem",
    "Item",
    "OpaqueItem",
    "ReasoningItem",
    "RefusalItem",
    "TextItem",
    "Told",
]

Told = tuple[str, dict[str, Any]]
"""The type of an event, and its members."""


@attrs.define(eq=False)
class Item(ABC):
    """One item. `hex` ends its id, `index` is its place among the items of the response."""

    hex: str
    index: int
    pieces: list[str] = attrs.field(factory=list[str], init=False)
    done: bool = attrs.field(default=False, init=False)
    _head: bytes = attrs.field(default=b"", init=False)

    prefix: ClassVar[str]
    delta: ClassVar[str]
    """The type of the event that tells more of it."""

    @property
    def id(self) -> str:
        """Its id, from which that of its response can be told."""
        return f"{self.prefix}_{self.hex}"

    @property
    def text(self) -> str:
        """All that was said."""
        return "".join(self.pieces)

    @property
    def head(self) -> bytes:
        """How the JSON of each of its deltas begins."""
        if not self._head:
            told = {"type": self.delta, **self._place, **self._of_delta}
            self._head = dump_json(told)[:-1]
        return self._head

    @property
    def _place(self) -> dict[str, Any]:
        return {"item_id": self.id, "output_index": self.index}

    @property
    def _of_delta(self) -> dict[str, Any]:
        return {}

    def opening(self) -> Iterator[Told]:
        """The events that open it."""
        yield "response.output_item.added", {"output_index": self.index, "item": self.whole()}

    def first_words(self) -> Iterator[Told]:
        """The events before the first delta."""
        return iter(())

    def closing(self) -> Iterator[Told]:
        """The events that end it."""
        self.done = True
        yield from self._last_words()
        yield "response.output_item.done", {"output_index": self.index, "item": self.whole()}

    def _last_words(self) -> Iterator[Told]:
        return iter(())

    @abstractmethod
    def whole(self, *, cut: bool = False) -> dict[str, Any]:
        """The item as it stands; `cut` is whether the answer was cut off."""
        ...

    @property
    def _status(self) -> str:
        return "completed" if self.done else "in_progress"


@attrs.define(eq=False)
class TextItem(Item):
    """A message of the assistant's, with one text in it."""

    phase: str | None = None
    annotations: list[Any] = attrs.field(factory=list[Any])

    prefix = "msg"
    delta = "response.output_text.delta"

    @property
    def _of_delta(self) -> dict[str, Any]:
        return {"content_index": 0, "logprobs": []}

    def _content(self) -> dict[str, Any]:
        cited = {"annotations": self.annotations, "logprobs": []}
        return {"type": "output_text", "text": self.text, **cited}

    def first_words(self) -> Iterator[Told]:
        """The events before the first delta."""
        members = {**self._place, "content_index": 0, "part": self._content()}
        yield "response.content_part.added", members

    def _last_words(self) -> Iterator[Told]:
        place = {**self._place, "content_index": 0}
        yield "response.output_text.done", {**place, "text": self.text, "logprobs": []}
        yield "response.content_part.done", {**place, "part": self._content()}

    def whole(self, *, cut: bool = False) -> dict[str, Any]:
        """The item as it stands."""
        message = {
            "id": self.id,
            "type": "message",
            "status": "incomplete" if cut else self._status,
            "role": "assistant",
            "content": [self._content()] if self.pieces else [],
        }
        return message if self.phase is None else {**message, "phase": self.phase}


@attrs.define(eq=False)
class RefusalItem(TextItem):
    """A message in which the model refuses."""

    delta = "response.refusal.delta"

    @property
    def _of_delta(self) -> dict[str, Any]:
        return {"content_index": 0}

    def _content(self) -> dict[str, Any]:
        return {"type": "refusal", "refusal": self.text}

    def _last_words(self) -> Iterator[Told]:
        place = {**self._place, "content_index": 0}
        yield "response.refusal.done", {**place, "refusal": self.text}
        yield "response.content_part.done", {**place, "part": self._content()}


@attrs.define(eq=False)
class ReasoningItem(Item):
    """What a model thought. `thought` has what must come back with it, `plain` thinking that
    the provider has told in plain words."""

    thought: ThinkingPart | None = None
    plain: Any = None

    prefix = "rs"
    delta = "response.reasoning_summary_text.delta"

    @property
    def _of_delta(self) -> dict[str, Any]:
        return {"summary_index": 0}

    def _summary(self) -> dict[str, Any]:
        return {"type": "summary_text", "text": self.text}

    def first_words(self) -> Iterator[Told]:
        """The events before the first delta."""
        part = {"type": "summary_text", "text": ""}
        members = {**self._place, "summary_index": 0, "part": part}
        yield "response.reasoning_summary_part.added", members

    def _last_words(self) -> Iterator[Told]:
        if not self.pieces:
            return
        place = {**self._place, "summary_index": 0}
        yield "response.reasoning_summary_text.done", {**place, "text": self.text}
        yield "response.reasoning_summary_part.done", {**place, "part": self._summary()}

    def whole(self, *, cut: bool = False) -> dict[str, Any]:
        """The item as it stands."""
        item: dict[str, Any] = {
            "id": self.id,
            "type": "reasoning",
            "summary": [self._summary()] if self.pieces else [],
        }
        sealed = None if self.thought is None else seal(self.thought)
        if sealed is not None:
            item["encrypted_content"] = sealed
        elif self.plain is not None:
            item["content"] = self.plain
        return item


@attrs.define(eq=False)
class CallItem(Item):
    """A call of a function that the client runs."""

    call_id: str
    name: str

    prefix = "fc"
    delta = "response.function_call_arguments.delta"

    @property
    def arguments(self) -> str:
        """JSON as the model wrote it."""
        return self.text or "{}"

    def _last_words(self) -> Iterator[Told]:
        told = {**self._place, "name": self.name, "arguments": self.arguments}
        yield "response.function_call_arguments.done", told

    def whole(self, *, cut: bool = False) -> dict[str, Any]:
        """The item as it stands. A call that was cut off within its arguments is not to be run."""
        return {
            "id": self.id,
            "type": "function_call",
            "status": "incomplete" if cut and self._is_broken() else self._status,
            "call_id": self.call_id,
            "name": self.name,
            "arguments": self.arguments if self.done else self.text,
        }

    def _is_broken(self) -> bool:
        try:
            orjson.loads(self.text)
        except orjson.JSONDecodeError:
            return True
        return False


@attrs.define(eq=False)
class CustomCallItem(CallItem):
    """A call of a custom tool: the model has called a function, and the client reads its text."""

    prefix = "ctc"
    delta = "response.custom_tool_call_input.delta"

    @property
    def input(self) -> str:
        """The text that the tool gets; all of the arguments where they are not as asked for."""
        try:
            given = orjson.loads(self.text)[CUSTOM_INPUT]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            return self.text
        return given if isinstance(given, str) else self.text

    def _last_words(self) -> Iterator[Told]:
        # JSON in pieces is no text in pieces, so all of it is one delta.
        yield self.delta, {**self._place, "delta": self.input}
        yield "response.custom_tool_call_input.done", {**self._place, "input": self.input}

    def whole(self, *, cut: bool = False) -> dict[str, Any]:
        """The item as it stands."""
        return {
            "id": self.id,
            "type": "custom_tool_call",
            "status": "incomplete" if cut and self._is_broken() else self._status,
            "call_id": self.call_id,
            "name": self.name,
            "input": self.input if self.done else "",
        }


@attrs.define(eq=False)
class OpaqueItem(Item):
    """What a provider of this wire has done itself, as it told it."""

    raw: dict[str, Any]

    def whole(self, *, cut: bool = False) -> dict[str, Any]:
        """The item as it came."""
        return self.raw
