"""How long answers are: what nine of ten do not exceed."""

import random

import pytest

from trouper.actors.policy.lengths import AnswerLength


@pytest.mark.parametrize("usual", [60, 900, 12_000])
def test_it_comes_to_lie_where_one_answer_in_ten_is_longer(usual: int) -> None:
    chance = random.Random(1)
    length = AnswerLength()
    longer = 0
    for number in range(4_000):
        actual = round(chance.expovariate(1 / usual))
        longer += number >= 1_000 and actual > length.tokens
        length = length.learn(actual)
    assert 0.06 <= longer / 3_000 <= 0.14


def test_answers_that_are_all_alike_are_what_it_says() -> None:
    length = AnswerLength()
    for _ in range(200):
        length = length.learn(2_000)
    assert length.tokens == 2_000


def test_it_never_becomes_nothing() -> None:
    length = AnswerLength()
    for _ in range(1_000):
        length = length.learn(0)
    assert length.tokens == 16
