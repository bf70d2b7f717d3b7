"""What is written down of an answer, and what a conversation is called by its first words.

And what is said of a failure, to a person who chats.
"""

from typing import Final

import attrs
import structlog

from ..chat import Completion, Message, Part, Usage
from ..errors import ErrorKind, ProviderError
from ..provider.request import Answer
from .narration import Narrator
from .record import Answered
from .retelling import cuts_of

__all__ = ["answer_record", "in_words", "log_answer", "size_of", "title_of"]

_log = structlog.get_logger("trouper.session")

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


def size_of(message: Message) -> int:
    """Its characters."""
    return sum(_part_size(part) for part in message.parts)


def _part_size(part: Part) -> int:
    return sum(len(value) for value in attrs.astuple(part, recurse=False) if isinstance(value, str))


def in_words(failure: ProviderError) -> str:
    """For a person who chats: what happened and what to do, without the provider's details."""
    if failure.kind is ErrorKind.CONTEXT_WINDOW_EXCEEDED and failure.status is None:
        # Our own figures.
        return f"{failure.message}; say less at once, or start a new conversation"
    lost = "; what you have seen of the answer is kept" if failure.committed else ""
    return f"{failure.hint}{lost} ({failure.provider}: {failure.kind.value})"


def log_answer(id: str, turn: int, completion: Completion) -> None:
    """One line of the log for each answer."""
    usage = completion.usage or Usage()
    _log.info(
        "turn answered",
        session=id,
        turn=turn,
        model=completion.model,
        prompt_tokens=usage.input,
        completion_tokens=usage.output,
        tokens=usage.input + usage.output,
        finish=completion.finish.value,
    )
