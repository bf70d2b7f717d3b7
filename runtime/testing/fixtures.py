"""Fixtures for pytest: say `pytest_plugins = ["trouper.runtime.testing.fixtures"]` in conftest.py.

Nothing is installed into pytest by itself, so that a reader of a test finds where
its fixtures come from. Time is pytest-trio's: `autojump_clock` of its own.
"""

from collections.abc import Generator

import pytest

from .crashing import Crashes

__all__ = ["trouper_crashes", "trouper_seed"]


@pytest.fixture
def trouper_seed() -> int:
    """By which crashes are drawn; for several, `@pytest.mark.parametrize("trouper_seed", range(20))`."""
    return 0


@pytest.fixture
def trouper_crashes(trouper_seed: int) -> Generator[Crashes]:
    """Crashes for the system of this test. A test that fails shows those that came."""
    crashes = Crashes(trouper_seed)
    yield crashes
    if crashes.happened:
        print(crashes.report())  # noqa: T201 - pytest shows it where the test has failed
