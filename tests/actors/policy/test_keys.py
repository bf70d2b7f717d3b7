"""Which key a call shows, when one is left out, and when it is tried again."""

from math import inf

import attrs
import pytest
from hypothesis import given, settings, strategies as st

from tests.fakes.keyring import ACCEPTED, FORBIDDEN, REFUSED, Player, too_fast
from trouper.actors.errors import ErrorKind
from trouper.actors.policy.key_verdict import NOTHING, KeyVerdict
from trouper.actors.policy.keys import (
    FIRST_TRY,
    LAST_TRY,
    LONGEST_PAUSE,
    KeyChoice,
    Keyring,
    NoKeyLeft,
    choose,
    make_keyring,
    revive,
)


def test_keys_are_used_by_turns() -> None:
    player = Player.of("a", "b", "c")

    assert [player.call(ACCEPTED) for _ in range(6)] == list("abcabc")


def test_who_has_the_fewest_calls_under_way_is_next() -> None:
    player = Player.of("a", "b")
    player.chosen()
    second = player.chosen()
    player.ended(second, ACCEPTED)

    assert [player.chosen().key_id for _ in range(3)] == ["b", "a", "b"]


def test_a_key_that_comes_twice_is_one_key_and_no_key_is_an_error() -> None:
    assert [key.id for key in make_keyring(["a", "b", "a"], 0.0).keys] == ["a", "b"]
    with pytest.raises(ValueError, match="needs no keys"):
        make_keyring([], 0.0)


def test_a_tried_key_is_chosen_again_only_where_no_other_is_left() -> None:
    player = Player.of("a", "b")

    assert player.call(ACCEPTED, tried="a") == "b"
    assert player.call(ACCEPTED, tried="a") == "b"
    assert player.call(ACCEPTED, tried="ab") == "a"


def test_a_refused_key_is_dead_for_all_models_and_the_others_go_on() -> None:
    player = Player.of("a", "b")
    player.call(REFUSED)

    assert [player.call(ACCEPTED, model) for model in "mnm"] == list("bbb")


def test_where_all_are_dead_it_says_which_and_why_and_until_when() -> None:
    player = Player.of("a", "b")
    player.call(REFUSED)
    player.now += 10
    player.call(REFUSED)

    nobody = player.nobody()
    assert [id for id, _ in nobody.faults] == ["a", "b"]
    assert {fault.cause for _, fault in nobody.faults} == {"auth (HTTP 401)"}
    assert nobody.until == 1_000 + FIRST_TRY


def test_a_dead_key_is_tried_by_one_call_at_a_time_and_goes_first() -> None:
    player = Player.of("a", "b")
    player.call(REFUSED)
    player.now += FIRST_TRY

    probe = player.chosen()
    assert (probe.key_id, probe.fault is not None) == ("a", True)
    assert [player.chosen().key_id for _ in range(2)] == ["b", "b"]
    player.ended(probe, ACCEPTED)
    assert player.chosen().key_id == "a"


def test_a_request_that_goes_on_after_a_refusal_tries_no_second_dead_key() -> None:
    player = Player.of("a", "b", "c")
    player.call(REFUSED)
    player.call(REFUSED)
    player.now += FIRST_TRY

    assert player.chosen(tried="a").key_id == "c"


def test_while_the_only_key_is_tried_nobody_knows_when() -> None:
    player = Player.of("a")
    player.call(REFUSED)
    player.now += FIRST_TRY
    probe = player.chosen()

    assert player.nobody().until is None
    player.ended(probe, NOTHING)
    assert player.chosen().fault == probe.fault


def test_a_key_that_stays_dead_is_tried_ever_more_rarely_but_each_hour() -> None:
    player = Player.of("a")
    player.call(REFUSED)
    waits: list[float] = []
    for _ in range(9):
        until = player.nobody().until
        assert until is not None
        waits.append(until - player.now)
        player.now = until
        player.call(REFUSED)

    assert waits == [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]
    assert player.key("a").dead is not None
    assert player.key("a").dead.since == 1_000  # type: ignore[union-attr]


@pytest.mark.parametrize(("said", "waited"), [(5, 60), (600, 600), (1e9, LAST_TRY)])
def test_a_providers_own_word_on_when_to_come_back_is_heard(said: float, waited: float) -> None:
    player = Player.of("a")
    player.call(attrs.evolve(REFUSED, kind=ErrorKind.QUOTA_EXHAUSTED, retry_after=said))

    assert player.nobody().until == player.now + waited


def test_calls_that_were_made_together_kill_a_key_once() -> None:
    player = Player.of("a")
    calls = [player.chosen() for _ in range(20)]
    for each in calls:
        player.ended(each, REFUSED)

    dead = player.key("a").dead
    assert dead is not None
    assert dead.times == 1
    assert player.ring.uses[0].in_flight == 0


def test_an_answer_to_a_call_from_before_it_died_makes_no_key_well() -> None:
    player = Player.of("a")
    early, late = player.chosen(), player.chosen()
    player.ended(late, REFUSED)
    player.ended(early, ACCEPTED)

    assert player.key("a").dead is not None


def test_a_key_that_was_revived_does_not_die_of_what_was_under_way() -> None:
    player = Player.of("a")
    early = player.chosen()
    player.call(REFUSED)
    player.ring = revive(player.ring, "a", player.now)
    player.ended(early, REFUSED)

    assert player.chosen().key_id == "a"
    assert player.chosen().fault is None


def test_a_try_that_ends_after_a_revival_by_hand_says_nothing() -> None:
    player = Player.of("a")
    player.call(REFUSED)
    player.now += FIRST_TRY
    probe = player.chosen()
    player.ring = revive(player.ring, "", player.now)
    player.ended(probe, REFUSED)

    assert player.key("a").dead is None


def test_reviving_one_leaves_the_other_dead_and_an_unknown_one_is_an_error() -> None:
    player = Player.of("a", "b")
    player.call(REFUSED)
    player.call(REFUSED)
    player.ring = revive(player.ring, "b", player.now)

    assert player.key("a").dead is not None
    assert player.chosen().key_id == "b"
    with pytest.raises(KeyError):
        revive(player.ring, "c", player.now)


def test_a_pause_holds_for_its_own_key_and_ends() -> None:
    player = Player.of("a", "b")
    player.call(too_fast(30))

    assert [player.call(ACCEPTED) for _ in range(2)] == ["b", "b"]
    player.now += 30
    assert player.chosen().key_id == "a"


def test_where_all_are_paused_the_one_that_soonest_goes_on_is_chosen() -> None:
    player = Player.of("a", "b")
    player.call(too_fast(30))
    player.call(too_fast(20))

    choice = player.chosen()
    assert (choice.key_id, choice.paused_until) == ("b", player.now + 20)
    assert player.chosen(tried="b").key_id == "a"


@pytest.mark.parametrize(("said", "paused"), [(None, 1.0), (-5, 0.0), (1e9, LONGEST_PAUSE)])
def test_a_pause_has_its_bounds(said: float | None, paused: float) -> None:
    player = Player.of("a")
    player.call(too_fast(said))

    assert player.key("a").paused_until == player.now + paused


def test_a_shorter_pause_never_ends_a_longer_one() -> None:
    player = Player.of("a")
    player.call(too_fast(30))
    player.call(too_fast(1))

    assert player.key("a").paused_until == player.now + 30


def test_a_key_that_is_too_fast_is_alive() -> None:
    player = Player.of("a")
    player.call(REFUSED)
    player.now += FIRST_TRY
    player.call(too_fast(5))

    assert player.key("a").dead is None
    assert player.key("a").paused_until == player.now + 5


verdicts = st.sampled_from([ACCEPTED, REFUSED, FORBIDDEN, NOTHING, too_fast(None), too_fast(90)])
steps = st.one_of(
    st.tuples(st.just("choose"), st.sampled_from("mn"), st.sets(st.sampled_from("abc"))),
    st.tuples(st.just("end"), st.integers(0, 5), verdicts),
    st.tuples(st.just("wait"), st.sampled_from([1.0, 61.0, 4_000.0]), st.none()),
    st.tuples(st.just("revive"), st.sampled_from(["", "a"]), st.none()),
)


@settings(max_examples=200)
@given(st.lists(steps, max_size=60))
def test_whatever_happens_the_rules_hold(taken: list[tuple[str, object, object]]) -> None:
    player = Player.of("a", "b", "c")
    under_way: list[KeyChoice] = []
    for what, first, second in taken:
        match what, first, second:
            case "choose", str(model), set() as tried:
                before = player.ring
                player.ring, choice = choose(player.ring, model, tried, player.now)
                check_choice(before, choice, model, tried, player.now)
                under_way += [choice] if isinstance(choice, KeyChoice) else []
            case "end", int(index), KeyVerdict() as verdict:
                if under_way:
                    player.ended(under_way.pop(index % len(under_way)), verdict)
            case "wait", float(seconds), _:
                player.now += seconds
            case "revive", str(id), _:
                player.ring = revive(player.ring, id, player.now)
                assert all(not k.dead for k in player.ring.keys if id in ("", k.id))
            case _:
                raise AssertionError(what)
        for key, use in zip(player.ring.keys, player.ring.uses, strict=True):
            assert use.in_flight == sum(choice.key_id == key.id for choice in under_way)
            tries = [choice.fault for choice in under_way if choice.key_id == key.id]
            for fault in (key.dead, *key.barred.values()):
                assert fault is None or not fault.trying or fault in tries

    for choice in under_way:
        player.ended(choice, NOTHING)
    # Nothing stays as it is for ever, whatever was under way: in time each key is tried.
    player.now += max(LAST_TRY, LONGEST_PAUSE)
    for model in "mn":
        assert {player.call(ACCEPTED, model) for _ in range(6)} == set("abc")
    assert all(key.dead is None and not key.barred for key in player.ring.keys)


def check_choice(
    before: Keyring, choice: KeyChoice | NoKeyLeft, model: str, tried: set[str], now: float
) -> None:
    left = {key.id: key for key in before.keys if key.fault(model) is None}
    if isinstance(choice, NoKeyLeft):
        assert not left
        assert choice.until is None or now <= choice.until < inf
    elif choice.fault is None:
        assert choice.key_id in left
        assert choice.key_id not in tried or left.keys() <= tried
    else:
        assert choice.fault.tried_at <= now
        assert choice.key_id not in tried
        assert not tried or not left
