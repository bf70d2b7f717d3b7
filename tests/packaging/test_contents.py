"""What is in a source distribution and in a wheel, and what is said of them."""

import ast
import json
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from email import message_from_string
from email.message import Message
from pathlib import Path

import pytest

from tests.packaging.building import ROOT, Distributions
from tests.packaging.conftest import PYTHONS

# What a distribution is called, where that is not the name of its module.
_CALLED = {
    "genai_prices": "genai-prices",
    "jsonschema_rs": "jsonschema-rs",
    "opentelemetry": "opentelemetry-api",
    "prometheus_client": "prometheus-client",
    "trio_websocket": "trio-websocket",
    # What the connection to an MCP server is made of is said by mcp.
    "anyio": "mcp",
    "httpx2": "mcp",
}


@pytest.fixture(scope="module")
def sources(distributions: Distributions) -> set[str]:
    """The paths of the files in the source distribution."""
    with tarfile.open(distributions.sdist) as archive:
        assert all(member.isfile() for member in archive)
        return {name.partition("/")[2] for name in archive.getnames()}


@pytest.fixture(scope="module")
def wheel(distributions: Distributions) -> dict[str, bytes]:
    """The files in the wheel."""
    with zipfile.ZipFile(distributions.wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def info(wheel: dict[str, bytes]) -> dict[str, bytes]:
    """What is said of the wheel, by the names of the files."""
    parts = {name.partition(".dist-info/")[2]: data for name, data in wheel.items()}
    return {name: data for name, data in parts.items() if name}


@pytest.fixture(scope="module")
def metadata(info: dict[str, bytes]) -> Message:
    return message_from_string(info["METADATA"].decode())


def test_a_source_distribution_is_the_repository_but_for_its_links(sources: set[str]) -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("this is no repository")
    # Also what is about to be committed; not what git ignores, such as caches.
    listing = ("git", "ls-files", "--cached", "--others", "--exclude-standard")
    listed = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True)
    files = {name for name in listed.stdout.splitlines() if (ROOT / name).is_file()}

    assert sources - files == {"PKG-INFO"}
    assert {name for name in files - sources if not name.startswith(".")} == set()
    assert {path.name for path in (ROOT / "tests/importroot/trouper").iterdir()} == {
        "actors",
        "runtime",
    }


def test_a_wheel_is_the_two_packages_with_their_data(
    wheel: dict[str, bytes], info: dict[str, bytes], sources: set[str]
) -> None:
    ours = {name.removeprefix("trouper/") for name in wheel if name.startswith("trouper/")}

    assert ours == {name for name in sources if name.startswith(("runtime/", "actors/"))}
    assert {
        "runtime/py.typed",
        "actors/py.typed",
        "actors/catalog/data/models.json",
        "actors/catalog/data/o200k_base.xz",
        "actors/console/web/index.html",
    } <= ours
    assert len(wheel) == len(ours) + len(info)
    assert {name for name in info if not name.startswith("licenses/")} == {
        "METADATA",
        "RECORD",
        "WHEEL",
        "entry_points.txt",
    }


def test_whose_work_is_inside_is_said_with_its_licence(
    wheel: dict[str, bytes], info: dict[str, bytes], metadata: Message
) -> None:
    vendored = json.loads(wheel["trouper/actors/console/web/vendor/vendored.json"])["packages"]
    licences = set(str(metadata["License-Expression"]).split(" AND "))

    assert licences == {"Apache-2.0", *(package["licence"] for package in vendored.values())}
    texts = {name.removeprefix("licenses/") for name in info if name.startswith("licenses/")}
    assert texts == set(metadata.get_all("License-File", ()))
    assert {Path(name).name for name in texts} == {
        "LICENSE",
        *(f"LICENSE.{package}" for package in vendored),
    }


def test_what_is_said_of_the_wheel_is_whole(metadata: Message) -> None:
    classifiers = metadata.get_all("Classifier", ())

    assert metadata["Requires-Python"] == f">={PYTHONS[0]}"
    prefix = "Programming Language :: Python :: 3."
    said = {name.removeprefix(prefix) for name in classifiers if name.startswith(prefix)}
    assert said == {version.removeprefix("3.") for version in PYTHONS}
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata.get_payload() == (ROOT / "README.md").read_text()


def test_all_that_is_imported_is_a_dependency_or_in_an_extra(metadata: Message) -> None:
    required = {
        requirement.split(">")[0].split("=")[0].split("<")[0]
        for requirement in metadata.get_all("Requires-Dist", ())
    }
    imported = {_CALLED.get(name, name) for name in _imports()} - sys.stdlib_module_names

    # Who uses fixtures of ours has pytest.
    assert imported - required == {"pytest"}
    # In the process of a local model, which is no module of ours.
    assert required - imported == {"xllamacpp"}


def _imports() -> Iterator[str]:
    """The modules of others that our code imports, wherever it does."""
    for package in ("runtime", "actors"):
        for file in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.Import):
                    yield from (name.name.partition(".")[0] for name in node.names)
                elif isinstance(node, ast.ImportFrom) and not node.level:
                    yield str(node.module).partition(".")[0]
