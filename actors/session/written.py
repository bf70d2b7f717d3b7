"""What is written down of an answer, and what a conversation is called by its first words."""

from typing import Final

from ..chat import Message
from ..provider.request import Answer
from .narration import Narrator
from .record import Answered
from .retelling import cuts_of

__all__ = ["answer_record", "title_of"]

# Characters: a line of a list.
_TITLE: Final = 60


def answer_record(turn: int, narrator: Narrator, answer: Answer, said: Message) -> Answered:
    """The record of an answer as far as it has come, of which `said` is remembered."""
    completion = answer.completion()
    costs = [attempt.cost for attempt in answer.trail if attempt.cost is not None]
    known = len(costs) == len(answer.trail)
    return Answered(
        turn=turn,
        first=narrator.first,
        seq=narrator.seq,
        cuts=cuts_of(narrator.cuts, said),
        message=said,
        finish=completion.finish,
        target=answer.target,
        model=completion.model,
        usage=completion.usage,
        cost=sum(costs) if known else None,
    )


def title_of(user: Message) -> str:
    """What a conversation is called that begins with this."""
    return " ".join(user.text[: 10 * _TITLE].split())[:_TITLE]
