"""What the end of a call says of the key that it showed, and how a key is named."""

import hashlib
from enum import Enum

import attrs

from ..errors import ErrorKind, ProviderError

__all__ = ["NOTHING", "KeyVerdict", "Says", "key_id", "verdict_of"]


class Says(Enum):
    """What the end of a call says of the key that it showed."""

    ACCEPTED = "accepted"
    """The provider has answered: the key is good for this model."""
    NOTHING = "nothing"
    PAUSE = "pause"
    """The key is good, and too fast."""
    REFUSED = "refused"
    """The key is good for nothing: unknown, or without credit."""
    NOT_FOR_THIS = "not_for_this"
    """The key is good, and not for this model or this request."""


@attrs.frozen(kw_only=True)
class KeyVerdict:
    """The end of a call as it concerns its key; `cause` is for people, and no secret.

    `retry_after` is the provider's word, in seconds.
    """

    says: Says
    kind: ErrorKind | None = None
    cause: str = ""
    retry_after: float | None = None


NOTHING = KeyVerdict(says=Says.NOTHING)

_SAYS = {
    ErrorKind.AUTH: Says.REFUSED,
    ErrorKind.QUOTA_EXHAUSTED: Says.REFUSED,
    ErrorKind.PERMISSION: Says.NOT_FOR_THIS,
    ErrorKind.RATE_LIMITED: Says.PAUSE,
}


def verdict_of(error: ProviderError | None) -> KeyVerdict:
    """What a call says of its key that ended with `error`, or well where that is None.

    Only the kind, status and code of the error are kept: a message may quote the key.
    """
    if error is None:
        return KeyVerdict(says=Says.ACCEPTED)
    says = _SAYS.get(error.kind, Says.NOTHING)
    if says is Says.NOTHING:
        return NOTHING
    status = f"HTTP {error.status}" if error.status is not None else ""
    told = ", ".join(part for part in (status, error.code) if part)
    cause = error.kind.value + (f" ({told})" if told else "")
    return KeyVerdict(says=says, kind=error.kind, cause=cause, retry_after=error.retry_after)


def key_id(key: str) -> str:
    """The name of a key wherever it must not be read: 8 hex digits of its SHA-256."""
    return hashlib.sha256(key.encode()).hexdigest()[:8]
