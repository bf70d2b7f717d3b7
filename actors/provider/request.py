"""The one retry loop: a request from its first try to its answer, over a chain of targets.

The commit point is the first content that is handed on. Before it, a retry is
invisible: what only says that the provider has begun is held back. After it,
nothing is repeated, and an error says so (`committed`).
"""

import random
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack

import attrs
import structlog
import trio

from ...runtime import ActorError, Ref, Stream
from ..chat import ChatRequest, Completion
from ..config import ProviderConfig
from ..errors import ErrorKind, ProviderError
from ..policy.backoff import RetryPolicy, retry_delay
from .failures import from_runtime
from .messages import Batch, Chat, Complete, ConnectionMessage, is_silent

__all__ = ["Answer", "Target", "complete", "make_target", "stream"]

_log = structlog.get_logger("trouper.request")

# Chunks that are held back before the commit point, at most: a provider that
# sends so many signs of life has begun, whatever it says.
_HELD = 64


@attrs.frozen(kw_only=True)
class Target:
    """A model of a provider, and how patiently it is asked.

    `model` is the provider's own name for it, and "" leaves the request's.
    Times are in seconds: `total` bounds all tries together, and `patience` how
    long a connection that is down is waited for.
    """

    provider: str
    model: str
    connection: Ref[ConnectionMessage] = attrs.field(repr=False)
    retry: RetryPolicy
    total: float
    patience: float
    chance: Callable[[], float] = attrs.field(default=random.random, repr=False)


def make_target(
    config: ProviderConfig, connection: Ref[ConnectionMessage], model: str = ""
) -> Target:
    """The target of a configured provider."""
    return Target(
        provider=config.name,
        model=model,
        connection=connection,
        retry=RetryPolicy(
            attempts=config.retry.attempts,
            base_delay=config.retry.base_delay,
            max_delay=config.retry.max_delay,
        ),
        total=config.timeouts.total,
        patience=config.timeouts.first_event,
    )


def stream(targets: Sequence[Target], request: ChatRequest) -> "Answer":
    """The answer, a batch of chunks for each read of the socket.

    The next target is asked where one fails for reasons of its own before it
    has said anything; each with its own `model` in the request. Close it
    (`contextlib.aclosing`) where it is left early. Iterating raises
    ProviderError, with `committed` set where content had been handed on.
    """
    return Answer(targets, request)


class Answer:
    """An answer under way: an iterator of batches.

    A class and not a generator around generators, each of which would cost
    every batch a frame.
    """

    def __init__(self, targets: Sequence[Target], request: ChatRequest) -> None:
        self._targets = targets
        self._request = request
        self._target = targets[0]
        self._open = AsyncExitStack()
        self._batches: Stream[Batch] | None = None

    def __aiter__(self) -> "Answer":
        return self

    async def __anext__(self) -> Batch:
        if self._batches is None:
            return await self._begin()
        try:
            return await anext(self._batches)
        except ActorError as error:
            failure = _as_provider_error(error, self._target, self._request)
            failure.committed = True
            if failure is error:
                raise
            raise failure from error

    async def aclose(self) -> None:
        """Leave it: the provider stops at once."""
        await self._open.aclose()

    async def _begin(self) -> Batch:
        """All that comes before the commit point, and the first batch behind it."""
        for number, target in enumerate(self._targets, 1):
            self._target = target
            try:
                return await self._try(target, _asked(self._request, target))
            except ProviderError as error:
                if error.scope == "request" or number == len(self._targets):
                    raise
                following = self._targets[number]
                _log.warning(
                    "next target is asked",
                    provider=error.provider,
                    model=error.model,
                    kind=error.kind.value,
                    next=f"{following.provider}/{following.model}",
                )
        raise AssertionError("a chain has at least one target")

    async def _try(self, target: Target, request: ChatRequest) -> Batch:
        deadline = trio.current_time() + target.total
        attempt = 0
        while True:
            attempt += 1
            try:
                return await self._try_once(target, request, deadline)
            except ActorError as error:
                await self._open.aclose()
                failure = _as_provider_error(error, target, request)
                await _wait_or_raise(target, failure, error, attempt, deadline)

    async def _try_once(self, target: Target, request: ChatRequest, deadline: float) -> Batch:
        self._open = AsyncExitStack()
        batches = await self._open.enter_async_context(
            target.connection.stream(Chat(request, deadline))
        )
        held: Batch = []
        # Until it is taken, it may wait for a provider that restarts; from its
        # first batch, an empty one, the connection keeps its deadlines.
        patience = trio.current_time() + target.patience
        with trio.move_on_at(min(patience, deadline)) as scope:
            async for batch in batches:
                scope.deadline = deadline
                held += batch
                if len(held) > _HELD or not is_silent(batch):
                    break
        if scope.cancelled_caught:
            raise _too_late(target, taken=scope.deadline == deadline)
        if not held:
            raise StopAsyncIteration
        self._batches = batches
        return held


def _asked(request: ChatRequest, target: Target) -> ChatRequest:
    return attrs.evolve(request, model=target.model) if target.model else request


async def complete(target: Target, request: ChatRequest) -> Completion:
    """The answer as a whole, from one target. Raises ProviderError."""
    request = _asked(request, target)
    deadline = trio.current_time() + target.total
    attempt = 0
    while True:
        attempt += 1
        try:
            left = deadline - trio.current_time()
            return await target.connection.ask(Complete(request, deadline), timeout=max(0.0, left))
        except ActorError as error:
            failure = _as_provider_error(error, target, request)
            await _wait_or_raise(target, failure, error, attempt, deadline)


def _too_late(target: Target, *, taken: bool) -> ProviderError:
    if taken:
        return ProviderError(
            kind=ErrorKind.TIMEOUT,
            message=f"no answer within {target.total:g} s (total)",
            billed="maybe",
        )
    return ProviderError(
        kind=ErrorKind.CONNECTION_FAILED,
        message=f"its connection is down and did not come back within {target.patience:g} s",
        # It has been waited for long enough: who has another provider asks that one.
        should_retry=False,
    )


def _as_provider_error(error: ActorError, target: Target, request: ChatRequest) -> ProviderError:
    failure = error if isinstance(error, ProviderError) else from_runtime(error)
    failure.provider = failure.provider or target.provider
    failure.model = failure.model or target.model or request.model
    return failure


async def _wait_or_raise(
    target: Target, failure: ProviderError, cause: ActorError, attempt: int, deadline: float
) -> None:
    delay = retry_delay(target.retry, failure, attempt, target.chance())
    now = trio.current_time()
    if delay is None or now + delay >= deadline:
        if failure is cause:
            raise failure
        raise failure from cause
    _log.info(
        "request is tried again",
        provider=failure.provider,
        model=failure.model,
        kind=failure.kind.value,
        attempt=attempt,
        delay_s=round(delay, 3),
    )
    await trio.sleep(delay)
