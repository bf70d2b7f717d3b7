"""The table is written from a price list of LiteLLM's shape, and reads as it was written."""

import json
from pathlib import Path
from typing import Any

import orjson
import pytest

from trouper.actors.catalog import refresh

SOURCE: dict[str, dict[str, Any]] = {
    "gpt-9": {
        "litellm_provider": "openai",
        "mode": "chat",
        "max_input_tokens": 100,
        "max_output_tokens": 10,
        "supports_function_calling": True,
        "supports_reasoning": True,
        "supports_none_reasoning_effort": True,
        "supported_endpoints": ["/v1/responses", "/v1/chat/completions", "/v1/unheard-of"],
        "input_cost_per_token": 1e-06,
    },
    "gpt-9-2027-01-01": {
        "litellm_provider": "openai",
        "mode": "chat",
        "max_input_tokens": 100,
        "deprecation_date": "2028-01-01",
    },
    "o9": {"litellm_provider": "openai", "mode": "chat", "supports_reasoning": True},
    "claude-9": {
        "litellm_provider": "anthropic",
        "mode": "chat",
        "max_input_tokens": 100,
        "supports_sampling_params": False,
    },
    "gpt-empty": {"litellm_provider": "openai", "mode": "chat"},
    "us/gpt-9": {"litellm_provider": "openai", "mode": "chat"},
    "gpt-9-picture": {"litellm_provider": "openai", "mode": "image_generation"},
    "mistral-9": {"litellm_provider": "mistral", "mode": "chat"},
}


def test_only_what_speaks_and_belongs_to_the_families_is_taken() -> None:
    families = refresh.reshape(SOURCE)["families"]

    assert list(families["openai"]["models"]) == ["gpt-9", "gpt-9-2027-01-01", "gpt-empty", "o9"]
    assert list(families["anthropic"]["models"]) == ["claude-9"]


def test_facts_are_said_in_our_words_and_prices_are_not() -> None:
    models = refresh.reshape(SOURCE)["families"]["openai"]["models"]

    assert models["gpt-9"] == {
        "max_input_tokens": 100,
        "max_output_tokens": 10,
        "tools": True,
        "reasoning": True,
        "apis": ["chat", "responses"],
        "efforts": ["none", "minimal", "low", "medium", "high", "xhigh", "max"],
        "sampling": "without_reasoning",
        "shutdown": "2028-01-01",
    }
    assert models["o9"]["efforts"] == ["low", "medium", "high"]
    assert models["gpt-empty"] == {"apis": ["chat"]}


def test_a_file_is_written_with_one_model_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = tmp_path / "source.json", tmp_path / "models.json"
    source.write_text(json.dumps(SOURCE), "utf-8")

    assert refresh.main([str(source)], target) == 0

    assert orjson.loads(target.read_bytes()) == refresh.reshape(SOURCE)
    lines = target.read_text("utf-8").splitlines()
    assert sum(line.startswith(('"gpt', '"o9', '"claude')) for line in lines) == 5
    assert capsys.readouterr().err == f"5 models written to {target}\n"


def test_without_a_source_it_says_how_it_is_used(capsys: pytest.CaptureFixture[str]) -> None:
    assert refresh.main([]) == 2
    assert capsys.readouterr().err.startswith("usage: ")


def test_the_shipped_table_is_what_the_command_writes() -> None:
    shipped = refresh.TARGET.read_bytes()

    assert refresh.written(orjson.loads(shipped)) == shipped
