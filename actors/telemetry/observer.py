"""The one seam: what a request tells of itself while it is made.

    seen = observer.began(RequestBegan(...))             once a request
    tried = seen.attempted(AttemptBegan(...))            once a try, before the gates
    tried.sent(waited)                                   all gates are passed
    tried.first_token()                                  the commit point
    tried.ended(AttemptEnded(...))                       in a `finally`, exactly once
    seen.ended(RequestEnded(...))                        in a `finally`, exactly once

All of it is synchronous, never blocks and never raises; nothing is told per
chunk. An observer takes the time itself, so each call belongs to the moment
that it tells of. `NOBODY` is for who is not observed.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Literal, Protocol, TypeVar

import attrs

from ..chat import ChatRequest, Finish, Message, Usage
from ..errors import ProviderError

__all__ = [
    "NOBODY",
    "AttemptBegan",
    "AttemptEnded",
    "AttemptSeen",
    "RequestBegan",
    "RequestEnded",
    "RequestObserver",
    "RequestSeen",
    "Result",
    "together",
]

_log = logging.getLogger("trouper.telemetry")

T = TypeVar("T")
R = TypeVar("R")

Result = Literal["ok", "cached", "cancelled", "failed"]
"""How it ended. Who leaves a stream early has cancelled it; "cached" is of requests only."""


@attrs.frozen(kw_only=True)
class RequestBegan:
    """Somebody asks. `model` is the configured name that was asked for, "" where there is none.

    `session` and `user` are for spans; no metric may have them as a label.
    """

    request_id: str
    request: ChatRequest = attrs.field(repr=False)
    model: str = ""
    stream: bool = True
    session: str = ""
    user: str = ""


@attrs.frozen(kw_only=True)
class RequestEnded:
    """The request has its answer, or will never have one. `error` is set where it failed."""

    result: Result
    error: BaseException | None = None


@attrs.frozen(kw_only=True)
class AttemptBegan:
    """A target is tried: the try of that `number` (from 1) of its request.

    `provider` is its name in the configuration, `kind` the wire that it speaks,
    `model` its own name for the model.
    """

    number: int
    provider: str
    model: str
    kind: str = ""
    base_url: str = ""


@attrs.frozen(kw_only=True)
class AttemptEnded:
    """The try is over; all of it that is known.

    `cost` is in nano-dollars and None where nobody knows it; `model` is the one
    that has answered; `chunks` counts those that came after the first content.
    `answer` is needed only where the observer's `content` is true, and is told to
    nobody else.
    """

    result: Result
    error: BaseException | None = None
    usage: Usage | None = None
    cost: int | None = None
    model: str = ""
    response_id: str = ""
    finish: Finish | None = None
    key_id: str = ""
    chunks: int = 0
    answer: Message | None = attrs.field(default=None, repr=False)

    @property
    def status(self) -> int | None:
        """The HTTP status of a refusal."""
        return self.error.status if isinstance(self.error, ProviderError) else None

    @property
    def may_cost(self) -> bool:
        """Whether a try that was sent may have been billed."""
        return not (isinstance(self.error, ProviderError) and self.error.billed == "no")


class AttemptSeen(Protocol):
    """One try, as its observer sees it."""

    def sent(self, waited: float = 0.0) -> None:
        """All gates have let it through; the limiter made it wait that many seconds."""
        ...

    def first_token(self) -> None:
        """The first content has come. Told once at most, and never of an answer in one piece."""
        ...

    def ended(self, ended: AttemptEnded) -> None:
        """It is over."""
        ...


class RequestSeen(Protocol):
    """One request, as its observer sees it."""

    def attempted(self, began: AttemptBegan) -> AttemptSeen:
        """A target is tried."""
        ...

    def ended(self, ended: RequestEnded) -> None:
        """It is over."""
        ...


class RequestObserver(Protocol):
    """Who wants to know of every request."""

    @property
    def content(self) -> bool:
        """Whether it wants what models have answered: `AttemptEnded.answer`."""
        ...

    def began(self, began: RequestBegan) -> RequestSeen:
        """Somebody asks."""
        ...


class _NothingTried:
    def sent(self, waited: float = 0.0) -> None:
        pass

    def first_token(self) -> None:
        pass

    def ended(self, ended: AttemptEnded) -> None:
        pass


class _NothingAsked:
    def attempted(self, began: AttemptBegan) -> AttemptSeen:
        return _NOTHING_TRIED

    def ended(self, ended: RequestEnded) -> None:
        pass


class _Nobody:
    content = False

    def began(self, began: RequestBegan) -> RequestSeen:
        return _NOTHING_ASKED


_NOTHING_TRIED = _NothingTried()
_NOTHING_ASKED = _NothingAsked()

NOBODY: RequestObserver = _Nobody()
"""Observes nothing."""


def together(*observers: RequestObserver) -> RequestObserver:
    """All of them as one. What one raises is logged, and changes nothing for the request."""
    return _Together(observers) if observers else NOBODY


class _Together:
    def __init__(self, observers: Sequence[RequestObserver]) -> None:
        self._observers = observers
        self.content = any(observer.content for observer in observers)

    def began(self, began: RequestBegan) -> RequestSeen:
        return _TogetherAsked(_each(self._observers, lambda observer: observer.began(began)))


class _TogetherAsked:
    __slots__ = ("_seen",)

    def __init__(self, seen: Sequence[RequestSeen]) -> None:
        self._seen = seen

    def attempted(self, began: AttemptBegan) -> AttemptSeen:
        return _TogetherTried(_each(self._seen, lambda seen: seen.attempted(began)))

    def ended(self, ended: RequestEnded) -> None:
        _each(self._seen, lambda seen: seen.ended(ended))


class _TogetherTried:
    __slots__ = ("_tried",)

    def __init__(self, tried: Sequence[AttemptSeen]) -> None:
        self._tried = tried

    def sent(self, waited: float = 0.0) -> None:
        _each(self._tried, lambda tried: tried.sent(waited))

    def first_token(self) -> None:
        _each(self._tried, lambda tried: tried.first_token())

    def ended(self, ended: AttemptEnded) -> None:
        _each(self._tried, lambda tried: tried.ended(ended))


def _each(observers: Sequence[T], tell: Callable[[T], R]) -> list[R]:
    """What each of them makes of it; who raises is left out, and what it was told of goes on."""
    told: list[R] = []
    for observer in observers:
        try:
            told.append(tell(observer))
        except Exception:  # noqa: BLE001 - an observer must not change what it observes
            _log.exception("an observer of requests failed: %r", observer)
    return told
