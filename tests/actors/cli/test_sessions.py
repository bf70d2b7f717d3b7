"""`trouper sessions` shows what is kept of conversations, also while a server writes, and deletes
none behind a server's back."""

import json
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.fakes.commands import trouper
from tests.fakes.journals import NOON, opened
from tests.fakes.records import accepted, answered, over
from trouper.actors.chat import Message, ToolCallPart, ToolResultPart, Usage
from trouper.actors.cli.main import main
from trouper.actors.session.record import (
    Interrupted,
    Opened,
    Record,
    Summarised,
    ToolIntended,
    ToolReturned,
)
from trouper.actors.session.record_codec import write_record, write_state
from trouper.actors.session.state import replayed
from trouper.actors.store.journal import Journal, NewEvent
from trouper.actors.store.store import open_journal

CALL = ToolCallPart("c1", "look", '{"at":1}')
GREETING: tuple[Record, ...] = (
    Opened(owner="alice", assistant="poet"),
    accepted(1, 1, "hello"),
    answered(1, 2, "hi there", usage=Usage(input=1_200, output=34), cost=2_500_000),
    over(1, 4),
    accepted(2, 5, "look it up"),
    answered(2, 6, message=Message("assistant", (CALL,)), cuts=(), cost=None),
    ToolIntended(turn=2, call=CALL),
    ToolReturned(turn=2, result=ToolResultPart("c1", "found\x1b[31m")),
    answered(2, 6, "there", cost=0),
    over(2, 7, "error", error="the model is gone"),
    accepted(3, 8, "and?"),
    Interrupted(turn=3, seq=9_000),
    Summarised(until=2, text="they said hello"),
    accepted(4, 9_001, "last words"),
)


async def write(
    journal: Journal, sid: str, *records: Record, at: float = NOON, **more: Any
) -> None:
    title = more.pop("title", "")
    claim = await opened(journal, sid, at=at, **more)
    events: list[NewEvent] = [write_record(record, at + n) for n, record in enumerate(records)]
    await journal.append(sid, claim.fence, 1, events, title=title)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "store.db"
    trio.run(_fill, path)
    return path


async def _fill(path: Path) -> None:
    async with open_journal(path) as journal:
        await write(journal, "sess_1", *GREETING, assistant="poet", title="Greetings")
        await write(journal, "other", accepted(), owner="bob\n", at=NOON + 3600)


def sessions(capsys: pytest.CaptureFixture[str], store: Path, *words: str) -> str:
    command, *rest = words
    assert main(["sessions", command, "--store", str(store), *rest]) == 0
    return capsys.readouterr().out


def test_they_are_listed_the_last_used_first(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = sessions(capsys, store, "list").splitlines()

    assert [line.split() for line in lines] == [
        ["id", "owner", "assistant", "used", "events", "title"],
        ["other", "bob\\x0a", "default", "2026-11-21T13:00:00Z", "1", "-"],
        ["sess_1", "alice", "poet", "2026-11-21T12:00:13Z", "14", "Greetings"],
    ]
    assert len(sessions(capsys, store, "list", "--owner", "alice").splitlines()) == 2
    assert len(sessions(capsys, store, "list", "--limit", "1").splitlines()) == 2
    assert sessions(capsys, store, "list", "--owner", "x") == "no conversation of x is kept here\n"


@pytest.mark.parametrize("limit", ["0", "-1", "many"])
def test_a_limit_that_is_none_is_refused_in_words(
    store: Path, capsys: pytest.CaptureFixture[str], limit: str
) -> None:
    with pytest.raises(SystemExit):
        main(["sessions", "list", "--store", str(store), f"--limit={limit}"])

    assert f"must be a whole number from 1, not '{limit}'" in capsys.readouterr().err


def test_one_turn_is_one_turn(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "\n1 turn, 0 tokens read" in sessions(capsys, store, "show", "other")


def test_a_conversation_is_shown_for_people(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sessions(capsys, store, "show", "sess_1") == SHOWN


SHOWN = """\
Greetings
session sess_1 of alice with poet, since 2026-11-21T12:00:00Z
4 turns, 1,200 tokens read and 34 written, $0.0025 + 1 answer of unknown cost
models whose window is full are told instead of the beginning: they said hello

[1] 2026-11-21T12:00:01Z user:
hello
sim/m:
hi there

[2] 2026-11-21T12:00:04Z user:
look it up
sim/m:
(calls look with {"at":1})
tool:
(result: found\\x1b[31m)
sim/m:
there
(error: the model is gone)

[3] 2026-11-21T12:00:10Z user:
and?
(interrupted: its program was stopped)

[4] 2026-11-21T12:00:13Z user:
last words
(under way, or interrupted)
"""


def test_what_is_exported_has_all_of_it(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    [document] = map(json.loads, sessions(capsys, store, "export", "sess_1").splitlines())

    turns = document.pop("turns")
    assert document == {
        "trouper_session": 1,
        "id": "sess_1",
        "owner": "alice",
        "assistant": "poet",
        "model": "",
        "title": "Greetings",
        "created": "2026-11-21T12:00:00Z",
        "used": "2026-11-21T12:00:13Z",
        "usage": {
            "input": 1200,
            "output": 34,
            "cache_read": 0,
            "cache_write": 0,
            "cache_write_1h": 0,
            "reasoning": 0,
            "estimated": False,
        },
        "cost_nano_usd": 2_500_000,
        "answers_of_unknown_cost": 2 - 1,
        "summary": {"text": "they said hello", "until": 2},
    }
    assert [turn["stop"] for turn in turns] == ["end_turn", "error", "interrupted", None]
    assert turns[0]["asked"] == [{"text": "hello", "type": "TextPart"}]
    assert [message["role"] for message in turns[1]["messages"]] == [
        "assistant",
        "tool",
        "assistant",
    ]
    assert turns[3]["messages"] == []


def test_all_are_exported_a_line_for_each(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = sessions(capsys, store, "export").splitlines()

    assert [json.loads(line)["id"] for line in lines] == ["other", "sess_1"]


async def test_a_snapshot_is_no_difference(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sessions(capsys, store, "export", "sess_1")
    async with open_journal(store) as journal:
        claim = await journal.open("sess_1", "here")
        half = replayed((record, NOON + n) for n, record in enumerate(GREETING[:8]))
        await journal.snapshot("sess_1", claim.fence, write_state(half, 8))
        while_it_runs = sessions(capsys, store, "show", "sess_1")

    assert sessions(capsys, store, "export", "sess_1") == before
    assert while_it_runs == SHOWN


def test_what_is_deleted_is_gone(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sessions(capsys, store, "delete", "sess_1") == ""

    assert len(sessions(capsys, store, "list").splitlines()) == 2


async def test_nothing_is_deleted_while_a_server_runs(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with open_journal(store):
        assert main(["sessions", "delete", "--store", str(store), "sess_1"]) == 1
        said = capsys.readouterr().err

    assert "uses it; stop that" in said
    assert len(sessions(capsys, store, "list").splitlines()) == 3


@pytest.mark.parametrize("command", ["show", "export", "delete"])
def test_who_is_not_there_is_named_and_nothing_is_done(
    store: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    more = [] if command == "show" else ["sess_1"]
    assert main(["sessions", command, "--store", str(store), *more, "nobody"]) == 1

    assert "session nobody: it is not there" in capsys.readouterr().err
    assert len(sessions(capsys, store, "list").splitlines()) == 3


async def test_what_a_later_version_has_written_is_not_guessed_at(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with open_journal(store) as journal:
        claim = await journal.open("other", "here")
        await journal.append("other", claim.fence, 2, [NewEvent("dream", 1, NOON, b"{}")])

    assert main(["sessions", "show", "--store", str(store), "other"]) == 1
    assert "install the latest trouper" in capsys.readouterr().err


def test_the_store_is_found_by_the_configuration(store: Path) -> None:
    config = store.with_name("trouper.toml")
    config.write_text('[store]\npath = "store.db"\n')

    done = trouper("sessions", "list", "--config", str(config))

    assert done.code == 0
    assert "sess_1" in done.out


def test_those_that_nobody_has_used_for_long_are_deleted_at_once(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    used_last = "2026-11-21T12:30"

    assert (
        sessions(capsys, store, "delete", "--older-than", used_last) == "1 conversation deleted\n"
    )
    listed = sessions(capsys, store, "list")
    assert "other" in listed
    assert "sess_1" not in listed
    assert sessions(capsys, store, "delete", "--older-than", "1d") == "0 conversations deleted\n"


@pytest.mark.parametrize("words", [[], ["sess_1", "--older-than", "30d"]])
def test_what_to_delete_is_said_in_one_way(
    store: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    assert main(["sessions", "delete", "--store", str(store), *words]) == 1
    assert "name conversations, or say --older-than" in capsys.readouterr().err
