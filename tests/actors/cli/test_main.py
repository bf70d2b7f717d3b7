"""`trouper` finds a command, runs it, and says in words what goes wrong."""

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import structlog

from trouper.actors.cli.main import _LEVELS as OFFERED_LEVELS, COMMANDS, Command, main
from trouper.actors.config import Secret
from trouper.actors.errors import ConfigError
from trouper.actors.logs import LEVELS
from trouper.runtime.errors import TrouperError

Run = Callable[[argparse.Namespace], int]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Callable[[Run], None]:
    """Adds a command `fake` that runs what the test gives."""

    def add(run: Run, log_level: str | None = None) -> None:
        def add_arguments(parser: argparse.ArgumentParser) -> None:
            parser.add_argument("word", nargs="?")

        module = ModuleType("fake", "`trouper fake`: a command for tests.\n\nMore of it.")
        module.__dict__.update(run=run, add_arguments=add_arguments)
        monkeypatch.setitem(sys.modules, "trouper.actors.cli.fake", module)
        monkeypatch.setitem(COMMANDS, "fake", Command("fake", "for tests", log_level))

    return add


def raising(error: BaseException) -> Run:
    def run(_: argparse.Namespace) -> int:
        raise error

    return run


def trouper(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "trouper.actors.cli", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_help_lists_every_command_with_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--help"])

    said = capsys.readouterr().out
    assert left.value.code == 0
    # (Deeper lines are the help of a name that fills its column.)
    listed = {line.split()[0] for line in said.splitlines() if re.match(" {4}[a-z]", line)}
    assert listed == set(COMMANDS)
    assert all(command.help in said for command in COMMANDS.values())


def test_help_of_a_command_begins_with_what_its_module_says_of_itself(
    command: Callable[[Run], None], capsys: pytest.CaptureFixture[str]
) -> None:
    command(lambda _: 0)

    with pytest.raises(SystemExit):
        main(["fake", "--help"])

    said = capsys.readouterr().out
    assert "`trouper fake`: a command for tests." in said
    assert "More of it" not in said


def test_asking_for_help_imports_no_command() -> None:
    code = (
        "import sys; from trouper.actors.cli.main import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print([m for m in sys.modules if m in ('httpx', 'structlog', 'cattrs')])"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )

    assert done.stdout.splitlines()[-1] == "[]"


def test_the_exit_code_is_what_the_command_returns(command: Callable[[Run], None]) -> None:
    seen: list[str | None] = []

    def run(args: argparse.Namespace) -> int:
        seen.append(args.word)
        return 7

    command(run)

    assert main(["fake", "sim"]) == 7
    assert seen == ["sim"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "trouper: error: the following arguments are required: COMMAND"),
        (["bogus"], "invalid choice: 'bogus'"),
        (["check"], "trouper check: error: the following arguments are required: FILE"),
        (["check", "a", "b"], "unrecognized arguments: b"),
        (["--loud", "check", "a"], "unrecognized arguments: --loud"),
    ],
)
def test_wrong_usage_is_exit_code_2(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(words)

    assert left.value.code == 2
    assert said in capsys.readouterr().err


def test_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--version"])

    assert left.value.code == 0
    assert capsys.readouterr().out.startswith("trouper 0.")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (TrouperError("it is broken"), "trouper: it is broken\n"),
        (ConfigError("t.toml", ["a: is odd", "b: too"]), "t.toml: a: is odd\nt.toml: b: too\n"),
        (FileNotFoundError(2, "No such file", "x.txt"), "trouper: x.txt: No such file\n"),
        (OSError(98, "Address already in use"), "trouper: Address already in use\n"),
        (OSError("all attempts failed"), "trouper: all attempts failed\n"),
        (BrokenPipeError(32, "Broken pipe"), "trouper: Broken pipe\n"),
        (
            ExceptionGroup("x", [TrouperError("a"), ExceptionGroup("y", [TrouperError("b")])]),
            "trouper: a\ntrouper: b\n",
        ),
        (ExceptionGroup("x", [TrouperError("a"), TrouperError("a")]), "trouper: a\n"),
        (TrouperError("a\x1b[31mb sk-abcdefgh1234"), "trouper: a\\x1b[31mb [redacted]\n"),
    ],
)
def test_a_known_error_is_words_without_a_traceback(
    error: BaseException,
    said: str,
    command: Callable[[Run], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    command(raising(error))

    assert main(["fake"]) == 1
    assert capsys.readouterr().err == said


@pytest.mark.parametrize("words", [["--debug", "fake"], ["fake", "--debug"]])
def test_debug_shows_the_traceback_and_no_secret(
    words: list[str], command: Callable[[Run], None], capsys: pytest.CaptureFixture[str]
) -> None:
    Secret("odd.looking/key~1")
    command(raising(TrouperError("odd.looking/key~1 is refused")))

    assert main(words) == 1
    said = capsys.readouterr().err
    assert said.startswith("Traceback (most recent call last)")
    assert said.endswith("TrouperError: [redacted] is refused\n")


@pytest.mark.parametrize(
    "error",
    [KeyboardInterrupt(), BaseExceptionGroup("x", [KeyboardInterrupt(), TrouperError("late")])],
)
def test_ctrl_c_is_quiet_and_exit_code_130(
    error: BaseException, command: Callable[[Run], None], capsys: pytest.CaptureFixture[str]
) -> None:
    command(raising(error))

    assert main(["fake"]) == 130
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "error", [ZeroDivisionError(), ExceptionGroup("x", [TrouperError("a"), ZeroDivisionError()])]
)
def test_a_bug_is_not_dressed_up(error: BaseException, command: Callable[[Run], None]) -> None:
    command(raising(error))

    with pytest.raises(type(error)) as caught:
        main(["fake"])
    assert caught.value is error


def test_a_command_that_logs_does_so_from_its_level_on(
    command: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    def run(_: argparse.Namespace) -> int:
        structlog.get_logger().info("heard")
        return 0

    command(run, log_level="warning")

    try:
        assert main(["fake"]) == 0
        assert capsys.readouterr().err == ""
        assert main(["fake", "--log-level", "info"]) == 0
        assert "level=INFO msg=heard" in capsys.readouterr().err
    finally:
        structlog.reset_defaults()


def test_a_broken_pipe_that_is_not_the_output_is_said(
    command: Callable[[Run], None], capfd: pytest.CaptureFixture[str]
) -> None:
    command(raising(BrokenPipeError(32, "Broken pipe")))

    assert main(["fake"]) == 1
    assert capfd.readouterr().err == "trouper: Broken pipe\n"


def test_the_levels_that_are_offered_are_those_that_logging_knows() -> None:
    # Written twice, because the logs' module takes 90 ms to import.
    assert OFFERED_LEVELS == LEVELS


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_nobody_reading_the_output_is_no_reason_for_words(tmp_path: Path, unbuffered: str) -> None:
    file = tmp_path / "t.toml"
    file.write_text(
        '[providers.x]\nkind = "local"\n[models.m]\ntargets = ["x/y"]\n[assistants.a]\nmodel = "m"\n'
    )
    reader, writer = os.pipe()
    os.close(reader)

    try:
        done = subprocess.run(
            [sys.executable, "-m", "trouper.actors.cli", "check", str(file)],
            stdout=writer,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
            timeout=60,
            check=False,
        )
    finally:
        os.close(writer)

    assert (done.returncode, done.stderr) == (1, b"")


def test_the_package_can_be_run_as_a_module() -> None:
    done = trouper("check", "/no/such/file.toml")

    assert done.returncode == 1
    assert done.stderr.startswith("/no/such/file.toml: there is no such file\n")
