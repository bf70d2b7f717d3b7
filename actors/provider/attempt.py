"""One attempt at one target: through its gates, to the provider, and everything settled.

    async with Attempt(target, request, call, number=1, deadline=..., trail=trail) as attempt:
        async for batch in attempt.stream():    # or: completion = await attempt.complete()
            ...

The first batch that `stream` gives is all that came up to the commit point: the
first content, with what only said that the provider had begun. So what is
raised before it may be tried again without anybody noticing, and what is raised
after it must not be.

Before you edit: this is on the path of every batch. Between the connection and
the reader there is one frame, `__anext__`, and no scope, task or timer. All that
is settled is settled synchronously, so that it is under Cancelled too.
"""

from contextlib import AbstractAsyncContextManager
from math import inf
from types import TracebackType
from typing import NoReturn, Self

import attrs
import httpx
import trio

from ...runtime import ActorError, Stream
from ..chat import ChatRequest, Completion
from ..errors import ErrorKind, ProviderError
from ..gate.limiter_messages import Priority
from ..telemetry.observer import (
    NOBODY,
    AttemptBegan,
    AttemptEnded,
    RequestBegan,
    RequestSeen,
    Result,
)
from ..trail import AttemptRecord
from .failures import from_runtime
from .messages import Batch, Chat, Complete, is_silent
from .tally import Tally
from .target import Target

__all__ = ["Attempt", "Call"]

# Chunks that are held back before the commit point, at most: a provider that
# sends so many signs of life has begun, whatever it says.
_HELD = 64


@attrs.frozen(kw_only=True)
class Call:
    """On whose behalf a request is made, and how. The same for all its attempts.

    `deadline`, on trio's clock, is that of the whole chain of targets; `seen`
    is told of each attempt.
    """

    request_id: str = ""
    session: str = ""
    user: str = ""
    priority: Priority = Priority.NORMAL
    deadline: float = inf
    seen: RequestSeen | None = attrs.field(default=None, repr=False)


class Attempt:
    """One try, as a block. Good for one use, in the task that makes it.

    Entering passes the gates and raises ProviderError where one refuses;
    `stream` and `complete` raise ProviderError and nothing else but Cancelled.
    `request` is what the caller wants: its `model` is replaced by the target's.
    `number` counts the attempts of the request from 1; `deadline` is on trio's
    clock. Leaving the block, in whatever way, stops the provider, settles all
    gates and appends to `trail`, of which each ProviderError that is raised
    here, and the Completion, carries a copy.
    """

    __slots__ = (
        "_began",
        "_call",
        "_cause",
        "_committed",
        "_connected",
        "_deadline",
        "_ended",
        "_opened",
        "_seen",
        "_sent",
        "_stream",
        "_tally",
        "_trail",
        "number",
        "request",
        "target",
        "waited",
    )

    def __init__(
        self,
        target: Target,
        request: ChatRequest,
        call: Call,
        *,
        number: int = 1,
        deadline: float = inf,
        trail: list[AttemptRecord] | None = None,
    ) -> None:
        self.target = target
        self.request = attrs.evolve(request, model=target.model) if target.model else request
        self.number = number
        self.waited = 0.0
        """Seconds that the limiter made it wait."""
        self._call = call
        self._deadline = min(deadline, call.deadline)
        self._trail = trail if trail is not None else []
        self._began = trio.current_time()
        self._tally = Tally()
        self._sent = False
        self._committed = False
        self._ended = False
        # The first error, as it came; what is raised may be what it means.
        self._cause: BaseException | None = None
        self._opened: AbstractAsyncContextManager[Stream[Batch]] | None = None
        self._stream: Stream[Batch] | None = None
        seen = call.seen or NOBODY.began(
            RequestBegan(request_id=call.request_id, request=self.request)
        )
        self._seen = seen.attempted(
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
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._opened is not None:
            await self._opened.__aexit__(None, None, None)  # which is no checkpoint
        self._end(error)
        self._cause = None

    # The answer as it comes.

    def stream(self) -> Self:
        """The answer as it comes, a batch for each read of the socket; iterate once."""
        return self

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Batch:
        if not self._committed:
            return await self._begin()
        assert self._stream is not None
        try:
            batch = await anext(self._stream)
        except ActorError as error:
            self._fail(error)
        except StopAsyncIteration:
            self._end(None)
            raise
        self._tally.add(batch)
        return batch

    async def _begin(self) -> Batch:
        """Everything up to the commit point, in one batch."""
        target, deadline = self.target, self._deadline
        held: Batch = []
        try:
            self._opened = target.connection.stream(Chat(self.request, deadline, self))
            self._stream = stream = await self._opened.__aenter__()
            # Until it is taken, it may wait for a provider that restarts; from its
            # first batch, an empty one, the connection keeps its deadlines.
            patience = trio.current_time() + target.patience
            with trio.move_on_at(min(patience, deadline)) as scope:
                async for batch in stream:
                    scope.deadline = deadline
                    held += batch
                    if len(held) > _HELD or not is_silent(batch):
                        break
            if scope.cancelled_caught:
                raise self._too_late(taken=scope.deadline == deadline)
        except ActorError as error:
            self._fail(error)
        if not held:
            self._end(None)
            raise StopAsyncIteration
        self._committed = True
        self._seen.first_token()
        self._tally.add(held)
        return held

    def _too_late(self, *, taken: bool) -> ProviderError:
        target = self.target
        if taken:
            return ProviderError(
                kind=ErrorKind.TIMEOUT,
                message=f"no answer within {target.total:g} s (total)",
                billed="maybe" if self._sent else "no",
            )
        return ProviderError(
            kind=ErrorKind.CONNECTION_FAILED,
            message=f"its connection is down and did not come back within {target.patience:g} s",
            # It has been waited for long enough: who has another provider asks that one.
            should_retry=False,
        )

    # The answer as a whole.

    async def complete(self) -> Completion:
        """The answer as a whole, with its trail."""
        left = max(0.0, self._deadline - trio.current_time())
        try:
            completion = await self.target.connection.ask(
                Complete(self.request, self._deadline, self), timeout=left
            )
        except ActorError as error:
            self._fail(error)
        self._tally.whole(completion)
        self._end(None)
        return attrs.evolve(completion, trail=tuple(self._trail))

    # What the connection says while it works on it.

    def sent(self) -> None:
        """The request is about to be sent."""
        self._sent = True
        self._seen.sent(self.waited)

    def answered(self, headers: httpx.Headers) -> None:
        """The provider has answered."""

    # The end.

    def _fail(self, error: ActorError) -> NoReturn:
        """End it by `error`, and raise what that means."""
        failure = error if isinstance(error, ProviderError) else from_runtime(error)
        failure.provider = failure.provider or self.target.provider
        failure.model = failure.model or self.request.model
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
        tally = self._tally
        usage = tally.usage
        result = self._result(error)
        self._trail.append(
            AttemptRecord(
                target=f"{self.target.provider}/{self.request.model}",
                kind=error.kind.value if isinstance(error, ProviderError) else result,
                ms=round((trio.current_time() - self._began) * 1000),
                input_tokens=None if usage is None else usage.input,
                output_tokens=None if usage is None else usage.output,
                waited=self.waited,
            )
        )
        self._seen.ended(
            AttemptEnded(
                result=result,
                error=error,
                usage=usage,
                model=tally.model,
                response_id=tally.response_id,
                finish=tally.finish,
            )
        )

    def _result(self, error: BaseException | None) -> Result:
        if error is None:
            return "ok" if self._tally.finish is not None else "cancelled"
        return "failed" if isinstance(error, Exception) else "cancelled"
