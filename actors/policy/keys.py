"""Which of a provider's keys a call shows, and what the end of a call says of its key.

    well    shown by turns, the least used one first
            --429-->                          paused, for as long as the server says
            --401, 402, no credit left-->     dead
            --403, three in a row-->          barred for that model only
    dead, barred   shown to nobody; when its time has come, one call tries it
            --that call was answered-->       well
            --refused again-->                dead, for twice as long

A 403 mostly concerns one model, and sometimes only what one request asked for:
so other models go on, and one client's request takes no model from the others.

The first try comes after a minute, and further ones after twice as long each
time, up to an hour. So a provider whose login was out of order for two minutes
is back within three, and credit that was topped up is seen within the hour,
at night too; a key that is revoked for good costs one refused call an hour,
which nobody pays for and which goes on to the next key at once.

Nothing here waits or calls: the state is a value, and time is an argument, in
seconds on one clock. Each key has a generation, which counts its deaths and
revivals: what a call says that was made before is news of the past, and so is a
try of a fault that is no longer there. Only a pause is always believed.
"""

from collections.abc import Iterable, Mapping, Set
from math import inf
from types import MappingProxyType
from typing import TypeVar, assert_never

import attrs

from ..errors import ErrorKind
from .key_verdict import KeyVerdict, Says

__all__ = [
    "FIRST_TRY",
    "LAST_TRY",
    "LONGEST_PAUSE",
    "MOST_MODELS",
    "REFUSALS_TO_BAR",
    "UNSAID_PAUSE",
    "Key",
    "KeyChoice",
    "KeyFault",
    "Keyring",
    "NoKeyLeft",
    "Use",
    "choose",
    "make_keyring",
    "revive",
    "settle",
]

V = TypeVar("V")

FIRST_TRY = 60.0
"""Seconds until a key that was refused is tried once: a provider's own slip is over by then."""

LAST_TRY = 3600.0
"""Seconds between two tries at most, and of a provider's own word on when to come back."""

LONGEST_PAUSE = 3600.0
"""Seconds of a 429 that are believed; what the limiter believes too."""

UNSAID_PAUSE = 1.0
"""Seconds of pause where a 429 does not say for how long; the limiter's too."""

REFUSALS_TO_BAR = 3
"""403s in a row, with no answer between, that are no longer one request's own fault."""

MOST_MODELS = 64
"""Models that are remembered for a key: names come from clients, and must end somewhere."""


@attrs.frozen(kw_only=True)
class KeyFault:
    """Why a key is not shown, to anyone or for one model.

    `times` counts the refusals without an answer between, `tried_at` is when
    one call may find out, and `trying` says that one is doing so.
    """

    kind: ErrorKind
    cause: str
    since: float
    tried_at: float
    times: int = 1
    trying: bool = False


_NO_FAULTS: Mapping[str, KeyFault] = MappingProxyType({})
_NO_DOUBTS: Mapping[str, int] = MappingProxyType({})


@attrs.frozen(kw_only=True)
class Key:
    """What is known of one key.

    `barred` holds the models that it may not use, `doubts` how many 403s it has
    had in a row for models that it may still use.
    """

    id: str
    generation: int = 0
    well_since: float = 0.0
    paused_since: float = 0.0
    paused_until: float = -inf
    dead: KeyFault | None = None
    barred: Mapping[str, KeyFault] = _NO_FAULTS
    doubts: Mapping[str, int] = _NO_DOUBTS

    def fault(self, model: str) -> KeyFault | None:
        """Why it is not shown to `model`, if it is not."""
        return self.dead or self.barred.get(model)


@attrs.frozen
class Use:
    """How a key is used: calls under way, calls in all, and at which of all choices the last."""

    in_flight: int = 0
    used: int = 0
    turn: int = 0


@attrs.frozen
class Keyring:
    """All keys of a provider, in the order of its configuration, and the use of each.

    What changes with each call stands apart from what is known of a key, which
    nearly none changes.
    """

    keys: tuple[Key, ...]
    uses: tuple[Use, ...]
    choices: int = 0


@attrs.frozen(kw_only=True)
class KeyChoice:
    """A key that a call shows, in which of its generations, and the fault that it tries, if any."""

    key_id: str
    model: str
    generation: int
    paused_until: float = -inf
    fault: KeyFault | None = None


@attrs.frozen
class NoKeyLeft:
    """No key is left for this model; `faults` says why, by the key's id.

    `until` is when one of them may be tried; None while a call is doing so.
    """

    faults: tuple[tuple[str, KeyFault], ...]
    until: float | None


def make_keyring(ids: Iterable[str], now: float) -> Keyring:
    """Keys of which nothing is known yet. An id that comes twice is one key."""
    keys = tuple(Key(id=id, well_since=now) for id in dict.fromkeys(ids))
    if not keys:
        raise ValueError("a provider that shows no key needs no keys")
    return Keyring(keys, (Use(),) * len(keys))


def choose(
    ring: Keyring, model: str, tried: Set[str], now: float
) -> tuple[Keyring, KeyChoice | NoKeyLeft]:
    """The key that the next call to `model` shows.

    Those not in `tried` go first, then those that are not paused, then the
    least used. But before all goes a key whose time has come to be tried, where
    this request has tried none: it has other keys to go on with.
    """
    keys = ring.keys
    left = [i for i, key in enumerate(keys) if key.dead is None and model not in key.barred]
    if len(left) < len(keys) and (not left or not tried):
        for index, key in enumerate(keys):
            if _is_due(key, model, tried, now):
                return _chosen(_replaced(ring, index, _with_try(key, model)), index, model)
    if len(left) == 1:
        return _chosen(ring, left[0], model)
    if left:
        return _chosen(ring, min(left, key=lambda index: _rank(ring, index, tried, now)), model)
    faults = [(key.id, fault) for key in ring.keys if (fault := key.fault(model))]
    waits = [fault.tried_at for _, fault in faults if not fault.trying]
    return ring, NoKeyLeft(tuple(faults), max(now, min(waits)) if waits else None)


def _is_due(key: Key, model: str, tried: Set[str], now: float) -> bool:
    fault = key.fault(model)
    return fault is not None and not fault.trying and fault.tried_at <= now and key.id not in tried


def _rank(ring: Keyring, index: int, tried: Set[str], now: float) -> tuple[bool, float, int, int]:
    key, use = ring.keys[index], ring.uses[index]
    paused_until = key.paused_until if key.paused_until > now else -inf
    return (key.id in tried, paused_until, use.in_flight, use.turn)


def _chosen(ring: Keyring, index: int, model: str) -> tuple[Keyring, KeyChoice]:
    """Note that this key is chosen; it is being tried where it has a fault."""
    key, use, turn = ring.keys[index], ring.uses[index], ring.choices + 1
    choice = KeyChoice(
        key_id=key.id,
        model=model,
        generation=key.generation,
        paused_until=key.paused_until,
        fault=key.fault(model),
    )
    uses = _at(ring.uses, index, Use(use.in_flight + 1, use.used + 1, turn))
    return Keyring(ring.keys, uses, turn), choice


def settle(ring: Keyring, choice: KeyChoice, verdict: KeyVerdict, now: float) -> Keyring:
    """The call of `choice` has ended with `verdict`. Once for each choice."""
    index = _find(ring, choice.key_id)
    key, use = ring.keys[index], ring.uses[index]
    uses = _at(ring.uses, index, Use(use.in_flight - 1, use.used, use.turn))
    ring = Keyring(ring.keys, uses, ring.choices)
    if verdict.says is Says.PAUSE:
        key = _paused(key, verdict, now)
    if choice.fault is not None:
        key = _tried(key, choice.model, choice.fault, verdict, now)
    elif choice.generation == key.generation:
        key = _heard(key, choice.model, verdict, now)
    return ring if key is ring.keys[index] else _replaced(ring, index, key)


def revive(ring: Keyring, id: str, now: float) -> Keyring:
    """The key of that id is believed to be well; "" is all of them. Raises KeyError."""
    for index in [_find(ring, id)] if id else range(len(ring.keys)):
        key = ring.keys[index]
        ill = key.dead is not None or key.paused_until > now
        since = now if ill else key.well_since
        well = Key(id=key.id, generation=key.generation + 1, well_since=since)
        ring = _replaced(ring, index, well)
    return ring


def _find(ring: Keyring, id: str) -> int:
    for index, key in enumerate(ring.keys):
        if key.id == id:
            return index
    raise KeyError(id)


def _replaced(ring: Keyring, index: int, key: Key) -> Keyring:
    return Keyring(_at(ring.keys, index, key), ring.uses, ring.choices)


def _at(values: tuple[V, ...], index: int, value: V) -> tuple[V, ...]:
    return (*values[:index], value, *values[index + 1 :])


def _paused(key: Key, verdict: KeyVerdict, now: float) -> Key:
    asked = UNSAID_PAUSE if verdict.retry_after is None else verdict.retry_after
    until = now + min(max(0.0, asked), LONGEST_PAUSE)
    since = key.paused_since if key.paused_until > now else now
    return attrs.evolve(key, paused_since=since, paused_until=max(key.paused_until, until))


def _heard(key: Key, model: str, verdict: KeyVerdict, now: float) -> Key:
    """What a call says of a key that was well when it was chosen."""
    match verdict.says:
        case Says.ACCEPTED | Says.PAUSE:
            return attrs.evolve(key, doubts=_without(key.doubts, model)) if key.doubts else key
        case Says.REFUSED:
            return _dead(key, _fault(verdict, None, now))
        case Says.NOT_FOR_THIS:
            return _doubted(key, model, verdict, now)
        case Says.NOTHING:
            return key
        case _:
            assert_never(verdict.says)


def _tried(key: Key, model: str, tried: KeyFault, verdict: KeyVerdict, now: float) -> Key:
    """What came of the call that tried a fault."""
    if key.fault(model) != tried:
        return key
    match verdict.says:
        case Says.REFUSED:
            return _dead(key, _fault(verdict, key.dead, now))
        case Says.NOT_FOR_THIS if key.dead is None:
            return _barred(key, model, _fault(verdict, tried, now))
        case Says.NOT_FOR_THIS:
            # The provider knows the key again, and that is what this call was for.
            return _doubted(_undead(key, now), model, verdict, now)
        case Says.ACCEPTED | Says.PAUSE:
            barred, doubts = _without(key.barred, model), _without(key.doubts, model)
            return attrs.evolve(_undead(key, now), barred=barred, doubts=doubts)
        case Says.NOTHING:
            return _with_fault(key, model, attrs.evolve(tried, trying=False))
        case _:
            assert_never(verdict.says)


def _undead(key: Key, now: float) -> Key:
    if key.dead is None:
        return key
    return attrs.evolve(key, generation=key.generation + 1, dead=None, well_since=now)


def _fault(verdict: KeyVerdict, before: KeyFault | None, now: float) -> KeyFault:
    """What is known of a key that was refused once more: each time it is tried later, doubled."""
    times = 1 if before is None else before.times + 1
    # 2 ** 32 is beyond every ceiling, and far from overflow.
    wait = min(LAST_TRY, FIRST_TRY * 2 ** min(times - 1, 32))
    asked = min(verdict.retry_after or 0.0, LAST_TRY)
    return KeyFault(
        kind=verdict.kind or ErrorKind.AUTH,
        cause=verdict.cause,
        since=now if before is None else before.since,
        tried_at=now + max(wait, asked),
        times=times,
    )


def _dead(key: Key, fault: KeyFault) -> Key:
    # Whoever tries a bar learns nothing from now on, and must not hold it for ever.
    barred = {model: attrs.evolve(each, trying=False) for model, each in key.barred.items()}
    return attrs.evolve(
        key, generation=key.generation + 1, dead=fault, barred=MappingProxyType(barred)
    )


def _doubted(key: Key, model: str, verdict: KeyVerdict, now: float) -> Key:
    """One 403 more, for a model that it may still use."""
    if model in key.barred:
        return key
    doubts = key.doubts.get(model, 0) + 1
    if doubts >= REFUSALS_TO_BAR:
        return _barred(key, model, _fault(verdict, None, now))
    return attrs.evolve(key, doubts=_with(key.doubts, model, doubts))


def _barred(key: Key, model: str, fault: KeyFault) -> Key:
    barred = _with(key.barred, model, fault)
    return attrs.evolve(key, barred=barred, doubts=_without(key.doubts, model))


def _with_try(key: Key, model: str) -> Key:
    fault = key.fault(model)
    assert fault is not None
    return _with_fault(key, model, attrs.evolve(fault, trying=True))


def _with_fault(key: Key, model: str, fault: KeyFault) -> Key:
    if key.dead is not None:
        return attrs.evolve(key, dead=fault)
    return attrs.evolve(key, barred=_with(key.barred, model, fault))


def _with(models: Mapping[str, V], model: str, value: V) -> Mapping[str, V]:
    """With `value` as the newest; the oldest is forgotten where there are too many."""
    rest = list(_without(models, model).items())
    return MappingProxyType(dict([*rest[max(0, len(rest) + 1 - MOST_MODELS) :], (model, value)]))


def _without(models: Mapping[str, V], model: str) -> Mapping[str, V]:
    return MappingProxyType({name: value for name, value in models.items() if name != model})
