"""One attempt at one target: through its gates, to the provider, and everything settled.

    async with Attempt(target, request, call, number=1, deadline=..., trail=trail) as attempt:
        async for batch in attempt:    # or: completion = await attempt.complete()
            ...

The first batch is all that came up to the commit point: the
first content, with what only said that the provider had begun. So what is
raised before it may be tried again without anybody noticing, and what is raised
after it must not be.

Before you edit: this is on the path of every batch. Between the connection and
the reader there is one frame, `__anext__`, and no scope, task or timer. All that
is settled is settled synchronously, so that it is under Cancelled too.
"""

from collections.abc import Sequence, Set
from contextlib import AbstractAsyncContextManager
from math import inf
from types import TracebackType
from typing import NoReturn, Self

import attrs
import httpx
import structlog
import trio

from ...runtime import ActorError, AskTimeout, Stream
from ..chat import ChatRequest, Completion, Started, Usage
from ..errors import ErrorKind, ProviderError
from ..logs import tells_info
from ..telemetry.observer import (
    AttemptBegan,
    AttemptEnded,
    AttemptSeen,
    Result,
)
from ..trail import AttemptRecord
from ..wire.assembly import Assembly, chunks_of
from .call import Call
from .failures import from_runtime
from .gate_chain import GateChain
from .messages import Batch, Chat, Complete, is_silent
from .tally import Tally
from .target import Target

__all__ = ["Attempt"]

_log = structlog.get_logger("trouper.call")

# Chunks, and characters in them, that are held back before the commit point, at
# most: a provider that sends so many signs of life has begun, whatever it says.
_HELD = 64
_HELD_CHARACTERS = 256 * 1024

# Seconds until a connection that took nothing may be asked again: a restart's delay.
_LOOK_AGAIN = 1.0

# What another key may not share.
_OF_KEYS = frozenset(
    kind.value
    for kind in (
        ErrorKind.AUTH,
        ErrorKind.PERMISSION,
        ErrorKind.QUOTA_EXHAUSTED,
        ErrorKind.RATE_LIMITED,
    )
)


class Attempt:
    """One try, as a block. Good for one use, in the task that makes it.

    Entering passes the gates and raises ProviderError where one refuses. Iterating
    gives the answer as it comes, once, a batch for each read of the socket; it and
    `complete` raise ProviderError and nothing else but Cancelled.
    `request` is what the caller wants: its `model` is replaced by the target's.
    `number` counts the attempts of the request from 1; `deadline` is on trio's
    clock, and so is `admit_by`, by which a limiter lets it through or refuses at
    once. `patience`, in seconds and at most the target's, is how long a connection
    that does not take the request is waited for: it is down, or has all that it
    can hold. One that was waited for less than its target allows may be asked
    again in a moment, which the error's `retry_after` says. Leaving the block, in
    whatever way, stops the provider, settles all gates and appends to `trail`, of
    which each ProviderError that is raised here, and the Completion, carries a copy.
    """

    __slots__ = (
        "_admit_by",
        "_began",
        "_cause",
        "_committed",
        "_deadline",
        "_ended",
        "_gates",
        "_opened",
        "_patience",
        "_said",
        "_seen",
        "_stream",
        "_tally",
        "_trail",
        "_untaken",
        "number",
        "request",
        "target",
    )

    def __init__(
        self,
        target: Target,
        request: ChatRequest,
        call: Call,
        *,
        number: int = 1,
        deadline: float = inf,
        admit_by: float = inf,
        patience: float = inf,
        trail: list[AttemptRecord] | None = None,
    ) -> None:
        self.target = target
        if target.model not in ("", request.model):
            request = attrs.evolve(request, model=target.model)
        self.request = request
        self.number = number
        self._trail = trail if trail is not None else []
        self._gates = GateChain(target, self.request, call, number, _failed_keys(self._trail))
        self._deadline = min(deadline, call.deadline)
        self._admit_by = min(admit_by, self._deadline)
        self._patience = min(patience, target.patience)
        # Of a plain call that the connection has not taken yet.
        self._untaken: trio.CancelScope | None = None
        self._began = trio.current_time()
        self._tally = Tally()
        # Kept for who observes, and wants to read it.
        self._said = Assembly() if call.tells_content else None
        self._committed = False
        self._ended = False
        # The first error, as it came; what is raised may be what it means.
        self._cause: BaseException | None = None
        self._opened: AbstractAsyncContextManager[Stream[Batch]] | None = None
        self._stream: Stream[Batch] | None = None
        self._seen: AttemptSeen | None = None
        if call.seen is not None:
            self._seen = call.seen.attempted(
                AttemptBegan(
                    number=number,
                    provider=target.provider,
                    model=self.request.model,
                    kind=target.kind,
                    base_url=target.base_url,
                )
            )

    @property
    def committed(self) -> bool:
        """Whether content has been handed on, so that trying again would repeat it."""
        return self._committed

    async def __aenter__(self) -> Self:
        try:
            self.request = await self._gates.enter(self._admit_by)
        except ActorError as error:
            self._fail(error, asked=False)
        except BaseException as error:
            self._end(error)
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._shut()
        self._end(error)

    # The answer as it comes.

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Batch:
        if not self._committed:
            return await self._begin()
        assert self._stream is not None
        try:
            batch = await anext(self._stream)
        except ActorError as error:
            await self._shut()
            self._fail(error)
        except StopAsyncIteration:
            await self._shut()
            self._end(None)
            raise
        self._tally.add(batch)
        if self._said is not None:
            self._said.extend(batch)
        return batch

    async def _begin(self) -> Batch:
        """Everything up to the commit point, in one batch."""
        target, deadline = self.target, self._deadline
        held: Batch = []
        try:
            self._opened = target.connection.stream(
                Chat(self.request, deadline, self._gates.key_id, self, target.deadlines)
            )
            self._stream = stream = await self._opened.__aenter__()
            # Until it is taken, it may wait for a provider that restarts; from its
            # first batch, an empty one, the connection keeps its deadlines.
            patience = trio.current_time() + self._patience
            with trio.move_on_at(min(patience, deadline)) as scope:
                async for batch in stream:
                    scope.deadline = deadline
                    held += batch
                    if not is_silent(batch) or _is_much(held):
                        break
            if scope.cancelled_caught:
                raise self._too_late(taken=scope.deadline == deadline)
        except ActorError as error:
            await self._shut()
            self._fail(error)
        if not held:
            await self._shut()
            self._end(None)
            raise StopAsyncIteration
        self._committed = True
        self._gates.begun()
        if self._seen is not None:
            self._seen.first_token()
        self._tally.add(held)
        if self._said is not None:
            self._said.extend(held)
        return held

    async def _shut(self) -> None:
        """Stop the provider; no checkpoint."""
        opened, self._opened = self._opened, None
        if opened is not None:
            await opened.__aexit__(None, None, None)

    def _too_late(self, *, taken: bool) -> ProviderError:
        target = self.target
        if taken:
            return ProviderError(
                kind=ErrorKind.TIMEOUT,
                message=f"no answer within {target.total:g} s (total)",
                billed="maybe" if self._gates.is_sent else "no",
            )
        return ProviderError(
            kind=ErrorKind.UNAVAILABLE,
            message=f"its connection is down, or full, and took nothing within {self._patience:g} s",
            # It has been waited for long enough: who has another provider asks that one.
            should_retry=False,
            retry_after=_LOOK_AGAIN if self._patience < target.patience else None,
        )

    # The answer as a whole.

    async def complete(self) -> Completion:
        """The answer as a whole, with its trail."""
        left = max(0.0, self._deadline - trio.current_time())
        request = Complete(
            self.request, self._deadline, self._gates.key_id, self, self.target.deadlines
        )
        connection = self.target.connection
        try:
            if connection.is_free_for(request):
                return self._whole(await connection.ask(request, timeout=left))
            with trio.move_on_after(self._patience) as self._untaken:
                return self._whole(await connection.ask(request, timeout=left))
            raise self._too_late(taken=False)
        except AskTimeout as error:
            self._fail(error if self._gates.is_sent else self._too_late(taken=True))
        except ActorError as error:
            self._fail(error)

    def _whole(self, completion: Completion) -> Completion:
        self._tally.whole(completion)
        if self._said is not None:
            self._said.extend(chunks_of(completion))
        self._end(None)
        return attrs.evolve(completion, trail=tuple(self._trail))

    # What the connection says while it works on it.

    def taken(self) -> None:
        """The connection is up, and keeps the deadlines from here on."""
        if self._untaken is not None:
            self._untaken.deadline = inf

    def sent(self) -> None:
        """The request is about to be sent."""
        self._gates.sent()
        if self._seen is not None:
            self._seen.sent(self._gates.waited)

    def answered(self, headers: httpx.Headers) -> None:
        """The provider has answered."""
        self._gates.answered(headers)

    # The end.

    def _fail(self, error: ActorError, *, asked: bool = True) -> NoReturn:
        """End it by `error`, and raise what that means; `asked`: of who was asked, not of a gate."""
        failure = error if isinstance(error, ProviderError) else from_runtime(error, asked=asked)
        failure.provider = failure.provider or self.target.provider
        failure.model = failure.model or self.request.model
        failure.key_id = failure.key_id or self._gates.key_id
        failure.committed = self._committed
        self._cause = error
        self._end(failure)
        failure.trail = tuple(self._trail)
        if failure is error:
            raise failure
        raise failure from error

    def _end(self, error: BaseException | None) -> None:
        """Settle everything, once."""
        if self._ended:
            return
        self._ended = True
        result: Result = "cancelled"
        if isinstance(error, Exception):
            result = "failed"
        elif error is None and self._tally.finish is not None:
            result = "ok"
        kind = error.kind.value if isinstance(error, ProviderError) else result
        try:
            self._gates.leave(self._cause or error, self._tally, kind)
        finally:
            self._cause = None  # whose traceback holds this very object
            self._trail.append(self._record(kind))
            if self._seen is not None:
                self._seen.ended(self._told(error, result))
        if result == "ok" and tells_info():
            self._log()

    def _record(self, kind: str) -> AttemptRecord:
        gates = self._gates
        usage = gates.usage
        return AttemptRecord(
            target=f"{self.target.provider}/{self.request.model}",
            kind=kind,
            ms=round((trio.current_time() - self._began) * 1000),
            key_id=gates.key_id,
            input_tokens=None if usage is None else usage.input,
            output_tokens=None if usage is None else usage.output,
            estimated=usage is not None and usage.estimated,
            cost=gates.cost,
            waited=gates.waited,
        )

    def _told(self, error: BaseException | None, result: Result) -> AttemptEnded:
        gates, tally = self._gates, self._tally
        return AttemptEnded(
            result=result,
            error=error,
            usage=gates.usage,
            cost=gates.cost,
            model=tally.model,
            response_id=tally.response_id,
            finish=tally.finish,
            key_id=gates.key_id,
            chunks=tally.chunks or 0,
            answer=None if self._said is None else self._said.completion().message,
        )

    def _log(self) -> None:
        usage = self._gates.usage or Usage()
        _log.info(
            "call answered",
            provider=self.target.provider,
            model=self.request.model,
            prompt_tokens=usage.input,
            completion_tokens=usage.output,
            tokens=usage.input + usage.output,
            attempt=self.number,
        )


def _failed_keys(trail: Sequence[AttemptRecord]) -> Set[str]:
    """The keys that have failed for reasons of their own: another one may do better."""
    return {each.key_id for each in trail if each.kind in _OF_KEYS} if trail else frozenset()


def _is_much(held: Batch) -> bool:
    """Whether no more of what has no content is held back."""
    if len(held) > _HELD:
        return True
    # Of all that has none, only this one has texts that a server makes up.
    texts = sum(len(each.id) + len(each.model) for each in held if type(each) is Started)
    return texts > _HELD_CHARACTERS
