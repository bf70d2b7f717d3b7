"""A program that is killed again and again: no acknowledged turn is lost, no client sees an event
twice or misses one, and no tool is run twice.

8 rounds of 12 sessions, or as many as TROUPER_KILL_ROUNDS and TROUPER_KILL_SESSIONS say.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import attrs

from trouper.actors.session.export import stored_state
from trouper.actors.session.state import State, calls_of
from trouper.actors.store.journal_reading import JournalReader

ROUNDS = int(os.environ.get("TROUPER_KILL_ROUNDS", "8"))
SESSIONS = os.environ.get("TROUPER_KILL_SESSIONS", "12")
ROOT = Path(__file__).parents[3]


@attrs.define(eq=False)
class Seen:
    """What the client of one session has seen, over all rounds."""

    last: int = 0
    faults: list[str] = attrs.field(factory=list[str])
    accepted: list[int] = attrs.field(factory=list[int])
    texts: dict[int, str] = attrs.field(factory=dict[int, str])
    ends: dict[int, str] = attrs.field(factory=dict[int, str])
    ran: list[str] = attrs.field(factory=list[str])
    called: set[str] = attrs.field(factory=set[str])
    results: dict[str, str] = attrs.field(factory=dict[str, str])

    def event(self, first: int, seq: int, kind: str, turn: int, said: str) -> None:
        if first != self.last + 1 or seq < first:
            self.faults.append(f"{kind} {first} to {seq} behind {self.last}")
        self.last = seq
        if kind == "TextAdded":
            self.texts[turn] = self.texts.get(turn, "") + said
        if kind == "ToolCalled":
            self.called.add(said)
        if kind == "ToolEnded":
            call, _, result = said.partition(" ")
            if call in self.results:
                self.faults.append(f"tool {call} has ended twice")
            self.results[call] = result
        if kind == "TurnEnded":
            if turn in self.ends:
                self.faults.append(f"turn {turn} has ended twice")
            self.ends[turn] = said


def killed(path: Path, clients: dict[str, Seen], after: float) -> list[str]:
    """Run the program, kill it some time after its first word; the whole lines that it said."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.fakes.busy_sessions", str(path), SESSIONS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(
            f"{json.dumps({sid: one.last for sid, one in clients.items()})}\n".encode()
        )
        process.stdin.flush()
        said = process.stdout.readline()
        time.sleep(after)
        process.send_signal(signal.SIGKILL)
        said += process.stdout.read()
    assert process.returncode == -signal.SIGKILL
    # The last one may be cut in two.
    return said.decode().rpartition("\n")[0].splitlines()


def hear(clients: dict[str, Seen], lines: list[str]) -> None:
    for line in lines:
        what, sid, *rest = line.split(" ", 6)
        client = clients.setdefault(sid, Seen())
        if what == "accepted":
            client.accepted.append(int(rest[0]))
        elif what == "ran":
            client.ran.append(rest[0])
        else:
            first, seq, kind, turn, said = rest
            client.event(int(first), int(seq), kind, int(turn), said)


def states(path: Path) -> dict[str, State]:
    with JournalReader(path) as reader:
        found: dict[str, State] = {}
        for session in reader.sessions():
            whole = reader.read(session.sid)
            assert whole is not None
            found[session.sid] = stored_state(session.sid, whole.snapshot, whole.events)
        return found


def test_after_many_kills_every_client_has_seen_what_the_journal_has(tmp_path: Path) -> None:
    path, random = tmp_path / "journal.db", Random(4)
    clients: dict[str, Seen] = {}
    journal: dict[str, State] = {}
    for _ in range(ROUNDS):
        hear(clients, killed(path, clients, random.uniform(0.02, 0.4)))
        journal = states(path)
        for sid, client in clients.items():
            check(journal[sid], client)

    assert len(clients) > 1
    assert sum(len(client.accepted) for client in clients.values()) > 10 * ROUNDS
    stops = {turn.stop for state in journal.values() for turn in state.turns}
    # Most of the time something was under way.
    assert "interrupted" in stops
    assert "end_turn" in stops
    assert sum(len(client.ran) for client in clients.values()) > ROUNDS
    assert any(turn.unknown for state in journal.values() for turn in state.turns)


def check(state: State, client: Seen) -> None:
    assert client.faults == []
    turns = {turn.number: turn for turn in state.turns}
    assert sorted(turns) == list(range(1, state.number + 1))
    assert set(client.accepted) <= set(turns)
    assert len(client.accepted) == len(set(client.accepted))
    for number, stop in client.ends.items():
        past = turns[number]
        # What has ended by a crash was told as an error.
        assert past.stop == ("interrupted" if stop == "error" else stop)
        if past.stop == "end_turn":
            assert client.texts[number] == "".join(said.text for said in past.said)
    check_tools(state, client)


def check_tools(state: State, client: Seen) -> None:
    assert len(client.ran) == len(set(client.ran))
    results = {result.call_id: result for turn in state.turns for result in turn.results}
    unknown = {one.call.id: one for turn in state.turns for one in turn.intended}
    calls = {call.id for turn in state.turns for said in turn.said for call in calls_of(said)}
    # That a tool is about to be run is written down before it is.
    assert set(client.ran) <= results.keys() | unknown.keys()
    for call, said in client.results.items():
        if call in results:
            assert said == results[call].content
        else:
            assert call in calls
            assert "not known" in said or "was not run" in said or "no harm" in said
