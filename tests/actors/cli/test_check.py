"""`trouper check` says that a configuration is right, or all that is wrong with it."""

import argparse
from datetime import date
from pathlib import Path

import pytest

from trouper.actors.cli import check
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
        (
            "trouper.toml: warning: providers.large.api_keys: there are none, and "
            "api.example.org is another machine; if it asks for a key, add "
            'api_keys = ["env:NAME"]\n'
        ),
    )


def test_a_local_model_that_is_not_installed_is_a_warning(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = file.absolute().with_name("small.gguf")
    file.write_text(f'{GOOD}\n[providers.small.local]\nmodel_file = "{missing}"\n')

    assert main(["check", "trouper.toml"]) == 0
    said = f"trouper.toml: warning: providers.small: no model file at {missing}; correct the path"
    assert said in capsys.readouterr().err


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


OPENAI = """
[providers.openai]
kind = "openai"
base_url = "https://api.openai.com/v1"
[models.default]
targets = ["openai/gpt-4-turbo", ["openai/a", {target = "openai/b", on = ["overloaded"]}]]
[assistants.default]
model = "default"
"""


def test_what_will_do_harm_all_the_same_is_a_warning_and_no_fault(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(
        OPENAI.replace('"openai/gpt-4-turbo", ', "").replace('"openai/a"', '"openai/gpt-4-turbo"')
    )

    assert check.run(argparse.Namespace(file="trouper.toml"), today=date(2026, 9, 1)) == 0
    said, warned = capsys.readouterr()
    assert "Models: default asks openai/gpt-4-turbo or openai/b (on overloaded)." in said
    assert [line.partition("; ")[0] for line in warned.splitlines()] == [
        (
            "trouper.toml: warning: providers.openai.api_keys: there are none, and "
            "api.openai.com is another machine"
        ),
        (
            "trouper.toml: warning: models.default.targets[0][0]: gpt-4-turbo will be shut down "
            "on 2026-10-23, in 52 days"
        ),
        ("trouper.toml: warning: models.default.targets[0][1]: this version of trouper knows no b"),
    ]


def test_shutdowns_are_those_by_the_day_of_the_clock(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(OPENAI.replace("openai/gpt-4-turbo", "openai/text") + FACTS)

    assert main(["check", "trouper.toml"]) == 0
    assert "text was shut down on 2020-01-01" in capsys.readouterr().err


FACTS = '[facts."openai/text"]\nshutdown = 2020-01-01\n'

BUDGETS = """
[budgets.daily]
limit_usd = "5"
per = "day"
[budgets.alice]
limit_usd = 2.5
per = "total"
scope = "user"
only = "alice"
[budgets.each]
limit_usd = 1
per = "month"
scope = "session"
"""


def test_budgets_are_summed_up_and_want_prices(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(GOOD + BUDGETS)

    assert main(["check", "trouper.toml"]) == 0
    said, warned = capsys.readouterr()
    assert said.endswith(
        "Budgets: daily ($5.00 a day), alice ($2.50 in all for user alice), "
        "each ($1.00 a month for each session).\n"
    )
    assert "models.default.targets[0]: no prices are known for x" in warned
    assert "targets[1]" not in warned


def test_a_key_that_was_pasted_into_the_place_of_a_name_is_not_shown(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = "sk-proj-abcdefghijklmnop"
    file.write_text(f"{GOOD}[facts.{key}]\ntools = true\n[budgets.{key}]\n{key} = 3\n")

    assert main(["check", "trouper.toml"]) == 1
    said = capsys.readouterr().err
    assert key not in said
    assert 'must be called "provider/model"' in said


def test_what_assistants_may_use_is_summed_up_and_looked_for(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tools = '[tools.count]\ncommand = ["no-such-program"]\ndescription = "Count."\n'
    file.write_text(GOOD + tools + '[mcp.time]\ncommand = ["cat"]\n')

    assert main(["check", "trouper.toml"]) == 0
    said, warned = capsys.readouterr()
    assert "Programs as tools: count. MCP servers: time." in said
    assert [line.partition("warning: ")[2] for line in warned.splitlines()][1:] == [
        "tools.count: no assistant uses it, so it is never run",
        "tools.count.command: there is no program no-such-program on this machine",
        'mcp.time: no assistant uses one of its tools, as "time/*", so it is not started',
    ]
