"""What needs a person's attention, and in which words: the one place for thresholds and words.

The console's feed, its commands and page, and GET /readyz all say what is said
here, so they agree. Values in, values out; times are in seconds.

    backlogged    messages wait too long, and are still being handled
    stuck         one message is in hand, or the first one waits, far too long
    mailbox full  the next message is refused or lost
    backing off   it crashed, and begins again in some seconds
    stopped       it does not come back by itself
    suspended     somebody has suspended it
    tripped       a circuit is open: calls are refused
    limiting      calls wait for a provider's limits
    nearly spent  a budget is near its end
    over budget   a budget is spent: calls are refused
    stalled       the event loop did not run
"""

from enum import IntEnum
from math import inf
from typing import Literal

import attrs

from .money import short_dollars

__all__ = [
    "DONE",
    "FINE",
    "THRESHOLDS",
    "ActorView",
    "Attention",
    "BudgetView",
    "CircuitView",
    "Health",
    "LimiterView",
    "Severity",
    "Thresholds",
    "of_actor",
    "of_budget",
    "of_circuit",
    "of_limiter",
    "of_loop",
    "seconds_in_words",
]

Health = Literal[
    "ok",
    "backlogged",
    "stuck",
    "mailbox full",
    "backing off",
    "stopped",
    "suspended",
    "tripped",
    "limiting",
    "nearly spent",
    "over budget",
    "stalled",
]


class Severity(IntEnum):
    """How soon somebody should look: the higher the sooner."""

    NONE = 0
    LOOK = 1
    """It may pass by itself."""
    ACT = 2
    """Somebody is being refused, or will be."""


@attrs.frozen
class Attention:
    """A state in one word, and why in a sentence's worth of words; "" where all is well."""

    health: Health = "ok"
    detail: str = ""
    severity: Severity = Severity.NONE


FINE = Attention()

DONE = "it ended (normal)"
"""Why one has stopped that has done its work, in the runtime's words."""


@attrs.frozen(kw_only=True)
class Thresholds:
    """From where on something is worth a person's look. They ride in the feed's hello."""

    # A person notices five seconds; a long answer of a model is no reason for alarm, and a
    # connection that streams for minutes has nobody waiting behind it.
    backlogged: float = 5.0
    stuck: float = 20.0
    # What has a task of its own holds nobody up: an answer may well take two minutes.
    slow_task: float = 120.0
    # A share of the mailbox; at 1 the next message is lost.
    full: float = 1.0
    # A wait in the limiter's line that a person notices.
    limiting: float = 2.0
    # A share of the limit, where the budget itself does not say (`alert_at`).
    budget: float = 0.9
    # Seconds that the loop did not run.
    stalled: float = 0.5
    # For how long a stall is told.
    stall_told: float = 60.0


THRESHOLDS = Thresholds()


@attrs.frozen(kw_only=True)
class ActorView:
    """What is looked at of an actor.

    `oldest` is for how long the first message has waited, `current` for how long
    one is in hand that holds up those behind it, and `flight` for how long the
    first of those that hold up nobody; 0 where there is none. `patience` is how
    long such a one may take, where its class says so.
    """

    state: str
    depth: int = 0
    capacity: int = 1
    overflow: str = "reject"
    oldest: float = 0.0
    current: float = 0.0
    flight: float = 0.0
    patience: float | None = None
    retry_in: float | None = None
    reason: str = ""


_LOST = {
    "reject": "senders of new messages are refused",
    "drop_oldest": "the oldest messages become dead letters",
    "drop_newest": "new messages become dead letters",
}


def of_actor(actor: ActorView, limits: Thresholds = THRESHOLDS) -> Attention:
    """What to say of an actor."""
    if actor.state == "backoff":
        wait = seconds_in_words(actor.retry_in or 0.0)
        return Attention("backing off", f"crashed; begins again in {wait}", Severity.LOOK)
    if actor.state == "stopped":
        if actor.reason == DONE:
            return FINE
        why = f": {actor.reason}" if actor.reason else ""
        return Attention("stopped", f"does not come back by itself{why}", Severity.ACT)
    if actor.depth and actor.depth >= limits.full * actor.capacity:
        # Whatever else it is: from now on somebody is refused, or something is lost.
        lost = _LOST.get(actor.overflow, _LOST["reject"])
        said = f"{actor.depth} of {actor.capacity}, {lost}; oldest waits "
        said += seconds_in_words(actor.oldest)
        by_hand = "suspended by hand; " if actor.state == "suspended" else ""
        return Attention("mailbox full", by_hand + said, Severity.ACT)
    if actor.state == "suspended":
        return Attention("suspended", f"by hand; {_waiting(actor)}", Severity.LOOK)
    if actor.current > limits.stuck:
        behind = f"; {_waiting(actor)}" if actor.depth else ""
        took = seconds_in_words(actor.current)
        severity = Severity.ACT if actor.depth else Severity.LOOK
        return Attention("stuck", f"one message in hand for {took}{behind}", severity)
    if actor.oldest > limits.stuck:
        return Attention("stuck", _waiting(actor), Severity.ACT)
    if actor.flight > (limits.slow_task if actor.patience is None else actor.patience):
        took = seconds_in_words(actor.flight)
        return Attention("stuck", f"has worked on one message for {took}", Severity.LOOK)
    if actor.oldest > limits.backlogged:
        return Attention("backlogged", f"{_waiting(actor)}, and is still handling", Severity.LOOK)
    return FINE


def _waiting(actor: ActorView) -> str:
    if not actor.depth:
        return "nothing waits"
    oldest = seconds_in_words(actor.oldest)
    if actor.depth == 1:
        return f"1 message has waited {oldest}"
    return f"{actor.depth} messages wait, the oldest {oldest}"


@attrs.frozen(kw_only=True)
class CircuitView:
    """A circuit, as its `CircuitState` tells it."""

    state: str
    cause: str = ""
    reopens_in: float | None = 0.0


def of_circuit(circuit: CircuitView) -> Attention:
    """What to say of a circuit."""
    cause = f"; {circuit.cause}" if circuit.cause else ""
    if circuit.state == "open" and circuit.reopens_in == inf:
        return Attention("tripped", f"open until it is reset{cause}", Severity.ACT)
    if circuit.state == "open":
        then = seconds_in_words(circuit.reopens_in or 0.0)
        return Attention("tripped", f"open, next probe in {then}{cause}", Severity.ACT)
    if circuit.state == "half_open":
        return Attention("tripped", f"half open, probing{cause}", Severity.LOOK)
    return FINE


@attrs.frozen(kw_only=True)
class LimiterView:
    """A limiter, as its `LimiterLevel` tells it."""

    waiting: int = 0
    next_in: float | None = None
    paused_for: float = 0.0


def of_limiter(limiter: LimiterView, limits: Thresholds = THRESHOLDS) -> Attention:
    """What to say of a limiter."""
    if limiter.paused_for > limits.limiting:
        pause = seconds_in_words(limiter.paused_for)
        behind = f"; {_calls(limiter.waiting)}" if limiter.waiting else ""
        return Attention(
            "limiting", f"the provider asked for a pause of {pause}{behind}", Severity.LOOK
        )
    if not limiter.waiting:
        return FINE
    if limiter.next_in is None:
        return Attention("limiting", f"{_calls(limiter.waiting)} for one to end", Severity.LOOK)
    if limiter.next_in > limits.limiting:
        then = seconds_in_words(limiter.next_in)
        return Attention(
            "limiting", f"{_calls(limiter.waiting)}, the next goes in {then}", Severity.LOOK
        )
    return FINE


def _calls(count: int) -> str:
    return "1 call waits" if count == 1 else f"{count} calls wait"


@attrs.frozen(kw_only=True)
class BudgetView:
    """A budget, in nano-dollars; `alert_at` is the share from which it says so itself."""

    limit: int
    spent: int
    reserved: int = 0
    alert_at: float | None = None


def of_budget(budget: BudgetView, limits: Thresholds = THRESHOLDS) -> Attention:
    """What to say of a budget."""
    taken = budget.spent + budget.reserved
    share = taken / budget.limit if budget.limit else 1.0
    # Not rounded up to 100 % before it is all spent.
    used = f"{min(share, 0.99) if share < 1.0 else share:.0%}"
    said = f"{used} used: {short_dollars(taken)} of {short_dollars(budget.limit)}"
    if share >= 1.0:
        return Attention("over budget", f"{said}; calls are refused", Severity.ACT)
    if share >= (limits.budget if budget.alert_at is None else budget.alert_at):
        return Attention("nearly spent", said, Severity.LOOK)
    return FINE


def of_loop(blocked: float, ago: float, at: str = "", limits: Thresholds = THRESHOLDS) -> Attention:
    """What to say of an event loop whose last stall took `blocked` seconds, `ago` seconds ago.

    `at` is the line that blocked it, where it is known.
    """
    if blocked < limits.stalled or ago > limits.stall_told:
        return FINE
    where = f" at {at}" if at else ""
    when = "now" if ago <= 0 else f"{seconds_in_words(ago)} ago"
    took = seconds_in_words(blocked)
    return Attention(
        "stalled", f"the event loop stood still for {took}{where}, {when}", Severity.ACT
    )


def seconds_in_words(seconds: float) -> str:
    """As people say it: 0.8 s, 12 s, 1 min 08 s, 2 h 05 min, 3 d 4 h."""
    if seconds == inf:
        return "for ever"
    seconds = max(0.0, seconds)
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3_600:
        return f"{whole // 60} min {whole % 60:02} s"
    if whole < 86_400:
        return f"{whole // 3_600} h {whole % 3_600 // 60:02} min"
    return f"{whole // 86_400} d {whole % 86_400 // 3_600} h"
