"""What is written down of an answer, and what is said of a failure to a person who chats."""

from collections.abc import Iterable
from typing import Final

import attrs
import structlog

from ..chat import Completion, Message, OpaquePart, Part, TextPart, ToolCallPart, Usage
from ..errors import ErrorKind, ProviderError, StreamGarbled
from ..provider.request import AnswerStream
from ..trail import AttemptRecord
from .event_emitter import EventEmitter
from .event_replay import cuts_of
from .record import Answered

__all__ = ["answer_record", "cost_of", "in_words", "log_answer", "spoken"]

_log = structlog.get_logger("trouper.session")

# Of one answer. Of as many the first 64 are run, and each has a result, an event and a record:
# 50,000 of them held a program up for half a minute.
_MOST_CALLS: Final = 1_000


def answer_record(
    turn: int, emitter: EventEmitter, answer: AnswerStream, said: Message, window: int | None
) -> Answered:
    """The record of an answer as far as it has come, of which `said` is remembered."""
    completion = answer.completion()
    return Answered(
        turn=turn,
        first=emitter.first,
        seq=emitter.last,
        cuts=cuts_of(emitter.cuts, said),
        message=said,
        finish=completion.finish,
        target=answer.target,
        model=completion.model,
        usage=completion.usage,
        cost=cost_of(answer.trail),
        window=window,
    )


def cost_of(trail: Iterable[AttemptRecord]) -> int | None:
    """What all attempts of an answer have cost, in nano-dollars; None where that is not known."""
    whole = 0
    for attempt in trail:
        if attempt.cost is None:
            return None
        whole += attempt.cost
    return whole


def spoken(completion: Completion, taken: set[str] | None) -> Message:
    """What of an answer belongs to the conversation; it has no parts where nothing does.

    Calls of tools are left out where `taken` is None: nobody runs them, and one
    without a result would make providers refuse the rest. Else they keep their
    ids, but for those in `taken` and those that come twice: some servers count
    anew in each answer. Raises StreamGarbled where there are more than 1,000 of them.
    """
    calls = sum(isinstance(part, ToolCallPart) for part in completion.message.parts)
    if taken is not None and calls > _MOST_CALLS:
        raise StreamGarbled(
            message=f"its answer calls tools {calls:,} times; {_MOST_CALLS:,} is the most",
            committed=True,
            billed="yes",
        )
    parts: list[Part] = []
    for part in completion.message.parts:
        if isinstance(part, ToolCallPart):
            if taken is None:
                continue
            id = _free(part.id, taken)
            taken.add(id)
            part = part if id == part.id else attrs.evolve(part, id=id)
        parts.append(part)
    # Thinking alone is no answer, and an empty one is refused by some providers.
    if not any(isinstance(part, TextPart | OpaquePart | ToolCallPart) for part in parts):
        parts = []
    return Message("assistant", tuple(parts))


def _free(id: str, taken: set[str]) -> str:
    if id and id not in taken:
        return id
    number = len(taken) + 1
    while (free := f"{id or 'call'}_{number}") in taken:
        number += 1
    return free


def in_words(failure: ProviderError) -> str:
    """For a person who chats: what happened and what to do, without the provider's details."""
    if failure.kind is ErrorKind.CONTEXT_WINDOW_EXCEEDED and failure.status is None:
        # Our own figures.
        return f"{failure.message}; say less at once, or start a new conversation"
    lost = "; what you have seen of the answer is kept" if failure.committed else ""
    who = f"{failure.provider}: " if failure.provider else ""
    return f"{failure.hint}{lost} ({who}{failure.kind.value})"


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
