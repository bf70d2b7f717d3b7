"""An answer that pauses: the model wants to be asked to go on, and it is still one answer.

Anthropic's `pause_turn`: a long turn with server tools ends early, and its
content is sent back as it came, as the last message, for the model to go on.
Elsewhere nothing pauses. A request that is made of several legs has the parts
of all of them, in their order, and the sum of their usage: each leg is billed
with its whole prompt.
"""

from collections.abc import Iterable

import attrs

from ..chat import (
    ChatRequest,
    Chunk,
    Completion,
    Message,
    PartDone,
    RefusalDelta,
    Started,
    TextDelta,
    ThinkingDelta,
    ThinkingSignature,
    ToolArgsDelta,
    ToolCallStarted,
    Usage,
    UsageUpdate,
)

__all__ = ["MOST_LEGS", "added", "continued", "going_on", "joined"]

MOST_LEGS = 10
"""Times that a model is asked to go on; then its pause is the end. Each time costs a prompt."""


def going_on(request: ChatRequest, said: Message) -> ChatRequest:
    """The request that lets a model go on from what it has said of its answer to `request`."""
    return attrs.evolve(request, messages=(*request.messages, said))


def added(one: Usage | None, other: Usage | None) -> Usage | None:
    """The tokens of both; None where neither is known."""
    if one is None or other is None:
        return one or other
    return Usage(
        input=one.input + other.input,
        output=one.output + other.output,
        cache_read=one.cache_read + other.cache_read,
        cache_write=one.cache_write + other.cache_write,
        cache_write_1h=one.cache_write_1h + other.cache_write_1h,
        reasoning=one.reasoning + other.reasoning,
        estimated=one.estimated or other.estimated,
    )


def joined(earlier: Completion | None, later: Completion) -> Completion:
    """Both legs as one answer, which ended as the later one did."""
    if earlier is None:
        return later
    parts = (*earlier.message.parts, *later.message.parts)
    return attrs.evolve(
        later,
        message=attrs.evolve(later.message, parts=parts),
        usage=added(earlier.usage, later.usage),
    )


def continued(batch: Iterable[Chunk], parts: int, usage: Usage | None) -> list[Chunk]:
    """Chunks of a later leg, as they go on from `parts` parts and `usage`.

    That it has started is left out: the answer had.
    """
    chunks: list[Chunk] = []
    for chunk in batch:
        match chunk:
            case Started():
                pass
            case UsageUpdate():
                chunks.append(UsageUpdate(added(usage, chunk.usage) or chunk.usage))
            case (
                TextDelta()
                | ThinkingDelta()
                | ThinkingSignature()
                | ToolCallStarted()
                | ToolArgsDelta()
                | RefusalDelta()
                | PartDone()
            ):
                chunks.append(attrs.evolve(chunk, index=chunk.index + parts))
            case _:
                chunks.append(chunk)
    return chunks
