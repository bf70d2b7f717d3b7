"""How a conversation that is longer than a model's window is fitted into it. Pure decisions.

A conversation is cut between turns: a turn is a user's message with all that
follows up to the next one, and the results of its tool calls belong to it in
any case. What is left out is always the oldest; system messages stay, wherever
they stand, and so does the newest turn: where that alone is too long there is
nothing to cut, and `TooLong` says so.

Who cuts, cuts deeper than it must (`ROOM`), and leaves out later what was left
out before (`start`). So the beginning of the prompt stays the same for many
turns, and the provider's cache, which goes by the beginning, stays of use.

Tokens are estimates, one number a message, and `fixed` what comes on top of all
messages (tools, the answer's first words).
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import attrs

from ..chat import Message, TextPart, ToolCallPart, ToolResultPart

__all__ = [
    "ROOM",
    "SUMMARY_TOKENS",
    "USUAL_ANSWER",
    "Cut",
    "Telling",
    "TooLong",
    "drop_oldest",
    "kept",
    "left_out",
    "moved",
    "prompt_limit",
    "refuse",
    "summarise",
    "summary_limit",
    "surely_fits",
    "turn_starts",
]

ROOM: Final = 0.75
"""The part of the limit that a cut conversation fills at most. The free quarter is some dozen
turns in which nothing is cut, and the provider's cache of the prompt holds."""

SUMMARY_TOKENS: Final = 1_024
"""The longest summary: two pages, which is what is worth telling of a day's conversation."""

# A window must hold the conversation, too; a limit of the answer that is as
# large as the window says only that nobody wanted to set one.
_MOST_RESERVED: Final = 0.5

# Where nobody has set a limit: a long answer, and no more of a small window.
_USUAL_RESERVED: Final = 0.25

# What a template puts around a message, at most.
_FRAME: Final = 16

# To look at the letters of more messages takes longer than to sum up their counts.
_FEW: Final = 100

# A summary is no larger than this part of the limit.
_SUMMARY_PART: Final = 0.125


@attrs.frozen
class Cut:
    """Messages before `start` are left out, but for system messages; what is kept has `tokens`."""

    start: int
    tokens: int


@attrs.frozen
class Telling:
    """A cut of which a new summary is to tell what it leaves out.

    The summary has `most` tokens at most, which are in `cut.tokens`; 0 says
    that beside the newest turn there is no room for any.
    """

    cut: Cut
    most: int


@attrs.frozen
class TooLong:
    """A prompt of `tokens` does not fit into `limit`.

    `newest` says that this is the newest turn alone, with what always stays.
    """

    tokens: int
    limit: int
    newest: bool = False

    def __str__(self) -> str:
        what = "the newest turn alone has" if self.newest else "the conversation has"
        return f"{what} about {self.tokens:,} tokens, of which {self.limit:,} fit"


USUAL_ANSWER = 4_096
"""Tokens of a long answer where nobody has set a limit: what the Anthropic wire then asks for."""


def prompt_limit(window: int, wanted: int | None, usual: int) -> int:
    """The tokens that a prompt may have in `window` tokens, which the answer shares with it.

    `wanted` is the longest answer that was asked for, None where nobody set a
    limit, and `usual` what an answer then usually has. Some models count the
    answer into their window and some do not, and which ones nobody says: this
    is right for the first, and careful for the others.
    """
    if wanted is None:
        reserved = min(usual, int(window * _USUAL_RESERVED))
    else:
        reserved = min(wanted, int(window * _MOST_RESERVED))
    return window - reserved


def surely_fits(messages: Sequence[Message], window: int) -> bool:
    """Whether messages fit by their letters alone, without being counted: a token has one byte
    at least, in UTF-8 a letter has four at most. False says nothing."""
    if len(messages) > _FEW:
        return False
    most = 0
    for message in messages:
        if not all(isinstance(part, TextPart) for part in message.parts):
            return False
        text = message.text
        most += (1 if text.isascii() else 4) * len(text) + _FRAME
    # The answer takes no more than the other half.
    return most <= window * _MOST_RESERVED


def turn_starts(messages: Sequence[Message], begin: int = 0) -> list[int]:
    """Where a conversation may be cut, from `begin` on: the indices at which its turns begin.

    What stands before the first user's message is a turn of its own.
    """
    first = next((i for i in range(begin, len(messages)) if messages[i].role != "system"), None)
    if first is None:
        return []
    starts = [first]
    open_until = _open_until(messages, begin)
    tied = -1
    for index in range(first, len(messages)):
        if messages[index].role == "user" and index > tied and index != first:
            starts.append(index)
        tied = max(tied, open_until.get(index, -1))
    return starts


def _open_until(messages: Sequence[Message], begin: int) -> dict[int, int]:
    """The index of each message that calls tools, with that of the last result of its calls.

    Some servers number the calls of each answer anew, so a result belongs to
    the nearest call before it.
    """
    until: dict[int, int] = {}
    calls: dict[str, int] = {}
    for index in range(begin, len(messages)):
        for part in messages[index].parts:
            if isinstance(part, ToolCallPart):
                calls[part.id] = index
            elif isinstance(part, ToolResultPart) and part.call_id in calls:
                until[calls[part.call_id]] = index
    return until


def refuse(tokens: Sequence[int], limit: float, *, fixed: int = 0) -> Cut | TooLong:
    """All of the conversation, or nothing."""
    total = fixed + sum(tokens)
    return Cut(0, total) if total <= limit else TooLong(total, int(limit))


def drop_oldest(
    messages: Sequence[Message],
    tokens: Sequence[int],
    limit: float,
    *,
    fixed: int = 0,
    start: int = 0,
    room: float = ROOM,
) -> Cut | TooLong:
    """The conversation without its oldest turns, as few as make it fit.

    `start` is what a cut before this one has said: what was left out stays out.
    Where more has to be left out, then so much that `room` of `limit` is filled
    at most, if the newest turn lets it.
    """
    total = fixed + sum(tokens[start:])
    total += sum(tokens[index] for index in range(start) if messages[index].role == "system")
    if total <= limit:
        return Cut(start, total)
    starts = turn_starts(messages, start)
    for this, following in pairwise(starts):
        for index in range(this, following):
            if messages[index].role != "system":
                total -= tokens[index]
        newest = following == starts[-1]
        if total <= (limit if newest else limit * room):
            return Cut(following, total)
    return TooLong(total, int(limit), newest=True)


def summarise(
    messages: Sequence[Message],
    tokens: Sequence[int],
    limit: float,
    *,
    fixed: int = 0,
    start: int = 0,
    told: int = 0,
    room: float = ROOM,
) -> Cut | Telling | TooLong:
    """As `drop_oldest`, with room for a summary of what is left out.

    `told` are the tokens of the summary that there is of what lies before
    `start`. The answer is a Cut where that one still is all that is needed.
    """
    as_before = drop_oldest(messages, tokens, limit, fixed=fixed + told, start=start, room=room)
    if isinstance(as_before, Cut) and as_before.start == start:
        return as_before
    most = summary_limit(limit)
    cut = drop_oldest(messages, tokens, limit, fixed=fixed + most, start=start, room=room)
    if isinstance(cut, Cut) and cut.start > start:
        return Telling(cut, most)
    cut = drop_oldest(messages, tokens, limit, fixed=fixed, start=start, room=room)
    return Telling(cut, 0) if isinstance(cut, Cut) else cut


def summary_limit(limit: float) -> int:
    """The most tokens that a summary has beside a prompt of at most `limit`."""
    return max(1, int(min(SUMMARY_TOKENS, limit * _SUMMARY_PART)))


def kept(messages: Sequence[Message], start: int) -> tuple[Message, ...]:
    """The messages of a conversation that is cut at `start`, in their order."""
    if start == 0:
        return tuple(messages)
    return (*(one for one in messages[:start] if one.role == "system"), *messages[start:])


def left_out(messages: Sequence[Message], start: int, since: int = 0) -> tuple[Message, ...]:
    """What a cut at `start` leaves out, from index `since` on."""
    return tuple(one for one in messages[since:start] if one.role != "system")


def moved(index: int, first: int, count: int) -> int:
    """An index into a conversation of which `count` messages from `first` on are forgotten."""
    return index if index <= first else max(first, index - count)
