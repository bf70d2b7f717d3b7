"""Estimates learn from usage."""

import pytest
from hypothesis import given, strategies as st

from trouper.actors.catalog.correction import Correction, initial_correction


@pytest.mark.parametrize(
    ("family", "factor"), [("openai", 1.0), ("azure", 1.0), ("anthropic", 1.35), ("groq", 1.2)]
)
def test_a_family_starts_where_it_is_known_to_be(family: str, factor: float) -> None:
    assert initial_correction(family) == Correction(factor, 0)


@pytest.mark.parametrize("ratio", [0.6, 1.0, 1.4, 2.5])
def test_twenty_answers_teach_the_ratio(ratio: float) -> None:
    correction = initial_correction("anthropic")
    for _ in range(20):
        correction = correction.learn(1_000, round(1_000 * ratio))

    assert correction.factor == pytest.approx(ratio, abs=0.02)
    assert correction.seen == 20


def test_a_short_request_teaches_little() -> None:
    long, short = Correction().learn(1_000, 2_000), Correction().learn(10, 20)

    assert long.factor == pytest.approx(1.2)
    assert short.factor == pytest.approx(1.01)


@pytest.mark.parametrize(("estimate", "actual"), [(0, 10), (10, 0), (0, 0), (-1, 5)])
def test_a_count_of_nothing_teaches_nothing(estimate: int, actual: int) -> None:
    assert Correction(1.3, 4).learn(estimate, actual) == Correction(1.3, 4)
    assert Correction(1.3, 4).corrected(estimate, actual) == Correction(1.3, 4)


def test_where_an_estimate_has_misled_all_of_it_is_taken_in() -> None:
    assert Correction(1.0, 4).corrected(1_000, 1_700) == Correction(1.7, 5)
    assert Correction().corrected(10, 1_000).factor == 3.0


def test_an_estimate_is_corrected_upwards_to_whole_tokens() -> None:
    assert Correction(1.35).apply(100) == 135
    assert Correction(1.35).apply(1) == 2
    assert Correction(1.1).apply(10) == 11
    assert Correction(1.2).apply(0) == 0


counts = st.integers(0, 10_000_000)


@given(st.lists(st.tuples(counts, counts)))
def test_no_usage_however_strange_carries_it_beyond_its_bounds(
    answers: list[tuple[int, int]],
) -> None:
    correction = Correction()
    for estimate, actual in answers:
        correction = correction.learn(estimate, actual)

    assert 0.5 <= correction.factor <= 3.0
