"""Every Python example of the documentation runs, and every TOML one is accepted.

An example runs in a folder of its own, in which `trouper.toml` names the
simulator, so that no document needs a key or a network. A piece of a
configuration is made whole and parsed as a file would be. The other languages
are held in tests/test_documentation_blocks.py.
"""

import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from sybil import Sybil
from sybil.document import Document
from sybil.example import Example
from sybil.parsers.markdown import CodeBlockParser

from trouper.actors.errors import ConfigError
from trouper.actors.local.errors import LocalModelError
from trouper.actors.local.model_file import find_model
from trouper.actors.wire.plugins import GROUP

from .fakes.fragments import is_of_a_configuration, parse_fragment
from .fakes.packages import install
from .fakes.simulator import SimulatorProcess

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])

CONFIG = """
[store]
path = "trouper.db"
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
    text = str(example.parsed)
    tomllib.loads(text)
    if is_of_a_configuration(text):
        parse_fragment(text, f"{example.path}:{example.line}", Path(example.path).parent)


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


def install_what_the_page_shows(
    page: Document, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The packages whose entry points a page shows, with the kind that the page shows as code."""
    texts = [str(example.parsed) for example in page.examples()]
    kinds = [text for text in texts if "\nKIND = ProviderKind(" in text]
    for text in texts:
        if "[project.entry-points." in text:
            project = tomllib.loads(text)["project"]
            points = project["entry-points"]
            modules = [value.partition(":")[0] for value in points[GROUP].values()]
            install(site, project["name"], dict(zip(modules, kinds, strict=False)), points)
            monkeypatch.setattr(sys, "modules", dict(sys.modules))
            monkeypatch.syspath_prepend(site)


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
    install_what_the_page_shows(example.document, tmp_path / "site", monkeypatch)
    example.evaluate()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[models.default]\ntemprature = 0.2\n", "models.default.temprature: "),
        ('[models.default]\ntargets = ["opnai/x"]\n', "models.default.targets[0]: "),
        ("[provider.openai]\nattempts = 3\n", "provider: "),
        ('[budgets.daily]\nlimit_usd = "5"\n', "budgets.daily.per: "),
    ],
)
def test_a_piece_of_a_configuration_that_is_wrong_would_be_found(text: str, fault: str) -> None:
    assert is_of_a_configuration(text)

    with pytest.raises(ConfigError) as caught:
        parse_fragment(text, "example", Path())

    assert caught.value.faults[0].startswith(fault)
