"""The commands of the console, before a program that runs in another thread."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Generator
from pathlib import Path

import pytest
import trio

from tests.fakes.console_programs import Program, Run, open_program, runner
from tests.fakes.players import Crash, Life, Note, Player, eventually
from trouper.actors.cli.main import COMMANDS, main
from trouper.actors.tree import breaker_path, limiter_path

BREAKER, LIMITER = breaker_path("sim", "small"), limiter_path("sim")


@pytest.fixture(scope="module")
def program() -> Generator[Program]:
    with open_program() as opened:
        yield opened


@pytest.fixture
def trouper(program: Program, capsys: pytest.CaptureFixture[str]) -> Run:
    return runner(program, capsys)


def life(program: Program, path: str) -> int:
    async def of() -> int:
        return program.opened.system.operator.life(path)

    found: int = program.run(of)
    return found


def test_ps_shows_the_tree_by_tabs_where_it_is_piped(trouper: Run) -> None:
    done = trouper("ps")

    assert done.code == 0
    assert done.rows[0][:3] == ["actor", "kind", "state"]
    assert [row[0] for row in done.rows if row[0].startswith("company")] == [
        "company",
        "company/a",
        "company/b",
        "company/slow",
    ]
    assert "actors" in done.err


def test_ps_writes_json_lines_names_and_a_graph(trouper: Run) -> None:
    document = trouper("ps", "company", "-o", "json").json
    lines = [json.loads(line) for line in trouper("ps", "/company", "-o", "jsonl").out.splitlines()]
    names = trouper("ps", "company", "--depth", "1", "-o", "name").out
    graph = trouper("ps", "company", "-o", "dot").out

    assert document["v"] == 1
    assert [row["path"] for row in document["actors"]] == [row["path"] for row in lines]
    assert names == "company\n"
    assert graph.startswith("digraph actors {")
    assert graph.count(" -> ") == 3


def test_ps_keeps_to_a_class_and_to_problems(trouper: Run, program: Program) -> None:
    kinds = trouper("ps", "--kind", "Player", "-o", "name").out.split()
    assert set(kinds) == {"company/a", "company/b", "company/slow", "spare"}
    trouper("suspend", "spare")
    done = trouper("ps", "--problems")
    trouper("resume", "spare")

    assert [row[0] for row in done.rows[1:]] == ["spare"]
    assert " ! spare  suspended: by hand; nothing waits" in done.err


def test_a_terminal_gets_an_aligned_table(program: Program) -> None:
    done = subprocess.run(
        [
            "script",
            "-qec",
            f"{sys.executable} -m trouper.actors.cli ps --sock {program.sock}",
            "/dev/null",
        ],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )

    lines = done.stdout.splitlines()
    assert any(line.startswith("ACTOR ") and "ATTENTION" in line for line in lines)
    assert any(line.startswith("  a ") and "Player" in line for line in lines)


@pytest.mark.parametrize("command", ["inspect", "restart", "ps", "trace", "watch"])
def test_nobody_at_a_path_is_exit_code_3(trouper: Run, command: str) -> None:
    done = trouper(command, "nobody")

    assert (done.code, done.out) == (3, "")
    assert "no actor at 'nobody'" in done.err


def test_inspect_shows_one_actor(trouper: Run) -> None:
    text = trouper("inspect", "company/a")
    frames = trouper("inspect", "company/a", "--want", "stack", "--all-frames").out
    told = trouper("inspect", "company/a", "--want", "fields", "-o", "json").json["actor"]

    assert text.out.startswith("company/a  Player  running  life ")
    assert "name: str" in text.out
    assert "folded" in text.out
    assert "life.py" in frames
    assert "stack" not in told


def test_restart_names_what_it_does_and_does_it(trouper: Run, program: Program) -> None:
    before = life(program, "company/a")
    would = trouper("restart", "company/a", "--dry-run")
    assert life(program, "company/a") == before
    done = trouper("restart", "/company/a", "--yes", "--reason", "for a test")

    assert would.out == "would restart company/a\n"
    assert (done.code, done.out) == (0, "done: restart company/a\n")
    assert life(program, "company/a") == before + 1


def test_stop_drain_suspend_and_resume(trouper: Run) -> None:
    for command in ("suspend", "resume", "drain", "restart", "stop"):
        assert trouper(command, "spare").out == f"done: {command} spare\n"
    assert trouper("health").code == 6
    told = trouper("restart", "spare", "-o", "json").json

    assert told["effect"]["also"] == []
    assert trouper("health").code == 0


def test_circuits_are_tripped_and_reset_by_provider_model_or_path(trouper: Run) -> None:
    for name in ("sim", "sim/small", BREAKER):
        assert trouper("trip", name, "--for", "1m", "--reason", "x").code == 0
        rows = trouper("providers", "sim").rows
        assert [row[2] for row in rows[1:]] == ["open", "free"]
        assert "next probe in" in rows[1][-1]
        assert trouper("reset", name).code == 0
    assert trouper("trip", "sim", "--dry-run").out == f"would trip {BREAKER}\n"

    assert trouper("reset", "nobody").code == 3
    assert trouper("providers", "-o", "json").json["providers"][0]["name"] == "sim"


def test_limits_are_set(trouper: Run) -> None:
    done = trouper("limit", "sim", "--requests", "120")

    assert done.out == f"done: limit {LIMITER}; to requests_per_minute 120.0\n"
    assert trouper("limit", "sim").code == 2
    assert trouper("limit", "nobody", "--requests", "1").code == 3
    assert trouper("limit", LIMITER, "--requests", "60").code == 0


def test_a_message_is_sent_by_hand(trouper: Run) -> None:
    assert trouper("send", "company/b", "Note", '{"text": "hello"}').out.endswith("; Note\n")
    assert trouper("send", "company/b", "Note", "{}").code == 1
    assert trouper("send", "company/b", "Note", "{").code == 2
    assert trouper("send", "company/b", "Note", "[]").code == 2


def test_the_log_level_is_changed_for_a_while(trouper: Run) -> None:
    done = trouper("loglevel", "error", "--for", "10m")

    assert done.out == "done: loglevel; from critical to error, critical again in 600 s\n"
    assert trouper("loglevel", "loud").code == 2
    assert trouper("loglevel", "debug", "--for", "soon").code == 2


def test_crashes_are_listed_and_shown(trouper: Run, program: Program) -> None:
    async def crash() -> None:
        program.opened.system.ref("company/slow", Player).tell(Crash())
        await eventually(lambda: program.opened.system.operator.life("company/slow") == 2)

    program.run(crash)
    rows = trouper("crashes").rows
    shown = trouper("crashes", "show", rows[1][0])

    assert rows[1][2:] == ["company/slow", "Player", "1", "Crash", "ValueError: boom"]
    for said in ("Traceback", "100 restarts in 5 s", "beside it: company/a", "before: actor"):
        assert said in shown.out
    assert trouper("crashes", "show", rows[1][0], "-o", "json").json["crash"]["life"] == 1
    assert trouper("crashes", "show", "c999").code == 3
    assert "crash c" in trouper("inspect", "company/slow").out
    assert trouper("restart", "company/slow").code == 0


def test_events_dead_letters_requests_and_costs_are_listed(trouper: Run, program: Program) -> None:
    async def lose() -> None:
        await program.opened.system.operator.stop("company/b")
        program.opened.system.ref("company/b", Player).tell(Note("x"))
        await program.opened.system.operator.restart("company/b")

    program.run(lose)

    letter = trouper("dead-letters", "--under", "company/b").rows[-1]
    assert letter[2:] == ["company/b", "Note", "down", "-"]
    assert trouper("resend", letter[0]).out.startswith("done: resend company/b; Note")
    assert trouper("dead-letters").rows[-1][2:] == ["company/b", "Note", "down", "sent"]
    assert "sent again already" in trouper("resend", letter[0]).err
    assert trouper("resend", "4711").code == 3
    assert trouper("dead-letters", "--under", "nobody", "-o", "jsonl").out == ""
    events = trouper("events", "--level", "debug", "--under", "/company/b").rows
    assert "actor stopped" in [row[2] for row in events]
    assert trouper("requests").rows[0][:2] == ["request", "provider"]
    assert trouper("requests", "-o", "json").json == {"v": 1, "requests": []}
    assert trouper("costs", "--by", "user").rows[0][0] == "user"
    assert trouper("costs", "-o", "json").json["costs"]["total"]["calls"] == 0


def test_open_conversations_are_listed(trouper: Run) -> None:
    assert trouper("sessions", "live").rows == [
        ["id", "owner", "assistant", "turns", "running", "to permit", "listeners", "cost", "state"]
    ]
    assert trouper("sessions", "live", "-o", "json").json == {"v": 1, "sessions": []}
    assert trouper("sessions", "turns", "nobody").code == 3


def test_health_says_what_is_wrong_by_exit_code_6(trouper: Run) -> None:
    assert trouper("health").out == ""
    trouper("trip", "sim")
    ill = trouper("health")
    trouper("reset", "sim")

    assert ill.code == 6
    assert ill.rows[1][:3] == [BREAKER, BREAKER.rpartition("/")[2], "tripped"]


def test_a_trace_prints_each_message(trouper: Run, program: Program) -> None:
    over = threading.Event()

    async def ask_soon() -> None:
        # Beside the command, which waits in the thread of the test.
        while not over.is_set():
            await trio.sleep(0.02)
            await program.opened.system.ref("company/a", Player).ask(Life())

    def ask() -> None:
        program.run(ask_soon)

    thread = threading.Thread(target=ask)
    thread.start()
    lines = trouper("trace", "company/a", "--limit", "2", "--rate", "500", "--bodies")
    rows = trouper("trace", "company/a", "--limit", "1", "--rate", "500", "-o", "jsonl")
    over.set()
    thread.join()

    assert lines.out.splitlines()[0].lstrip().startswith("1  Life  waited")
    assert "the trace ended: limit" in lines.err
    assert json.loads(rows.out)["msg"] == "Life"


def test_an_actor_is_watched(trouper: Run) -> None:
    assert trouper("watch", "spare", "-n", "1").out.startswith("spare  Player  running")
    assert json.loads(trouper("watch", "spare", "-n", "1", "-o", "jsonl").out)["path"] == "spare"


def test_a_dump_is_a_file_for_its_user_alone(trouper: Run, tmp_path: Path) -> None:
    out = tmp_path / "d.json"
    done = trouper("dump", "--out", str(out))

    bundle = json.loads(out.read_text())
    assert done.code == 0
    assert out.stat().st_mode & 0o777 == 0o600
    assert bundle["v"] == 1
    assert {"hello", "picture", "stack"} <= set(bundle)


def test_the_only_program_is_found_by_itself_and_others_by_pid_or_name(
    program: Program, capsys: pytest.CaptureFixture[str]
) -> None:
    name = Path(program.sock).stem
    for words in ((), ("--sock", str(os.getpid())), ("--sock", "trouper"), ("--sock", name)):
        assert main(["ps", "-o", "name", *words]) == 0
    capsys.readouterr()

    assert main(["ps", "--sock", "another"]) == 4
    assert "no program 'another' runs" in capsys.readouterr().err
    assert main(["ps", "--sock", "/nowhere/x.sock"]) == 4
    assert "nobody answers" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ("ps",),
        ("inspect", "spare"),
        ("stacks",),
        ("providers",),
        ("requests",),
        ("events",),
        ("logs",),
        ("costs",),
        ("crashes",),
        ("dead-letters",),
        ("health",),
        ("sessions", "live"),
        ("restart", "spare", "--dry-run"),
        ("trip", "sim", "--dry-run"),
    ],
)
def test_a_command_imports_nothing_that_takes_long(
    program: Program, words: tuple[str, ...]
) -> None:
    """150 ms are allowed over an empty Python; what costs more than that is not even imported."""
    code = (
        "import sys; from trouper.actors.cli.main import main; "
        f"code = main([*{words!r}, '--sock', {program.sock!r}]); "
        "heavy = {'trio', 'httpx', 'attrs', 'orjson', 'structlog', 'cattrs'} & set(sys.modules); "
        "print(sorted(heavy), file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False
    )

    assert (done.returncode, done.stderr.splitlines()[-1]) == (0, "[]")


def test_every_command_of_the_console_has_its_own_help(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in list(COMMANDS)[list(COMMANDS).index("ps") :]:
        with pytest.raises(SystemExit) as left:
            main([name, "--help"])

        assert left.value.code == 0
        assert "--sock" in capsys.readouterr().out
