"""The counterparts: each is started once for the whole run."""

import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.counterparts import Counterpart, counterpart


@pytest.fixture(scope="session")
def llmock_session() -> Iterator[Counterpart]:
    """PyPI's llmock: OpenAI's and Anthropic's wires with faults, and a verdict on the client."""
    program = str(Path(sysconfig.get_path("scripts")) / "llmock")

    def command(port: int) -> list[str]:
        where = [program, "serve", "--host", "127.0.0.1", "--port", str(port)]
        # As slow as a model: a client that leaves must leave before the answer is over.
        return [*where, "--log-level", "warning", "--stream-chunk-delay-ms", "50"]

    with counterpart(command, ready="/health") as server:
        yield server


@pytest.fixture
def llmock(llmock_session: Counterpart) -> Counterpart:
    """llmock, which remembers nothing."""
    llmock_session.call("POST", "/_llmock/reset")
    return llmock_session
