"""Everything that the domain raises.

TrouperError
├── ConfigError            the configuration is wrong; names every key that is
└── ActorError
    ├── ProviderError      a provider failed a request; `kind` says how
    │   ├── StreamGarbled      an event within the answer cannot be read
    │   └── StreamTruncated    the stream ended before the answer did
    └── SessionError       a session refuses
        ├── TurnInProgress     one turn at a time
        ├── HistoryFull        the conversation is as long as it may get
        ├── TurnFailed         a turn ended with an error
        ├── TooManySessions    as many as the server takes are open
        ├── UnknownSession     no session of that id
        ├── SessionTaken       that id is another user's
        ├── UnknownAssistant   no assistant of that name
        ├── UnknownModel       no model of that name
        ├── EventsGone         what was missed is no longer at hand
        ├── NotKept            what was said could not be written down
        └── SessionUnreadable  what is kept of it cannot be read

A provider's failure is one class with a kind, because what callers need is what
follows from it (`retryable`, `scope`, `hint`), and that is one table here. What
a session raises is in refusals.py, and imported from here.
"""

from collections.abc import Iterable
from enum import Enum
from typing import Any, Literal

import attrs

from ..runtime.errors import ActorError, TrouperError
from .chat import Completion
from .refusals import (
    EventsGone,
    HistoryFull,
    NotKept,
    SessionError,
    SessionTaken,
    SessionUnreadable,
    TooManySessions,
    TurnFailed,
    TurnInProgress,
    UnknownAssistant,
    UnknownModel,
    UnknownSession,
)
from .trail import AttemptRecord

__all__ = [
    "Billed",
    "ConfigError",
    "ErrorKind",
    "EventsGone",
    "HistoryFull",
    "NotKept",
    "Phase",
    "ProviderError",
    "Scope",
    "SessionError",
    "SessionTaken",
    "SessionUnreadable",
    "StreamGarbled",
    "StreamTruncated",
    "TooManySessions",
    "TurnFailed",
    "TurnInProgress",
    "UnknownAssistant",
    "UnknownModel",
    "UnknownSession",
]

Phase = Literal["pool", "connect", "write", "headers", "stream"]
"""How far a call had come: waiting for a connection, making one, sending the request, waiting
for the answer's head, reading the answer."""
Scope = Literal["request", "key", "deployment", "provider"]
"""How far a fault reaches; a deployment is a model of a provider."""
Billed = Literal["no", "maybe", "yes"]
"""Whether the provider will charge for a call that failed."""


class ConfigError(TrouperError):
    """The configuration in `source`, a file mostly, is wrong.

    `faults` are sentences, each naming its key and what to write there; all of them
    are told at once.
    """

    def __init__(self, source: str, faults: Iterable[str]) -> None:
        self.source = source
        self.faults = tuple(faults)
        super().__init__(source, self.faults)

    def __str__(self) -> str:
        return "\n".join(f"{self.source}: {fault}" for fault in self.faults)


class ErrorKind(Enum):
    """What went wrong between us and a provider.

    What follows from each (`retryable`, `scope`, `hint`) is the error's to say, and in
    the table of the reference of errors.
    """

    INVALID_REQUEST = "invalid_request"
    """The provider refuses the request as it is; or we do, because the model is known to."""
    CONTEXT_WINDOW_EXCEEDED = "context_window_exceeded"
    """Prompt and answer do not fit into the model's window together."""
    CONTENT_POLICY = "content_policy"
    """A filter of the provider refuses the prompt, or has ended the answer."""
    REQUEST_TOO_LARGE = "request_too_large"
    """The body has more bytes than the provider takes."""
    AUTH = "auth"
    """The provider does not know the key."""
    PERMISSION = "permission"
    """The key is good, and not for this model or this request."""
    MODEL_NOT_FOUND = "model_not_found"
    """There is no model of that name."""
    RATE_LIMITED = "rate_limited"
    """Too many requests or tokens within a time."""
    QUOTA_EXHAUSTED = "quota_exhausted"
    """No credit is left, or a limit of spending is reached."""
    OVERLOADED = "overloaded"
    """The provider has more to do than it can; or our connection to it has."""
    SERVER_ERROR = "server_error"
    """The provider failed, and says no more of it."""
    TIMEOUT = "timeout"
    """One of our deadlines has passed, or the provider gave up by itself."""
    CONFLICT = "conflict"
    """The provider does something else with the same thing just now."""
    CONNECTION_FAILED = "connection_failed"
    """No connection came about, or it broke before the answer began."""
    STREAM_TRUNCATED = "stream_truncated"
    """The answer ended before its end."""
    PROTOCOL_ERROR = "protocol_error"
    """What came is no answer on this wire: a page of HTML, a redirect, broken JSON."""
    CIRCUIT_OPEN = "circuit_open"
    """The model's circuit is open: it has failed too often."""
    LIMITER_TIMEOUT = "limiter_timeout"
    """The limits of the key let it through too late, or too many wait already."""
    BUDGET_EXCEEDED = "budget_exceeded"
    """What is left of a budget does not cover what the call may cost."""
    PRICE_UNKNOWN = "price_unknown"
    """A budget applies, and the model has no known price."""
    UNAVAILABLE = "unavailable"
    """A part of this program (a gate, the store, a connection) has crashed or is down."""


@attrs.frozen
class _Facts:
    retryable: bool
    scope: Scope
    hint: str


_FACTS: dict[ErrorKind, _Facts] = {
    ErrorKind.INVALID_REQUEST: _Facts(
        False, "request", "the provider does not accept this request; change it"
    ),
    ErrorKind.CONTEXT_WINDOW_EXCEEDED: _Facts(
        False, "request", "the conversation is longer than the model's window; start a new one"
    ),
    ErrorKind.CONTENT_POLICY: _Facts(
        False, "request", "the provider's content policy refused it; say it in other words"
    ),
    ErrorKind.REQUEST_TOO_LARGE: _Facts(
        False, "request", "the request is larger than the provider takes; send less at once"
    ),
    ErrorKind.AUTH: _Facts(
        False, "key", "the provider refused the API key; check api_keys of this provider"
    ),
    ErrorKind.PERMISSION: _Facts(
        False, "key", "the API key may not do this; ask the owner of the provider's account"
    ),
    ErrorKind.MODEL_NOT_FOUND: _Facts(
        False, "deployment", "the provider has no model of that name; check targets of this model"
    ),
    ErrorKind.RATE_LIMITED: _Facts(
        True, "key", "the provider says that we are too fast; wait a little and try again"
    ),
    ErrorKind.QUOTA_EXHAUSTED: _Facts(
        False, "key", "the provider's account is out of credit; top it up or use another key"
    ),
    ErrorKind.OVERLOADED: _Facts(
        True, "deployment", "the provider is overloaded; try again in a minute"
    ),
    ErrorKind.SERVER_ERROR: _Facts(
        True, "deployment", "the provider had a fault of its own; try again"
    ),
    ErrorKind.TIMEOUT: _Facts(
        True, "deployment", "the provider took too long; try again, or raise its timeouts"
    ),
    ErrorKind.CONFLICT: _Facts(True, "request", "the provider is busy with this; try again"),
    ErrorKind.CONNECTION_FAILED: _Facts(
        True, "provider", "the provider cannot be reached; check base_url and the network"
    ),
    ErrorKind.STREAM_TRUNCATED: _Facts(
        True, "deployment", "the provider's answer was cut off; ask again"
    ),
    ErrorKind.PROTOCOL_ERROR: _Facts(
        False, "deployment", "what answered does not speak the provider's wire; check base_url"
    ),
    ErrorKind.CIRCUIT_OPEN: _Facts(
        True, "deployment", "it has failed too often and is left alone for a while; try again later"
    ),
    ErrorKind.LIMITER_TIMEOUT: _Facts(
        True, "key", "more is asked for than the provider's limits allow in time; try again later"
    ),
    # Of the deployment: another target may be cheaper, or free.
    ErrorKind.BUDGET_EXCEEDED: _Facts(
        False,
        "deployment",
        "the money set aside for this is used up; wait until the budget renews, ask a cheaper "
        "model, or raise its limit_usd",
    ),
    ErrorKind.PRICE_UNKNOWN: _Facts(
        False,
        "deployment",
        "a budget applies and nobody knows what this model costs; put its price under prices in "
        "the configuration",
    ),
    ErrorKind.UNAVAILABLE: _Facts(
        True, "deployment", "a part of this program is being restarted; try again in a moment"
    ),
}


@attrs.define(eq=False, kw_only=True)
class ProviderError(ActorError):
    """A provider failed a request.

    `kind` says how, and `message` is the provider's own word (or ours where it said
    nothing). `provider` and `model` are whom we asked, by the names of the
    configuration and of the provider; `key_id` names the key without telling it.
    `status` is HTTP's, None where there was no answer; `code`, `type` and `request_id`
    are the provider's own, as they came.

    `retry_after` is in seconds, and `should_retry` what the provider says of that
    itself; both are None where it says nothing. `phase` is how far the call had come,
    `in_stream` that the answer had begun. `billed` says whether it will be charged.

    `committed` says that content had been handed on, so that a silent retry would
    repeat it; `partial` is then what was, with the usage that it probably had.
    `trail` has every attempt of the request so far, this one as the last. Plain
    attributes only: it can be pickled and holds no request, response or secret.
    """

    kind: ErrorKind
    message: str
    provider: str = ""
    model: str = ""
    key_id: str = ""
    status: int | None = None
    code: str | None = None
    type: str | None = None
    request_id: str | None = None
    retry_after: float | None = None
    should_retry: bool | None = None
    in_stream: bool = False
    phase: Phase | None = None
    committed: bool = False
    billed: Billed = "no"
    trail: tuple[AttemptRecord, ...] = ()
    # Not in its repr: what a model has said belongs into no log.
    partial: Completion | None = attrs.field(default=None, repr=False)

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed later. The server's own word outranks ours."""
        if self.should_retry is not None:
            return self.should_retry
        return _FACTS[self.kind].retryable

    @property
    def scope(self) -> Scope:
        """How far the fault reaches: this request, its key, the deployment, the provider."""
        return _FACTS[self.kind].scope

    @property
    def hint(self) -> str:
        """What to do about it, in plain words."""
        return _FACTS[self.kind].hint

    def __str__(self) -> str:
        status = f" (HTTP {self.status})" if self.status is not None else ""
        where = f"{self.provider}: " if self.provider else ""
        return f"{where}{self.kind.value}{status}: {self.message} [{self.hint}]"

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), attrs.asdict(self, recurse=False))


def _rebuild(cls: type[ProviderError], fields: dict[str, Any]) -> ProviderError:
    return cls(**fields)


@attrs.define(eq=False, kw_only=True)
class StreamGarbled(ProviderError):
    """An event of a stream cannot be read, though those before it could.

    So it is the right server, and one fault in its answer: unlike others of its
    kind this may not happen again.
    """

    kind: ErrorKind = ErrorKind.PROTOCOL_ERROR
    message: str = "an event of the stream cannot be read"
    in_stream: bool = True
    phase: Phase | None = "stream"
    billed: Billed = "maybe"

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed later: yes, unless the server says no."""
        return self.should_retry is not False

    @property
    def hint(self) -> str:
        """What to do about it, in plain words."""
        return "a part of the provider's answer was garbled; ask again"


@attrs.define(eq=False, kw_only=True)
class StreamTruncated(ProviderError):
    """The stream ended before the answer did."""

    kind: ErrorKind = ErrorKind.STREAM_TRUNCATED
    message: str = "the stream ended before the answer did"
    in_stream: bool = True
    phase: Phase | None = "stream"
    billed: Billed = "maybe"
