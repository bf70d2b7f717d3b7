"""A conversation told from its beginning, to a client that has seen none of it.

It waits while the client is slow: a conversation may be many times what may wait
for a reader.
"""

from collections.abc import Iterator
from typing import Final

import attrs

from ..chat import Message, TextPart, ThinkingPart, ToolCallPart
from ..session.messages import Transcript
from ..session.state import PastTurn, calls_of
from ..wire.jsonrpc import dump_text
from ..wire.session_content import blocks_of, shown_text
from .outbox import Lane

__all__ = ["Replay"]

_NOT_RUN: Final = "it was not run: the turn ended before"
_UNKNOWN: Final = "the server was stopped while it ran; whether it has done its work is not known"


class Replay:
    """Tells a conversation into `lane`, each turn of it once."""

    __slots__ = ("_lane", "_last")

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        # The number of the last turn that was told.
        self._last = 0

    async def show_past(self, transcript: Transcript) -> bool:
        """Tell the turns that have ended; whether there were any. More may have happened since."""
        state = transcript.state
        past = [turn for turn in state.turns if turn.stop and turn.number > self._last]
        if state.title and not self._last:
            lane = self._lane
            lane.frame(lane.updates.replayed("session_info_update", {"title": state.title}))
        for turn in past:
            await self._show(turn)
        return bool(past)

    async def show_rest(self, transcript: Transcript) -> None:
        """Tell all that was not told yet: also the turn that is under way, as far as it was told
        to others."""
        for turn in transcript.state.turns:
            if turn.number > self._last:
                if not turn.stop:
                    turn = attrs.evolve(turn, said=(*turn.said, transcript.streamed))
                await self._show(turn)

    async def _show(self, turn: PastTurn) -> None:
        self._last = turn.number
        for frame in self._frames(turn):
            await self._lane.wait_for_room()
            self._lane.frame(frame)

    def _frames(self, turn: PastTurn) -> Iterator[str]:
        updates = self._lane.updates
        for block in blocks_of(turn.asked):
            yield updates.replayed_chunk("user_message_chunk", block)
        for message in turn.said:
            yield from self._words(message)
            for call in calls_of(message):
                yield self._call(turn, call)

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
        body = updates.tool_call(turn.number, call.id, call.name, call.args_json)
        result = next((one for one in turn.results if one.call_id == call.id), None)
        if result is not None:
            text, is_error = result.content, result.is_error
        elif not turn.stop:
            return updates.replayed("tool_call", {**body, "status": "in_progress"})
        else:
            begun = any(one.call.id == call.id for one in turn.intended)
            text, is_error = (_UNKNOWN if begun else _NOT_RUN), True
        ended = updates.tool_result(turn.number, call.id, text, is_error=is_error)
        return updates.replayed("tool_call", {**body, **ended})
