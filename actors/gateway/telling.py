"""A session's events as one client is told them by the Agent Client Protocol.

Turns and the answers to prompts are the attachment's business (attachment.py).
"""

from typing import assert_never

import attrs

from ..chat import ToolCallPart
from ..session.events import (
    AnswerReset,
    AssistantChanged,
    ModelChanged,
    PermissionAsked,
    PermissionSettled,
    SessionEvent,
    TextAdded,
    ThoughtAdded,
    TitleChanged,
    ToolCalled,
    ToolEnded,
    ToolEvent,
    ToolProgressed,
    TurnEnded,
    TurnStarted,
    UsageChanged,
)
from ..session.messages import Transcript
from ..wire.session_results import Choices, Chosen
from .outbox import Lane
from .questions import Questions
from .sessions import SessionRef

__all__ = ["Telling"]


class Telling:
    """Tells the client behind `lane` of one session, which may be switched among `choices`."""

    __slots__ = (
        "_before",
        "_choices",
        "_lane",
        "_questions",
        "_session_id",
        "_turn_cost",
        "chosen",
    )

    def __init__(self, session_id: str, lane: Lane, questions: Questions, choices: Choices) -> None:
        self._session_id = session_id
        self._lane = lane
        self._questions = questions
        self._choices = choices
        self.chosen = Chosen(assistant=choices.default)
        """Who answers now."""
        # What the turns before have cost, in nano-dollars, and this one; None is unknown.
        self._before: int | None = 0
        self._turn_cost: int | None = 0

    def begin(self, transcript: Transcript, ref: SessionRef) -> None:
        """What happens from now on happens to this conversation, the session at `ref`.

        What its turn waits for leave for is asked here, too.
        """
        state = transcript.state
        assistant = state.assistant or self._choices.default
        self.chosen = Chosen(assistant=assistant, model=state.model)
        turn = state.turn
        cost, unpriced = state.cost, state.unpriced
        if turn is not None:
            # What the turn under way has cost is told with it.
            cost, unpriced = cost - turn.cost, unpriced - turn.unpriced
        self._before = None if unpriced else cost
        self._turn_cost = 0
        for call in transcript.asked:
            self._ask(transcript.seq, transcript.running or 0, call, ref)

    def tell(self, event: SessionEvent, ref: SessionRef | None) -> None:
        """Tell of the next event; what is asked is answered to `ref`."""
        lane, updates = self._lane, self._lane.updates
        match event:
            case TextAdded():
                lane.delta(event, thought=False)
            case ThoughtAdded():
                lane.delta(event, thought=True)
            case AnswerReset():
                lane.frame(updates.reset(event.seq))
            case UsageChanged():
                self._used(event)
            case TurnStarted():
                self._turn_cost = 0
            case TurnEnded():
                before, cost = self._before, self._turn_cost
                self._before = None if before is None or cost is None else before + cost
            case ModelChanged():
                self.chosen = attrs.evolve(self.chosen, model=event.model)
                lane.frame(updates.config(event.seq, self._choices, self.chosen))
            case AssistantChanged():
                self.chosen = Chosen(assistant=event.assistant)
                lane.frame(updates.mode(event.seq, event.assistant))
                lane.frame(updates.config(event.seq, self._choices, self.chosen))
            case TitleChanged():
                lane.frame(updates.title(event.seq, event.title))
            case _:
                self._tool(event, ref)

    def _used(self, event: UsageChanged) -> None:
        self._turn_cost = event.cost
        before, cost = self._before, event.cost
        # Without a count of ours: the context that the next turn begins with, all that was said.
        used = event.context
        if used is None:
            used = event.usage.input + event.usage.output
        total = None if before is None or cost is None else before + cost
        self._lane.frame(self._lane.updates.usage(event.seq, used, event.window or 0, total))

    def _tool(self, event: ToolEvent, ref: SessionRef | None) -> None:
        lane, updates = self._lane, self._lane.updates
        seq, turn, call = event.seq, event.turn, event.call_id
        match event:
            case ToolCalled(name=name, arguments=arguments):
                lane.frame(updates.tool_called(seq, turn, call, name, arguments))
            case PermissionAsked(name=name, arguments=arguments):
                lane.frame(updates.tool_status(seq, turn, call, "pending"))
                if ref is not None:
                    self._ask(seq, turn, ToolCallPart(call, name, arguments), ref)
            case PermissionSettled(granted=granted):
                self._questions.settled(self._session_id, call)
                if granted:
                    lane.frame(updates.tool_status(seq, turn, call, "in_progress"))
            case ToolProgressed(note=text, done=done):
                lane.frame(updates.tool_progressed(seq, turn, call, text, done))
            case ToolEnded(result=text, is_error=is_error):
                lane.frame(updates.tool_ended(seq, turn, call, text, is_error=is_error))
            case _:
                assert_never(event)

    def _ask(self, seq: int, turn: int, call: ToolCallPart, ref: SessionRef) -> None:
        if self._questions.is_open(self._session_id, call.id):
            return
        updates = self._lane.updates

        def question(id: int) -> str:
            return updates.permission(id, seq, turn, call.id, call.name, call.args_json)

        self._lane.frame(self._questions.ask(self._session_id, ref, call.id, question))
