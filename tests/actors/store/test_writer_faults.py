"""What becomes of what was to be written where the disk, or the writer itself, fails."""

import sqlite3
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import wait_all_tasks_blocked

from tests.fakes.writers import READ, Call, House, Note, house
from trouper.actors.store.errors import (
    StoreFull,
    WriteAbandoned,
    WriteFailed,
)
from trouper.actors.store.writer import write


@pytest.fixture
async def on_disk(tmp_path: Path) -> AsyncGenerator[House]:
    async with house(tmp_path / "a.db") as opened:
        yield opened


async def test_a_full_disk_fails_all_of_a_commit_and_is_recovered_from(on_disk: House) -> None:
    await write(on_disk.ref, Note("before"))
    (pages,) = on_disk.database.connection.execute("PRAGMA page_count").fetchone()
    on_disk.database.connection.execute(f"PRAGMA max_page_count = {pages}")

    answers = await on_disk.write_at_once(Note("a"), Note("x" * 20_000), Note("b"))

    assert [type(answer) for answer in answers] == [StoreFull] * 3
    assert len(set(map(id, answers))) == 3
    assert "there is no room" in str(answers[0])
    # The next life has a connection without that limit.
    assert await write(on_disk.ref, Note("after")) == 2
    assert await write(on_disk.ref, READ) == ["before", "after"]
    assert on_disk.lives() == 2


async def test_what_is_in_the_outbox_is_kept_while_the_disk_is_full(on_disk: House) -> None:
    await write(on_disk.ref, Note("before"))
    (pages,) = on_disk.database.connection.execute("PRAGMA page_count").fetchone()
    on_disk.database.connection.execute(f"PRAGMA max_page_count = {pages}")
    on_disk.backlog.put(Note("kept"))

    answer = await on_disk.try_write(Note("x" * 20_000))

    assert isinstance(answer, StoreFull)
    assert await write(on_disk.ref, READ) == ["before", "kept"]


async def test_another_programs_lock_is_waited_for_off_the_loop(on_disk: House) -> None:
    other = sqlite3.connect(on_disk.database.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    passes = 0

    async with trio.open_nursery() as nursery:
        nursery.start_soon(write, on_disk.ref, Note("a"))
        for _ in range(20):
            await trio.sleep(0.002)
            passes += 1
        other.execute("COMMIT")
    other.close()

    assert passes == 20
    assert await write(on_disk.ref, READ) == ["a"]


async def test_a_transaction_that_cannot_begin_is_a_crash(on_disk: House) -> None:
    on_disk.database.connection.execute("BEGIN")

    answer = await on_disk.try_write(Note("a"))

    assert isinstance(answer, WriteFailed)
    assert "within a transaction" in str(answer)
    assert await write(on_disk.ref, Note("b")) == 1


async def test_a_fault_of_the_disk_fails_nothing_that_was_durable(on_disk: House) -> None:
    def broken(connection: sqlite3.Connection) -> None:
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR
        error.sqlite_errorname = "SQLITE_IOERR"
        raise error

    answers: list[object] = []

    async def one(operation: Note | Call[Any]) -> None:
        answers.append(await on_disk.try_write(operation))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(one, Note("durable"))
        await wait_all_tasks_blocked()
        nursery.start_soon(one, Call(broken))
        nursery.start_soon(one, Note("beside it"))

    assert answers[0] == 1
    assert [type(a) for a in answers[1:]] == [WriteFailed, WriteFailed]
    assert await write(on_disk.ref, READ) == ["durable"]


async def test_who_waits_while_the_writer_crashes_is_told_so(on_disk: House) -> None:
    on_disk.backlog.put(Note("kept"))

    def fault(_entries: object) -> None:
        raise SystemError("a bug of the writer")

    life = on_disk.ref._cell.life
    life.actor._apply = fault  # type: ignore[union-attr]

    answers = await on_disk.write_at_once(Note("a"), Note("b"))

    assert [type(answer) for answer in answers] == [WriteAbandoned] * 2
    assert await write(on_disk.ref, READ) == ["kept"]


def no_room() -> None:
    raise sqlite3.OperationalError("database or disk is full")


def many(connection: sqlite3.Connection) -> int:
    """More rows than a log may grow by."""
    rows = [(f"one of many {i}",) for i in range(2_001)]
    return connection.executemany("INSERT INTO note (text) VALUES (?)", rows).rowcount


async def test_what_is_committed_is_said_to_be_even_where_the_log_cannot_be_taken_over(
    tmp_path: Path,
) -> None:
    async with house(tmp_path / "a.db", durability="relaxed") as relaxed:
        relaxed.database.take_over_log = no_room  # type: ignore[method-assign]
        with capture_logs() as logs:
            assert await relaxed.try_write(Call(many)) == 2_001
            assert await relaxed.try_write(Note("after")) == 2_002

        assert relaxed.lives() == 1
    assert [entry["event"] for entry in logs] == ["log not taken over"]
    assert "disk is full" in logs[0]["error"]


async def test_who_writes_in_a_pause_is_not_failed_by_the_log_of_before(tmp_path: Path) -> None:
    tried = trio.Event()

    def failing() -> None:
        trio.from_thread.run_sync(tried.set)
        raise StoreFull("a.db", "there is no room")

    async with house(tmp_path / "a.db", idle_after=0.01) as idle:
        idle.database.checkpoint = failing  # type: ignore[method-assign]
        with capture_logs() as logs:
            await write(idle.ref, Note("a"))
            await tried.wait()
            assert await write(idle.ref, Note("b")) == 2

        assert idle.lives() == 1
    assert logs[0]["event"] == "log not taken over"
