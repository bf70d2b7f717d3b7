"""What needs attention, and in which words: the table that all faces of the console share."""

from math import inf

import pytest

from trouper.actors.policy.attention import (
    DONE,
    FINE,
    ActorView,
    Attention,
    BudgetView,
    CircuitView,
    LimiterView,
    Severity,
    of_actor,
    of_budget,
    of_circuit,
    of_limiter,
    of_loop,
    seconds_in_words,
)

LOOK, ACT = Severity.LOOK, Severity.ACT


def running(**values: object) -> ActorView:
    return ActorView(state="running", **{"capacity": 32, **values})  # type: ignore[arg-type]


ACTORS = [
    (running(), FINE),
    (running(depth=3, oldest=4.9), FINE),
    (
        running(depth=3, oldest=6.0),
        Attention("backlogged", "3 messages wait, the oldest 6.0 s, and is still handling", LOOK),
    ),
    (
        running(depth=1, oldest=21.0),
        Attention("stuck", "1 message has waited 21 s", ACT),
    ),
    (running(current=20.0), FINE),
    (running(current=68.0), Attention("stuck", "one message in hand for 1 min 08 s", LOOK)),
    (
        running(current=30.0, depth=2, oldest=29.0),
        Attention("stuck", "one message in hand for 30 s; 2 messages wait, the oldest 29 s", ACT),
    ),
    (running(flight=119.0), FINE),
    (running(flight=121.0), Attention("stuck", "has worked on one message for 2 min 01 s", LOOK)),
    (
        running(flight=11.0, patience=10.0),
        Attention("stuck", "has worked on one message for 11 s", LOOK),
    ),
    (running(flight=500.0, patience=inf), FINE),
    (
        running(depth=32, oldest=68.0),
        Attention(
            "mailbox full",
            "32 of 32, senders of new messages are refused; oldest waits 1 min 08 s",
            ACT,
        ),
    ),
    (
        running(depth=32, oldest=1.0, overflow="drop_newest"),
        Attention(
            "mailbox full", "32 of 32, new messages become dead letters; oldest waits 1.0 s", ACT
        ),
    ),
    (
        ActorView(state="backoff", retry_in=3.0),
        Attention("backing off", "crashed; begins again in 3.0 s", LOOK),
    ),
    (
        ActorView(state="stopped", reason="poisoned: Note crashed it"),
        Attention("stopped", "does not come back by itself: poisoned: Note crashed it", ACT),
    ),
    (ActorView(state="stopped"), Attention("stopped", "does not come back by itself", ACT)),
    (ActorView(state="stopped", reason=DONE), FINE),
    (
        ActorView(state="suspended", depth=2, capacity=3, oldest=3.0),
        Attention("suspended", "by hand; 2 messages wait, the oldest 3.0 s", LOOK),
    ),
    (
        ActorView(state="suspended", depth=2, capacity=2, oldest=3.0),
        Attention(
            "mailbox full",
            "suspended by hand; 2 of 2, senders of new messages are refused; oldest waits 3.0 s",
            ACT,
        ),
    ),
    (ActorView(state="suspended"), Attention("suspended", "by hand; nothing waits", LOOK)),
]


@pytest.mark.parametrize(("view", "said"), ACTORS)
def test_of_an_actor(view: ActorView, said: Attention) -> None:
    assert of_actor(view) == said


CIRCUITS = [
    (CircuitView(state="closed"), FINE),
    (
        CircuitView(state="open", cause="failure rate 87 %", reopens_in=8.0),
        Attention("tripped", "open, next probe in 8.0 s; failure rate 87 %", ACT),
    ),
    (
        CircuitView(state="open", reopens_in=inf),
        Attention("tripped", "open until it is reset", ACT),
    ),
    (
        CircuitView(state="half_open", reopens_in=None),
        Attention("tripped", "half open, probing", LOOK),
    ),
]


@pytest.mark.parametrize(("view", "said"), CIRCUITS)
def test_of_a_circuit(view: CircuitView, said: Attention) -> None:
    assert of_circuit(view) == said


LIMITERS = [
    (LimiterView(), FINE),
    (LimiterView(waiting=3, next_in=1.0), FINE),
    (
        LimiterView(waiting=3, next_in=4.0),
        Attention("limiting", "3 calls wait, the next goes in 4.0 s", LOOK),
    ),
    (LimiterView(waiting=1), Attention("limiting", "1 call waits for one to end", LOOK)),
    (
        LimiterView(waiting=1, paused_for=30.0),
        Attention("limiting", "the provider asked for a pause of 30 s; 1 call waits", LOOK),
    ),
    (
        LimiterView(paused_for=30.0),
        Attention("limiting", "the provider asked for a pause of 30 s", LOOK),
    ),
]


@pytest.mark.parametrize(("view", "said"), LIMITERS)
def test_of_a_limiter(view: LimiterView, said: Attention) -> None:
    assert of_limiter(view) == said


BUDGETS = [
    (BudgetView(limit=100 * 10**9, spent=80 * 10**9), FINE),
    (
        BudgetView(limit=5 * 10**9, spent=4 * 10**9, reserved=750_000_000),
        Attention("nearly spent", "95% used: $4.75 of $5.00", LOOK),
    ),
    (
        BudgetView(limit=5 * 10**9, spent=4 * 10**9, alert_at=0.8),
        Attention("nearly spent", "80% used: $4.00 of $5.00", LOOK),
    ),
    (
        BudgetView(limit=100_000_000, spent=99_990_000),
        Attention("nearly spent", "99% used: $0.09999 of $0.10", LOOK),
    ),
    (
        BudgetView(limit=5 * 10**9, spent=5 * 10**9),
        Attention("over budget", "100% used: $5.00 of $5.00; calls are refused", ACT),
    ),
    (
        BudgetView(limit=0, spent=0),
        Attention("over budget", "100% used: $0.00 of $0.00; calls are refused", ACT),
    ),
]


@pytest.mark.parametrize(("view", "said"), BUDGETS)
def test_of_a_budget(view: BudgetView, said: Attention) -> None:
    assert of_budget(view) == said


def test_of_the_event_loop() -> None:
    assert of_loop(0.4, 1.0) == FINE
    assert of_loop(0.7, 61.0) == FINE
    assert of_loop(0.7, 3.0, "bad.py:17 work") == Attention(
        "stalled", "the event loop stood still for 0.7 s at bad.py:17 work, 3.0 s ago", ACT
    )
    assert of_loop(0.7, 0.0).detail == "the event loop stood still for 0.7 s, now"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-1.0, "0.0 s"),
        (0.84, "0.8 s"),
        (9.96, "10 s"),
        (59.7, "1 min 00 s"),
        (68.0, "1 min 08 s"),
        (7_500.0, "2 h 05 min"),
        (273_600.0, "3 d 4 h"),
        (inf, "for ever"),
    ],
)
def test_times_are_said_as_people_say_them(seconds: float, words: str) -> None:
    assert seconds_in_words(seconds) == words
