"""What `trouper usage` says where there is nothing to read, or it is asked for it wrongly."""

from pathlib import Path

import pytest

from tests.fakes.commands import Done, trouper


def failing(*words: str) -> Done:
    done = trouper("usage", *words)
    assert done.out == ""
    return done


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "store.path: the store is in memory, and gone with its server; name a file there"),
        ("[store]\npath = 5", "store.path: must be the path of a file"),
        ("store = 5", "store.path: must be the path of a file"),
        ("[store", "is not valid TOML: "),
    ],
)
def test_a_configuration_without_a_file_is_said_to_be_so(
    tmp_path: Path, text: str, fault: str
) -> None:
    file = tmp_path / "trouper.toml"
    file.write_text(text, encoding="utf-8")

    done = failing("--config", str(file))

    assert done.code == 1
    assert done.err.startswith(f"{file}: {fault}")


def test_a_store_that_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    done = failing("--store", str(tmp_path / "none.db"))

    assert done.code == 1
    assert "none.db: there is no such file" in done.err


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ("", "one of the arguments --config --store is required"),
        ("--store a --config b", "not allowed with"),
        ("--store a --by tenant", "invalid choice"),
        ("--store a --rows --by user", "not allowed with"),
        ("--store a --since tomorrow", "must be a day (2026-11-21), a time (2026-11-21T08:30Z)"),
        ("--store a --until 2026-13-01", 'or how long ago it was (7d, 24h, 30m), not "2026-13-01"'),
        ("--store a --since 9999999d", 'not "9999999d"'),
    ],
)
def test_wrong_words_are_wrong_usage(words: str, fault: str) -> None:
    done = failing(*words.split())

    assert done.code == 2
    assert fault in done.err
