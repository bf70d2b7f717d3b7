"""The fixtures of the runtime, as a project of a user's has them."""

import subprocess
import sys
from pathlib import Path

USERS_TEST = """
import pytest
from trouper.runtime import Actor, ActorCrashed, Request, System, child, on
from trouper.runtime.testing import Crash, Crashes


class Ask(Request[int]):
    pass


class One(Actor[Ask]):
    @on(Ask)
    async def ask(self, message: Ask) -> int:
        return 1


@pytest.mark.parametrize("trouper_seed", range(3))
async def test_fails(trouper_crashes: Crashes, trouper_seed: int) -> None:
    async with System(child("one", One), signals=False) as system:
        with trouper_crashes.into(system, Crash("one")):
            with pytest.raises(ActorCrashed):
                await system.ref("one", One).ask(Ask())
    assert trouper_seed != 2


def test_needs_none(trouper_crashes: Crashes) -> None:
    assert trouper_crashes.seed == 0
"""


def test_the_fixture_takes_its_seed_from_the_test_and_tells_what_it_did(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["trouper.runtime.testing.fixtures"]\n')
    (tmp_path / "test_users.py").write_text(USERS_TEST)
    words = (
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        "-o",
        "trio_mode=true",
    )
    done = subprocess.run(
        [sys.executable, *words],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "1 failed, 3 passed" in done.stdout, done.stdout
    assert "test_fails[2]" in done.stdout
    assert "Let crash by the test (seed 2):" in done.stdout
