"""Which target of a chain is asked next, whether to wait for one, and when to give up.

A chain is a row of links, and a link holds targets that are as good as each
other. The first link is asked first; a later one is turned to where all before
it have failed or are not to be asked now. Nothing here asks or waits: what is
known of the targets, the time and chance are arguments. Times are seconds on
one clock.
"""

from collections.abc import Mapping, Sequence
from math import inf

import attrs

from ..errors import ErrorKind, ProviderError

__all__ = [
    "Ask",
    "Candidate",
    "Chain",
    "Decision",
    "GiveUp",
    "Link",
    "Standing",
    "Wait",
    "decide",
    "has_other",
    "slice_until",
]


@attrs.frozen
class Candidate:
    """A target by its `name`, "provider/model", and its share of the calls beside its equals: its
    `weight` over the sum of theirs.

    `window` is how many tokens of a prompt it takes, where that is known.
    """

    name: str
    weight: float = attrs.field(default=1.0, validator=attrs.validators.gt(0))
    window: int | None = None


@attrs.frozen
class Link:
    """Targets that are as good as each other, `candidates`, and on what failures they are turned to.

    `on` None is every failure that is not the request's own fault, and a prompt
    that was too long for others for those whose window is known to be larger.
    One that is dear names CONTEXT_WINDOW_EXCEEDED there and nothing else;
    CIRCUIT_OPEN stands for all before it being open, too. The first link is
    asked in any case.
    """

    candidates: tuple[Candidate, ...] = attrs.field(validator=attrs.validators.min_len(1))
    on: frozenset[ErrorKind] | None = None

    def accepts(self, error: ProviderError) -> bool:
        """Whether this link is for requests that have failed so."""
        if self.on is None:
            return error.scope != "request"
        return error.kind in self.on


Chain = Sequence[Link]


@attrs.frozen
class Standing:
    """What is known of a target: its calls under way, and before when it is not to be asked.

    `not_before` is a circuit's or a limiter's word: a moment that has passed
    for one that may be asked, infinity for one that waits for a person.
    """

    in_flight: int = 0
    not_before: float = -inf


@attrs.frozen
class Ask:
    """Ask the target of that name now."""

    target: str


@attrs.frozen
class Wait:
    """Decide again at that moment: nobody may be asked before."""

    until: float


@attrs.frozen
class GiveUp:
    """There is nobody to ask in time.

    `reopens` is when the soonest of those may be asked that are left; infinity
    where none is left, so that the last failure is the answer.
    """

    reopens: float = inf


Decision = Ask | Wait | GiveUp

_UNKNOWN = Standing()

# A slow target has failed so, once its slice of the time is over.
_TOO_SLOW = ProviderError(kind=ErrorKind.TIMEOUT, message="it took too long")

# What those before a link have in common that are not to be asked now.
_NOT_NOW = ProviderError(kind=ErrorKind.CIRCUIT_OPEN, message="it is not to be asked now")


def decide(
    chain: Chain,
    standings: Mapping[str, Standing],
    *,
    failures: Sequence[tuple[str, ProviderError]] = (),
    now: float,
    deadline: float,
    chance: float,
    pinned: str = "",
) -> Decision:
    """Who is asked next, after `failures`: targets that were given up, in their order.

    A target that is not in `standings` may be asked. Among equals the one with
    the fewest calls under way for its weight goes first; among those, `chance`
    (from 0 to 1) picks by weight. `pinned` goes before all where nothing has
    failed yet: a provider's cache knows the conversation that it last answered,
    and one that was too long for the first link will be so again.
    """
    if any(error.committed for _, error in failures):
        return GiveUp()  # an answer is under way, and must not begin again
    if not failures and not pinned and _is_of_one(chain):
        # Nearly all chains, on nearly all requests.
        [one] = chain[0].candidates
        opens = standings.get(one.name, _UNKNOWN).not_before
        if opens <= now:
            return Ask(one.name)
    soonest = inf
    links = _left(chain, failures)
    if not failures and any(one.name == pinned for link in chain for one in link.candidates):
        links.insert(0, [Candidate(pinned)])
    for link in links:
        free: list[Candidate] = []
        for one in link:
            opens = standings.get(one.name, _UNKNOWN).not_before
            if opens <= now:
                free.append(one)
            soonest = min(soonest, opens)
        if free:
            return Ask(_best(free, standings, chance).name)
    return Wait(soonest) if soonest < deadline else GiveUp(soonest)


def has_other(
    chain: Chain,
    failures: Sequence[tuple[str, ProviderError]],
    target: str,
    error: ProviderError = _TOO_SLOW,
) -> bool:
    """Whether somebody would be asked after `target` if that failed so, or took too long."""
    if _is_of_one(chain):
        return False
    return any(_left(chain, (*failures, (target, error))))


def _is_of_one(chain: Chain) -> bool:
    return len(chain) == 1 and len(chain[0].candidates) == 1


def slice_until(now: float, deadline: float, *, last: bool) -> float:
    """Until when a target may take to begin, of all the time that there is until `deadline`.

    Half of it, so that the first, which is the one that is wanted, has the
    most and there is always something left for the next; all of it for the last.
    """
    return deadline if last or deadline == inf else now + max(0.0, deadline - now) / 2


def _left(chain: Chain, failures: Sequence[tuple[str, ProviderError]]) -> list[list[Candidate]]:
    """Who may be asked after these failures, link by link.

    What is the fault of the request goes with it from link to link: one that
    was too long for a window still is when the next provider is down.
    """
    if not failures:
        return [
            list(link.candidates) for link in chain if link is chain[0] or link.accepts(_NOT_NOW)
        ]
    failed = {name for name, _ in failures}
    deciding = [error for _, error in failures if error.scope == "request"]
    deciding.append(failures[-1][1])
    too_small = _too_small(chain, failures)
    return [
        [
            one
            for one in link.candidates
            if one.name not in failed
            and all(_takes(link, one, error, too_small) for error in deciding)
        ]
        for link in chain
    ]


def _takes(link: Link, one: Candidate, error: ProviderError, too_small: float) -> bool:
    if link.accepts(error):
        return True
    too_long = error.kind is ErrorKind.CONTEXT_WINDOW_EXCEEDED
    return too_long and link.on is None and one.window is not None and one.window > too_small


def _too_small(chain: Chain, failures: Sequence[tuple[str, ProviderError]]) -> float:
    """The largest window that was too small; infinity where one of them is not known."""
    windows = {one.name: one.window for link in chain for one in link.candidates}
    largest = 0.0
    for name, error in failures:
        if error.kind is ErrorKind.CONTEXT_WINDOW_EXCEEDED:
            window = windows.get(name)
            largest = inf if window is None else max(largest, window)
    return largest


def _best(free: Sequence[Candidate], standings: Mapping[str, Standing], chance: float) -> Candidate:
    loads = [standings.get(one.name, _UNKNOWN).in_flight / one.weight for one in free]
    idlest = [one for one, load in zip(free, loads, strict=True) if load == min(loads)]
    point = chance * sum(one.weight for one in idlest)
    for one in idlest:
        point -= one.weight
        if point < 0:
            return one
    return idlest[-1]
