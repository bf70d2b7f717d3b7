"""What the end of a call says of its key."""

import pytest

from trouper.actors.errors import ErrorKind, ProviderError
from trouper.actors.policy.key_verdict import Says, key_id, verdict_of

HOLDS = {
    ErrorKind.AUTH: Says.REFUSED,
    ErrorKind.QUOTA_EXHAUSTED: Says.REFUSED,
    ErrorKind.PERMISSION: Says.NOT_FOR_THIS,
    ErrorKind.RATE_LIMITED: Says.PAUSE,
}


@pytest.mark.parametrize("kind", ErrorKind)
def test_only_what_the_provider_holds_against_a_key_counts(kind: ErrorKind) -> None:
    verdict = verdict_of(ProviderError(kind=kind, message="no"))

    assert verdict.says is HOLDS.get(kind, Says.NOTHING)


def test_an_answer_says_that_the_key_is_good() -> None:
    assert verdict_of(None).says is Says.ACCEPTED


def test_its_cause_says_kind_status_and_code_and_nothing_that_may_quote_the_key() -> None:
    error = ProviderError(
        kind=ErrorKind.AUTH, message="Incorrect API key: sk-secret", status=401, code="invalid"
    )

    assert verdict_of(error).cause == "auth (HTTP 401, invalid)"
    assert verdict_of(ProviderError(kind=ErrorKind.AUTH, message="x")).cause == "auth"


def test_a_key_is_named_by_the_beginning_of_its_hash() -> None:
    # SHA-256 of "abc", from FIPS 180-2, appendix B.1.
    assert key_id("abc") == "ba7816bf"
