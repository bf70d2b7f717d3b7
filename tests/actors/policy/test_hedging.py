"""When an answer is slow to begin."""

from hypothesis import given, strategies as st

from trouper.actors.policy.hedging import LEAST_SAMPLES, OLDEST, Latencies

NOW = 1000.0


def told(times: list[float], at: float = NOW) -> Latencies:
    latencies = Latencies()
    for seconds in times:
        latencies.add(seconds, at)
    return latencies


@given(st.lists(st.floats(0, 100), max_size=LEAST_SAMPLES - 1))
def test_of_few_answers_nobody_knows_what_is_slow(times: list[float]) -> None:
    assert told(times).slow(NOW) is None


@given(st.lists(st.floats(0.1, 100), min_size=LEAST_SAMPLES, max_size=128))
def test_at_most_one_answer_in_twenty_is_slower_than_slow(times: list[float]) -> None:
    slow = told(times).slow(NOW)

    assert slow in times
    assert sum(seconds > slow for seconds in times) <= len(times) / 20


def test_the_nineteenth_of_twenty_is_the_bound() -> None:
    assert told([float(n) for n in range(1, 21)]).slow(NOW) == 19.0


def test_what_is_old_says_nothing_of_today() -> None:
    latencies = told([1.0] * 50, at=NOW)

    assert latencies.slow(NOW + OLDEST) == 1.0
    assert latencies.slow(NOW + OLDEST + 1) is None
    assert len(latencies) == 0


def test_only_the_last_answers_count_however_many_there_were() -> None:
    latencies = told([50.0] * 10_000 + [1.0] * 128)

    assert len(latencies) == 128
    assert latencies.slow(NOW) == 1.0


def test_who_is_always_quick_is_not_slow_over_a_hiccup_of_ours() -> None:
    assert told([0.001] * 50).slow(NOW) == 0.05
