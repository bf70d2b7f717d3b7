"""The chunks of an answer as the events of a response, and the response that they come to.

Each part of an answer is an output item. Words and thoughts are told one after the
other, so such an item ends where anything else begins; calls may be open at the
same time. What was not told in deltas is told when its part is done.

Before you edit: `take` is on the path of every batch. JSON is made of the text
alone, and a batch of nothing but text is one event, whatever it came in.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from ..chat import (
    Chunk,
    Finish,
    Finished,
    OpaquePart,
    Part,
    PartDone,
    RefusalDelta,
    Started,
    TextDelta,
    TextPart,
    ThinkingDelta,
    ThinkingPart,
    ThinkingSignature,
    ToolArgsDelta,
    ToolCallPart,
    ToolCallStarted,
    Usage,
    UsageUpdate,
)
from .encoded import dump_json
from .openai_faults import ApiFault
from .openai_values import ORIGIN as CHAT_ORIGIN
from .responses_serving import Event, error_of, event_of, incomplete_reason, response_object
from .responses_serving_output import (
    CallItem,
    CustomCallItem,
    Item,
    OpaqueItem,
    ReasoningItem,
    RefusalItem,
    TextItem,
)
from .responses_serving_request import AskedResponse
from .responses_values import BESIDE, ORIGIN

__all__ = ["ResponseWriter"]

Spoken = TypeVar("Spoken", TextItem, RefusalItem, ReasoningItem)


class ResponseWriter:
    """Makes the events of one response, batch by batch; `id` is 24 hexadecimal digits.

    The last event is made by itself (`end`), so that the response can be kept
    before the client hears that it is there.
    """

    def __init__(self, asked: AskedResponse, *, id: str, created: int) -> None:
        self.id = f"resp_{id}"
        self.begun = False
        """Whether any event was given."""
        self._asked = asked
        self._hex = id
        self._created = created
        self._model = asked.request.model
        self._number = 0
        self._items: list[Item] = []
        # What is being said just now: the part that it is, and its item.
        self._part = -1
        self._open: Item | None = None
        self._calls: dict[int, CallItem] = {}
        self._origin = ""
        self._usage: Usage | None = None
        self._tier: str | None = None
        self._finish = Finish.UNKNOWN

    def take(self, chunks: Sequence[Chunk]) -> list[Event]:
        """The events of a batch; none where it holds nothing for the client."""
        events: list[Event] = []
        if not self.begun and chunks:
            self._begin(chunks[0], events)
        text: list[str] = []
        for chunk in chunks:
            # Nearly every chunk of an answer is this one.
            if type(chunk) is TextDelta:
                if chunk.index != self._part or type(self._open) is not TextItem:
                    self._say(text, events)
                    self._speaking(chunk.index, TextItem, events)
                text.append(chunk.text)
                continue
            self._say(text, events)
            self._take(chunk, events)
        self._say(text, events)
        return events

    def close(self) -> list[Event]:
        """The events that end the items that are still open; the answer has come to its end."""
        events: list[Event] = []
        self._begin(None, events)
        self._stop_speaking(events)
        for call in self._calls.values():
            self._stop(call, events)
        return events

    @property
    def broken(self) -> bool:
        """Whether the provider has ended its answer with an error."""
        return self._finish is Finish.ERROR

    def end(self, response: Mapping[str, Any]) -> Event:
        """The last event, which has all of the `response`. It is told behind `close`."""
        return self._event(f"response.{response['status']}", response=response)

    def fail(self, fault: ApiFault) -> list[Event]:
        """The last events of a response that fails."""
        events: list[Event] = []
        self._begin(None, events)
        output = [item.whole(cut=True) for item in self._items]
        failed = self._response("failed", output=output, error=error_of(fault))
        return [*events, self._event("response.failed", response=failed)]

    def response(self) -> dict[str, Any]:
        """The response as it is at its end."""
        incomplete = incomplete_reason(self._finish)
        cut = incomplete is not None
        return self._response(
            "incomplete" if cut else "completed",
            output=[item.whole(cut=cut) for item in self._items],
            incomplete=incomplete,
            usage=self._usage if self._asked.generate else Usage(),
        )

    def _response(self, status: str, **members: Any) -> dict[str, Any]:
        return response_object(
            id=self.id,
            created=self._created,
            model=self._model,
            status=status,
            echo=self._asked.echo,
            store=self._asked.store,
            tier=self._tier,
            **members,
        )

    # --- events

    def _event(self, kind: str, **members: Any) -> Event:
        event = event_of(kind, self._number, **members)
        self._number += 1
        return event

    def _begin(self, first: Chunk | None, events: list[Event]) -> None:
        if self.begun:
            return
        self.begun = True
        if isinstance(first, Started):
            self._model = self._model or first.model
            self._tier, self._origin = first.service_tier, first.origin
        begun = self._response("in_progress")
        events.append(self._event("response.created", response=begun))
        events.append(self._event("response.in_progress", response=begun))

    def _say(self, text: list[str], events: list[Event]) -> None:
        """More text of the item that is open."""
        if text and self._open is not None:
            self._more(self._open, text[0] if len(text) == 1 else "".join(text), events)
            text.clear()

    def _more(self, item: Item, text: str, events: list[Event]) -> None:
        if not item.pieces:
            events += [self._event(kind, **members) for kind, members in item.first_words()]
        item.pieces.append(text)
        members = b'"sequence_number":%d,"delta":%b}' % (self._number, dump_json(text))
        events.append(Event(item.delta, item.head + b"," + members))
        self._number += 1

    def _take(self, chunk: Chunk, events: list[Event]) -> None:
        match chunk:
            case ThinkingDelta(index, text):
                self._more(self._speaking(index, ReasoningItem, events), text, events)
            case RefusalDelta(index, text):
                self._more(self._speaking(index, RefusalItem, events), text, events)
            case ThinkingSignature(index, signature):
                thought = ThinkingPart("", signature, origin=self._origin)
                self._speaking(index, ReasoningItem, events).thought = thought
            case ToolCallStarted(index, id, name):
                self._call(index, id, name, events)
            case ToolArgsDelta(index, fragment):
                self._arguments(self._calls[index], fragment, events)
            case PartDone(index, part):
                self._part_done(index, part, events)
            case UsageUpdate(usage):
                self._usage = usage
            case Finished(finish, _, tier):
                self._finish = finish
                self._tier = tier or self._tier
            case _:
                pass  # heartbeats, likelihoods, and how it began

    # --- items

    def _start(self, item: Item, events: list[Event]) -> None:
        self._items.append(item)
        events += [self._event(kind, **members) for kind, members in item.opening()]

    def _stop(self, item: Item, events: list[Event]) -> None:
        if not item.done:
            events += [self._event(kind, **members) for kind, members in item.closing()]

    def _place(self) -> tuple[str, int]:
        """What tells the next item from others: the end of its id, and its index."""
        index = len(self._items)
        return f"{self._hex}{index:04x}", index

    def _stop_speaking(self, events: list[Event]) -> None:
        if self._open is not None:
            self._stop(self._open, events)
            self._open, self._part = None, -1

    def _speaking(self, part: int, kind: type[Spoken], events: list[Event]) -> Spoken:
        """The item of a part that is told in deltas."""
        if self._part == part and isinstance(self._open, kind):
            return self._open
        self._stop_speaking(events)
        item = kind(*self._place())
        self._start(item, events)
        self._open, self._part = item, part
        return item

    def _call(self, part: int, id: str, name: str, events: list[Event]) -> CallItem:
        self._stop_speaking(events)
        kind = CustomCallItem if name in self._asked.custom else CallItem
        call = self._calls[part] = kind(*self._place(), id, name)
        self._start(call, events)
        return call

    def _arguments(self, call: CallItem, fragment: str, events: list[Event]) -> None:
        if isinstance(call, CustomCallItem):
            call.pieces.append(fragment)  # JSON in pieces is no text in pieces
        elif fragment:
            self._more(call, fragment, events)

    def _part_done(self, index: int, part: Part, events: list[Event]) -> None:
        """A part that is whole: what was not told in deltas is told now."""
        open_now = self._open if self._part == index else None
        match part:
            case ToolCallPart(id, name, arguments):
                call = self._calls.get(index) or self._call(index, id, name, events)
                if not call.pieces:
                    self._arguments(call, arguments, events)
                self._stop(call, events)
            case ThinkingPart(text):
                thought = self._speaking(index, ReasoningItem, events)
                thought.thought = part
                if text and not thought.pieces:
                    self._more(thought, text, events)
            case TextPart(text) if open_now is None and text:
                self._more(self._speaking(index, TextItem, events), text, events)
            case OpaquePart(origin, raw) if origin in (ORIGIN, CHAT_ORIGIN):
                self._opaque(index, dict(raw), events, told=isinstance(open_now, RefusalItem))
            case _:
                pass

    def _opaque(self, part: int, raw: dict[str, Any], events: list[Event], *, told: bool) -> None:
        match raw:
            case {"type": "refusal", "refusal": str(text)}:
                if not told:
                    self._more(self._speaking(part, RefusalItem, events), text, events)
            case {"type": kind} if kind == BESIDE:
                if isinstance(self._open, TextItem):
                    self._open.annotations = raw.get("annotations") or self._open.annotations
                    self._open.phase = raw.get("phase")
            case {"type": "reasoning"}:
                if isinstance(self._open, ReasoningItem):
                    self._open.plain = raw.get("content")
            case {"type": "custom", "custom": dict(custom)}:
                call = CustomCallItem(*self._place(), str(raw.get("id")), str(custom.get("name")))
                self._stop_speaking(events)
                self._start(call, events)
                call.pieces.append(str(custom.get("input")))
                self._stop(call, events)
            case {"type": "audio"}:
                pass  # which this wire has no word for
            case _:
                self._stop_speaking(events)
                item = OpaqueItem(*self._place(), raw)
                self._start(item, events)
                self._stop(item, events)
