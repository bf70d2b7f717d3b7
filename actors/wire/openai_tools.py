"""Tool calls out of the fragments that OpenAI-compatible servers stream.

OpenAI sends id and name once and then arguments under the same index. Others
number all calls 0, leave the index out, repeat the name, or list one index
twice in a frame; what belongs together is decided here, entry by entry:

    a new call opens where     its index has not been seen
                               its id is not that of its index's open call
                               it has a name and no id, and the open call's arguments are whole
                               it has no index, and an id or a name that is new
    all else                   goes on with the call of that id, of that index, or the last one
"""

from collections.abc import Callable, Mapping
from typing import Any

import attrs
import orjson

from ..chat import (
    Chunk,
    Finish,
    OpaquePart,
    Part,
    PartDone,
    ToolArgsDelta,
    ToolCallPart,
    ToolCallStarted,
)
from .assembly import settled
from .openai_values import ORIGIN, arguments_of, mint_call_id

__all__ = ["ToolCalls"]


@attrs.define(eq=False)
class _Call:
    """One call so far. It is announced when its name can no longer grow.

    A custom one has no JSON for its arguments and is told whole, at its end.
    `id` is the server's; `shown` is what it was announced under, a minted one
    where the server's had not come by then.
    """

    part: int
    id: str = ""
    name: str = ""
    shown: str = ""
    custom: bool = False
    arguments: list[str] = attrs.field(factory=list[str])

    def is_whole(self) -> bool:
        """Whether the arguments so far are JSON already.

        The last character is looked at first, so that a server that repeats
        the name in every fragment does not make this quadratic.
        """
        if not self.arguments or not self.arguments[-1].rstrip().endswith("}"):
            return False
        try:
            orjson.loads("".join(self.arguments))
        except orjson.JSONDecodeError:
            return False
        return True


class ToolCalls:
    """All calls of one answer, in the order in which they first appeared.

    `next_part` gives the index of the part that a new call becomes.
    """

    def __init__(self, next_part: Callable[[], int]) -> None:
        self._next_part = next_part
        self._calls: list[_Call] = []
        self._by_id: dict[str, _Call] = {}
        self._open: dict[int, _Call] = {}  # the call that each index last spoke of

    def take(self, entries: list[Any]) -> list[Chunk]:
        """The chunks that the `tool_calls` of one delta give."""
        chunks: list[Chunk] = []
        for entry in entries:
            if isinstance(entry, Mapping):
                self._take_entry(entry, chunks)
        return chunks

    def end(self, finish: Finish) -> list[Chunk]:
        """The chunks that end all calls, once the answer has ended with `finish`."""
        chunks: list[Chunk] = []
        for call in self._calls:
            self._announce(call, chunks)
        chunks += [PartDone(call.part, settled(_part(call), finish)) for call in self._calls]
        return chunks

    def _take_entry(self, entry: Mapping[str, Any], chunks: list[Chunk]) -> None:
        custom = entry.get("custom")
        function = entry.get("function") if custom is None else custom
        function = function if isinstance(function, Mapping) else {}
        index = entry.get("index")
        index = index if type(index) is int else None
        call_id = str(entry.get("id") or "")
        name = str(function.get("name") or "")
        arguments = arguments_of(function.get("arguments" if custom is None else "input"))

        call = self._call_of(index, call_id, name)
        if call is None:
            if not (call_id or name or arguments):
                return  # nothing to open a call with
            if self._calls and self._calls[-1].name:
                self._announce(self._calls[-1], chunks)
            call = _Call(part=self._next_part())
            self._calls.append(call)
        call.custom = call.custom or custom is not None
        if call_id and not call.id:
            call.id = call_id
            self._by_id[call_id] = call
        if not call.name:
            call.name = name
        elif not call.shown and call_id and name and name != call.name:
            call.name += name  # a name in pieces: the same id, and no arguments yet
        if index is not None:
            self._open[index] = call
        if arguments:
            call.arguments.append(arguments)
        if arguments and call.shown:
            chunks.append(ToolArgsDelta(call.part, arguments))
        elif call.arguments and call.name:
            self._announce(call, chunks)

    def _call_of(self, index: int | None, call_id: str, name: str) -> _Call | None:
        """The call that a fragment goes on with, or None where it opens a new one."""
        if index is not None and index not in self._open:
            return None
        if call_id in self._by_id:
            return self._by_id[call_id]  # calls that share an index may take turns
        if index is None:
            last = self._calls[-1] if self._calls else None
            if last is None or call_id or (name and not _repeats(last, name)):
                return None
            return last
        call = self._open[index]
        if call_id:
            late = not call.id and (not name or (name == call.name and not call.arguments))
            return call if late else None
        if name and call.name and (call.is_whole() or (name != call.name and not call.arguments)):
            return None
        return call

    def _announce(self, call: _Call, chunks: list[Chunk]) -> None:
        if call.shown or call.custom:
            return
        call.shown = call.id or mint_call_id()
        chunks.append(ToolCallStarted(call.part, call.shown, call.name))
        if call.arguments:
            chunks.append(ToolArgsDelta(call.part, "".join(call.arguments)))


def _part(call: _Call) -> Part:
    text = "".join(call.arguments)
    if not call.custom:
        return ToolCallPart(call.shown, call.name, text)
    custom = {"name": call.name, "input": text}
    return OpaquePart(ORIGIN, {"id": call.id, "type": "custom", "custom": custom})


def _repeats(call: _Call, name: str) -> bool:
    """Whether a fragment without index or id only says again whose arguments these are."""
    return name == call.name and bool(call.arguments) and not call.is_whole()
