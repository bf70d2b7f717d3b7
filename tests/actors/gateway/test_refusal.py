"""What is refused is told in words for clients, and logged in ours."""

import pytest
from structlog.testing import capture_logs

from trouper.actors.errors import SessionError
from trouper.actors.gateway.refusal import refused
from trouper.actors.store.errors import StoreError
from trouper.actors.wire.jsonrpc import INTERNAL_ERROR
from trouper.actors.wire.session import NOT_FOUND, TURN_FAILED
from trouper.runtime.errors import (
    ActorCrashed,
    ActorDown,
    ActorError,
    ActorUnavailable,
    AskTimeout,
)


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (
            ActorDown("sessions/1", "it ended (crashed: AttributeError: 'State' has no 'x')"),
            NOT_FOUND,
            "the conversation has ended; load it, or open another one",
        ),
        (
            ActorCrashed("sessions/1", "it crashed: KeyError: 'sk-1'"),
            INTERNAL_ERROR,
            "a fault in the server; it has been logged",
        ),
        (
            StoreError("/srv/trouper.db", "no such column"),
            INTERNAL_ERROR,
            "a fault in the server; it has been logged",
        ),
        (AskTimeout("sessions/1", 5), INTERNAL_ERROR, "the server does not keep up with it"),
        (ActorUnavailable("sessions/1"), INTERNAL_ERROR, "try again in some seconds"),
        (SessionError("the conversation is full"), TURN_FAILED, "the conversation is full"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_a_client_reads_what_to_do_and_the_log_has_the_fault(
    error: ActorError, code: int, words: str
) -> None:
    with capture_logs() as logs:
        fault = refused(7, error)

    assert (fault.code, fault.id) == (code, 7)
    assert words in fault.message
    logged = [] if isinstance(error, SessionError) else [str(error)]
    assert [line["error"] for line in logs] == logged
    assert not logged or str(error) not in fault.message
