"""Names that hold what a terminal obeys, a line break or a bidirectional mark, in the console's commands."""

import json
from collections.abc import Generator

import pytest

from tests.fakes.console_programs import Program, Run, open_program, runner

NAME = "x\x1b[2J\u202ey\nfaked: all is well\x7f"
SHOWN = "x\\x1b[2J\\u202ey faked: all is well\\x7f"


@pytest.fixture(scope="module")
def program() -> Generator[Program]:
    with open_program(NAME) as opened:
        yield opened


@pytest.fixture
def trouper(program: Program, capsys: pytest.CaptureFixture[str]) -> Run:
    return runner(program, capsys)


@pytest.mark.parametrize(
    "words",
    [
        ("ps",),
        ("ps", "-o", "name"),
        ("inspect", NAME),
        ("restart", NAME, "--dry-run"),
        ("restart", NAME, "--yes"),
        ("watch", NAME, "--count", "1"),
        ("restart", NAME + "?"),
        ("inspect", NAME + "?"),
        ("inspect", NAME, "--want", "fields", "--want", "stack"),
    ],
)
def test_a_hostile_name_is_one_line_that_moves_nothing(
    trouper: Run, words: tuple[str, ...]
) -> None:
    done = trouper(*words)
    text = done.out + done.err

    assert text.replace("\n", "").replace("\t", "").isprintable()
    assert "x\\x1b[2J\\u202ey" in text
    assert not any(line.startswith("faked") for line in text.splitlines())


@pytest.mark.parametrize("output", ["json", "jsonl"])
def test_a_hostile_name_comes_whole_out_of_json_and_moves_nothing(
    trouper: Run, output: str
) -> None:
    text = trouper("ps", "-o", output).out
    told = json.loads(text)["actors"] if output == "json" else map(json.loads, text.splitlines())

    assert text.replace("\n", "").isprintable()
    assert NAME in [row["path"] for row in told]


def test_a_hostile_name_is_one_line_of_names(trouper: Run) -> None:
    assert SHOWN in trouper("ps", "-o", "name").out.splitlines()
