"""What the tests of commands share: a server on the simulator, and the real model."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.commands import Server, config, server
from tests.fakes.simulator import SimulatorProcess
from trouper.actors.local.errors import ModelFileMissing
from trouper.actors.local.model_file import find_model


def provider(simulator: SimulatorProcess) -> str:
    return f'kind = "openai"\nbase_url = "{simulator.base_url}"\nretry = {{ attempts = 1 }}'


@pytest.fixture(scope="module")
def running_session(
    simulator_session: SimulatorProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """One server for a whole module: a start costs half a second."""
    folder = tmp_path_factory.mktemp("server")
    more = '[assistants.terse]\nmodel = "default"\nprompt = "Be terse."'
    with server(folder, config(provider(simulator_session), more=more)) as running:
        yield running
        assert running.process.poll() is None, running.log
        assert "Traceback" not in running.log


@pytest.fixture
def running(running_session: Server, simulator: SimulatorProcess) -> Server:
    """A server whose provider is the `simulator` of the same test."""
    return running_session


@pytest.fixture
def model() -> Path:
    """The real model's file; `make test` installs it."""
    try:
        return find_model(None)
    except ModelFileMissing as error:
        pytest.skip(str(error))
