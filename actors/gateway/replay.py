"""A conversation told from its beginning, to a client that has seen none of it.

It waits while the client is slow: a conversation may be many times what may wait
for a reader.
"""

from collections.abc import Iterator
from typing import Final

from ..chat import Message, TextPart, ThinkingPart, ToolCallPart
from ..session.state import PastTurn, State
from ..wire.jsonrpc import dump_text
from ..wire.session_content import blocks_of, shown_text
from .outbox import Lane

__all__ = ["Replay"]

_NOT_RUN: Final = "it was not run: the turn ended before"
_UNKNOWN: Final = "the server was stopped while it ran; whether it has done its work is not known"


class Replay:
    """Tells a conversation into `lane`; what it has told once, it does not tell again."""

    __slots__ = ("_calls", "_lane", "_said", "_turn")

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        # Up to where it has come: of the answer of this turn, so many messages, and
        # the calls of so many.
        self._turn = self._said = self._calls = 0

    async def show(self, state: State) -> None:
        """Tell what the state has that was not told yet.

        Of a turn under way the last calls of tools are left to its events, which
        tell them behind number `state.seq`.
        """
        if state.title and not self._turn:
            lane = self._lane
            lane.frame(lane.updates.replayed("session_info_update", {"title": state.title}))
        for turn in state.turns:
            if turn.number < self._turn:
                continue
            for frame in self._frames(turn):
                await self._lane.wait_for_room()
                self._lane.frame(frame)

    def _frames(self, turn: PastTurn) -> Iterator[str]:
        updates = self._lane.updates
        if turn.number > self._turn:
            self._turn, self._said, self._calls = turn.number, 0, 0
            for block in blocks_of(turn.asked):
                yield updates.replayed_chunk("user_message_chunk", block)
        for number, message in enumerate(turn.said, 1):
            if number > self._said:
                self._said = number
                yield from self._words(message)
            if number > self._calls and (turn.stop or number < len(turn.said)):
                self._calls = number
                for part in message.parts:
                    if isinstance(part, ToolCallPart):
                        yield self._call(turn, part)

    def _words(self, message: Message) -> Iterator[str]:
        updates = self._lane.updates
        for part in message.parts:
            if isinstance(part, ThinkingPart) and not part.redacted:
                for piece in shown_text(part.text):
                    block = f'{{"type":"text","text":{dump_text(piece)}}}'
                    yield updates.replayed_chunk("agent_thought_chunk", block)
            elif isinstance(part, TextPart):
                for block in blocks_of(Message("assistant", (part,))):
                    yield updates.replayed_chunk("agent_message_chunk", block)

    def _call(self, turn: PastTurn, call: ToolCallPart) -> str:
        updates = self._lane.updates
        result = next((one for one in turn.results if one.call_id == call.id), None)
        if result is not None:
            text, is_error = result.content, result.is_error
        else:
            begun = any(one.call.id == call.id for one in turn.intended)
            text, is_error = (_UNKNOWN if begun else _NOT_RUN), True
        body = updates.tool_call(turn.number, call.id, call.name, call.args_json)
        ended = updates.tool_result(turn.number, call.id, text, is_error=is_error)
        return updates.replayed("tool_call", {**body, **ended})
