"""The one retry loop: a request from its first try to its answer, over a chain of targets.

The commit point is the first content that is handed on. Before it, a retry is
invisible: what only says that the provider has begun is held back. After it,
nothing is repeated, and an error says so (`committed`).
"""

from collections.abc import Sequence

import structlog
import trio

from ..chat import ChatRequest, Completion
from ..errors import ProviderError
from ..policy.backoff import retry_delay
from ..trail import AttemptRecord
from .attempt import Attempt, Call
from .messages import Batch
from .target import Target

__all__ = ["Answer", "complete", "stream"]

_log = structlog.get_logger("trouper.request")


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
        self._attempt: Attempt | None = None
        self._trail: list[AttemptRecord] = []

    def __aiter__(self) -> "Answer":
        return self

    async def __anext__(self) -> Batch:
        if self._attempt is None:
            return await self._begin()
        return await anext(self._attempt)

    async def aclose(self) -> None:
        """Leave it: the provider stops at once."""
        if self._attempt is not None:
            await self._attempt.__aexit__(None, None, None)

    async def _begin(self) -> Batch:
        """All that comes before the commit point, and the first batch behind it."""
        for number, target in enumerate(self._targets, 1):
            try:
                return await self._try(target)
            except ProviderError as error:
                if error.scope == "request" or number == len(self._targets):
                    raise
                following = self._targets[number]
                _log.warning(
                    "next target is asked",
                    provider=error.provider,
                    model=error.model,
                    kind=error.kind.value,
                    next=following.name,
                )
        raise AssertionError("a chain has at least one target")

    async def _try(self, target: Target) -> Batch:
        deadline = trio.current_time() + target.total
        number = 0
        while True:
            number += 1
            attempt = self._open(target, deadline)
            try:
                await attempt.__aenter__()
                batch = await anext(attempt)
            except ProviderError as error:
                await attempt.__aexit__(type(error), error, None)
                await _wait_or_raise(target, error, number, deadline)
            except BaseException as error:
                await attempt.__aexit__(type(error), error, None)
                raise
            else:
                self._attempt = attempt
                return batch

    def _open(self, target: Target, deadline: float) -> Attempt:
        return Attempt(
            target,
            self._request,
            Call(),
            number=len(self._trail) + 1,
            deadline=deadline,
            trail=self._trail,
        )


async def complete(target: Target, request: ChatRequest) -> Completion:
    """The answer as a whole, from one target. Raises ProviderError."""
    deadline = trio.current_time() + target.total
    trail: list[AttemptRecord] = []
    while True:
        number = len(trail) + 1
        try:
            async with Attempt(
                target, request, Call(), number=number, deadline=deadline, trail=trail
            ) as attempt:
                return await attempt.complete()
        except ProviderError as error:
            await _wait_or_raise(target, error, number, deadline)


async def _wait_or_raise(
    target: Target, failure: ProviderError, attempt: int, deadline: float
) -> None:
    delay = retry_delay(target.retry, failure, attempt, target.chance())
    now = trio.current_time()
    if delay is None or now + delay >= deadline:
        raise failure
    _log.info(
        "request is tried again",
        provider=failure.provider,
        model=failure.model,
        kind=failure.kind.value,
        attempt=attempt,
        delay_s=round(delay, 3),
    )
    await trio.sleep(delay)
