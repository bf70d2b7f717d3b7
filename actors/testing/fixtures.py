"""Fixtures for pytest: say `pytest_plugins = ["trouper.actors.testing.fixtures"]` in conftest.py.

Nothing is installed into pytest by itself, so that a reader of a test finds where
its fixtures come from. Those of the runtime are here, too.
"""

from collections.abc import Generator

import pytest
from trio.testing import MockClock

from ...runtime.testing.fixtures import trouper_crashes, trouper_seed
from .simulated import SimulatedProvider, simulated_provider, virtual_clock

__all__ = ["trouper_clock", "trouper_crashes", "trouper_provider", "trouper_seed"]


@pytest.fixture
def trouper_clock() -> MockClock:
    """Time that skips waiting, for a test on trio: pytest-trio runs the test by it."""
    return virtual_clock()


@pytest.fixture
def trouper_provider() -> Generator[SimulatedProvider]:
    """A provider on loopback, which echoes until the test says what it is to answer."""
    with simulated_provider() as provider:
        yield provider
