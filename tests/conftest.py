"""Fixtures that tests of many packages share."""

import gc
import signal
from collections.abc import Iterator

import pytest
import structlog

from .fakes.simulator import SimulatorProcess, simulator_process
from .time_limit import pytest_runtest_call, pytest_runtest_setup, pytest_runtest_teardown

__all__ = ["pytest_runtest_call", "pytest_runtest_setup", "pytest_runtest_teardown"]

# A shell starts what it runs in the background deaf to Ctrl-C, of which some tests are.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def logs_of_its_own() -> Iterator[None]:
    """How one test has set up logging is nothing to the next one."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def simulator_session() -> Iterator[SimulatorProcess]:
    """One simulator for the whole run: a start costs half a second."""
    with simulator_process() as simulator:
        yield simulator


@pytest.fixture
def simulator(simulator_session: SimulatorProcess) -> SimulatorProcess:
    """A simulated provider in a process of its own, with its first script and an empty log."""
    simulator_session.reset()
    return simulator_session


def pytest_collection_finish() -> None:
    """What is imported stays: the garbage collector need not look at it after each test."""
    gc.collect()
    gc.freeze()
