"""What the runtime reports becomes one log line each, at a level that fits."""

import io
from collections.abc import Iterator

import pytest
import structlog

from trouper.actors.local.errors import ModelServerDied
from trouper.actors.logs import render
from trouper.actors.reports import log_event
from trouper.runtime.errors import StartFailed, SupervisorGaveUp
from trouper.runtime.events import (
    ActorStarted,
    ActorStopped,
    Announced,
    ChildCrashed,
    ChildRestarting,
    DeadLetter,
    GaveUp,
    Poisoned,
    RuntimeEvent,
    Unkillable,
)
from trouper.runtime.mailbox import DeadReason

REASON = next(iter(DeadReason))
DIED = ModelServerDied(7, -9, [])

LINES: list[tuple[RuntimeEvent, str]] = [
    (ActorStarted("a", 1), 'level=DEBUG msg="actor is ready" actor=a life=1'),
    (ActorStarted("a", 2), 'level=INFO msg="actor is ready" actor=a life=2'),
    (ActorStopped("a", "shutdown"), 'level=DEBUG msg="actor stopped" actor=a reason=shutdown'),
    (
        ChildCrashed("a", 1, DIED, None),
        f'level=ERROR msg="actor crashed" actor=a life=1 error="{DIED}"',
    ),
    (
        ChildCrashed("a", 1, StartFailed("a/b", "it did not start"), None),
        'level=DEBUG msg="supervisor ended" actor=a error="a/b: it did not start"',
    ),
    (
        ChildRestarting("a", 2, 0.25),
        'level=WARNING msg="actor restarts" actor=a life=2 delay_s=0.25',
    ),
    (
        Poisoned("a", "Chat", 3),
        'level=ERROR msg="message crashes its actor" actor=a message=Chat crashes=3',
    ),
    (
        GaveUp("a", 3, 5.0),
        'level=ERROR msg="supervisor gave up" actor=a restarts=3 period_s=5.0',
    ),
    (Unkillable("a", ("x.py:1",)), 'level=ERROR msg="actor does not end" actor=a stack=[x.py:1]'),
    (Announced("a", "info", "all is well"), 'level=INFO msg="all is well" actor=a'),
    (Announced("a", "error", "it is not", "7"), 'level=ERROR msg="it is not" actor=a detail=7'),
    (
        DeadLetter("a", "hello", REASON, 0.0),
        f'level=DEBUG msg="message was not handled" actor=a message=str reason={REASON}',
    ),
]


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    # As configure_logging does, but for nobody else.
    structlog.configure(processors=[render], logger_factory=structlog.WriteLoggerFactory(stream))
    yield stream
    structlog.reset_defaults()


@pytest.mark.parametrize(("event", "line"), LINES)
def test_an_event_is_a_line(event: RuntimeEvent, line: str, written: io.StringIO) -> None:
    log_event(event)

    assert written.getvalue().partition(" ")[2] == f"{line}\n"


def test_a_crash_that_is_a_bug_has_its_traceback(written: io.StringIO) -> None:
    try:
        raise ZeroDivisionError("nought")
    except ZeroDivisionError as error:
        log_event(ChildCrashed("a", 1, error, "Chat"))

    line = written.getvalue()
    assert "level=ERROR" in line
    assert 'error="ZeroDivisionError: nought"' in line
    assert "message=Chat" in line
    assert "test_reports.py" in line


def test_a_supervisor_that_gave_up_is_told_once(written: io.StringIO) -> None:
    log_event(GaveUp("a/b", 3, 5.0))
    log_event(ChildCrashed("a", 1, SupervisorGaveUp("a/b", 3, 5.0), None))

    assert written.getvalue().count("level=ERROR") == 1
