"""`trouper models` shows what is known of models, and of those that a configuration asks."""

import argparse
import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from trouper.actors.cli import models
from trouper.actors.cli.main import main
from trouper.actors.errors import ConfigError

TODAY = date(2026, 11, 21)

CONFIG = """
[providers.openai]
kind = "openai"
base_url = "https://api.openai.com/v1"
[providers.small]
kind = "local"
[providers.there]
kind = "openai"
base_url = "https://models.example.org/v1"
[models.default]
targets = ["openai/gpt-5", "small/smollm2"]
[models.cheap]
targets = ["small/smollm2", "there/big-1", "there/new", "openai/gpt-4-turbo", "openai/gpt-5.4"]
[assistants.default]
model = "default"
[facts."there/big-1"]
max_input_tokens = 100_000
tools = true
[prices."there/big-1"]
input = 2
output = 10.5
"""


def shown(capsys: pytest.CaptureFixture[str], **options: Any) -> list[str]:
    arguments = {"config": None, "provider": None, "all": False, "format": "table"} | options
    assert models.run(argparse.Namespace(**arguments), today=TODAY) == 0
    return capsys.readouterr().out.splitlines()


def objects(capsys: pytest.CaptureFixture[str], **options: Any) -> dict[str, dict[str, Any]]:
    found = json.loads("\n".join(shown(capsys, format="json", **options)))
    return {f"{each['provider']}/{each['model']}": each for each in found}


@pytest.fixture
def file(tmp_path: Path) -> str:
    (tmp_path / "trouper.toml").write_text(CONFIG)
    return str(tmp_path / "trouper.toml")


def test_it_shows_the_models_of_today_under_the_names_that_stay(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = shown(capsys)
    names = [line.split()[0] for line in lines]

    assert lines[0].split() == [
        *("model", "window", "output", "$/M", "in", "$/M", "out", "shutdown", "takes"),
    ]
    assert "openai/gpt-5" in names
    assert "anthropic/claude-sonnet-5" in names
    assert "openai/gpt-5-2025-08-07" not in names
    assert "openai/gpt-4-turbo" not in names
    assert max(map(len, lines)) <= 120


def test_a_line_says_limits_prices_shutdown_and_abilities(
    capsys: pytest.CaptureFixture[str],
) -> None:
    (line,) = [line for line in shown(capsys) if line.startswith("openai/gpt-5 ")]

    assert line.split() == [
        *("openai/gpt-5", "272,000", "128,000", "1.25", "10.00", "2026-12-11", "soon"),
        *("tools", "images", "schema", "reasoning"),
    ]


def test_all_of_them_are_those_that_are_gone_too_and_marked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    (gone,) = [line for line in shown(capsys, all=True) if line.startswith("openai/gpt-4-turbo ")]

    assert "2026-10-23 gone" in gone
    assert len(shown(capsys, all=True)) > 2 * len(shown(capsys, provider="openai"))


def test_signs_in_the_table_are_explained(capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(capsys, provider="anthropic")

    assert all(line.startswith("anthropic/") for line in lines[1:-2])
    assert lines[-2:] == [
        "+: long prompts cost more",
        '?: nobody has said what it costs; put it under [prices."provider/model"]',
    ]


def test_a_configuration_shows_what_it_asks_with_its_own_facts_and_prices(
    file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [line.split() for line in shown(capsys, config=file)]

    assert rows[0][-2:] == ["asked", "by"]
    abilities = ["tools", "images", "schema", "reasoning"]
    assert rows[1:7] == [
        [
            *("openai/gpt-5", "272,000", "128,000", "1.25", "10.00", "2026-12-11", "soon"),
            *(*abilities, "default"),
        ],
        ["small/smollm2", "-", "-", "0.00", "0.00", "-", "-", "default,", "cheap"],
        ["there/big-1", "100,000", "-", "2.00", "10.50", "-", "tools", "cheap"],
        ["there/new", "-", "-", "?", "?", "-", "-", "cheap"],
        [
            *("openai/gpt-4-turbo", "128,000", "4,096", "10.00", "30.00", "2026-10-23", "gone"),
            *("tools", "images", "cheap"),
        ],
        [
            *("openai/gpt-5.4", "1,050,000", "128,000", "2.50+", "15.00+", "-"),
            *(*abilities, "cheap"),
        ],
    ]
    assert [line.split()[0] for line in shown(capsys, config=file, provider="small")][1:] == [
        "small/smollm2"
    ]


def test_json_has_all_of_it_for_programs(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = objects(capsys, config=file)

    assert found["openai/gpt-5"]["state"] == "near_shutdown"
    assert found["openai/gpt-5"]["shutdown"] == "2026-12-11"
    assert found["openai/gpt-4-turbo"]["state"] == "shut_down"
    long = found["openai/gpt-5.4"]["usd_per_million"]
    assert (long["input"], long["above"]["input"]) == ("2.50", {"272000": "5.00"})
    assert found["there/new"] == {
        "provider": "there",
        "model": "new",
        "family": "",
        "known": False,
        "max_input_tokens": None,
        "max_output_tokens": None,
        "tools": None,
        "images": None,
        "response_schema": None,
        "reasoning": None,
        "apis": [],
        "efforts": [],
        "usd_per_million": None,
        "shutdown": None,
        "state": "served",
        "asked_by": ["cheap"],
    }


def test_the_day_is_that_of_the_clock_and_json_is_one_document(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["models", "--format", "json", "--all", "--provider", "openai"]) == 0

    found = {each["model"]: each["state"] for each in json.loads(capsys.readouterr().out)}
    assert found["gpt-4-turbo"] == "shut_down"


@pytest.mark.parametrize("with_file", [False, True])
def test_a_misspelled_provider_is_said_to_be_one(
    with_file: bool, file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        shown(capsys, provider="opnai", config=file if with_file else None)

    assert str(caught.value) == (
        "--provider: no provider 'opnai' is known; did you mean \"openai\"?"
    )


def test_a_configuration_that_is_wrong_is_told_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "--config", str(tmp_path / "no.toml")]) == 1
    assert "there is no such file" in capsys.readouterr().err
