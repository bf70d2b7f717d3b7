"""The table is written from a price list of LiteLLM's shape, and reads as it was written."""

import json
import subprocess
import sys
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


def openai(**models: dict[str, Any]) -> dict[str, Any]:
    """What becomes of these models of OpenAI; a _ in a name stands for a hyphen."""
    source = {
        name.replace("_", "-"): {"litellm_provider": "openai", "mode": "chat", **facts}
        for name, facts in models.items()
    }
    families: dict[str, Any] = refresh.reshape(source)["families"]
    return dict(families["openai"]["models"])


def test_an_o_model_takes_no_sampling_and_its_late_ones_no_stop() -> None:
    models = openai(o3={"supports_reasoning": True}, o1={"supports_reasoning": True})

    assert models["o3"]["sampling"] == models["o1"]["sampling"] == "never"
    assert models["o3"]["max_stop_sequences"] == 0
    assert "max_stop_sequences" not in models["o1"]


def test_a_model_that_always_reasons_takes_no_sampling_and_no_effort_of_none() -> None:
    always = {"supports_reasoning": True, "supports_none_reasoning_effort": False}
    models = openai(gpt_9=always, gpt_9_chat=always, gpt_10={"supports_reasoning": True})

    assert models["gpt-9"]["sampling"] == "never"
    assert "none" not in models["gpt-9"]["efforts"]
    # Of these it is not known.
    assert "sampling" not in models["gpt-9-chat"]
    assert "sampling" not in models["gpt-10"]


def test_claude_has_the_efforts_of_its_wire_if_it_thinks() -> None:
    thinking = {"litellm_provider": "anthropic", "mode": "chat", "supports_reasoning": True}
    models = refresh.reshape({"claude-9": thinking})["families"]["anthropic"]["models"]

    assert models == {"claude-9": {"efforts": ["none", "low", "medium", "high", "xhigh", "max"]}}


def test_a_date_of_shutdown_is_shared_between_a_name_and_its_snapshots() -> None:
    ends = {
        name: facts.get("shutdown")
        for name, facts in openai(
            a={},
            a_20270101={"deprecation_date": "2028-01-01"},
            a_20270201={"deprecation_date": "2028-02-01"},
            b={"deprecation_date": "2028-03-01"},
            b_20270101={},
            c={},
            c_20270101={"deprecation_date": "2028-01-01"},
            c_20270201={},
        ).items()
    }

    assert ends["a"] == "2028-02-01"
    assert ends["b-20270101"] == "2028-03-01"
    # The newer snapshot of c lives on, and so does its name.
    assert ends["c"] is ends["c-20270201"] is None


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


@pytest.mark.parametrize("module", ["refresh", "pack"])
def test_the_commands_without_a_file_say_how_they_are_used(module: str) -> None:
    name = f"trouper.actors.catalog.{module}"
    done = subprocess.run(
        [sys.executable, "-m", name], capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 2
    assert done.stderr.startswith(f"usage: python -m {name} ")


def test_the_shipped_table_is_what_the_command_writes() -> None:
    shipped = refresh.TARGET.read_bytes()

    assert refresh.written(orjson.loads(shipped)) == shipped
