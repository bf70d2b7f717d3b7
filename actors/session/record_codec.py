"""Records as bytes, and back: JSON, with a version for each kind of record.

A file may be older than this program: what an earlier version has written is
brought up to date step by step when it is read, and stays as it is in the file.
What a later version has written is refused, and never guessed at.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any, Final

import attrs
import orjson
from cattrs import Converter
from cattrs.strategies import configure_tagged_union

from ..chat import Part
from ..errors import SessionUnreadable
from ..store.journal import NewEvent, Snapshot, StoredEvent
from ..wire.converter import make_converter
from ..wire.encoded import dump_json
from .record import (
    Answered,
    AssistantSwitched,
    Forgotten,
    Interrupted,
    ModelSwitched,
    Opened,
    Record,
    Summarised,
    Titled,
    ToolIntended,
    ToolReturned,
    TurnAccepted,
    TurnOver,
)
from .state import State

__all__ = [
    "Codec",
    "Kind",
    "Step",
    "plain",
    "read_record",
    "read_state",
    "write_record",
    "write_state",
]

Step = Callable[[dict[str, Any]], dict[str, Any]]
"""Makes a body of one version one of the next."""


@attrs.frozen
class Kind:
    """What a kind of record is read into; `steps[v]` makes version v + 1 of version v."""

    type: type[Any]
    v: int = 1
    steps: Mapping[int, Step] = attrs.field(factory=dict[int, Step])


def _same(old: dict[str, Any]) -> dict[str, Any]:
    """Nothing but fields was added, which have defaults."""
    return old


# Version 1 knew no events of tools and of settings.
_SINCE_TOOLS: Final[Mapping[int, Step]] = {1: _same}

KINDS: Final[Mapping[str, Kind]] = {
    "opened": Kind(Opened),
    "turn": Kind(TurnAccepted),
    "tool": Kind(ToolIntended),
    "result": Kind(ToolReturned, 2, _SINCE_TOOLS),
    "answer": Kind(Answered, 2, _SINCE_TOOLS),
    "end": Kind(TurnOver),
    "interrupted": Kind(Interrupted),
    "model": Kind(ModelSwitched, 2, _SINCE_TOOLS),
    "assistant": Kind(AssistantSwitched),
    "summary": Kind(Summarised),
    "forgotten": Kind(Forgotten),
    "title": Kind(Titled, 2, _SINCE_TOOLS),
    # Not an event: what a snapshot holds.
    "state": Kind(State),
}


def _converter() -> Converter:
    converter = make_converter()
    configure_tagged_union(Part, converter, tag_name="type")
    return converter


class Codec:
    """Writes values of the types in `kinds` as bytes, and reads them."""

    def __init__(self, kinds: Mapping[str, Kind]) -> None:
        self._kinds = kinds
        self._names = {kind.type: name for name, kind in kinds.items()}

    @functools.cached_property
    def _converter(self) -> Converter:
        # When it is first needed: most imports are of programs that keep nothing, and it takes 4 ms.
        return _converter()

    def write(self, value: object) -> tuple[str, int, bytes]:
        """The name of its kind, the version, and the bytes."""
        name = self._names[type(value)]
        return name, self._kinds[name].v, dump_json(self.plain(value))

    def plain(self, value: object) -> Any:
        """The value as dicts, lists and what JSON has."""
        return self._converter.unstructure(value)

    def read(self, name: str, v: int, body: bytes) -> Any:
        """The value. Raises ValueError, which says what is wrong."""
        kind = self._kinds.get(name)
        if kind is None or v > kind.v:
            raise ValueError(
                f"it is {name!r} of version {v}, which this program does not know; "
                f"a later trouper has written it"
            )
        try:
            value: dict[str, Any] = orjson.loads(body)
            for version in range(v, kind.v):
                value = kind.steps[version](value)
            return self._converter.structure(value, kind.type)
        except Exception as error:
            raise ValueError(f"{name!r} of version {v} is damaged") from error


_CODEC = Codec(KINDS)

plain = _CODEC.plain
"""A value of a conversation as JSON has it; each part with its `type`."""


def write_record(record: Record, at: float) -> NewEvent:
    """A record of that time (seconds since 1970), as the journal has it."""
    kind, v, body = _CODEC.write(record)
    return NewEvent(kind, v, at, body)


def read_record(sid: str, event: StoredEvent) -> Record:
    """The record of an event of session `sid`. Raises SessionUnreadable."""
    try:
        record: Record = _CODEC.read(event.kind, event.v, event.body)
    except ValueError as error:
        raise SessionUnreadable(sid, f"event {event.seq}: {error}") from error
    return record


def write_state(state: State, seq: int) -> Snapshot:
    """What the events up to `seq` come to, as the journal has it."""
    _, v, body = _CODEC.write(state)
    return Snapshot(seq, v, body)


def read_state(sid: str, snapshot: Snapshot | None) -> State:
    """The state of a snapshot; where there is none, the one of a new session.

    Raises SessionUnreadable.
    """
    if snapshot is None:
        return State()
    try:
        state: State = _CODEC.read("state", snapshot.v, snapshot.body)
    except ValueError as error:
        raise SessionUnreadable(sid, f"its snapshot of event {snapshot.seq}: {error}") from error
    return state
