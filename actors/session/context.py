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

from ..catalog.encodings import EncodingName, encoding_for, is_loaded
from ..catalog.facts import ModelRef
from ..chat import ChatRequest, Message, TextPart, Usage
from ..errors import ErrorKind, ProviderError
from ..policy.context import (
    USUAL_ANSWER,
    Cut,
    Telling,
    TooLong,
    drop_oldest,
    kept,
    left_out,
    moved,
    prompt_limit,
    refuse,
    summarise,
    surely_fits,
    turn_starts,
)
from ..policy.summary import Summary, placed
from ..provider.call import Call
from ..provider.route import Route, facts_of
from ..provider.target import Target
from ..wire.window_words import refusal_in
from .summary import write_summary
from .target_window import TargetWindow

__all__ = ["ContextPolicy", "WindowFitter"]

_log = structlog.get_logger("trouper.session")

ContextPolicy = Literal["refuse", "drop_oldest", "summarise"]


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


class WindowFitter:
    """What one conversation shows to models, by their windows. It is the `Fitter` of its session's calls.

    `call` is what the session's calls are like, for those that write a summary;
    `small` writes them, and without it who answers the turn.
    """

    # There is one for each open session, of which most do nothing.
    __slots__ = (
        "_call",
        "_counted",
        "_policy",
        "_route",
        "_seen",
        "_small",
        "_summary",
    )

    def __init__(
        self, policy: ContextPolicy, route: Route, call: Call, small: Route | None = None
    ) -> None:
        self._policy = policy
        self._route = route
        self._small = small
        self._call = call
        self._seen: dict[str, TargetWindow] = {}
        self._counted: dict[EncodingName, _Counted] = {}
        self._summary: Summary | None = None

    @property
    def summary(self) -> Summary | None:
        """The one that was written last, which stands for the messages that it tells of."""
        return self._summary

    def take_up(self, summary: Summary | None) -> None:
        """Go on with a conversation of an earlier life, and with the summary that it had."""
        self._seen.clear()
        self._counted.clear()
        self._summary = summary

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
            seen = self._seen[target.name] = TargetWindow(knowledge.correction(ref))
        sent, seen.counted = seen.counted, 0
        window = seen.window or knowledge.facts(ref).max_input_tokens
        if not seen.has_refused and (window is None or _needs_no_count(request, model, window)):
            return request
        tokens = await self._count(target, request.messages, model)
        bare = attrs.evolve(request, messages=())
        fixed = await knowledge.tokens.count_request_async(bare, model)
        if not self.shortens:
            return _not_too_long(target, request, refuse(tokens, inf, fixed=fixed), window, seen)
        room = seen.learn(sent or fixed + sum(tokens))
        most = seen.most
        if window is not None:
            usual = max(USUAL_ANSWER, knowledge.likely_output(ref, None))
            most = min(most, prompt_limit(window, request.max_output_tokens, usual))
        limit = most / seen.correction.factor
        measured = _Measured(target, request.messages, tokens, fixed, limit, most, room)
        messages = await self._cut(measured, seen, shorten=shorten)
        return request if messages is None else attrs.evolve(request, messages=messages)

    async def _cut(
        self, measured: _Measured, seen: TargetWindow, *, shorten: bool
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
            cut, summary = _dropped(measured, seen.start), None
        if isinstance(cut, TooLong):
            raise _too_long(measured.target, cut, measured.most, seen)
        seen.counted = cut.tokens
        self._note(measured, seen, cut, summarised=summary is not None)
        messages = kept(measured.messages, cut.start)
        return messages if summary is None else placed(messages, summary)

    async def _summarised(
        self, measured: _Measured, seen: TargetWindow
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
            small=self._small,
            earlier=earlier,
            left_out=left_out(measured.messages, plan.cut.start, since),
            until=plan.cut.start,
            tokens=told + sum(measured.tokens[index] for index in gone),
            most=plan.most,
            limit=measured.limit,
        )
        if written is None:
            cut = _dropped(measured, start, told)
            if isinstance(cut, Cut):
                return cut, earlier
            return _dropped(measured, start), None
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

    def _note(self, measured: _Measured, seen: TargetWindow, cut: Cut, *, summarised: bool) -> None:
        if cut.start == seen.start:
            return
        seen.start = cut.start
        # What was sent has about `tokens`, of `limit` that a prompt may have.
        _log.info(
            "conversation is shortened",
            session=self._call.session,
            target=measured.target.name,
            left_out=len(left_out(measured.messages, cut.start)),
            tokens=seen.correction.apply(cut.tokens),
            limit=int(measured.most),
            summarised=summarised,
        )

    # What comes of it.

    def refused(self, target: Target, request: ChatRequest, error: ProviderError) -> bool:
        """It was too long after all; whether there is something to leave out."""
        seen = self._seen[target.name]
        if not self.shortens or len(turn_starts(request.messages)) < 2:
            return False
        seen.refuses(refusal_in(error.message))
        return True

    def answered(self, name: str, usage: Usage | None) -> None:
        """The target of that name has answered, and says what it has read."""
        seen = self._seen.get(name)
        if seen is not None and usage is not None and not usage.estimated:
            seen.answered(usage.input)

    def window(self, name: str) -> int | None:
        """The size of the window of the target of that name, where anybody knows it."""
        seen, target = self._seen.get(name), self._route.targets.get(name)
        if seen is not None and seen.window is not None:
            return seen.window
        return None if target is None else facts_of(target).max_input_tokens

    def forgotten(self, first: int, count: int) -> None:
        """From index `first` on, so many messages are no part of the conversation any more."""
        for seen in self._seen.values():
            seen.start = moved(seen.start, first, count)
        if self._summary is not None:
            until = moved(self._summary.until, first, count)
            self._summary = attrs.evolve(self._summary, until=until)


def _dropped(measured: _Measured, start: int, told: int = 0) -> Cut | TooLong:
    """What is left out where nobody writes a summary, or beside one of `told` tokens."""
    return drop_oldest(
        measured.messages,
        measured.tokens,
        measured.limit,
        fixed=measured.fixed + told,
        start=start,
        room=measured.room,
    )


def _needs_no_count(request: ChatRequest, model: str, window: int) -> bool:
    """Whether it fits for sure, as long as the tokenizer, which takes 0.2 s, is not loaded."""
    if is_loaded(encoding_for(model)) or request.tools or request.response_schema is not None:
        return False
    return surely_fits(request.messages, window)


def _not_too_long(
    target: Target,
    request: ChatRequest,
    whole: Cut | TooLong,
    window: int | None,
    seen: TargetWindow,
) -> ChatRequest:
    """The request, if it may fit: an estimate that errs must refuse nothing that the model takes."""
    assert window is not None, "who refuses learns of no other limit"
    seen.counted = whole.tokens
    least = min(whole.tokens, seen.correction.apply(whole.tokens))
    if least <= window:
        return request
    raise _too_long(target, whole, window, seen)


def _too_long(
    target: Target, what: Cut | TooLong, most: float, seen: TargetWindow
) -> ProviderError:
    tokens = seen.correction.apply(what.tokens)
    newest = isinstance(what, TooLong) and what.newest
    return ProviderError(
        kind=ErrorKind.CONTEXT_WINDOW_EXCEEDED,
        message=str(TooLong(tokens, int(most), newest=newest)),
        provider=target.provider,
        model=target.model,
    )
