"""Clients of other people, each in an environment of its own below .venv/clients.

These tests install from package registries and take some seconds each, so they
run where they are asked for: `make test-clients`, which is `pytest -m clients
tests/clients`, and `make test-clients-npm` for those of npm, which .ci/run leaves
out. The programs that use the clients are in programs/.
"""

from collections.abc import Generator
from pathlib import Path

import pytest

from tests.fakes.commands import Server, config, server
from tests.fakes.simulator import SimulatorProcess

from .environments import Client, install

HERE = Path(__file__).parent


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "clients: installs packages of Python, and uses them")
    config.addinivalue_line("markers", "clients_npm: installs packages of npm, and uses them")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "clients" in str(config.option.markexpr):
        return
    reason = pytest.mark.skip(reason="installs packages; `make test-clients` runs it")
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(reason)


@pytest.fixture(scope="session")
def bots() -> Client:
    """What the programs in docs/examples need that is not ours; one environment for all of them."""
    libraries = ("python-telegram-bot[rate-limiter]==22.8", "slixmpp==1.17.0")
    jupyter = ("ipykernel==7.4.0", "jupyter-client==8.10.0")
    return install("bots", *libraries, *jupyter, "--editable", str(HERE.parents[1]))


@pytest.fixture
def token() -> str:
    """What clients show."""
    return "token-of-the-clients"


@pytest.fixture
def served(simulator: SimulatorProcess, tmp_path: Path, token: str) -> Generator[Server]:
    """`trouper serve` with a token, over the simulator."""
    provider = f'kind = "openai"\nbase_url = "{simulator.base_url}"\nretry = {{ attempts = 1 }}'
    text = config(provider, server='tokens = ["env:CLIENTS_TOKEN"]')
    with server(tmp_path, text, environ={"CLIENTS_TOKEN": token}) as running:
        yield running
