"""The lines of a batch: what is taken for a request, and that the how-to shows such lines."""

import json
import re
from pathlib import Path

import pytest

from tests.fakes.batch_app import batch_config
from trouper.actors.batch.lines import ModelNames, read_line
from trouper.actors.config import ModelConfig
from trouper.actors.wire.openai_request import InvalidBody, read_request

PAGE = Path(__file__).resolve().parents[3] / "docs/how-to/run-a-batch.md"


@pytest.fixture
def names(tmp_path: Path) -> ModelNames:
    models = {
        "default": ModelConfig(targets=["fake/model-x"]),
        "cheap": ModelConfig(targets=["fake/model-y"]),
        "also-cheap": ModelConfig(targets=["fake/model-y", "fake/model-x"]),
    }
    return ModelNames(batch_config(tmp_path / "s.db", "http://localhost:1/", models=models))


def requests_shown() -> list[str]:
    blocks = re.findall(r"```json\n(.*?)```", PAGE.read_text(), re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    return [line for line in lines if "prompt" in line or "body" in line]


@pytest.mark.parametrize("line", requests_shown())
def test_the_requests_of_the_how_to_are_requests(line: str, names: ModelNames) -> None:
    found = read_line(line.encode(), 1, names, "default")
    assert found.custom_id in ("1", "2")
    assert read_request(json.loads(found.body)).messages[-1].text.startswith("Name a ")


def test_the_how_to_shows_some() -> None:
    assert len(requests_shown()) == 3


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("", "default"),
        ("cheap", "cheap"),
        ("model-x", "default"),
        ("fake/model-x", "default"),
    ],
)
def test_a_model_goes_by_its_name_or_by_that_of_its_first_target(
    asked: str, meant: str, names: ModelNames
) -> None:
    line = json.dumps({"id": "1", "prompt": "x", **({"model": asked} if asked else {})})
    assert read_line(line.encode(), 1, names, "default").model == meant


def test_a_name_of_two_is_nobodys(names: ModelNames) -> None:
    with pytest.raises(InvalidBody, match="no model 'model-y' is configured"):
        read_line(b'{"prompt": "x", "model": "model-y"}', 1, names, "default")


def test_without_an_id_it_is_the_number_of_the_line(names: ModelNames) -> None:
    assert read_line(b'{"prompt": "x"}', 17, names, "default").custom_id == "17"
    body = b'{"body": {"messages": [{"role": "user", "content": "x"}]}}'
    assert read_line(body, 18, names, "default").custom_id == "18"


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (b'{"id": "", "prompt": "x"}', "id: must be text of 1 to 256 characters"),
        (b'{"custom_id": 5, "body": {"messages": []}}', "custom_id: must be text"),
        (b'{"prompt": 5}', "prompt: must be text, not 5"),
        (b'{"custom_id": "x"}', "has neither body nor prompt"),
        (b'{"prompt": "x", "max_tokens": "many"}', "max_tokens: must be a whole number"),
        (b'{"custom_id": "x", "body": 5}', "body: must be an object, not 5"),
    ],
)
def test_a_wrong_line_says_what_is_wrong(line: bytes, fault: str, names: ModelNames) -> None:
    with pytest.raises(InvalidBody) as caught:
        read_line(line, 1, names, "default")
    assert fault in "; ".join(caught.value.faults)
