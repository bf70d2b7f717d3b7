"""What failures of the connection and of its actor mean to who asked."""

import httpx
import pytest

from trouper.actors.errors import ErrorKind
from trouper.actors.provider.failures import from_httpx, from_runtime
from trouper.actors.redaction import live_secrets
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
        (ActorUnavailable("a"), ErrorKind.CONNECTION_FAILED, "no"),
        (AskTimeout("a", 5), ErrorKind.TIMEOUT, "maybe"),
        (ActorCrashed("a", "boom"), ErrorKind.CONNECTION_FAILED, "maybe"),
        (ActorDown("a", "gone"), ErrorKind.CONNECTION_FAILED, "maybe"),
    ],
)
def test_a_connection_that_fails_is_back_in_a_moment(
    error: ActorError, kind: ErrorKind, billed: str
) -> None:
    failure = from_runtime(error)

    assert (failure.kind, failure.billed) == (kind, billed)
    assert failure.retryable
    assert "a: " in failure.message


def test_a_crash_that_quotes_a_secret_is_masked() -> None:
    live_secrets.add("hunter2hunter2")
    failure = from_runtime(ActorCrashed("a", "it crashed (ValueError: hunter2hunter2)"))
    assert "hunter2" not in str(failure)
