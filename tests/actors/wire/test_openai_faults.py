"""A client is told of an error by the status, the code and the headers that it acts upon."""

import orjson
import pytest

from trouper.actors.errors import ErrorKind, ProviderError
from trouper.actors.wire.openai_errors import error_in_answer
from trouper.actors.wire.openai_faults import ApiFault, fault_of


@pytest.mark.parametrize("kind", ErrorKind)
def test_every_kind_has_a_status_and_a_code(kind: ErrorKind) -> None:
    fault = fault_of(ProviderError(kind=kind, message="it is so", provider="acme"))

    error = orjson.loads(fault.body)["error"]
    assert 400 <= fault.status < 600
    assert error == {
        "message": "acme: it is so",
        "type": fault.type,
        "param": fault.param,
        "code": fault.code,
    }
    assert fault.frame == b"data: " + fault.body + b"\n\n"


@pytest.mark.parametrize(
    "kind",
    [
        ErrorKind.INVALID_REQUEST,
        ErrorKind.CONTEXT_WINDOW_EXCEEDED,
        ErrorKind.CONTENT_POLICY,
        ErrorKind.REQUEST_TOO_LARGE,
        ErrorKind.MODEL_NOT_FOUND,
        ErrorKind.RATE_LIMITED,
        ErrorKind.QUOTA_EXHAUSTED,
        ErrorKind.OVERLOADED,
        ErrorKind.CONFLICT,
    ],
)
def test_one_trouper_behind_another_reads_the_same_kind(kind: ErrorKind) -> None:
    fault = fault_of(ProviderError(kind=kind, message="it is so", retry_after=2.5))

    read = error_in_answer(fault.status, dict(fault.headers), fault.body)

    assert (read.kind, read.retry_after) == (kind, 2.5)


def test_a_refusal_of_our_key_is_no_fault_of_the_callers() -> None:
    fault = fault_of(ProviderError(kind=ErrorKind.AUTH, message="no such key"))

    assert fault.status == 502
    assert ("X-Should-Retry", "false") in fault.headers


def test_a_wait_is_told_in_whole_seconds_and_exactly() -> None:
    fault = fault_of(ProviderError(kind=ErrorKind.RATE_LIMITED, message="slow", retry_after=0.25))

    assert fault.headers == (("Retry-After", "1"), ("Retry-After-Ms", "250"))


def test_clients_do_not_try_again_what_cannot_succeed() -> None:
    spent = fault_of(ProviderError(kind=ErrorKind.BUDGET_EXCEEDED, message="spent"))
    wrong = fault_of(ProviderError(kind=ErrorKind.INVALID_REQUEST, message="wrong"))

    assert (spent.status, spent.type, spent.code) == (429, "insufficient_quota", "budget_exceeded")
    assert spent.headers == (("X-Should-Retry", "false"),)
    assert wrong.headers == ()


def test_half_a_character_does_not_break_an_error() -> None:
    fault = ApiFault(status=400, message="\ud800 is no text")

    assert orjson.loads(fault.body)["error"]["message"] == "\ufffd is no text"
