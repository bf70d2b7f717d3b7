"""A conversation whose every step a test decides, as the console sees it."""

import attrs

from trouper.actors.chat import Message, Part, TextPart, ThinkingPart, ToolCallPart, ToolResultPart
from trouper.actors.session.messages import Transcript
from trouper.actors.session.state import PastTurn, State

__all__ = ["Talk", "begun"]


@attrs.define(eq=False)
class Talk:
    """A conversation that goes on as a test says."""

    now: Transcript = Transcript(seq=0, running=None, state=State())

    def put(self, turn: PastTurn, streamed: tuple[Part, ...] = ()) -> None:
        """That is its last turn now, and this is what streams of it."""
        state = self.now.state
        before = [each for each in state.turns if each.number != turn.number]
        self.now = Transcript(
            seq=self.now.seq + 1,
            running=None if turn.stop else turn.number,
            state=attrs.evolve(state, turns=(*before, turn), number=turn.number),
            streamed=Message("assistant", streamed),
        )

    @property
    def last(self) -> PastTurn:
        """The turn under way; a new one, if none is."""
        turns = self.now.state.turns
        return turns[-1] if turns and not turns[-1].stop else begun(len(turns) + 1)

    def streams(self, *more: str) -> None:
        """That much more text streams."""
        streamed = self.now.streamed.parts
        said = streamed[-1].text if streamed and isinstance(streamed[-1], TextPart) else ""
        self.put(self.last, (TextPart(said + "".join(more)),))

    def thinks(self) -> None:
        """It begins again, with a thought."""
        self.put(self.last, (ThinkingPart("let me see"),))

    def calls(self) -> None:
        """The answer is whole, and calls a tool, which returns."""
        turn, id = self.last, f"c{len(self.last.said)}"
        said = Message("assistant", (*self.now.streamed.parts, ToolCallPart(id, "clock", "{}")))
        self.put(attrs.evolve(turn, said=(*turn.said, said)))
        turn = self.last
        self.put(attrs.evolve(turn, results=(*turn.results, ToolResultPart(id, "noon"))))

    def ends(self) -> None:
        """The answer is whole, and the turn over."""
        said = Message("assistant", self.now.streamed.parts)
        turn = self.last
        self.put(attrs.evolve(turn, said=(*turn.said, said), stop="end_turn", cost=5))


def begun(number: int) -> PastTurn:
    """A turn that has just begun."""
    return PastTurn(number=number, at=1.0, asked=Message("user", (TextPart("what time is it"),)))
