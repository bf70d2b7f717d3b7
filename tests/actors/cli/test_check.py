"""`trouper check` says that a configuration is right, or all that is wrong with it."""

from pathlib import Path

import pytest

from trouper.actors.cli.main import main

GOOD = """
[server]
tokens = ["env:TROUPER_TOKEN"]
[providers.small]
kind = "local"
[providers.large]
kind = "openai"
base_url = "https://api.example.org/v1"
[models.default]
targets = ["large/x", "small/y"]
[assistants.default]
model = "default"
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TROUPER_TOKEN", "a-token-for-tests")
    monkeypatch.chdir(tmp_path)
    return Path("trouper.toml")


def test_a_right_configuration_is_summed_up(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(GOOD)

    assert main(["check", "trouper.toml"]) == 0
    assert capsys.readouterr() == (
        (
            "trouper.toml is right. It serves 127.0.0.1:8700 with 1 token. "
            "Providers: small (local), large (openai). "
            "Models: default asks large/x, then small/y. "
            "Assistants: default (model default).\n"
        ),
        "",
    )


def test_without_tokens_it_says_who_may_connect(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(GOOD.replace('tokens = ["env:TROUPER_TOKEN"]', ""))

    assert main(["check", "trouper.toml"]) == 0
    assert "It serves 127.0.0.1:8700 with no token, for this machine." in capsys.readouterr().out


def test_every_fault_is_a_line_with_its_key(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("TROUPER_TOKEN")
    file.write_text(GOOD.replace("large/x", "huge/x"))

    assert main(["check", "trouper.toml"]) == 1
    assert capsys.readouterr() == (
        "",
        (
            "trouper.toml: server.tokens[0]: the environment variable TROUPER_TOKEN is not set\n"
            'trouper.toml: models.default.targets[0]: no provider "huge" is configured; '
            "known: large, small\n"
            "trouper.toml: 2 faults\n"
        ),
    )


def test_one_fault_is_counted_as_one(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text("[server\n")

    assert main(["check", "trouper.toml"]) == 1
    assert capsys.readouterr().err == (
        "trouper.toml: line 1, column 8: is not valid TOML: "
        "Expected ']' at the end of a table declaration\n"
        "trouper.toml: 1 fault\n"
    )
