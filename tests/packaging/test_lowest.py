"""The lowest versions that pyproject.toml allows work, told by tests of what meets them."""

import re
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.packaging.building import Distributions, Environment, install

# All but [local], whose version is pinned.
_EXTRAS = ("console", "mcp", "otel", "prices")

_TOOLS = ("hypothesis", "opentelemetry-sdk", "psutil", "pytest", "pytest-trio", "trustme")

TESTS = (
    "tests/runtime/test_actor.py",  # trio, attrs
    "tests/runtime/test_system.py",
    "tests/actors/config/test_load.py",  # cattrs
    "tests/actors/gateway/test_front.py",  # h11, trio-websocket
    "tests/actors/tools/test_validation.py",  # jsonschema-rs, orjson
    "tests/actors/telemetry/test_metrics.py",  # prometheus-client
    "tests/actors/telemetry/test_spans.py",  # opentelemetry-api
    "tests/actors/catalog/test_prices.py",  # genai-prices
)


@pytest.fixture(scope="module")
def lowest(
    distributions: Distributions, unpacked: Path, tmp_path_factory: pytest.TempPathFactory
) -> Environment:
    """An environment with the wheel, and the oldest of all that it takes."""
    extras = [word for extra in _EXTRAS for word in ("--extra", extra)]
    lowest = ("--resolution", "lowest-direct", "--requirements", "pyproject.toml", *extras)
    folder = tmp_path_factory.mktemp("lowest")
    environment = install(folder, sys.executable, *lowest, cwd=unpacked)
    environment.add("--no-deps", str(distributions.wheel))
    # What only runs the tests is as it is here.
    environment.add(*(f"{tool}=={version(tool)}" for tool in _TOOLS))
    return environment


def test_tests_out_of_the_source_distribution_pass_with_the_lowest_versions(
    lowest: Environment, unpacked: Path
) -> None:
    done = lowest.run(
        "python", "-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS, cwd=unpacked
    )

    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) > 150


# httptools and httpx, too, are met by a conversation.
def test_a_program_runs_and_stops_with_the_lowest_versions(lowest: Environment) -> None:
    assert lowest.program("converse.py") == [42, "Good morning.", "Good evening."]
