"""A program that is killed: what it was told is durable is there, and what it left open counts."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.fakes.attempts import DAY, all_rows
from trouper.actors.store.ledger import LOST
from trouper.actors.store.store import open_ledger

# Says each thing after it was acknowledged, in one write: a line is whole or not there.
PROGRAM = """
import os, sys, trio
from tests.fakes.attempts import attempt, cost, limit
from trouper.actors.store.store import open_ledger

async def one(ledger, worker):
    for i in range(100_000):
        op_id = f"{worker}-{i}"
        await ledger.reserve(attempt(op_id, 10), [limit(10**12)])
        os.write(1, f"opened {op_id}\\n".encode())
        if i % 4:
            ledger.settle(op_id, cost(3))
            if i % 8 == 1:
                await ledger.spent("all", "2026-11-21")
                os.write(1, f"closed {op_id}\\n".encode())

async def main():
    async with open_ledger(sys.argv[1], durability=sys.argv[2]) as ledger, trio.open_nursery() as n:
        for worker in range(8):
            n.start_soon(one, ledger, worker)

trio.run(main)
"""


@pytest.mark.parametrize("trial", range(4))
@pytest.mark.parametrize("durability", ["full", "relaxed"])
async def test_nothing_that_was_acknowledged_is_lost(
    tmp_path: Path, durability: str, trial: int
) -> None:
    path = tmp_path / "ledger.db"
    told = killed(path, durability, after=0.05 + 0.04 * trial)
    opened = {line.split()[1] for line in told if line.startswith("opened ")}
    closed = {line.split()[1] for line in told if line.startswith("closed ")}

    async with open_ledger(path) as ledger:
        rows = {row.opening.op_id: row for row in await all_rows(ledger)}
        totals = await ledger.spent("all", DAY)

    assert opened
    assert closed
    assert opened <= set(rows)
    assert {rows[op_id].state for op_id in closed} == {"settled"}
    lost = {op_id for op_id, row in rows.items() if row.state != "settled"}
    # Every fourth is never closed.
    assert {op_id for op_id in opened if not int(op_id.split("-")[1]) % 4} <= lost
    assert all(rows[op_id].closing == LOST for op_id in lost)
    assert (totals.spent, totals.reserved) == (10 * len(lost) + 3 * (len(rows) - len(lost)), 0)


def killed(path: Path, durability: str, *, after: float) -> list[str]:
    """Run the program and kill it; the whole lines that it has said."""
    root = Path(__file__).parents[3]
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(path), durability],
        stdout=subprocess.PIPE,
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
    ) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        time.sleep(after)
        process.send_signal(signal.SIGKILL)
        said += process.stdout.read()
    assert process.returncode == -signal.SIGKILL
    return said.decode().splitlines()
