"""Who is asked next: chains of targets that fail, are open, or are busy."""

from collections import Counter
from math import inf

import pytest
from hypothesis import assume, given, strategies as st

from trouper.actors.errors import ErrorKind, ProviderError
from trouper.actors.policy.routing import (
    Ask,
    Candidate,
    Decision,
    GiveUp,
    Link,
    Standing,
    Wait,
    decide,
    has_other,
    slice_until,
)

NAMES = ("a", "b", "c", "d", "e", "f")
NOW = 100.0


def failure(kind: ErrorKind = ErrorKind.SERVER_ERROR, **more: object) -> ProviderError:
    return ProviderError(kind=kind, message="no", **more)  # type: ignore[arg-type]


def link(*names: str, on: set[ErrorKind] | None = None) -> Link:
    return Link(tuple(map(Candidate, names)), frozenset(on) if on is not None else None)


def open_until(*moments: float) -> dict[str, Standing]:
    """The first targets, with when each may be asked."""
    return {name: Standing(not_before=at) for name, at in zip(NAMES, moments, strict=False)}


def next_of(
    chain: list[Link],
    standings: dict[str, Standing] | None = None,
    *failures: tuple[str, ErrorKind],
    deadline: float = inf,
    chance: float = 0.0,
    pinned: str = "",
) -> Decision:
    return decide(
        chain,
        standings or {},
        failures=[(name, failure(kind)) for name, kind in failures],
        now=NOW,
        deadline=deadline,
        chance=chance,
        pinned=pinned,
    )


def test_the_first_target_is_asked_first_and_the_next_when_it_fails() -> None:
    chain = [link("a"), link("b"), link("c")]

    assert next_of(chain) == Ask("a")
    assert next_of(chain, {}, ("a", ErrorKind.TIMEOUT)) == Ask("b")
    assert next_of(chain, {}, ("a", ErrorKind.TIMEOUT), ("b", ErrorKind.AUTH)) == Ask("c")


def test_when_all_have_failed_the_last_failure_is_the_answer() -> None:
    assert next_of([link("a")], {}, ("a", ErrorKind.TIMEOUT)) == GiveUp()


def test_equals_are_asked_before_the_next_link() -> None:
    chain = [link("a", "b"), link("c")]
    assert next_of(chain, {}, ("a", ErrorKind.OVERLOADED)) == Ask("b")


def test_what_is_the_fault_of_the_request_is_asked_of_nobody_else() -> None:
    chain = [link("a", "b"), link("c")]
    assert next_of(chain, {}, ("a", ErrorKind.INVALID_REQUEST)) == GiveUp()


def test_a_link_may_be_for_some_failures_only() -> None:
    chain = [
        link("a"),
        link("large", on={ErrorKind.CONTEXT_WINDOW_EXCEEDED}),
        link("spare", on={ErrorKind.CONTENT_POLICY, ErrorKind.SERVER_ERROR}),
    ]

    assert next_of(chain, {}, ("a", ErrorKind.CONTEXT_WINDOW_EXCEEDED)) == Ask("large")
    assert next_of(chain, {}, ("a", ErrorKind.CONTENT_POLICY)) == Ask("spare")
    assert next_of(chain, {}, ("a", ErrorKind.SERVER_ERROR)) == Ask("spare")
    assert next_of(chain, {}, ("a", ErrorKind.TIMEOUT)) == GiveUp()


def test_a_request_that_was_too_long_for_one_is_not_sent_to_others_of_its_size() -> None:
    large = {ErrorKind.CONTEXT_WINDOW_EXCEEDED, ErrorKind.TIMEOUT}
    chain = [link("a"), link("small"), link("large", "larger", on=large)]
    too_long = ("a", ErrorKind.CONTEXT_WINDOW_EXCEEDED)

    assert next_of(chain, {}, too_long) == Ask("large")
    assert next_of(chain, {}, too_long, ("large", ErrorKind.TIMEOUT)) == Ask("larger")


def test_nothing_is_asked_once_an_answer_has_begun() -> None:
    decision = decide(
        [link("a"), link("b")],
        {},
        failures=[("a", failure(ErrorKind.STREAM_TRUNCATED, committed=True))],
        now=NOW,
        deadline=inf,
        chance=0.0,
    )
    assert decision == GiveUp()


def test_open_targets_are_passed_by() -> None:
    chain = [link("a", "b"), link("c")]

    assert next_of(chain, open_until(NOW + 1)) == Ask("b")
    assert next_of(chain, open_until(NOW + 1, NOW + 1)) == Ask("c")
    assert next_of(chain, open_until(NOW)) == Ask("a")


def test_an_open_target_is_waited_for_rather_than_turning_to_a_link_for_other_failures() -> None:
    chain = [link("a"), link("large", on={ErrorKind.CONTEXT_WINDOW_EXCEEDED})]
    spare = [link("a"), link("spare", on={ErrorKind.CIRCUIT_OPEN})]

    assert next_of(chain, open_until(NOW + 5)) == Wait(NOW + 5)
    assert next_of(spare, open_until(NOW + 5)) == Ask("spare")


def test_where_all_are_open_the_soonest_is_waited_for_if_that_is_in_time() -> None:
    chain = [link("a", "b"), link("c")]
    standings = open_until(NOW + 9, NOW + 7, NOW + 8)

    assert next_of(chain, standings, deadline=NOW + 7.1) == Wait(NOW + 7)
    assert next_of(chain, standings, deadline=NOW + 7) == GiveUp(NOW + 7)
    assert next_of(chain, open_until(inf, inf, inf)) == GiveUp()


@pytest.mark.parametrize(("chance", "name"), [(0.0, "a"), (0.74, "a"), (0.76, "b"), (1.0, "b")])
def test_idle_equals_get_calls_by_their_weight(chance: float, name: str) -> None:
    chain = [Link((Candidate("a", 3), Candidate("b", 1)))]
    assert next_of(chain, chance=chance) == Ask(name)


@given(st.lists(st.floats(0, 1), min_size=40, max_size=40))
def test_busy_equals_share_the_calls_under_way_by_their_weight(chances: list[float]) -> None:
    chain = [Link((Candidate("a", 3), Candidate("b", 1)))]
    under_way: Counter[str] = Counter()
    for chance in chances:
        decision = next_of(chain, {n: Standing(under_way[n]) for n in "ab"}, chance=chance)
        assert isinstance(decision, Ask)
        under_way[decision.target] += 1

    assert 29 <= under_way["a"] <= 31


def test_a_conversation_stays_with_who_answered_it_until_that_one_fails_or_is_open() -> None:
    chain = [link("a"), link("b", "c")]

    assert next_of(chain, pinned="c") == Ask("c")
    assert next_of(chain, open_until(0, 0, NOW + 1), pinned="c") == Ask("a")
    assert next_of(chain, {}, ("c", ErrorKind.TIMEOUT), pinned="c") == Ask("a")
    assert next_of(chain, pinned="gone") == Ask("a")


KINDS = st.sampled_from(ErrorKind)
CHAINS = st.lists(
    st.builds(
        Link,
        st.lists(
            st.builds(
                Candidate,
                st.sampled_from(NAMES),
                st.floats(0.1, 10),
                st.none() | st.integers(1, 9),
            ),
            min_size=1,
            max_size=3,
        ).map(tuple),
        st.none() | st.frozensets(KINDS, max_size=6),
    ),
    min_size=1,
    max_size=4,
)
STANDINGS = st.dictionaries(
    st.sampled_from(NAMES),
    st.builds(Standing, st.integers(0, 9), st.sampled_from([-inf, NOW, NOW + 1, NOW + 50, inf])),
)


@given(CHAINS, STANDINGS, st.lists(KINDS, min_size=20, max_size=20), st.floats(0, 1), st.data())
def test_whatever_fails_each_target_is_asked_once_at_most_when_it_may_be_and_it_ends(
    chain: list[Link],
    standings: dict[str, Standing],
    kinds: list[ErrorKind],
    chance: float,
    data: st.DataObject,
) -> None:
    pinned = data.draw(st.sampled_from(("", *NAMES)))
    in_chain = {one.name for link in chain for one in link.candidates}
    now, deadline = NOW, NOW + 10
    failures: list[tuple[str, ProviderError]] = []
    for kind in kinds:
        decision = decide(
            chain,
            standings,
            failures=failures,
            now=now,
            deadline=deadline,
            chance=chance,
            pinned=pinned,
        )
        match decision:
            case Ask(target):
                assert target in in_chain - {name for name, _ in failures}
                assert standings.get(target, Standing()).not_before <= now
                failures.append((target, failure(kind)))
            case Wait(until):
                assert now < until < deadline
                now = until
            case GiveUp(reopens):
                assert reopens >= deadline
                break
    else:
        raise AssertionError("a chain of so few targets comes to its end")


@given(CHAINS, STANDINGS, st.floats(0, 1))
def test_while_a_target_of_the_first_link_may_be_asked_no_other_link_is(
    chain: list[Link], standings: dict[str, Standing], chance: float
) -> None:
    free = [
        one.name
        for one in chain[0].candidates
        if standings.get(one.name, Standing()).not_before <= NOW
    ]
    decision = next_of(chain, standings, chance=chance)

    if free:
        assert isinstance(decision, Ask)
        assert decision.target in free


WINDOWS = [
    Link((Candidate("a", window=8), Candidate("b", window=8))),
    Link((Candidate("c", window=32), Candidate("d"))),
    link("e", on={ErrorKind.SERVER_ERROR}),
]
TOO_LONG = ErrorKind.CONTEXT_WINDOW_EXCEEDED


def test_a_request_that_was_too_long_goes_to_a_window_that_is_known_to_be_larger() -> None:
    assert next_of(WINDOWS, {}, ("a", TOO_LONG)) == Ask("c")
    assert next_of(WINDOWS, {}, ("a", TOO_LONG), ("c", TOO_LONG)) == GiveUp()
    assert next_of(WINDOWS, {}, ("d", TOO_LONG)) == GiveUp()
    assert next_of([link("a"), *WINDOWS[1:]], {}, ("a", TOO_LONG)) == GiveUp()


def test_a_conversation_that_needed_the_large_window_is_asked_of_it_at_once_next_time() -> None:
    chain = [link("a"), link("large", on={TOO_LONG})]
    assert next_of(chain, pinned="large") == Ask("large")


def test_each_but_the_last_target_has_half_of_the_time_that_is_left() -> None:
    assert slice_until(NOW, NOW + 100, last=False) == NOW + 50
    assert slice_until(NOW + 50, NOW + 100, last=False) == NOW + 75
    assert slice_until(NOW, NOW + 100, last=True) == NOW + 100
    assert slice_until(NOW, inf, last=False) == inf
    assert slice_until(NOW, NOW - 1, last=False) == NOW


def test_the_last_is_who_would_have_nobody_to_follow_if_it_took_too_long() -> None:
    chain = [link("a"), link("b"), link("large", on={TOO_LONG})]
    failed = ("a", failure())

    assert has_other(chain, [], "a")
    assert not has_other(chain, [failed], "b")
    assert not has_other([link("a")], [], "a")
    assert not has_other([link("a"), link("large", on={TOO_LONG})], [], "a")
    assert has_other(chain, [], "b")


@given(CHAINS, st.lists(st.sampled_from(NAMES), max_size=4, unique=True), KINDS)
def test_a_request_that_was_too_long_is_asked_of_nobody_who_is_not_for_that_or_larger(
    chain: list[Link], names: list[str], kind: ErrorKind
) -> None:
    windows = {(one.name, one.window) for link in chain for one in link.candidates}
    # What is known of a target is the same wherever it stands.
    assume(len(windows) == len({name for name, _ in windows}))
    failures = [(name, TOO_LONG) for name in names] + [("other", kind)]
    decision = next_of(chain, {}, *failures)

    if names and isinstance(decision, Ask):
        chosen = [
            (link, one) for link in chain for one in link.candidates if one.name == decision.target
        ]
        too_small = [one.window for link in chain for one in link.candidates if one.name in names]
        assert any(
            (link.on is not None and TOO_LONG in link.on)
            or (
                link.on is None
                and one.window is not None
                and all(window is not None for window in too_small)
                and one.window > min((w for w in too_small if w is not None), default=0)
            )
            for link, one in chosen
        )
