"""The requests to providers that are under way, with their phase, and how the last ones ended.

An observer of requests (telemetry/observer.py). What is finished is soon
forgotten: the ledger has it.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Literal

from ..telemetry.labels import outcome
from ..telemetry.observer import (
    AttemptBegan,
    AttemptEnded,
    AttemptSeen,
    RequestBegan,
    RequestEnded,
    RequestSeen,
)

__all__ = ["Phase", "RequestBook"]

Phase = Literal["routing", "waiting", "sent", "streaming"]
"""Which target; at our gates; with the provider, before the first content; content comes."""

# Outcomes that are remembered of each deployment.
_LAST = 20
# Deployments of which outcomes are remembered: those of a configuration and some more.
_DEPLOYMENTS = 500
# Requests that are told of one by one; all are counted.
_TOLD = 300

Ended = Callable[[RequestBegan, AttemptBegan, AttemptEnded], object]


class RequestBook:
    """Knows all requests that are under way. `clock` tells seconds.

    `ended` is told of every try that has ended, with the request that it was for.
    """

    content = False

    def __init__(
        self, ended: Ended | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.clock = clock
        self._ended = ended
        self._under_way: dict[object, _Asked] = {}
        self._outcomes: dict[tuple[str, str], deque[str]] = {}

    def __len__(self) -> int:
        return len(self._under_way)

    def began(self, began: RequestBegan) -> RequestSeen:
        """Somebody asks."""
        asked = _Asked(self, began)
        self._under_way[asked] = asked
        return asked

    def rows(self) -> list[dict[str, Any]]:
        """What the feed tells of them, the oldest first; no more than 300."""
        now = self.clock()
        found: list[dict[str, Any]] = []
        for asked in self._under_way.values():
            if len(found) >= _TOLD:
                break
            found += asked.rows(now)
        return found

    def in_flight(self) -> dict[str, int]:
        """How many tries of each provider are under way."""
        counts: dict[str, int] = {}
        for asked in self._under_way.values():
            for tried in asked.tries:
                provider = tried.began.provider
                counts[provider] = counts.get(provider, 0) + 1
        return counts

    def outcomes(self, provider: str, model: str) -> list[str]:
        """How the last tries of a model ended, oldest first: `ok`, `cancelled`, or what failed."""
        return list(self._outcomes.get((provider, model), ()))

    # Told by those that are under way.

    def forget(self, asked: "_Asked") -> None:
        """A request has ended: show it no longer."""
        self._under_way.pop(asked, None)

    def remember(self, asked: "_Asked", tried: "_Tried", ended: AttemptEnded) -> None:
        """A try is over."""
        key = (tried.began.provider, tried.began.model)
        if key in self._outcomes or len(self._outcomes) < _DEPLOYMENTS:
            self._outcomes.setdefault(key, deque(maxlen=_LAST)).append(outcome(ended))
        if self._ended is not None:
            self._ended(asked.began_with, tried.began, ended)


class _Asked:
    def __init__(self, book: RequestBook, began: RequestBegan) -> None:
        self.book = book
        self.began_with = began
        self.since = book.clock()
        self.tries: list[_Tried] = []

    def attempted(self, began: AttemptBegan) -> AttemptSeen:
        tried = _Tried(self, began)
        self.tries.append(tried)
        return tried

    def ended(self, ended: RequestEnded) -> None:
        self.book.forget(self)

    def rows(self, now: float) -> Iterator[dict[str, Any]]:
        began = self.began_with
        asked = {
            "id": began.request_id,
            "asked": began.model,
            "session": began.session,
            "user": began.user,
            "stream": began.stream,
            "age_ms": _ms(now - self.since),
        }
        if not self.tries:
            yield {**asked, "provider": "", "model": "", "attempt": 0, "phase": "routing"}
        for tried in self.tries:
            yield {**asked, **tried.row(now)}


class _Tried:
    def __init__(self, asked: _Asked, began: AttemptBegan) -> None:
        self._asked = asked
        self.began = began
        self._phase: Phase = "waiting"
        self._since = asked.book.clock()
        self._sent_at: float | None = None
        self._first: float | None = None
        self._waited = 0.0

    def sent(self, waited: float = 0.0) -> None:
        self._phase, self._waited = "sent", waited
        self._since = self._sent_at = self._asked.book.clock()

    def first_token(self) -> None:
        self._phase = "streaming"
        self._since = self._asked.book.clock()
        if self._sent_at is not None:
            self._first = self._since - self._sent_at

    def ended(self, ended: AttemptEnded) -> None:
        asked = self._asked
        if self in asked.tries:
            asked.tries.remove(self)
        asked.book.remember(asked, self, ended)

    def row(self, now: float) -> dict[str, Any]:
        return {
            "provider": self.began.provider,
            "model": self.began.model,
            "attempt": self.began.number,
            "phase": self._phase,
            "phase_ms": _ms(now - self._since),
            "waited_ms": _ms(self._waited),
            "first_ms": None if self._first is None else _ms(self._first),
        }


def _ms(seconds: float) -> int:
    return round(seconds * 1e3)
