"""What one asks of a provider's keys and tells them.

Callers use KeyUse (key_use.py), which sends these; the console sends GetKeys
and ReviveKey. No message holds a key: all speak of it by its id, the first 8
hex digits of its SHA-256 (`policy.key_verdict.key_id`).
"""

from typing import Literal, Protocol

import attrs

from ...runtime import Request
from ..policy.key_verdict import KeyVerdict

__all__ = [
    "BarredModel",
    "ChooseKey",
    "ChosenKey",
    "GetKeys",
    "KeyPhase",
    "KeyState",
    "KeysMessage",
    "ReportKey",
    "ReviveKey",
    "User",
]

KeyPhase = Literal["well", "paused", "dead"]


class User(Protocol):
    """Whoever uses a key, as the keys see it."""

    @property
    def ended(self) -> KeyVerdict | None:
        """What its call said of the key; None while it is under way."""
        ...


@attrs.frozen(kw_only=True)
class ChosenKey:
    """The key to show.

    `paused_for` is in seconds, and above 0 only where every key that is left is
    paused: this one soonest goes on, and a call that cannot wait as long is not
    worth making. `probe` says that the call finds out whether a key that was
    refused is accepted again.
    """

    key_id: str
    paused_for: float = 0.0
    probe: bool = False


@attrs.frozen(eq=False)
class ChooseKey(Request[ChosenKey]):
    """Which key shall this call to `model` show? Answered at once.

    `tried` are ids of the keys that this request has failed with for a reason of
    their own (scope `key`): none of them is chosen while another one is left.
    Each ChooseKey is one call, however often it is asked; tell ReportKey when
    it has ended, or use KeyUse, which does. Raises ProviderError where no key is
    left for this model: QUOTA_EXHAUSTED, AUTH or PERMISSION, saying which keys
    and what to do, with `retry_after` where one of them will be tried again.
    """

    user: User
    model: str = ""
    tried: frozenset[str] = frozenset()


@attrs.frozen
class ReportKey:
    """The call of that ChooseKey has ended, and says this of its key.

    Of a call that has been reported already it says nothing.
    """

    choice: ChooseKey
    verdict: KeyVerdict


@attrs.frozen(kw_only=True)
class BarredModel:
    """A model that a key may not use: since how many seconds, why, and when it is tried again."""

    model: str
    cause: str
    since: float
    tried_in: float | None


@attrs.frozen(kw_only=True)
class KeyState:
    """A key at one moment, without the key.

    `since` says for how many seconds it has been in this state. `tried_in` is
    in seconds: when a paused key goes on and a dead one is tried again, 0 where
    it is tried with the next call, None while a call is finding out and for a
    key that is well. `in_flight` counts calls under way, `used` calls since the
    keys were started.
    """

    key_id: str
    state: KeyPhase
    cause: str
    since: float
    tried_in: float | None
    in_flight: int
    used: int
    barred: tuple[BarredModel, ...] = ()


@attrs.frozen
class GetKeys(Request[tuple[KeyState, ...]]):
    """How are they? In the order of the configuration."""


@attrs.frozen
class ReviveKey(Request[tuple[KeyState, ...]]):
    """Believe that the key of that id is well again; "" is all of them.

    What was held against it is forgotten, for single models too, and a pause
    ends. What calls say that were under way by then is not held against it. Raises
    Reject where there is no key of that id.
    """

    key_id: str = ""


KeysMessage = ChooseKey | ReportKey | GetKeys | ReviveKey
