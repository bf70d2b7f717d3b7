"""A request of a route whose answers are kept: out of the cache where it can be.

It is asked as always where nothing is kept and nobody asks the same just now
(gate/response_cache.py), and what comes looks the same. What was not asked for
costs nothing: it has one row in the ledger and one record in its trail, and both
say "cached".
"""

import secrets
import time
from collections.abc import Sequence

import attrs
import structlog
import trio

from ...runtime import ActorError
from ..chat import ChatRequest, Completion, Usage
from ..errors import ProviderError
from ..gate.response_cache_messages import Share, Source, Upstream
from ..gate.shared_answer import InOnePiece, SharedAnswer, whole
from ..policy.keeping import from_whom_it_should_be, who_answered
from ..store.ledger import Closing, Ledger, Opening
from ..telemetry.observer import RequestBegan, RequestEnded
from ..trail import AttemptRecord
from ..wire.assembly import Assembly
from .caching import Caching
from .call import Call
from .execution import Execution
from .failures import from_runtime
from .live_answer import LiveAnswer
from .messages import Batch
from .route import Route

__all__ = ["CachedAnswer", "complete_cached"]

_log = structlog.get_logger("trouper.cache")


class CachedAnswer:
    """An answer under way, as `LiveAnswer` is. Close it where it is left early."""

    def __init__(
        self,
        route: Route,
        caching: Caching,
        request: ChatRequest,
        call: Call,
        pinned: str = "",
        *,
        streamed: bool = True,
    ) -> None:
        if not call.request_id:
            call = attrs.evolve(call, request_id=f"req_{secrets.token_hex(8)}")
        self._seen = None
        if call.seen is None:
            self._seen = route.observer.began(
                RequestBegan(
                    request_id=call.request_id,
                    request=request,
                    model=route.name,
                    stream=streamed,
                    session=call.session,
                    user=call.user,
                )
            )
            call = attrs.evolve(call, seen=self._seen, tells_content=route.observer.content)
        self._route = route
        self._caching = caching
        self._request = request
        self._call = call
        self._pinned = pinned
        self._streamed = streamed
        self._began = trio.current_time()
        self._assembly = Assembly()
        self._shared: SharedAnswer | None = None
        self._over = False
        # What asks on its behalf, if anything does.
        self._asked: LiveAnswer | InOnePiece | None = None

    @property
    def source(self) -> Source:
        """Where it comes from; good once the first batch is there."""
        return "asked" if self._shared is None else self._shared.found.source

    @property
    def target(self) -> str:
        """Who gives it ("provider/model"), once somebody does."""
        if isinstance(self._asked, LiveAnswer):
            return self._asked.target
        return self._shared.found.target if self._shared is not None else ""

    @property
    def trail(self) -> tuple[AttemptRecord, ...]:
        """The attempts that it took, or the one that it did not take."""
        if self.source == "asked":
            return tuple(self._attempts())
        return (AttemptRecord(target=self.target, kind="cached", ms=self._ms(), cost=0),)

    @property
    def plain(self) -> Completion | None:
        """The answer itself, where it was asked for in one piece."""
        return self._asked.completion if isinstance(self._asked, InOnePiece) else None

    def completion(self) -> Completion:
        """The answer as far as it has been handed on, with its trail."""
        return attrs.evolve(self._assembly.completion(), trail=self.trail)

    def __aiter__(self) -> "CachedAnswer":
        return self

    async def __anext__(self) -> Batch:
        if self._over:
            raise StopAsyncIteration
        try:
            if self._shared is None:
                self._shared = SharedAnswer(self._caching.cache, self._share())
            batch = await anext(self._shared)
        except StopAsyncIteration:
            await self._end()
            raise
        except ActorError as error:
            failure = (
                error if isinstance(error, ProviderError) else from_runtime(error, asked=False)
            )
            self._tell(RequestEnded(result="failed", error=failure))
            if failure is error:
                raise
            raise failure from error
        self._assembly.extend(batch)
        return batch

    async def aclose(self) -> None:
        """Leave it: the provider stops, unless others listen."""
        self._over = True
        if self._shared is not None:
            await self._shared.aclose()
        self._tell(RequestEnded(result="cancelled"))

    # What the cache asks back.

    def _share(self) -> Share:
        route = self._route
        first = {candidate.name for candidate in route.chain[0].candidates}
        return Share(
            key=self._caching.key(route.targets.values(), self._request),
            keep_for=self._caching.keep_for,
            ask=self._ask,
            keep=lambda _: from_whom_it_should_be(self._attempts(), first),
            answered_by=lambda: who_answered(self._attempts()),
            deadline=min(self._call.deadline, self._began + route.total),
        )

    def _ask(self) -> Upstream:
        """Ask a provider. It goes on without us where others listen."""
        route, request, call, pinned = self._route, self._request, self._call, self._pinned
        if self._streamed:
            self._asked = LiveAnswer(route, request, call, pinned)
        else:
            asked = Execution(route, request, call, streamed=False, pinned=pinned)
            self._asked = InOnePiece(asked.whole)
        return self._asked

    def _attempts(self) -> Sequence[AttemptRecord]:
        match self._asked:
            case LiveAnswer():
                return self._asked.trail
            case InOnePiece(completion=Completion(trail=trail)):
                return trail
            case _:
                return ()

    # The end.

    async def _end(self) -> None:
        self._over = True
        if self.source == "asked":
            self._tell(RequestEnded(result="ok"))
            return
        self._tell(RequestEnded(result="cached"))
        self._log()
        if self._caching.ledger is not None:
            await self._enter(self._caching.ledger)

    def _log(self) -> None:
        """What every call says (attempt.py); the tokens are those that it did not cost again."""
        assert self._shared is not None
        usage = self._assembly.completion().usage or Usage()
        provider, _, model = self.target.partition("/")
        _log.info(
            "call answered",
            provider=provider,
            model=model,
            prompt_tokens=usage.input,
            completion_tokens=usage.output,
            tokens=usage.input + usage.output,
            cached=True,
            source=self.source,
            age_s=round(self._shared.found.age, 3),
            request=self._call.request_id,
        )

    def _tell(self, ended: RequestEnded) -> None:
        seen, self._seen = self._seen, None
        if seen is not None:
            seen.ended(ended)

    async def _enter(self, ledger: Ledger) -> None:
        """Enter it into the ledger: an attempt that was none, and cost nothing."""
        provider, _, model = self.target.partition("/")
        opening = Opening(
            op_id=secrets.token_hex(8),
            request_id=self._call.request_id,
            attempt=1,
            at=time.time(),
            provider=provider,
            model=model,
            reserved=0,
            session=self._call.session,
            user=self._call.user,
        )
        closing = Closing(
            state="settled", outcome="cached", cost=0, model=model, duration_ms=self._ms()
        )
        try:
            await ledger.reserve(opening)
        except ActorError as error:
            _log.warning("an answer from the cache is not in the ledger", error=str(error))
        else:
            ledger.settle(opening.op_id, closing)

    def _ms(self) -> int:
        return round((trio.current_time() - self._began) * 1000)


async def complete_cached(
    route: Route, caching: Caching, request: ChatRequest, call: Call, pinned: str = ""
) -> Completion:
    """The answer as a whole, as `request.complete` has it. Raises ProviderError."""
    answer = CachedAnswer(route, caching, request, call, pinned, streamed=False)
    completion = await whole(answer)
    # Chunks do not tell all that a plain answer has.
    return answer.plain or attrs.evolve(completion, trail=answer.trail)
