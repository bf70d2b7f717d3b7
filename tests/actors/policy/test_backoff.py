"""Whether and when a failed request is tried again."""

import pytest
from hypothesis import given, strategies as st

from trouper.actors.errors import ErrorKind, ProviderError
from trouper.actors.policy.backoff import RetryPolicy, retry_delay

CHANCES = st.floats(0, 1)
ATTEMPTS = st.integers(1, 10_000)
RETRYABLE = {
    ErrorKind.RATE_LIMITED,
    ErrorKind.OVERLOADED,
    ErrorKind.SERVER_ERROR,
    ErrorKind.TIMEOUT,
    ErrorKind.CONFLICT,
    ErrorKind.CONNECTION_FAILED,
    ErrorKind.STREAM_TRUNCATED,
    ErrorKind.CIRCUIT_OPEN,
    ErrorKind.LIMITER_TIMEOUT,
    ErrorKind.UNAVAILABLE,
}
MANY = RetryPolicy(attempts=1_000_000)


def failure(kind: ErrorKind = ErrorKind.SERVER_ERROR, **more: object) -> ProviderError:
    return ProviderError(kind=kind, message="no", **more)  # type: ignore[arg-type]


@given(st.sampled_from(ErrorKind), CHANCES)
def test_only_what_may_succeed_later_is_tried_again(kind: ErrorKind, chance: float) -> None:
    delay = retry_delay(RetryPolicy(), failure(kind), 1, chance)
    assert (delay is not None) == (kind in RETRYABLE)


@given(st.sampled_from(ErrorKind), CHANCES, st.sampled_from([None, True]))
def test_nothing_is_repeated_once_content_was_handed_on(
    kind: ErrorKind, chance: float, word: bool | None
) -> None:
    error = failure(kind, committed=True, should_retry=word)
    assert retry_delay(MANY, error, 1, chance) is None


@pytest.mark.parametrize(("kind", "word"), [(k, w) for k in ErrorKind for w in (True, False)])
def test_the_servers_word_on_whether_to_retry_outranks_ours(kind: ErrorKind, word: bool) -> None:
    assert (
        retry_delay(RetryPolicy(), failure(kind, should_retry=word), 1, 0.5) is not None
    ) == word


@given(st.integers(1, 20), ATTEMPTS)
def test_attempts_count_the_first_try(attempts: int, attempt: int) -> None:
    policy = RetryPolicy(attempts=attempts)
    assert (retry_delay(policy, failure(), attempt, 0.5) is None) == (attempt >= attempts)


@given(
    ATTEMPTS,
    CHANCES,
    st.floats(0.001, 100),
    st.floats(0.001, 100),
    st.sampled_from(sorted(RETRYABLE, key=lambda kind: kind.value)),
)
def test_full_jitter_is_between_nothing_and_a_bound_that_doubles_up_to_the_longest(
    attempt: int, chance: float, base: float, longest: float, kind: ErrorKind
) -> None:
    policy = RetryPolicy(attempts=1_000_000, base_delay=base, max_delay=longest)
    base = max(base, 2.0) if kind is ErrorKind.OVERLOADED else base

    delay = retry_delay(policy, failure(kind), attempt, chance)
    bound = retry_delay(policy, failure(kind), attempt, 1.0)

    assert delay is not None
    assert bound is not None
    assert 0 <= delay <= bound <= max(longest, base)
    assert delay == pytest.approx(bound * chance)
    if attempt == 1:
        assert bound == pytest.approx(base)


def test_the_default_delays_are_those_of_the_official_clients() -> None:
    delays = [retry_delay(MANY, failure(), attempt, 1.0) for attempt in range(1, 8)]
    assert delays == [0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0]


def test_an_overloaded_provider_is_left_alone_for_longer() -> None:
    error = failure(ErrorKind.OVERLOADED)
    assert [retry_delay(MANY, error, attempt, 1.0) for attempt in (1, 2, 3, 4)] == [2, 4, 8, 8]


def test_an_overloaded_provider_is_left_alone_even_where_all_delays_are_short() -> None:
    hasty = RetryPolicy(base_delay=0.01, max_delay=0.02)
    assert retry_delay(hasty, failure(ErrorKind.OVERLOADED), 1, 1.0) == 2.0


@given(st.floats(0, 60), CHANCES, st.integers(1, 100))
def test_the_servers_own_delay_goes_first_with_a_little_jitter_added(
    seconds: float, chance: float, attempt: int
) -> None:
    for kind in (ErrorKind.RATE_LIMITED, ErrorKind.OVERLOADED, ErrorKind.SERVER_ERROR):
        delay = retry_delay(MANY, failure(kind, retry_after=seconds), attempt, chance)
        assert delay is not None
        assert seconds <= delay <= seconds * 1.1


@given(st.floats(60, 1e9, exclude_min=True), CHANCES)
def test_a_server_that_asks_for_more_than_a_minute_is_given_up(
    seconds: float, chance: float
) -> None:
    error = failure(ErrorKind.RATE_LIMITED, retry_after=seconds)
    assert retry_delay(RetryPolicy(), error, 1, chance) is None


MAYBE = failure(ErrorKind.TIMEOUT, billed="maybe")
DARING = RetryPolicy(ambiguous=True)


def test_a_plain_call_that_may_have_been_billed_is_not_made_again() -> None:
    """Row 28: "Ambiguous failures: default no retry for non-streaming; charge an
    'unknown outcome' estimate"."""
    assert retry_delay(RetryPolicy(), MAYBE, 1, 1.0, streamed=False) is None


def test_a_plain_call_that_may_have_been_billed_is_made_once_more_where_that_is_wanted() -> None:
    assert retry_delay(DARING, MAYBE, 1, 1.0, streamed=False) == 0.5
    assert retry_delay(DARING, MAYBE, 2, 1.0, streamed=False, ambiguous_before=True) is None


def test_a_stream_that_has_not_said_anything_is_made_again_though_it_may_have_been_billed() -> None:
    assert retry_delay(RetryPolicy(), MAYBE, 1, 1.0) == 0.5


@pytest.mark.parametrize("word", [True, False])
def test_the_servers_word_outranks_the_doubt_about_the_bill(word: bool) -> None:
    error = failure(ErrorKind.TIMEOUT, billed="maybe", should_retry=word)
    assert (retry_delay(RetryPolicy(), error, 1, 0.5, streamed=False) is not None) == word
