"""A limit for each test, so that one which hangs fails by its name and the rest goes on.

It is on the real clock, also where a test has its own. What rings first is what Ctrl-C
rings: trio and asyncio end their run by it as they should, and hypothesis does not try
again. What is deaf to that is interrupted where it stands, which may harm the tests
behind it. (The plugin pytest-timeout does only the latter.)

Of what installs packages the tests are slow and bounded by themselves: see `_LONG`.
"""

import faulthandler
import os
import signal
import sys
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType

import pytest

__all__ = ["pytest_runtest_call", "pytest_runtest_setup", "pytest_runtest_teardown"]

# Seconds for a test, for what it needs before it, and for what is behind it: each. A test
# that has a limit of its own, 90 s at most, is to fail by that.
_LIMIT = float(os.environ.get("TROUPER_TEST_SECONDS", "120"))
# The same where packages are built and installed.
_LONG = 10 * _LIMIT
_INSTALLING = ("clients", "clients_npm", "packaging")
# Seconds that are left for coming to an end.
_GRACE = min(10.0, _LIMIT)


@contextmanager
def _within_limit(item: pytest.Item, phase: str) -> Generator[None]:
    installing = any(map(item.get_closest_marker, _INSTALLING))
    seconds = _LONG if installing else _LIMIT
    too_long = f"{item.nodeid} hangs: its {phase} was not over after {seconds:g} s"
    rung = 0

    def ring(number: int, frame: FrameType | None) -> None:
        nonlocal rung
        rung += 1
        interrupt = signal.getsignal(signal.SIGINT)
        if rung == 1:
            faulthandler.dump_traceback(sys.__stderr__ or 2)
            if callable(interrupt):
                interrupt(signal.SIGINT, frame)
                return
        pytest.fail(too_long, pytrace=False)

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds, _GRACE)
    try:
        yield
    except BaseException as error:
        if not rung:
            raise
        raise pytest.fail.Exception(too_long) from error
    else:
        if rung:
            pytest.fail(too_long, pytrace=False)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    """Bound what a test needs."""
    with _within_limit(item, "setup"):
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Bound the test."""
    with _within_limit(item, "test"):
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    """Bound what is behind a test."""
    with _within_limit(item, "teardown"):
        return (yield)
