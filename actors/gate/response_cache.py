"""The response cache: gives kept answers, and lets equal requests share one that is under way.

How a request goes through it stands in shared_answer.py; what is kept in
policy/keeping.py, and where in store/cache.py.

Before you edit: it is an actor because the task that reads an answer must not
be that of any of those who listen. The first one to ask may leave, or read
slowly, and the others hear the answer to its end all the same; only when nobody
listens any more is the provider left. Where the first one fails for a reason of
its own (its budget, its deadline), the next one asks for itself. The task runs
in the context of who has asked first, so that spans stand where they belong.
"""

import time
from collections.abc import Callable
from contextlib import aclosing

import trio

from ...runtime import Actor, Sink, on
from ..chat import Chunk
from ..errors import ErrorKind, ProviderError
from ..policy.keeping import worth_keeping
from ..store.cache import AnswerStore, KeptAnswer
from ..wire.assembly import pieces_of
from .flight import Flight
from .response_cache_messages import Share

__all__ = ["ResponseCache"]

# As many as a provider's connection takes at once.
_MOST_REQUESTS = 1024


class ResponseCache(Actor[Share], background=True):
    """Shares answers, and keeps them in `store`. `now` gives seconds since 1970."""

    def __init__(self, store: AnswerStore, now: Callable[[], float] = time.time) -> None:
        self._store = store
        self._now = now
        self._flights: dict[bytes, Flight] = {}

    async def terminate(self, reason: object) -> None:
        self._store.close()

    @on(Share, limit=_MOST_REQUESTS)
    async def share(self, message: Share, out: Sink[list[Chunk]]) -> None:
        """Give an answer to a request."""
        kept = self._store.get(message.key, since=self._now() - message.keep_for)
        with trio.move_on_at(message.deadline):
            if kept is None:
                await self._listen_or_ask(message, out)
            else:
                await self._replay(kept, message, out)
            return
        raise ProviderError(
            kind=ErrorKind.TIMEOUT,
            message="its time was over before the answer was whole"
            + (" that an equal request has begun" if message.found.source == "shared" else ""),
        )

    async def _replay(self, kept: KeptAnswer, message: Share, out: Sink[list[Chunk]]) -> None:
        found = message.found
        found.source, found.target = "kept", kept.target
        found.age = max(0.0, self._now() - kept.at)
        for batch in pieces_of(kept.completion):
            await out.send(batch)

    async def _listen_or_ask(self, message: Share, out: Sink[list[Chunk]]) -> None:
        flight = self._flights.get(message.key)
        while flight is not None:
            message.found.source = "shared"
            heard = await self._listen(flight, out)
            message.found.target = flight.answered_by()
            if flight.failure is None:
                return
            if heard or not flight.spares_others:
                raise flight.failed()
            # Another one who listened may have asked by now.
            flight = self._flights.get(message.key)
        message.found.source = "asked"
        flight = self._flights[message.key] = Flight(message.key, message.answered_by)
        self.start_soon(self._fly, flight, message)
        await self._listen(flight, out)
        if flight.failure is not None:
            raise flight.failed()

    async def _listen(self, flight: Flight, out: Sink[list[Chunk]]) -> int:
        """Hand on what comes, until nothing more does; the number of batches."""
        heard = 0
        flight.listeners += 1
        try:
            while True:
                batch, heard = await flight.after(heard)
                if not batch:
                    return heard
                await out.send(batch)
        finally:
            flight.listeners -= 1
            if not flight.listeners and not flight.over:
                self._take_off(flight)
                flight.scope.cancel(reason="nobody listens any more")

    def _take_off(self, flight: Flight) -> None:
        """Let nobody listen to it who does not yet."""
        if self._flights.get(flight.key) is flight:
            del self._flights[flight.key]

    async def _fly(self, flight: Flight, message: Share) -> None:
        """Read an answer from the provider."""
        failure: ProviderError | None = None
        try:
            with flight.scope:
                async with aclosing(message.ask()) as batches:
                    async for batch in batches:
                        flight.add(batch)
        except ProviderError as error:
            failure = error
        if flight.scope.cancelled_caught:
            return  # nobody listens
        self._take_off(flight)
        if failure is None:
            self._keep(flight, message)
        flight.end(failure)

    def _keep(self, flight: Flight, message: Share) -> None:
        completion = flight.completion()
        if worth_keeping(completion) and message.keep(completion):
            now = self._now()
            answer = KeptAnswer(completion=completion, target=flight.answered_by(), at=now)
            self._store.put(message.key, answer, until=now + message.keep_for)
