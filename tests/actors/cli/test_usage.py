"""`trouper usage` says what was asked and what it cost, exactly, also while a server writes."""

import csv
import io
import json
import subprocess
from contextlib import redirect_stdout
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.fakes.commands import TROUPER, trouper
from trouper.actors.chat import Usage
from trouper.actors.cli.main import main
from trouper.actors.store.ledger import Closing, Opening
from trouper.actors.store.sqlite_ledger import SqliteLedger
from trouper.actors.store.store import open_ledger

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


async def attempt(
    ledger: SqliteLedger,
    number: int,
    closing: Closing | None,
    *,
    at: datetime = NOON,
    provider: str = "openai",
    model: str = "gpt-x",
    user: str = "alice",
    session: str = "",
) -> None:
    opening = Opening(
        op_id=f"op-{number}",
        request_id=f"r-{number}",
        attempt=1,
        at=at.timestamp(),
        provider=provider,
        model=model,
        reserved=5_000_000_000,
        price_id="list gpt-x",
        key_id="0a1b2c3d",
        session=session,
        user=user,
    )
    await ledger.reserve(opening)
    if closing is not None:
        ledger.settle(opening.op_id, closing)


def settled(cost: int | None, usage: Usage, outcome: str = "ok") -> Closing:
    return Closing(
        state="settled",
        outcome=outcome,
        cost=cost,
        usage=usage,
        price_id="list gpt-x",
        model="gpt-x-0905",
        service_tier="default",
        first_token_ms=250,
        duration_ms=1_250,
    )


CACHED = Usage(input=1_200_000, output=30_000, cache_read=1_000_000, reasoning=7)
CUT = Usage(input=100, output=20, estimated=True)


async def fill(ledger: SqliteLedger) -> None:
    await attempt(ledger, 1, settled(1_234_567_891, CACHED))
    await attempt(ledger, 2, settled(1, CUT, "cancelled"), user="bob", session="s-2")
    await attempt(ledger, 3, Closing(state="released", outcome="overloaded", cost=0))
    yesterday = NOON - timedelta(days=1)
    await attempt(
        ledger, 4, settled(0, Usage(output=5)), at=yesterday, provider="local", model="smol/m"
    )
    await attempt(ledger, 5, Closing(state="unknown", outcome="timeout"), user="bob")
    await attempt(ledger, 6, None, user="carol")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of six attempts, of which the last was open when its program ended."""
    path = tmp_path_factory.mktemp("usage") / "store.db"

    async def write() -> None:
        async with open_ledger(path) as ledger:
            await fill(ledger)
        async with open_ledger(path):
            pass  # the next life finds what was left open

    trio.run(write)
    return path


def usage(store: Path, *words: str) -> str:
    with redirect_stdout(io.StringIO()) as out:
        assert main(["usage", "--store", str(store), *words]) == 0
    return out.getvalue()


def usage_of_process(store: Path, *words: str) -> str:
    done = trouper("usage", "--store", str(store), *words)
    assert (done.code, done.err) == (0, "")
    return done.out


def as_json(store: Path, *words: str) -> Any:
    return json.loads(usage(store, "--format", "json", *words))


def as_csv(store: Path, *words: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(usage(store, "--format", "csv", *words))))


def ids(store: Path, *words: str) -> list[str]:
    return [row["op_id"] for row in as_json(store, "--rows", *words)]


def test_what_was_spent_is_added_up_by_model_the_dearest_first(store: Path) -> None:
    assert usage_of_process(store) == (
        "model         attempts  input tokens  output tokens                    cost\n"
        "openai/gpt-x         5    ~1,200,100        ~30,020  $1.234567892 + unknown\n"
        "local/smol/m         1             0              5                   $0.00\n"
        "total                6    ~1,200,100        ~30,025  $1.234567892 + unknown\n"
        "unknown: nobody knows what 2 attempts cost; budgets count $10.00 for that\n"
        "~: the tokens of 1 attempt are our own count\n"
    )


def test_programs_get_the_same_in_whole_nano_dollars(store: Path) -> None:
    bob = {
        "user": "bob",
        "attempts": 2,
        "input_tokens": 100,
        "output_tokens": 20,
        "cache_read_tokens": 0,
        "estimated_attempts": 1,
        "cost_nano": 1,
        "cost_usd": "0.000000001",
        "unknown_cost_attempts": 1,
        "unknown_cost_most_nano": 5_000_000_000,
        "reserved_nano": 0,
    }

    assert as_json(store, "--by", "user")[1] == bob
    assert as_csv(store, "--by", "user")[1] == {key: str(value) for key, value in bob.items()}


@pytest.mark.parametrize(
    ("by", "names"),
    [
        ("provider", ["openai", "local"]),
        ("user", ["alice", "bob", "carol"]),
        ("session", ["", "s-2"]),
        ("day", ["2026-11-20", "2026-11-21"]),
    ],
)
def test_it_is_added_up_by_what_one_asks_for(store: Path, by: str, names: list[str]) -> None:
    assert [group[by] for group in as_json(store, "--by", by)] == names


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("--user bob", ["op-2", "op-5"]),
        ("--provider local", ["op-4"]),
        ("--model local/smol/m", ["op-4"]),
        ("--provider local --model smol/m", ["op-4"]),
        ("--model gpt-x --user alice", ["op-1", "op-3"]),
        ("--session s-2", ["op-2"]),
        ("--until 2026-11-20", ["op-4"]),
        ("--until 2026-11-21T12:00Z", ["op-4"]),
        ("--since 2026-11-21T13:00+01:00 --user alice", ["op-1", "op-3"]),
        ("--since 2026-11-22", []),
        ("--since 2026-11-20 --until 2026-11-20", ["op-4"]),
        ("--user nobody", []),
    ],
)
def test_only_what_is_selected_is_shown(store: Path, words: str, found: list[str]) -> None:
    assert ids(store, *words.split()) == found


def test_a_row_has_all_that_is_known(store: Path) -> None:
    first = as_json(store, "--rows", "--since", "2026-11-21")[0]

    assert first == {
        "at": "2026-11-21T12:00:00.000Z",
        "op_id": "op-1",
        "request_id": "r-1",
        "attempt": 1,
        "provider": "openai",
        "model": "gpt-x",
        "served_model": "gpt-x-0905",
        "session": "",
        "user": "alice",
        "key_id": "0a1b2c3d",
        "state": "settled",
        "outcome": "ok",
        "input_tokens": 1_200_000,
        "output_tokens": 30_000,
        "cache_read_tokens": 1_000_000,
        "cache_write_tokens": 0,
        "cache_write_1h_tokens": 0,
        "reasoning_tokens": 7,
        "estimated": False,
        "cost_nano": 1_234_567_891,
        "cost_usd": "1.234567891",
        "reserved_nano": 5_000_000_000,
        "price_id": "list gpt-x",
        "service_tier": "default",
        "first_token_ms": 250,
        "duration_ms": 1_250,
    }


def test_a_csv_of_rows_leaves_out_what_nobody_knows(store: Path) -> None:
    cut, lost = as_csv(store, "--rows", "--user", "bob")

    assert (cut["estimated"], cut["cost_nano"], cut["outcome"]) == ("true", "1", "cancelled")
    assert (lost["cost_nano"], lost["cost_usd"], lost["input_tokens"]) == ("", "", "")
    assert (lost["state"], lost["outcome"], lost["reserved_nano"]) == (
        "unknown",
        "timeout",
        "5000000000",
    )


ROWS_OF_BOB = """\
at                        provider    model                     user        outcome             input     output            cost
2026-11-21T12:00:00.000Z  openai      gpt-x                     bob         cancelled            ~100        ~20    $0.000000001
2026-11-21T12:00:00.000Z  openai      gpt-x                     bob         timeout                 -          -         unknown
"""


def test_a_table_of_rows_has_what_a_person_looks_for(store: Path) -> None:
    assert usage(store, "--rows", "--user", "bob") == ROWS_OF_BOB


def test_nothing_is_said_to_be_nothing(store: Path) -> None:
    nothing = ("--user", "nobody")

    assert usage(store, *nothing) == "nothing was asked in that time\n"
    assert as_json(store, *nothing) == []
    assert as_json(store, "--rows", *nothing) == []
    assert as_csv(store, "--rows", *nothing) == []


def test_a_server_may_write_meanwhile(tmp_path: Path) -> None:
    path = tmp_path / "store.db"

    async def write() -> str:
        async with open_ledger(path) as ledger:
            await fill(ledger)
            # What is settled before is durable with the next reservation.
            await attempt(ledger, 7, None)
            return await trio.to_thread.run_sync(usage_of_process, path, "--user", "carol")

    assert trio.run(write) == (
        "model         attempts  input tokens  output tokens   cost\n"
        "openai/gpt-x         1             0              0  $0.00\n"
        "$5.00 more is reserved for what is under way\n"
    )


def under_way(path: Path) -> str:
    return usage(path, "--rows", "--user", "carol").splitlines()[1]


def test_what_is_under_way_has_no_cost_yet(tmp_path: Path) -> None:
    path = tmp_path / "store.db"

    async def write() -> str:
        async with open_ledger(path) as ledger:
            await attempt(ledger, 1, None, user="carol")
            return await trio.to_thread.run_sync(under_way, path)

    assert trio.run(write).split()[4:] == ["under", "way", "-", "-", "-"]


def test_names_cannot_write_to_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "store.db"

    async def write() -> None:
        async with open_ledger(path) as ledger:
            await attempt(ledger, 1, settled(1, CUT), user="\x1b[2Jeve\n")

    trio.run(write)
    for words in (("--rows",), ("--by", "user")):
        shown = usage(path, *words)
        assert "\x1b" not in shown
        assert "eve\n" not in shown
    assert as_csv(path, "--rows")[0]["user"] == "\x1b[2Jeve\n"


def test_the_store_is_found_by_its_configuration_without_any_secret(
    store: Path, tmp_path: Path
) -> None:
    file = tmp_path / "trouper.toml"
    file.write_text(
        f'[server]\ntokens = ["env:NOT_SET"]\n[store]\npath = "{store}"\n', encoding="utf-8"
    )

    done = trouper("usage", "--config", str(file))

    assert (done.code, done.out) == (0, usage(store))


def test_a_time_ago_counts_from_now(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    now = datetime.now(UTC)

    async def write() -> None:
        async with open_ledger(path) as ledger:
            for number, ago in enumerate((1, 30, 24 * 6, 24 * 20)):
                await attempt(ledger, number, None, at=now - timedelta(hours=ago))

    trio.run(write)

    assert ids(path, "--since", "24h") == ["op-0"]
    assert ids(path, "--since", "7d", "--until", "120m") == ["op-2", "op-1"]
    assert ids(path, "--since", "4w") == ["op-3", "op-2", "op-1", "op-0"]


@pytest.mark.parametrize("format", ["table", "json", "csv"])
def test_a_reader_that_has_enough_is_left_in_peace(tmp_path: Path, format: str) -> None:
    path = tmp_path / "store.db"

    async def write() -> None:
        async with (
            open_ledger(path, durability="relaxed") as ledger,
            trio.open_nursery() as nursery,
        ):
            for number in range(900):
                nursery.start_soon(attempt, ledger, number, settled(1, CUT))

    trio.run(write)
    command = [*TROUPER, "usage", "--store", str(path), "--rows", "--format", format]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(30) == 1
