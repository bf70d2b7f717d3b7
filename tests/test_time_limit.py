"""A test that hangs fails by its name; virtual time may pass, and the next test is not harmed."""

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[1]
HANGING = ("test_that_waits", "test_of_a_thread", "test_of_any_number", "test_deaf")
TESTS = """
    import threading

    import pytest
    import trio
    from hypothesis import given, strategies


    async def test_that_waits():
        await trio.sleep_forever()

    async def test_in_virtual_time(autojump_clock):
        await trio.sleep(1_000)

    def test_of_a_thread():
        threading.Event().wait()

    @given(strategies.integers())
    def test_of_any_number(number):
        trio.run(trio.sleep_forever)

    async def test_deaf():
        with trio.CancelScope(shield=True):
            await trio.sleep_forever()
"""


def test_a_test_that_hangs_fails_by_its_name(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    # In a process of its own: who was interrupted where it stood leaves traces.
    monkeypatch.setenv("TROUPER_TEST_SECONDS", "0.5")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("COLUMNS", "200")
    pytester.makeini("[pytest]\ntrio_mode = true")
    pytester.makepyfile(test_it=TESTS)

    ran = pytester.runpytest_subprocess("-p", "tests.time_limit", "-p", "no:cacheprovider")

    ran.assert_outcomes(passed=1, failed=len(HANGING))
    for name in HANGING:
        ran.stdout.fnmatch_lines(
            [f"FAILED test_it.py::{name} - Failed: test_it.py::{name} hangs: its test *"]
        )
