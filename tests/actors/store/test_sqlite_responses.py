"""Responses in their file: what is there after a restart, and what of it goes with the years."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.fakes.stored_responses import NOON, STORES, Clock, response
from trouper.actors.store.errors import StoreError
from trouper.actors.store.responses import Retention

YEAR = 365 * 86_400.0


def rows(path: Path) -> list[str]:
    with closing(sqlite3.connect(path / "r.db")) as connection:
        return [id for (id,) in connection.execute("SELECT id FROM response ORDER BY n")]


async def test_responses_are_there_again_after_a_restart(tmp_path: Path) -> None:
    open_store, clock = STORES["sqlite file"], Clock()
    async with open_store(tmp_path, Retention(), clock) as store:
        await store.put(response("a", input=b"[1]"))
        await store.put(response("b", previous="a", input=b"[2]"))

    async with open_store(tmp_path, Retention(), clock) as store:
        chain = await store.chain("b", owner="alice", most_bytes=1000)

    assert chain is not None
    assert [each.input for each in chain.responses] == [b"[1]", b"[2]"]


async def test_what_is_too_old_leaves_the_file_with_the_next_one_of_anybody(
    tmp_path: Path,
) -> None:
    async with STORES["sqlite file"](tmp_path, Retention(), Clock()) as store:
        await store.put(response("old", owner="who left long ago"))
        await store.put(response("new", owner="bob", at=NOON + YEAR))

    assert rows(tmp_path) == ["new"]


async def test_a_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    async with STORES["sqlite file"](tmp_path, Retention(), Clock()) as store:
        await store.put(response("a"))
        (tmp_path / "r.db").rename(tmp_path / "elsewhere.db")

        with pytest.raises(StoreError, match=r"r\.db: there is no such file"):
            await store.find("a", owner="alice")
        (tmp_path / "elsewhere.db").rename(tmp_path / "r.db")


async def test_a_table_that_is_damaged_is_said(tmp_path: Path) -> None:
    async with STORES["sqlite file"](tmp_path, Retention(), Clock()) as store:
        await store.put(response("a"))
        with closing(sqlite3.connect(tmp_path / "r.db")) as connection:
            connection.execute("DROP TABLE response")

        with pytest.raises(StoreError, match="no such table"):
            await store.find("a", owner="alice")
