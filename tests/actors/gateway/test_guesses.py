"""How often somebody may be wrong about a token, and who pays for it."""

import pytest

from trouper.actors.gateway.guesses import Guesses

HERE, THERE = "192.0.2.1", "192.0.2.2"


def tried(guesses: Guesses, address: str, times: int, now: float = 0.0) -> None:
    for _ in range(times):
        guesses.wrong(address, now)


def test_ten_wrong_tokens_are_borne_and_then_one_in_six_seconds() -> None:
    guesses = Guesses()
    tried(guesses, HERE, 9)

    assert guesses.wait(HERE, b"x", 0.0) == 0
    tried(guesses, HERE, 1)
    assert guesses.wait(HERE, b"x", 0.0) == pytest.approx(6)
    assert guesses.wait(HERE, b"x", 4.0) == pytest.approx(2)
    assert guesses.wait(HERE, b"x", 6.0) == 0
    tried(guesses, HERE, 1, now=6.0)
    assert guesses.wait(HERE, b"x", 6.0) == pytest.approx(6)


def test_who_guesses_hinders_nobody_elsewhere() -> None:
    guesses = Guesses()
    tried(guesses, HERE, 50)

    assert guesses.wait(HERE, b"x", 0.0) > 0
    assert guesses.wait(THERE, b"x", 0.0) == 0


def test_a_token_that_was_good_from_there_is_looked_at_all_the_while() -> None:
    guesses = Guesses()
    guesses.right(HERE, b"good")
    tried(guesses, HERE, 50)

    assert guesses.wait(HERE, b"good", 0.0) == 0
    assert guesses.wait(HERE, b"other", 0.0) > 0


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::2%eth0"),
    ],
)
def test_addresses_that_one_machine_has_are_one(one: str, other: str) -> None:
    guesses = Guesses()
    tried(guesses, one, 50)

    assert guesses.wait(other, b"x", 0.0) > 0


@pytest.mark.parametrize("other", ["2001:db8:1:3::1", "::1", "", "192.0.2.1"])
def test_addresses_of_others_are_not(other: str) -> None:
    guesses = Guesses()
    tried(guesses, "2001:db8:1:2::1", 50)

    assert guesses.wait(other, b"x", 0.0) == 0


def test_only_so_many_addresses_are_remembered() -> None:
    guesses = Guesses(most=2)
    for address in (HERE, THERE, HERE, "192.0.2.3"):
        tried(guesses, address, 50)

    assert guesses.wait(HERE, b"x", 0.0) > 0
    assert guesses.wait(THERE, b"x", 0.0) == 0
