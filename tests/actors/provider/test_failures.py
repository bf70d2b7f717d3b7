"""What failures of the connection and of its actor mean to who asked."""

import httpx
import pytest

from trouper.actors.errors import ErrorKind
from trouper.actors.policy.outcome import Outcome, outcome_of
from trouper.actors.provider.failures import from_httpx, from_runtime
from trouper.actors.redaction import live_secrets
from trouper.actors.telemetry.labels import error_type
from trouper.runtime import (
    ActorCrashed,
    ActorDown,
    ActorError,
    ActorUnavailable,
    AskTimeout,
    MailboxFull,
)


@pytest.mark.parametrize(
    ("error", "kind", "phase", "billed"),
    [
        (httpx.ConnectError("refused"), ErrorKind.CONNECTION_FAILED, "connect", "no"),
        (httpx.ProxyError("refused"), ErrorKind.CONNECTION_FAILED, "connect", "no"),
        (httpx.ConnectTimeout("slow"), ErrorKind.TIMEOUT, "connect", "no"),
        (httpx.PoolTimeout("full"), ErrorKind.TIMEOUT, "pool", "no"),
        (httpx.ReadTimeout("slow"), ErrorKind.TIMEOUT, "headers", "maybe"),
        (httpx.WriteTimeout("slow"), ErrorKind.TIMEOUT, "headers", "maybe"),
        (httpx.WriteError("broken"), ErrorKind.CONNECTION_FAILED, "write", "maybe"),
        (httpx.ReadError("reset"), ErrorKind.CONNECTION_FAILED, "headers", "maybe"),
        (httpx.RemoteProtocolError("no"), ErrorKind.CONNECTION_FAILED, "headers", "maybe"),
        (httpx.DecodingError("gzip"), ErrorKind.PROTOCOL_ERROR, "headers", "maybe"),
        (httpx.LocalProtocolError("bad"), ErrorKind.INVALID_REQUEST, "write", "no"),
        (httpx.UnsupportedProtocol("ftp"), ErrorKind.INVALID_REQUEST, "write", "no"),
    ],
)
def test_only_what_failed_before_a_byte_was_sent_is_surely_not_billed(
    error: httpx.TransportError, kind: ErrorKind, phase: str, billed: str
) -> None:
    failure = from_httpx(error, in_stream=False)

    assert (failure.kind, failure.phase, failure.billed) == (kind, phase, billed)
    assert failure.message == str(error)
    assert not failure.in_stream


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (httpx.ReadError("reset"), ErrorKind.STREAM_TRUNCATED),
        (httpx.RemoteProtocolError("cut"), ErrorKind.STREAM_TRUNCATED),
        (httpx.ReadTimeout("slow"), ErrorKind.TIMEOUT),
        (httpx.DecodingError("gzip"), ErrorKind.PROTOCOL_ERROR),
    ],
)
def test_a_failure_in_the_middle_of_an_answer_says_so(
    error: httpx.TransportError, kind: ErrorKind
) -> None:
    failure = from_httpx(error, in_stream=True)

    assert (failure.kind, failure.phase, failure.in_stream) == (kind, "stream", True)
    assert failure.billed == "maybe"


def test_an_error_without_words_is_called_by_its_name() -> None:
    assert from_httpx(httpx.ReadError(""), in_stream=False).message == "ReadError"


@pytest.mark.parametrize(
    ("error", "kind", "billed"),
    [
        (MailboxFull("a", 8), ErrorKind.OVERLOADED, "no"),
        (ActorUnavailable("a"), ErrorKind.UNAVAILABLE, "no"),
        (AskTimeout("a", 5), ErrorKind.TIMEOUT, "maybe"),
        (ActorCrashed("a", "boom"), ErrorKind.UNAVAILABLE, "maybe"),
        (ActorDown("a", "gone"), ErrorKind.UNAVAILABLE, "maybe"),
    ],
)
def test_a_connection_that_fails_is_back_in_a_moment(
    error: ActorError, kind: ErrorKind, billed: str
) -> None:
    failure = from_runtime(error, asked=True)

    assert (failure.kind, failure.billed) == (kind, billed)
    assert failure.retryable
    assert "a: " in failure.message


@pytest.mark.parametrize(
    "error",
    [ActorUnavailable("a"), AskTimeout("a", 5), ActorCrashed("a", "b"), ActorDown("a", "b")],
)
def test_a_gate_that_fails_is_a_fault_of_ours_and_nothing_was_sent(error: ActorError) -> None:
    failure = from_runtime(error, asked=False)

    assert (failure.kind, failure.billed, failure.retryable) == (ErrorKind.UNAVAILABLE, "no", True)
    assert "base_url" not in str(failure)
    assert "restarted" in failure.hint
    assert outcome_of(failure) is Outcome.NEUTRAL
    assert error_type(failure) == "internal_unavailable"


def test_a_crash_that_quotes_a_secret_is_masked() -> None:
    live_secrets.add("hunter2hunter2")
    crash = ActorCrashed("a", "it crashed (ValueError: hunter2hunter2)")
    failure = from_runtime(crash, asked=True)
    assert "hunter2" not in str(failure)
