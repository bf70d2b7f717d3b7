"""Where the model's file is looked for."""

from pathlib import Path

import pytest

from trouper.actors.local.errors import ModelFileMissing
from trouper.actors.local.model_file import SMOLLM2, find_model, models_folder


def test_models_live_in_the_users_cache_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", "/home/alice")

    assert models_folder() == Path("/home/alice/.cache/trouper/models")


def test_models_live_where_xdg_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    assert models_folder() == tmp_path / "trouper" / "models"


def test_a_relative_xdg_folder_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "cache")
    monkeypatch.setenv("HOME", "/home/alice")

    assert models_folder() == Path("/home/alice/.cache/trouper/models")


def test_a_named_file_is_taken_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "other.gguf"
    path.touch()

    assert find_model(path) == path


def test_without_a_name_the_installed_file_is_found(tmp_path: Path) -> None:
    (tmp_path / SMOLLM2.name).touch()

    assert find_model(None, folder=tmp_path) == tmp_path / SMOLLM2.name


def test_a_missing_file_is_an_error_that_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(ModelFileMissing, match=r"not installed .*; run: trouper local install"):
        find_model(None, folder=tmp_path)


def test_a_named_file_that_is_missing_is_named_in_the_error(tmp_path: Path) -> None:
    with pytest.raises(ModelFileMissing, match=r"no model file at .*other\.gguf"):
        find_model(tmp_path / "other.gguf")
