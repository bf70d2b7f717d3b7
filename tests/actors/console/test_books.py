"""What the console remembers: requests under way, costs, crashes, events, and files of lines."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from structlog.testing import capture_logs

from trouper.actors.chat import ChatRequest, Usage
from trouper.actors.console.costs import Costs
from trouper.actors.console.crashes import CrashBook
from trouper.actors.console.events import EventLog, told
from trouper.actors.console.fields import fields_of
from trouper.actors.console.files import Lines
from trouper.actors.console.requests import RequestBook
from trouper.actors.errors import ErrorKind, ProviderError
from trouper.actors.telemetry.observer import (
    AttemptBegan,
    AttemptEnded,
    RequestBegan,
    RequestEnded,
)
from trouper.runtime import DeadReason
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


@attrs.define
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def began(id: str = "r1", session: str = "s1", user: str = "u1") -> RequestBegan:
    request = ChatRequest(model="default", messages=())
    return RequestBegan(request_id=id, request=request, model="default", session=session, user=user)


def tried(number: int = 1, provider: str = "sim", model: str = "small") -> AttemptBegan:
    return AttemptBegan(number=number, provider=provider, model=model)


# Requests.


def test_a_request_is_known_with_its_phase_until_it_ends() -> None:
    clock = Clock()
    book = RequestBook(clock=clock)
    asked = book.began(began())
    assert [row["phase"] for row in book.rows()] == ["routing"]
    attempt = asked.attempted(tried())
    clock.now = 2.0
    (waiting,) = book.rows()
    attempt.sent(waited=1.5)
    clock.now = 5.0
    (sent,) = book.rows()
    attempt.first_token()
    clock.now = 6.0
    (streaming,) = book.rows()

    assert (waiting["phase"], waiting["phase_ms"], waiting["age_ms"]) == ("waiting", 2_000, 2_000)
    assert (sent["phase"], sent["phase_ms"], sent["waited_ms"]) == ("sent", 3_000, 1_500)
    assert (streaming["phase"], streaming["phase_ms"], streaming["first_ms"]) == (
        "streaming",
        1_000,
        3_000,
    )
    assert book.in_flight() == {"sim": 1}
    attempt.ended(AttemptEnded(result="ok"))
    asked.ended(RequestEnded(result="ok"))
    assert (len(book), book.rows(), book.in_flight()) == (0, [], {})


def test_how_the_last_tries_ended_is_remembered_by_class_of_error() -> None:
    book = RequestBook()
    asked = book.began(began())
    error = ProviderError(kind=ErrorKind.OVERLOADED, message="sk-secret", provider="sim")
    for number in range(30):
        asked.attempted(tried(number)).ended(
            AttemptEnded(result="failed", error=error) if number % 2 else AttemptEnded(result="ok")
        )

    outcomes = book.outcomes("sim", "small")
    assert len(outcomes) == 20
    assert outcomes[-2:] == ["ok", "provider_overloaded"]
    assert book.outcomes("sim", "unknown") == []


def test_no_more_than_some_hundred_requests_are_told_of_one_by_one() -> None:
    book = RequestBook()
    for number in range(400):
        book.began(began(str(number)))

    assert (len(book), len(book.rows())) == (400, 300)


# Costs.


def test_costs_add_up_by_provider_model_session_and_user() -> None:
    clock = Clock()
    costs = Costs(clock)
    usage = Usage(input=10, output=5)
    costs.add(began(session="a"), tried(), AttemptEnded(result="ok", usage=usage, cost=700))
    costs.add(began(session="b"), tried(model="large"), AttemptEnded(result="ok", cost=300))
    clock.now = 61.0
    costs.add(began(session="b"), tried(), AttemptEnded(result="failed", error=OSError()))

    told = costs.frame()
    assert told["total"] == {"calls": 3, "input": 10, "output": 5, "cost": 1_000, "unknown": 1}
    assert [(row["name"], row["cost"]) for row in told["model"]] == [
        ("sim/small", 700),
        ("sim/large", 300),
    ]
    assert [(row["name"], row["calls"]) for row in told["session"]] == [("a", 1), ("b", 2)]
    assert told["minutes"][-2:] == [1_000, 0]


def test_names_beyond_some_hundreds_are_one() -> None:
    costs = Costs()
    for number in range(600):
        costs.add(began(session=str(number)), tried(), AttemptEnded(result="ok", cost=1))

    rows = costs.frame()["session"]
    assert rows[0] == {
        "name": "(other)",
        "calls": 100,
        "input": 0,
        "output": 0,
        "cost": 100,
        "unknown": 0,
    }
    assert len(rows) == 50


# Events.


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (ActorStarted("a", 1), ("debug", "actor started", "a", "life 1")),
        (ActorStopped("a", "it ended"), ("debug", "actor stopped", "a", "it ended")),
        (
            ChildCrashed("a", 1, ValueError("boom"), "Note"),
            ("error", "actor crashed", "a", "ValueError: boom with Note in hand"),
        ),
        (
            ChildCrashed("a", 1, ValueError(), None),
            ("error", "actor crashed", "a", "ValueError"),
        ),
        (
            ChildRestarting("a", 2, 0.5),
            ("info", "actor restarts", "a", "life 2 begins in 0.5 s"),
        ),
        (
            Poisoned("a", "Note", 3),
            ("error", "actor poisoned", "a", "Note crashed it 3 times in a row"),
        ),
        (GaveUp("s", 3, 5.0), ("error", "supervisor gave up", "s", "more than 3 crashes in 5 s")),
        (Unkillable("a", ("x", "y")), ("error", "actor does not end", "a", "y")),
        (Unkillable("a", ()), ("error", "actor does not end", "a", "")),
        (Announced("a", "info", "it opened", "x"), ("info", "it opened", "a", "x")),
        (
            DeadLetter("a", "private", DeadReason.DOWN, 0.0),
            ("warning", "dead letter", "a", "str: down"),
        ),
    ],
)
def test_events_of_the_runtime_are_told_in_words(
    event: RuntimeEvent, said: tuple[str, str, str, str]
) -> None:
    assert told(event) == said


def test_many_small_events_do_not_push_out_those_of_note() -> None:
    log = EventLog(Clock())
    log.observe(ChildCrashed("a", 1, ValueError("boom"), None))
    for number in range(2_000):
        log.observe(ActorStarted(f"s{number}", 1))
    log.observe(DeadLetter("a", 1, DeadReason.DOWN, 0.0))

    found = list(log.since(0))
    assert (found[0].msg, len(found), log.count) == ("actor crashed", 501, 2_001)
    assert [event.n for event in log.since(2_000)] == [2_001]


def test_what_an_event_says_is_cleaned_and_cut() -> None:
    event = EventLog(Clock()).note("info", "x", "a", "sk-abcdefgh12345678 \x1b[2J" + "y" * 5_000)

    assert "sk-" not in event.detail
    assert "\x1b" not in event.detail
    assert len(event.detail) == 500


class Wordless(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no")


def test_an_error_without_words_is_told_by_its_class() -> None:
    assert told(ChildCrashed("a", 1, Wordless(), None))[3] == "Wordless"


# Crashes.


def book_of(lines: Lines, clock: Clock) -> CrashBook:
    return CrashBook(EventLog(clock), lines, lambda: None, clock)


def crash(path: str = "a", number: int = 1) -> ChildCrashed:
    try:
        raise ValueError(f"boom {number}")
    except ValueError as error:
        return ChildCrashed(path, number, error, "Note")


def test_the_last_five_crashes_of_an_actor_are_kept() -> None:
    clock = Clock()
    book = book_of(Lines(None), clock)
    for number in range(1, 8):
        clock.now = float(number)
        book.observe(crash(number=number))
    book.observe(ActorStarted("a", 9))

    assert book.count == 7
    assert [each.error for each in book.of("a")] == [
        f"ValueError: boom {number}" for number in (7, 6, 5, 4, 3)
    ]
    found = book.find("c7")
    assert found is not None
    assert (found.kind, found.supervisor, found.siblings) == ("", None, ())
    assert "test_books.py" in found.traceback
    assert "traceback" not in found.frame(whole=False)
    assert book.find("c1") is None


def test_a_storm_of_crashes_is_counted_and_not_written_out(tmp_path: Path) -> None:
    clock = Clock(5.0)
    book = book_of(Lines(tmp_path / "x"), clock)
    for number in range(300):
        book.observe(crash(f"s{number}"))

    assert book.count == 300
    assert sum(bool(each.traceback) for each in book.all()) == 0
    assert len(book.all()) == 200
    clock.now = 6.0
    book.observe(crash("last"))
    assert book.of("last")[0].traceback


# Files of lines.


async def test_lines_are_written_by_a_thread_and_all_of_them_at_the_end(tmp_path: Path) -> None:
    lines = Lines(tmp_path / "x.jsonl")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lines.run)
        lines.add({"n": 1})
        while not (tmp_path / "x.jsonl").exists():  # noqa: ASYNC110 - a file is no Event
            await trio.sleep(0.001)
        lines.add({"n": 2})
        nursery.cancel_scope.cancel()

    assert _lines(tmp_path / "x.jsonl") == [{"n": 1}, {"n": 2}]


async def test_a_full_file_is_set_aside_and_the_oldest_one_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    lines = Lines(path, full=20, kept=2)
    for number in range(5):
        lines.add({"number": number})
        await lines.flush()

    assert [_lines(path)[0]["number"]] == [4]
    assert sorted(os.listdir(tmp_path)) == ["x.jsonl", "x.jsonl.1", "x.jsonl.2"]
    assert [_lines(tmp_path / f"x.jsonl.{n}")[0]["number"] for n in (1, 2)] == [3, 2]


async def test_more_lines_than_a_disk_takes_are_counted_as_lost(tmp_path: Path) -> None:
    lines = Lines(tmp_path / "x")
    for number in range(300):
        lines.add({"n": number})
    assert lines.lost == 300 - 256

    nowhere = Lines(tmp_path / "no folder" / "x")
    nowhere.add({"n": 1})
    with capture_logs() as logs:
        await nowhere.flush()

    assert nowhere.lost == 1
    assert [line["event"] for line in logs] == ["console file cannot be written"]


async def test_nothing_is_written_where_there_is_no_file() -> None:
    lines = Lines(None)
    lines.add({"n": 1})
    await lines.flush()

    assert lines.lost == 0


async def test_lines_that_were_lost_leave_a_gap_that_is_told(tmp_path: Path) -> None:
    told: list[str] = []
    lines = Lines(tmp_path / "new" / "x.jsonl", on_lost=told.append)
    for number in range(260):
        lines.add({"n": number})
    await lines.flush()  # there is no such folder yet
    lines.add({"n": 260})
    (tmp_path / "new").mkdir()
    await lines.flush()

    kept = [json.loads(line) for line in (tmp_path / "new" / "x.jsonl").read_text().splitlines()]
    assert kept[0] == {"n": 260}
    assert (kept[1]["msg"], kept[1]["n"]) == ("lines lost", 260)
    assert told[-1] == "260 lines of x.jsonl were lost"
    assert lines.lost == 260


def _lines(path: Path) -> list[Mapping[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


# Fields.


def test_fields_that_take_too_long_are_left_out() -> None:
    class Slow:
        inspected = {"a": "value", "b": "value"}  # noqa: RUF012

        def __init__(self) -> None:
            self.a = self.b = 1

    times = iter([0.0, 0.01, 0.2])
    shown = fields_of(Slow(), lambda: next(times))

    assert [each["value"] for each in shown] == ["1", "(left out: the others took too long)"]


def test_an_actor_with_very_many_fields_shows_the_first_hundred() -> None:
    class Many:
        def __init__(self) -> None:
            vars(self).update({f"f{number}": number for number in range(150)})

    shown = fields_of(Many())

    assert len(shown) == 101
    assert shown[-1]["type"] == "there are more"
