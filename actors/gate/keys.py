"""The keys of a provider: one actor that says which one a call shows.

What is decided, and when, stands in policy/keys.py; how one call uses a key, in
key_use.py. The actor has the ids of the keys and not the keys themselves: what
it does not hold, no message, log line or crash can show.

Before you edit: as with the circuit's permits, a choice is named by its asker
before it is asked for, so it can be given back whatever happens to the ask. A
user that ended without a report (its task is dead, or the mailbox was full) is
noticed when no key is to be had, and when there are many.
"""

from collections.abc import Iterable

import structlog
import trio

from ...runtime import Actor, Reject, on
from ..errors import ErrorKind, ProviderError
from ..policy.key_verdict import KeyVerdict
from ..policy.keys import (
    Key,
    KeyChoice,
    Keyring,
    NoKeyLeft,
    Use,
    choose,
    make_keyring,
    revive,
    settle,
)
from .keys_messages import (
    BarredModel,
    ChooseKey,
    ChosenKey,
    GetKeys,
    KeyPhase,
    KeysMessage,
    KeyState,
    ReportKey,
    ReviveKey,
)

__all__ = ["Keys"]

_log = structlog.get_logger("trouper.keys")

# Seconds after which to ask again while a call tries the last key: about what
# a refusal takes. Nobody can know when it ends.
_TRY_TAKES = 1.0

# Calls under way before dead users are looked for among them.
_FEW = 64

# What is told where keys are refused for several reasons: what money mends
# first, then what the operator can, then what the provider's account allows.
_TOLD = (ErrorKind.QUOTA_EXHAUSTED, ErrorKind.AUTH, ErrorKind.PERMISSION)


class Keys(Actor[KeysMessage]):
    """The keys of `provider`, by their ids (`policy.key_verdict.key_id`).

    A new life believes that all are well: what the last one knew is found out
    again by one call each, and so is what a changed configuration brings.
    Raises ValueError without a key: such a provider needs no keys.
    """

    def __init__(self, provider: str, key_ids: Iterable[str]) -> None:
        self._provider = provider
        # trio.current_time, without its way to the clock: every call asks twice.
        self._now = trio.lowlevel.current_clock().current_time
        self._ring: Keyring = make_keyring(key_ids, self._now())
        self._choices: dict[ChooseKey, KeyChoice] = {}
        self._look_at = _FEW

    @on(ChooseKey)
    def choose(self, message: ChooseKey) -> ChosenKey:
        """Choose one, or raise why there is none."""
        known = self._choices.get(message)
        if known is not None:
            return _told(known, self._now())
        if len(self._choices) >= self._look_at:
            self._reap()
            # So that looking costs each call the same, however many there are.
            self._look_at = max(_FEW, 2 * len(self._choices))
        now = self._now()
        choice = self._choose(message, now)
        if isinstance(choice, NoKeyLeft) and self._reap():
            choice = self._choose(message, now)
        if isinstance(choice, NoKeyLeft):
            raise self._refusal(message.model, choice)
        self._choices[message] = choice
        return _told(choice, now)

    @on(ReportKey)
    def report(self, message: ReportKey) -> None:
        """Take in what a call says of its key."""
        self._settle(message.choice, message.verdict)

    @on(ReviveKey)
    def revive(self, message: ReviveKey) -> tuple[KeyState, ...]:
        """Believe in a key again."""
        try:
            self._become(revive(self._ring, message.key_id, self._now()))
        except KeyError:
            known = ", ".join(key.id for key in self._ring.keys)
            raise Reject(
                f"{self._provider} has no key {message.key_id!r}; its keys are {known}"
            ) from None
        return self._states()

    @on(GetKeys)
    def get_keys(self, message: GetKeys) -> tuple[KeyState, ...]:
        """Say how they are."""
        self._reap()
        return self._states()

    def _choose(self, message: ChooseKey, now: float) -> KeyChoice | NoKeyLeft:
        self._ring, choice = choose(self._ring, message.model, message.tried, now)
        return choice

    def _settle(self, message: ChooseKey, verdict: KeyVerdict) -> None:
        choice = self._choices.pop(message, None)
        if choice is not None:
            self._become(settle(self._ring, choice, verdict, self._now()))

    def _reap(self) -> bool:
        """Settle what has ended without a report that came; say whether there was any."""
        ended = [
            (message, verdict)
            for message in self._choices
            if (verdict := message.user.ended) is not None
        ]
        for message, verdict in ended:
            self._settle(message, verdict)
        return bool(ended)

    def _become(self, ring: Keyring) -> None:
        before, self._ring = self._ring, ring
        if before.keys is ring.keys:
            return  # as with nearly every call
        for old, new in zip(before.keys, ring.keys, strict=True):
            if old is not new:
                self._log_change(old, new)

    def _log_change(self, old: Key, new: Key) -> None:
        about = {"provider": self._provider, "key_id": new.id}
        now = self._now()
        if new.dead is not None and (old.dead is None or old.dead.times < new.dead.times):
            tried_in = round(new.dead.tried_at - now, 3)
            _log.warning("key is dead", cause=new.dead.cause, tried_in_s=tried_in, **about)
        elif old.dead is not None and new.dead is None:
            _log.info("key is well again", dead_for_s=round(now - old.dead.since, 3), **about)
        for model in new.barred.keys() - old.barred.keys():
            cause = new.barred[model].cause
            _log.warning("key is barred for a model", model=model, cause=cause, **about)
        for model in old.barred.keys() - new.barred.keys():
            _log.info("key is no longer barred for a model", model=model, **about)
        if new.paused_until > max(old.paused_until, now):
            paused_s = round(new.paused_until - now, 3)
            # Who has several keys of one account cannot go round its limits.
            _log.info("key is paused; others of its account may be, too", s=paused_s, **about)

    def _refusal(self, model: str, none: NoKeyLeft) -> ProviderError:
        now = self._now()
        kinds = {fault.kind for _, fault in none.faults}
        causes = "; ".join(
            f"{id}: {fault.cause}, {now - fault.since:.0f} s ago" for id, fault in none.faults
        )
        wait = _TRY_TAKES if none.until is None else none.until - now
        then = "one is being tried now" if none.until is None else f"one is tried in {wait:.0f} s"
        return ProviderError(
            kind=next(kind for kind in _TOLD if kind in kinds),
            message=(
                f"not sent, because no key is left that is accepted ({causes}); {then}, "
                "or revive it by hand when that is mended"
            ),
            provider=self._provider,
            model=model,
            key_id=none.faults[0][0] if len(none.faults) == 1 else "",
            retry_after=wait,
        )

    def _states(self) -> tuple[KeyState, ...]:
        now = self._now()
        ring = self._ring
        return tuple(_state(key, use, now) for key, use in zip(ring.keys, ring.uses, strict=True))


def _told(choice: KeyChoice, now: float) -> ChosenKey:
    return ChosenKey(
        key_id=choice.key_id,
        paused_for=max(0.0, choice.paused_until - now),
        probe=choice.fault is not None,
    )


def _state(key: Key, use: Use, now: float) -> KeyState:
    barred = tuple(
        BarredModel(
            model=model,
            cause=fault.cause,
            since=now - fault.since,
            tried_in=None if fault.trying else max(0.0, fault.tried_at - now),
        )
        for model, fault in key.barred.items()
    )
    tried_in: float | None = None
    state: KeyPhase
    if key.dead is not None:
        state, cause, since = "dead", key.dead.cause, key.dead.since
        if not key.dead.trying:
            tried_in = max(0.0, key.dead.tried_at - now)
    elif key.paused_until > now:
        state, cause, since = "paused", "too fast", key.paused_since
        tried_in = key.paused_until - now
    else:
        state, cause, since = "well", "", max(key.well_since, key.paused_until)
    return KeyState(
        key_id=key.id,
        state=state,
        cause=cause,
        since=now - since,
        tried_in=tried_in,
        in_flight=use.in_flight,
        used=use.used,
        barred=barred,
    )
