"""A keyring over time, for tests of what is decided about keys."""

import attrs

from trouper.actors.errors import ErrorKind
from trouper.actors.policy.key_verdict import KeyVerdict, Says
from trouper.actors.policy.keys import (
    Key,
    KeyChoice,
    Keyring,
    NoKeyLeft,
    choose,
    make_keyring,
    settle,
)

__all__ = ["ACCEPTED", "FORBIDDEN", "REFUSED", "Player", "too_fast"]

ACCEPTED = KeyVerdict(says=Says.ACCEPTED)
REFUSED = KeyVerdict(says=Says.REFUSED, kind=ErrorKind.AUTH, cause="auth (HTTP 401)")
FORBIDDEN = KeyVerdict(says=Says.NOT_FOR_THIS, kind=ErrorKind.PERMISSION, cause="permission")


def too_fast(seconds: float | None) -> KeyVerdict:
    return KeyVerdict(says=Says.PAUSE, kind=ErrorKind.RATE_LIMITED, retry_after=seconds)


@attrs.define
class Player:
    """A keyring over time."""

    ring: Keyring
    now: float = 1_000.0

    @classmethod
    def of(cls, *ids: str) -> "Player":
        return cls(make_keyring(ids, 1_000.0))

    def chosen(self, model: str = "m", tried: str = "") -> KeyChoice:
        self.ring, choice = choose(self.ring, model, set(tried), self.now)
        assert isinstance(choice, KeyChoice)
        return choice

    def nobody(self, model: str = "m", tried: str = "") -> NoKeyLeft:
        before = self.ring
        self.ring, choice = choose(self.ring, model, set(tried), self.now)
        assert isinstance(choice, NoKeyLeft)
        assert self.ring == before
        return choice

    def ended(self, choice: KeyChoice, verdict: KeyVerdict) -> None:
        self.ring = settle(self.ring, choice, verdict, self.now)

    def call(self, verdict: KeyVerdict, model: str = "m", tried: str = "") -> str:
        choice = self.chosen(model, tried)
        self.ended(choice, verdict)
        return choice.key_id

    def key(self, id: str) -> Key:
        return next(key for key in self.ring.keys if key.id == id)
