"""What the end of a call says about a deployment."""

import pytest

from trouper.actors.errors import ErrorKind, ProviderError, StreamTruncated
from trouper.actors.policy.outcome import (
    NEUTRAL,
    SUCCESS,
    CallResult,
    Outcome,
    outcome_of,
    result_of,
)

UNREACHABLE = {ErrorKind.CONNECTION_FAILED, ErrorKind.TIMEOUT}
FAILURE = {
    ErrorKind.SERVER_ERROR,
    ErrorKind.OVERLOADED,
    ErrorKind.STREAM_TRUNCATED,
    ErrorKind.PROTOCOL_ERROR,
}


def failure(kind: ErrorKind, **more: object) -> ProviderError:
    return ProviderError(kind=kind, message="no", **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ErrorKind)
def test_only_what_the_deployment_did_itself_counts_against_it(kind: ErrorKind) -> None:
    outcome = outcome_of(failure(kind))

    assert outcome.failed == (kind in FAILURE | UNREACHABLE)
    assert (outcome is Outcome.UNREACHABLE) == (kind in UNREACHABLE)
    assert (outcome is Outcome.NEUTRAL) == (kind not in FAILURE | UNREACHABLE)


def test_a_call_without_an_error_is_a_success() -> None:
    assert outcome_of(None) is Outcome.SUCCESS
    assert result_of(None) == SUCCESS
    assert not Outcome.SUCCESS.failed


@pytest.mark.parametrize("kind", sorted(FAILURE | UNREACHABLE, key=str))
def test_what_fails_in_a_stream_counts_like_what_fails_before_it(kind: ErrorKind) -> None:
    assert outcome_of(failure(kind, in_stream=True)) is Outcome.FAILURE
    assert outcome_of(failure(kind, committed=True)) is Outcome.FAILURE


def test_a_stream_that_was_cut_is_a_failure() -> None:
    assert outcome_of(StreamTruncated()) is Outcome.FAILURE


def test_an_error_of_the_caller_is_neutral_in_a_stream_too() -> None:
    assert outcome_of(failure(ErrorKind.CONTENT_POLICY, in_stream=True)) is Outcome.NEUTRAL


def test_waiting_too_long_for_a_connection_of_our_own_says_nothing_of_the_provider() -> None:
    assert outcome_of(failure(ErrorKind.TIMEOUT, phase="pool")) is Outcome.NEUTRAL


def test_a_result_says_the_kind_the_status_and_when_to_come_back() -> None:
    error = failure(ErrorKind.OVERLOADED, status=529, retry_after=7.0)

    assert result_of(error) == CallResult(Outcome.FAILURE, 7.0, "overloaded (HTTP 529)")
    assert result_of(failure(ErrorKind.TIMEOUT)).what == "timeout"


def test_the_pause_of_a_rate_limit_is_the_limiters_business() -> None:
    assert result_of(failure(ErrorKind.RATE_LIMITED, status=429, retry_after=30.0)) == NEUTRAL
