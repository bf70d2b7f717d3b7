"""What the console's commands make of what a program says, or does not say."""

import json
import socket
import sys
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.consoles import short_folder
from tests.fakes.terminal import terminal
from trouper.actors.cli import console_client, console_output
from trouper.actors.cli.main import main

HELLO = {"t": "hello", "v": 1, "app": "fake", "pid": 1}
DONE = {"t": "done"}


@contextmanager
def program(folder: Path, name: str = "fake-1", **answers: list[dict[str, Any]]) -> Generator[Path]:
    """A program that answers each op by these frames, and hangs up where there are none."""
    (folder / "trouper").mkdir(exist_ok=True)
    path = folder / "trouper" / f"{name}.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection, connection.makefile("rwb") as file:
                    for frame in _answers(file, answers):
                        file.write(json.dumps(frame).encode() + b"\n")
                        file.flush()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield path
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(5)


def _answers(lines: Any, answers: dict[str, list[dict[str, Any]]]) -> Iterator[dict[str, Any]]:
    for line in lines:
        op = json.loads(line)["op"]
        if op == "hello":
            yield HELLO
        elif op in answers:
            yield from answers[op]
        else:
            return


@pytest.fixture
def folder() -> Generator[Path]:
    with short_folder() as found:
        yield found


def test_several_programs_are_listed_and_one_is_chosen_by_its_name(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    get: list[dict[str, Any]] = [{"t": "snap", "attention": []}, DONE]
    with program(folder, "one-11", get=get), program(folder, "two-12", get=get):
        assert main(["health"]) == 2
        said = capsys.readouterr().err
        assert "2 programs run" in said
        assert f"--sock {folder}/trouper/one-11.sock" in said
        for name in ("one", "12", "two-12"):
            assert main(["health", "--sock", name]) == 0


def test_no_program_is_exit_code_4(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ps"]) == 4
    assert "no program runs" in capsys.readouterr().err


def test_a_socket_that_was_left_is_not_a_program(folder: Path) -> None:
    with program(folder) as path:
        pass
    assert path.exists()

    assert main(["ps"]) == 4


def test_a_program_that_hangs_up_is_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with program(folder):
        assert main(["ps"]) == 4
    assert "has closed the connection" in capsys.readouterr().err


def test_a_program_that_has_no_place_for_one_more_says_so(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "trouper").mkdir()
    path = folder / "trouper" / "full-1.sock"
    error = {"t": "err", "err": {"code": "busy", "msg": "too many consoles are open; close one"}}
    made = console_client.Client.__init__

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def made_late(client: console_client.Client, connection: socket.socket) -> None:
            # It has hung up before it is asked anything.
            served, _ = listener.accept()
            with served:
                served.sendall(json.dumps(error).encode() + b"\n")
            made(client, connection)

        monkeypatch.setattr(console_client.Client, "__init__", made_late)
        assert main(["ps", "--sock", str(path)]) == 4

    assert capsys.readouterr().err == "trouper: too many consoles are open; close one\n"


def test_a_program_that_says_nothing_may_stand_still(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console_client, "_PATIENCE", 0.05)
    with program(folder, get=[]):
        assert main(["ps"]) == 4
    assert "its event loop may stand still" in capsys.readouterr().err


def test_budgets_are_above_the_costs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    budget = {
        "name": "daily",
        "window": "2026-11-21",
        "spent": 4_000_000_000,
        "reserved": 750_000_000,
        "limit": 5_000_000_000,
        "severity": 1,
        "health": "nearly spent",
        "detail": "95% used: $4.75 of $5.00",
    }
    row = {"name": "sim/small", "calls": 2, "input": 1, "output": 2, "cost": 3, "unknown": 0}
    costs = {
        "total": {"cost": 4_750_000_000, "calls": 2},
        "minutes": [0] * 58 + [1_580_000_000, 0],
        "budgets": [budget],
        "model": [row],
    }
    with program(folder, get=[{"t": "snap", "costs": costs}, DONE]):
        assert main(["costs"]) == 0

    out, err = capsys.readouterr()
    assert err.splitlines() == [
        "$4.7500 for 2 calls; $1.5800 in the last whole minute",
        "budget daily (2026-11-21): $4.7500 of $5.0000  nearly spent: 95% used: $4.75 of $5.00",
    ]
    assert out.splitlines()[1] == "sim/small\t2\t1\t2\t$0.0000\t0"


def test_a_conversation_is_shown_turn_by_turn(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = [
        {"role": "user", "what": "text", "chars": 5, "text": None},
        {"role": "assistant", "what": "call", "name": "clock", "chars": 2, "text": None},
        {"role": "tool", "what": "result", "is_error": True, "chars": 9, "text": "no\x1b[2J clock"},
    ]
    told = {
        "t": "session",
        "session": "alice",
        "assistant": "default",
        "title": "About clocks",
        "cost": 5_000_000,
        "turns": [{"number": 1, "target": "a/b", "stop": None, "cost": 0, "steps": steps}],
        "asked": [{"name": "mail", "call": "c1"}],
    }
    with program(folder, session=[told]):
        assert main(["sessions", "turns", "alice"]) == 0
        text = capsys.readouterr().out
        assert main(["sessions", "turns", "alice", "-o", "json"]) == 0

    assert text.splitlines() == [
        "alice  default  $0.0050  About clocks",
        "[1] a/b  under way  $0.0000",
        "    user text, 5 characters",
        "    assistant call clock, 2 characters",
        "    tool result (an error): no\\x1b[2J clock",
        "    waits for a permission: mail",
    ]
    assert json.loads(capsys.readouterr().out)["session"]["session"] == "alice"


def test_events_are_followed_until_the_program_ends(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    event = {"n": 1, "at": 0, "level": "error", "msg": "actor crashed", "path": "a", "detail": "x"}
    with program(folder, sub=[{"t": "snap", "ev": [event]}, {"t": "err", "err": _gone()}]):
        assert main(["events", "-f", "-o", "name"]) == 1

    assert len(capsys.readouterr().out.splitlines()) == 1


def test_log_lines_are_shown_as_they_are_from_a_level_on(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [
        'time=2026-11-21T01:00:00Z level=INFO msg="call answered" note="level=ERROR is a word"',
        "time=2026-11-21T01:00:01Z level=ERROR msg=crashed",
        "a line of another making",
    ]
    log = [{"n": number, "line": line} for number, line in enumerate(lines, 1)]
    with program(folder, sub=[{"t": "snap", "log": log}, {"t": "err", "err": _gone()}]):
        assert main(["logs", "-f", "--level", "warning"]) == 1

    assert capsys.readouterr().out.splitlines() == lines[1:]


def _gone() -> dict[str, str]:
    return {"code": "refused", "msg": "it ends"}


@pytest.mark.parametrize(("answer", "code"), [("y\r", 0), ("n\r", 1)])
def test_a_person_is_asked_before_anything_is_done(folder: Path, answer: str, code: int) -> None:
    effect = {"gen": 3, "also": ["s/b"], "in_hand": 2, "waiting": 4}
    ack = {"t": "ack", "ok": True, "effect": effect}
    command = (sys.executable, "-m", "trouper.actors.cli", "stop", "s/a", "--sock")
    with program(folder, act=[ack]) as path, terminal([*command, str(path)], columns=200) as screen:
        screen.wait_for(
            "Stop s/a; and with it s/b; 2 in hand may be cancelled; 4 waiting are refused? [y/N]"
        )
        screen.type(answer)
        last, left = screen.leave()

    assert left == code
    assert ("done: stop s/a" in last) == (code == 0)


def test_what_goes_on_is_not_said_to_be_done(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ack = {"t": "ack", "ok": True, "effect": {"note": "it takes long"}}
    with program(folder, act=[ack]) as path:
        assert main(["stop", "a", "--yes", "--sock", str(path)]) == 0

    assert capsys.readouterr().out == "begun: stop a; it takes long\n"


def test_what_is_watched_is_shown_again_and_again(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[float] = []

    def sleep(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", sleep)
    get: list[dict[str, Any]] = [{"t": "snap", "requests": []}, DONE]
    with program(folder, get=get):
        assert main(["requests", "--watch", "5s", "-o", "json"]) == 130

    assert looks == [5.0, 5.0, 5.0]
    assert len(capsys.readouterr().out.splitlines()) == 3


@pytest.mark.parametrize(
    ("text", "said"),
    [(None, None), (0.5, "0.5 s"), (12.4, "12 s"), (68.0, "1 min 08 s"), (7_200.0, "2.0 h")],
)
def test_times_are_written_as_people_say_them(text: float | None, said: str | None) -> None:
    assert console_output.seconds(text) == said
