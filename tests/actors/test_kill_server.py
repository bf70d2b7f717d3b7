"""A server that is killed again and again under busy clients: no acknowledged turn is lost, no
event is told twice or missing, and no tool is run twice by itself.

Quick here; TROUPER_KILL_ROUNDS=50 TROUPER_KILL_SESSIONS=100 is the whole of it (some four
minutes, so with TROUPER_TEST_SECONDS=900).
"""

import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import trio

from tests.fakes.busy_clients import BusyClient, SeenTurn
from tests.fakes.simulator import SimulatorProcess, simulator_process
from trouper.actors.session.export import stored_state
from trouper.actors.session.state import PastTurn, State, calls_of
from trouper.actors.store.journal_reading import JournalReader

ROUNDS = int(os.environ.get("TROUPER_KILL_ROUNDS", "4"))
SESSIONS = int(os.environ.get("TROUPER_KILL_SESSIONS", "12"))
ROOT = Path(__file__).parents[2]
# What is killed measures nothing.
ENVIRONMENT = {name: value for name, value in os.environ.items() if "COVERAGE" not in name}
ENVIRONMENT["PYTHONPATH"] = os.pathsep.join([str(ROOT), *sys.path])

CONFIG = """
[server]
listen = "127.0.0.1:{port}"
[store]
path = "{folder}/trouper.db"
[providers.sim]
kind = "openai"
base_url = "{upstream}"
api_keys = ["file:{folder}/key"]
[models.default]
targets = ["sim/sim"]
[assistants.default]
model = "default"
tools = ["note"]
"""


def scripted(simulator: SimulatorProcess) -> None:
    call = {"name": "note", "arguments": {"text": "hello"}}
    story = "It was a dark and stormy night, and the rain fell in torrents. "
    simulator.script(
        {"contains": "act twice", "after_tool": False, "reply": {"tool_calls": [call, call]}},
        {
            "contains": "act",
            "after_tool": False,
            "reply": {"text": "I shall note it. ", "tool_calls": [call], "pace": 0.003},
        },
        {"contains": "act", "reply": {"text": "I have: {result}.", "pace": 0.003}},
        {"reply": {"text": story, "repeat": 2, "pace": 0.005}},
    )


@asynccontextmanager
async def running(folder: Path, *, killed: bool) -> AsyncGenerator[None]:
    """The server for the length of the block, and then its end; nothing is left running."""
    process = await trio.lowlevel.open_process(
        [
            sys.executable,
            "-m",
            "tests.fakes.busy_server",
            str(folder / "trouper.toml"),
            str(folder / "notes"),
        ],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env=ENVIRONMENT,
    )
    try:
        assert process.stdout is not None
        with trio.fail_after(30):
            assert await process.stdout.receive_some() == b"ready\n"
        yield
    finally:
        process.send_signal(signal.SIGKILL if killed else signal.SIGTERM)
        with trio.CancelScope(shield=True):
            await process.wait()
        if process.stdout is not None:
            await process.stdout.aclose()


async def test_no_turn_is_lost_no_event_is_told_twice_and_no_tool_runs_twice(
    tmp_path: Path,
) -> None:
    random = Random(5)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with simulator_process() as simulator:
        scripted(simulator)
        (tmp_path / "key").write_text("sk-none")
        (tmp_path / "trouper.toml").write_text(
            CONFIG.format(port=port, folder=tmp_path, upstream=simulator.base_url)
        )
        clients = [BusyClient(port, Random(number)) for number in range(SESSIONS)]
        async with trio.open_nursery() as nursery:
            for client in clients:
                nursery.start_soon(client.live)
            for _ in range(ROUNDS):
                async with running(tmp_path, killed=True):
                    await trio.sleep(random.uniform(0.3, 1.5))
                check(tmp_path, clients)
            seen = [client.ended for client in clients]
            async with running(tmp_path, killed=False):
                with trio.fail_after(60):
                    for client, before in zip(clients, seen, strict=True):
                        await client.wait_ended(before + 1)
                nursery.cancel_scope.cancel()
        check(tmp_path, clients)

    assert all(client.resumed for client in clients)
    stops = Counter(turn.stop for client in clients for turn in client.turns.values())
    # It was killed while something was under way, and it was alive for long enough.
    assert stops["error"] > 0
    assert stops["end_turn"] > SESSIONS


def check(folder: Path, clients: list[BusyClient]) -> None:
    """What the clients have seen is what the journal has, and the tool was run once a call."""
    with JournalReader(folder / "trouper.db") as reader:
        for client in clients:
            assert client.faults == []
            if client.turns:
                whole = reader.read(client.session)
                assert whole is not None, f"{client.session} is lost"
                compare(stored_state(client.session, whole.snapshot, whole.events), client)
    notes = folder / "notes"
    runs = Counter(notes.read_text().splitlines()) if notes.exists() else Counter[str]()
    assert not [run for run, times in runs.items() if times > 1]


def compare(state: State, client: BusyClient) -> None:
    kept = {turn.number: turn for turn in state.turns}
    assert sorted(kept) == list(range(1, state.number + 1))
    for number, seen in client.turns.items():
        assert number in kept, f"turn {number} of {client.session} was told, and is lost"
        if seen.stop:
            compare_ended(kept[number], seen)
        else:
            assert all(times == 1 for times in seen.calls.values())


def compare_ended(kept: PastTurn, seen: SeenTurn) -> None:
    # What has ended by a kill was told as an error by the next life. There is no other.
    told = "interrupted" if seen.stop == "error" else seen.stop
    assert kept.stop == told, f"turn {kept.number}: {kept.error}"
    calls = [f"{kept.number}/{call.id}" for said in kept.said for call in calls_of(said)]
    if seen.stop == "end_turn":
        assert seen.text == "".join(said.text for said in kept.said)
        assert seen.calls == seen.ended_calls == Counter(calls)
    assert all(times == 1 for times in seen.calls.values())
    # The end of a turn that was killed is the end of its calls, too.
    assert seen.ended_calls <= seen.calls
