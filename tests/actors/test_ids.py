"""Ids: new with every call, in every process."""

import os
import subprocess
import sys

import pytest

from trouper.actors.ids import new_id


def test_no_two_are_the_same_and_later_ones_are_greater() -> None:
    ids = [new_id() for _ in range(1_000)]
    assert len(set(ids)) == 1_000
    assert ids == sorted(ids)
    assert all(len(id) == 20 and int(id, 16) for id in ids)


def test_another_process_has_others() -> None:
    program = "from trouper.actors.ids import new_id; print(new_id())"
    other = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout
    assert other[:12] != new_id()[:12]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_one_has_others() -> None:
    program = (
        "import os, sys; from trouper.actors.ids import new_id; new_id()\n"
        "if not os.fork(): print(new_id(), flush=True); os._exit(0)\n"
        "os.wait(); print(new_id())"
    )
    child, parent = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()
    assert child[:12] != parent[:12]
