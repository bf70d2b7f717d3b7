"""Every Python example of the documentation runs, and every TOML one is accepted.

An example runs in a folder of its own, in which `trouper.toml` names the
simulator, so that no document needs a key or a network. Console lines are
promises of the command's own tests.
"""

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from sybil import Sybil
from sybil.document import Document
from sybil.example import Example
from sybil.parsers.markdown import CodeBlockParser

from trouper.actors.config import parse_config
from trouper.actors.local.errors import LocalModelError
from trouper.actors.local.model_file import find_model

from .fakes.simulator import SimulatorProcess

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])

CONFIG = """
[providers.sim]
kind = "openai"
base_url = "{base_url}"
[models.default]
targets = ["sim/sim"]
[assistants.default]
model = "default"
"""


def run_python(example: Example) -> None:
    code = compile(example.parsed, example.path, "exec", dont_inherit=True)
    exec(code, {"__name__": "example"})


def read_toml(example: Example) -> None:
    tomllib.loads(example.parsed)


def examples() -> Iterator[object]:
    parsers = [
        CodeBlockParser(language="python", evaluator=run_python),
        CodeBlockParser(language="toml", evaluator=read_toml),
    ]
    sybil = Sybil(parsers=parsers)
    for page in PAGES:
        document: Document = sybil.parse(page)
        for example in document.examples():
            yield pytest.param(example, id=f"{page.relative_to(ROOT)}:{example.line}")


def needs_the_model(example: Example) -> bool:
    return 'kind="local"' in str(example.parsed)


@pytest.mark.parametrize("example", list(examples()))
def test_the_example_does_what_it_says(
    example: Example,
    simulator: SimulatorProcess,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if needs_the_model(example):
        try:
            find_model(None)
        except LocalModelError:
            pytest.skip("the small model is not installed: `trouper local install`")
    monkeypatch.chdir(tmp_path)
    Path("trouper.toml").write_text(CONFIG.format(base_url=simulator.base_url))
    example.evaluate()


def whole_configurations() -> Iterator[object]:
    """The TOML examples that have all three tables, and so can be checked as a file."""
    for parameter in examples():
        example = parameter.values[0]  # type: ignore[attr-defined]
        text = str(example.parsed)
        if all(f"[{table}." in text for table in ("providers", "models", "assistants")):
            yield parameter


@pytest.mark.parametrize("example", list(whole_configurations()))
def test_a_whole_configuration_in_the_documentation_is_accepted(example: Example) -> None:
    parse_config(
        str(example.parsed),
        source=str(example.path),
        folder=ROOT,
        environ={"OPENAI_API_KEY": "sk-0123456789", "TROUPER_TOKEN": "0123456789"},
    )
