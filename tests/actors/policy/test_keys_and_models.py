"""A key may be good, and not for one model: it is barred from that one, and tried again."""

from tests.fakes.keyring import ACCEPTED, FORBIDDEN, REFUSED, Player
from trouper.actors.policy.keys import FIRST_TRY, MOST_MODELS


def test_three_refusals_in_a_row_bar_a_key_from_that_model_only() -> None:
    player = Player.of("a", "b")
    for _ in range(3):
        player.ended(player.chosen("big", tried="b"), FORBIDDEN)

    assert [player.chosen("big").key_id for _ in range(2)] == ["b", "b"]
    assert player.chosen("small", tried="b").key_id == "a"


def test_one_clients_refused_requests_between_answers_bar_nothing() -> None:
    player = Player.of("a")
    for _ in range(10):
        player.call(FORBIDDEN)
        player.call(FORBIDDEN)
        player.call(ACCEPTED)

    assert not player.key("a").barred


def test_a_barred_model_is_tried_again_and_is_freed_by_an_answer() -> None:
    player = Player.of("a")
    for _ in range(3):
        player.call(FORBIDDEN)
    assert player.nobody().until == player.now + FIRST_TRY
    player.now += FIRST_TRY
    player.call(FORBIDDEN)
    assert player.nobody().until == player.now + 2 * FIRST_TRY
    player.now += 2 * FIRST_TRY
    probe = player.chosen()
    player.nobody()
    player.ended(probe, ACCEPTED)

    assert player.chosen().fault is None


def test_a_barred_key_that_is_refused_altogether_is_dead() -> None:
    player = Player.of("a")
    late = player.chosen()
    for _ in range(3):
        player.call(FORBIDDEN)
    player.ended(late, FORBIDDEN)  # of a model that is barred already
    player.now += FIRST_TRY
    player.call(REFUSED)

    assert player.nobody("other").faults[0][1].times == 1


def test_a_key_that_dies_while_a_barred_model_is_tried_has_that_model_tried_again_later() -> None:
    """The try was held by a call whose end was then news of the past, and so for ever."""
    player = Player.of("a")
    other = player.chosen("n")
    for _ in range(3):
        player.call(FORBIDDEN, "m")
    player.now += FIRST_TRY
    probe = player.chosen("m")
    player.ended(other, REFUSED)
    player.ended(probe, ACCEPTED)
    player.now += FIRST_TRY
    player.call(ACCEPTED, "n")

    assert player.call(ACCEPTED, "m") == "a"
    assert not player.key("a").barred


def test_a_dead_key_that_only_may_not_do_this_is_known_to_the_provider_again() -> None:
    player = Player.of("a")
    player.call(REFUSED)
    player.now += FIRST_TRY
    player.call(FORBIDDEN)

    assert player.key("a").dead is None
    assert dict(player.key("a").doubts) == {"m": 1}


def test_only_so_many_models_are_remembered() -> None:
    player = Player.of("a")
    for number in range(3 * MOST_MODELS):
        player.call(FORBIDDEN, f"doubted-{number}")
        for _ in range(3):
            player.call(FORBIDDEN, f"barred-{number}")

    key = player.key("a")
    assert len(key.barred) == MOST_MODELS
    assert len(key.doubts) <= MOST_MODELS
    assert player.nobody(f"barred-{3 * MOST_MODELS - 1}").until
