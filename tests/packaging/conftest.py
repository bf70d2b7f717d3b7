"""What we publish, built from the checkout and installed in environments of its own.

These tests take packages from a registry, so they run where they are asked for:
`make test-packaging`, which is `pytest -m packaging tests/packaging`. All is built
once a run; the programs that run in the environments are in programs/.
"""

import functools
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.packaging.building import Distributions, Environment, build, install, interpreter

HERE = Path(__file__).parent

PYTHONS = ("3.11", "3.12", "3.13")
"""What the classifiers in pyproject.toml say."""

Make = Callable[[str], Environment]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "packaging: builds us, and installs us elsewhere")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    asked = "packaging" in str(config.option.markexpr)
    reason = pytest.mark.skip(reason="installs packages; `make test-packaging` runs it")
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("packaging")
            if not asked:
                item.add_marker(reason)


@pytest.fixture(scope="session")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Distributions:
    """A source distribution, and the wheel that was built from it."""
    return build(tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="session")
def unpacked(distributions: Distributions, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in the source distribution."""
    return distributions.unpack(tmp_path_factory.mktemp("unpacked"))


@pytest.fixture(scope="session")
def make(distributions: Distributions, tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Makes an environment with the wheel and no extra, once for each Python."""

    @functools.cache
    def made(version: str) -> Environment:
        python = interpreter(version)
        if python is None:
            pytest.skip(f"there is no Python {version} on this machine")
        folder = tmp_path_factory.mktemp(f"python-{version}")
        return install(folder, python, str(distributions.wheel))

    return made


@pytest.fixture(scope="session", params=PYTHONS)
def installed(request: pytest.FixtureRequest, make: Make) -> Environment:
    """The wheel, in each Python that we support and that is here."""
    return make(request.param)


@pytest.fixture(scope="session")
def environment(make: Make) -> Environment:
    """The wheel, in the Python that runs the tests."""
    return make(f"{sys.version_info.major}.{sys.version_info.minor}")
