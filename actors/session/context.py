"""What of a conversation a model is shown: all of it, or what fits into its window.

The session keeps the whole conversation; only what is sent is shortened, for
each target by its own window. What was left out for a target stays out, and a
summary that was written is used by all targets and written into the next one,
so neither is decided anew in each turn.

Before you edit: `fitted` is on the way of every turn. A message is counted when
it is new, and a turn that fits costs a sum of numbers; where nobody knows the
window nothing is counted at all, before the target says that it is too long.
"""

from collections.abc import Sequence
from itertools import takewhile
from math import inf
from operator import eq
from typing import Literal

import attrs
import structlog

from ..catalog.correction import Correction
from ..catalog.encodings import EncodingName, encoding_for, is_loaded
from ..catalog.facts import ModelRef
from ..chat import ChatRequest, Message, TextPart, Usage
from ..errors import ErrorKind, ProviderError
from ..policy.context import (
    ROOM,
    Cut,
    Telling,
    TooLong,
    drop_oldest,
    kept,
    left_out,
    prompt_limit,
    refuse,
    summarise,
    turn_starts,
)
from ..policy.summary import Summary, placed
from ..provider.call import Call
from ..provider.route import Route
from ..provider.target import Target
from ..wire.window_words import Refusal, refusal_in
from .summary import write_summary

__all__ = ["Context", "ContextPolicy", "Shortened"]

_log = structlog.get_logger("trouper.session")

ContextPolicy = Literal["refuse", "drop_oldest", "summarise"]

# What the Anthropic wire asks for where nobody says how long an answer may be.
_USUAL_ANSWER = 4_096

# Of what a target has refused, this much is tried the next time, and at once
# half of it: the farthest that an estimate was reported to be wrong is 2.5, and
# with a family's own factor, which it starts with, less than 2.
_BELOW_REFUSED = 0.9
_AFTER_REFUSAL = 0.5

# What a template puts around a message, at most, and the part of a window that
# the answer leaves to the prompt in any case.
_FRAME = 16
_SHORT = 0.5


@attrs.frozen
class Shortened:
    """What was last left out for a target: so many messages of the conversation, from its
    beginning on. What was sent has about `tokens`, of `limit` that a prompt may have."""

    target: str
    left_out: int
    tokens: int
    limit: int
    summarised: bool


@attrs.define(eq=False)
class _Seen:
    """What the conversation has learned of a target. Tokens are as the model counts."""

    correction: Correction
    # Where the conversation begins for it.
    start: int = 0
    # Of the prompt that was sent last, by our own count; 0 where it was not counted.
    counted: int = 0
    # What it was seen to refuse lies above this.
    most: float = inf
    # Its window, where it has said so itself: it knows best.
    window: int | None = None
    # It has refused the last prompt, in these words.
    refused: Refusal | None = None

    def learn(self, sent: int) -> float:
        """Take in its refusal of a prompt that was `sent` by our own count. What it says next is
        fitted into that part of what it takes."""
        refused, self.refused = self.refused or Refusal(), None
        if refused.prompt is not None:
            self.correction = self.correction.corrected(sent, refused.prompt)
        if refused.prompt is not None and refused.window is not None:
            # What there is room for is known now; it is less in any case.
            self.most = min(self.most, refused.prompt - 1)
            return ROOM
        prompt = refused.prompt or self.correction.apply(sent)
        self.most = min(self.most, prompt * _BELOW_REFUSED)
        return _AFTER_REFUSAL


@attrs.define(eq=False)
class _Counted:
    """The messages that have been counted, and their numbers."""

    messages: tuple[Message, ...] = ()
    tokens: list[int] = attrs.field(factory=list[int])


@attrs.frozen
class _Measured:
    """A request in our own count: its messages, what comes on top, and what may be sent,
    which is `most` as the model counts."""

    target: Target
    messages: tuple[Message, ...]
    tokens: Sequence[int]
    fixed: int
    limit: float
    most: float
    room: float


class Context:
    """What one conversation shows to models. It is the `Fitter` of its session's calls.

    `call` is what the session's calls are like, for those that write a summary.
    """

    def __init__(self, policy: ContextPolicy, route: Route, call: Call) -> None:
        self._policy = policy
        self._route = route
        self._call = call
        self._seen: dict[str, _Seen] = {}
        self._counted: dict[EncodingName, _Counted] = {}
        self._summary: Summary | None = None
        self.shortened: Shortened | None = None
        """What was last left out; None where nothing ever was."""

    @property
    def shortens(self) -> bool:
        """Whether it leaves anything out."""
        return self._policy != "refuse"

    async def fitted(self, target: Target, request: ChatRequest, *, shorten: bool) -> ChatRequest:
        """The request as it fits into the window of `target`; see provider/shortening.py."""
        knowledge, model = target.knowledge, target.model or request.model
        ref = ModelRef(target.provider, model, target.family)
        seen = self._seen.get(target.name)
        if seen is None:
            seen = self._seen[target.name] = _Seen(knowledge.correction(ref))
        sent, seen.counted = seen.counted, 0
        window = seen.window or knowledge.facts(ref).max_input_tokens
        if window is None and seen.most == inf and seen.refused is None:
            return request
        if window is not None and not is_loaded(encoding_for(model)) and _is_short(request, window):
            return request
        tokens = await self._count(target, request.messages, model)
        bare = attrs.evolve(request, messages=())
        fixed = await knowledge.tokens.count_request_async(bare, model)
        if not self.shortens:
            return _not_too_long(target, request, refuse(tokens, inf, fixed=fixed), window, seen)
        most = seen.most
        if window is not None:
            usual = max(_USUAL_ANSWER, knowledge.likely_output(ref, None))
            most = min(most, prompt_limit(window, request.max_output_tokens, usual))
        room = ROOM
        if seen.refused is not None:
            room = seen.learn(sent or fixed + sum(tokens))
            most = min(most, seen.most)
        limit = most / seen.correction.factor
        measured = _Measured(target, request.messages, tokens, fixed, limit, most, room)
        messages = await self._cut(measured, seen, shorten=shorten)
        return request if messages is None else attrs.evolve(request, messages=messages)

    async def _cut(
        self, measured: _Measured, seen: _Seen, *, shorten: bool
    ) -> tuple[Message, ...] | None:
        """What is sent; None for all of it."""
        whole = refuse(measured.tokens, measured.limit, fixed=measured.fixed)
        if isinstance(whole, Cut) and (seen.start == 0 or not shorten):
            seen.counted = whole.tokens
            return None
        if not shorten:
            raise _too_long(measured.target, whole, measured.most, seen)
        if self._policy == "summarise":
            cut, summary = await self._summarised(measured, seen)
        else:
            cut, summary = self._dropped(measured, seen, seen.start), None
        if isinstance(cut, TooLong):
            raise _too_long(measured.target, cut, measured.most, seen)
        seen.counted = cut.tokens
        self._note(measured, seen, cut, summarised=summary is not None)
        messages = kept(measured.messages, cut.start)
        return messages if summary is None else placed(messages, summary)

    def _dropped(
        self, measured: _Measured, seen: _Seen, start: int, told: int = 0
    ) -> Cut | TooLong:
        return drop_oldest(
            measured.messages,
            measured.tokens,
            measured.limit,
            fixed=measured.fixed + told,
            start=start,
            room=measured.room,
        )

    async def _summarised(
        self, measured: _Measured, seen: _Seen
    ) -> tuple[Cut | TooLong, Summary | None]:
        """What is left out, and the summary that stands for it, if there is one."""
        earlier, start, told = self._summary, seen.start, 0
        if earlier is not None:
            start = max(start, earlier.until)
            told = await self._size(measured.target, earlier)
        plan = summarise(
            measured.messages,
            measured.tokens,
            measured.limit,
            fixed=measured.fixed,
            start=start,
            told=told,
            room=measured.room,
        )
        if not isinstance(plan, Telling):
            return plan, earlier
        if plan.most == 0:
            return plan.cut, None
        since = 0 if earlier is None else earlier.until
        gone = range(since, plan.cut.start)
        written = await write_summary(
            self._route,
            self._call,
            measured.target,
            earlier=earlier,
            left_out=left_out(measured.messages, plan.cut.start, since),
            until=plan.cut.start,
            tokens=told + sum(measured.tokens[index] for index in gone),
            most=plan.most,
            limit=measured.limit,
        )
        if written is None:
            cut = self._dropped(measured, seen, start, told)
            if isinstance(cut, Cut):
                return cut, earlier
            return self._dropped(measured, seen, start), None
        self._summary = written
        size = await self._size(measured.target, written)
        return Cut(plan.cut.start, plan.cut.tokens - plan.most + size), written

    async def _size(self, target: Target, summary: Summary) -> int:
        said = Message("user", (TextPart(summary.text),))
        [tokens] = await target.knowledge.tokens.count_each([said], target.model)
        return tokens

    async def _count(
        self, target: Target, messages: tuple[Message, ...], model: str
    ) -> Sequence[int]:
        """The tokens of each message; only new ones are counted."""
        known = self._counted.setdefault(encoding_for(model), _Counted())
        same = len(known.messages)
        if messages[:same] != known.messages:
            # The newest one was not answered, and is not part of the conversation.
            same = sum(takewhile(bool, map(eq, known.messages, messages)))
        new = await target.knowledge.tokens.count_each(messages[same:], model)
        known.tokens[same:] = new
        known.messages = messages
        return known.tokens

    def _note(self, measured: _Measured, seen: _Seen, cut: Cut, *, summarised: bool) -> None:
        if cut.start == seen.start:
            return
        seen.start = cut.start
        self.shortened = told = Shortened(
            target=measured.target.name,
            left_out=len(left_out(measured.messages, cut.start)),
            tokens=seen.correction.apply(cut.tokens),
            limit=int(measured.most),
            summarised=summarised,
        )
        _log.info("conversation is shortened", session=self._call.session, **attrs.asdict(told))

    # What comes of it.

    def refused(self, target: Target, request: ChatRequest, error: ProviderError) -> bool:
        """It was too long after all; whether there is something to leave out."""
        seen = self._seen[target.name]
        if not self.shortens or len(turn_starts(request.messages)) < 2:
            return False
        seen.refused = refusal_in(error.message)
        seen.window = seen.refused.window or seen.window
        return True

    def answered(self, name: str, usage: Usage | None) -> None:
        """The target of that name has answered, and says what it has read."""
        seen = self._seen.get(name)
        if seen is None or usage is None or usage.estimated or not seen.counted:
            return
        seen.correction = seen.correction.learn(seen.counted, usage.input)
        seen.most = max(seen.most, usage.input)
        seen.counted = 0


def _is_short(request: ChatRequest, window: int) -> bool:
    """Whether it fits by its letters alone, of which a token has one at least: then the tokenizer,
    which takes 0.2 s to load, may never be needed."""
    if request.tools or request.response_schema is not None:
        return False
    most = 0
    for message in request.messages:
        if not all(isinstance(part, TextPart) for part in message.parts):
            return False
        text = message.text
        # In UTF-8, a letter is up to four bytes, and a byte may be a token.
        most += (1 if text.isascii() else 4) * len(text) + _FRAME
    return most <= window * _SHORT


def _not_too_long(
    target: Target, request: ChatRequest, whole: Cut | TooLong, window: int | None, seen: _Seen
) -> ChatRequest:
    """The request, if it may fit: an estimate that errs must refuse nothing that the model takes."""
    assert window is not None, "who refuses learns of no other limit"
    seen.counted = whole.tokens
    least = min(whole.tokens, seen.correction.apply(whole.tokens))
    if least <= window:
        return request
    raise _too_long(target, whole, window, seen)


def _too_long(target: Target, what: Cut | TooLong, most: float, seen: _Seen) -> ProviderError:
    tokens = seen.correction.apply(what.tokens)
    newest = isinstance(what, TooLong) and what.newest
    return ProviderError(
        kind=ErrorKind.CONTEXT_WINDOW_EXCEEDED,
        message=str(TooLong(tokens, int(most), newest=newest)),
        provider=target.provider,
        model=target.model,
    )
