"""Kept answers: what every store of them promises, and what the one in a file promises besides."""

import sqlite3
from collections.abc import AsyncGenerator, Callable, Iterator, MutableMapping
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
import trio
from structlog.testing import capture_logs

from trouper.actors.chat import Completion, Finish, Message, TextPart, Usage
from trouper.actors.store.cache import LARGEST, AnswerStore, KeptAnswer, MemoryAnswers
from trouper.actors.store.cache_file import AnswerFile
from trouper.runtime import System

KEY, OTHER = b"k" * 32, b"o" * 32
MOST = 4 * 1024 * 1024


def answer(text: str = "hello", at: float = 100.0) -> KeptAnswer:
    completion = Completion(
        message=Message("assistant", (TextPart(text),)), finish=Finish.STOP, usage=Usage(1, 2)
    )
    return KeptAnswer(completion=completion, target="main/big", at=at)


@asynccontextmanager
async def in_file(path: Path, most_bytes: int = MOST) -> AsyncGenerator[AnswerFile]:
    """A file of answers whose writer runs."""
    file = AnswerFile(path, most_bytes)
    async with System(file.spec(), signals=False):
        try:
            yield file
        finally:
            file.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "trouper-cache.db"


@pytest.fixture
def logs() -> Iterator[list[MutableMapping[str, Any]]]:
    with capture_logs() as entries:
        yield entries


@pytest.fixture(params=["memory", "file"])
def store(request: pytest.FixtureRequest, path: Path, nursery: trio.Nursery) -> Any:
    """Makes a store of answers of so many bytes."""

    async def opened(most_bytes: int = MOST) -> AnswerStore:
        if request.param == "memory":
            return MemoryAnswers(most_bytes)
        file = AnswerFile(path, most_bytes)

        async def run(task_status: trio.TaskStatus[None]) -> None:
            async with System(file.spec(), signals=False):
                task_status.started()
                await trio.sleep_forever()

        await nursery.start(run)
        return file

    return opened


def rows(path: Path, query: str = "SELECT key FROM response_cache") -> list[Any]:
    with closing(sqlite3.connect(path)) as connection:
        try:
            return [row[0] for row in connection.execute(query)]
        except sqlite3.OperationalError as error:
            # A file that has just been begun anew may not have its table yet.
            if "no such table" not in str(error):
                raise
            return []


def change(path: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement, values)


def size(path: Path) -> int:
    return path.stat().st_size


def write(path: Path, content: bytes, after: int = 0) -> None:
    kept = path.read_bytes()[:after] if after else b""
    path.write_bytes(kept + content)


async def until(done: Callable[[], bool]) -> None:
    with trio.fail_after(10):
        while not done():  # noqa: ASYNC110 - a file announces nothing
            await trio.sleep(0.01)


# What every store promises.


async def test_what_was_kept_is_there_at_once(store: Any) -> None:
    answers = await store()
    answers.put(KEY, answer(), until=200.0)

    assert answers.get(KEY, since=0.0) == answer()
    assert answers.get(OTHER, since=0.0) is None
    answers.close()


async def test_an_answer_that_is_too_old_is_not_given(store: Any) -> None:
    answers = await store()
    answers.put(KEY, answer(at=100.0), until=200.0)

    assert answers.get(KEY, since=100.0) is not None
    assert answers.get(KEY, since=100.1) is None
    answers.close()


async def test_the_latest_answer_of_a_key_counts(store: Any) -> None:
    answers = await store()
    answers.put(KEY, answer("old"), until=200.0)
    answers.put(KEY, answer("new"), until=200.0)

    assert answers.get(KEY, since=0.0) == answer("new")
    answers.close()


async def test_an_answer_that_is_too_large_is_not_kept(store: Any) -> None:
    answers = await store()
    answers.put(KEY, answer("x" * LARGEST), until=200.0)

    assert answers.get(KEY, since=0.0) is None
    answers.close()


# In memory.


def test_memory_keeps_what_is_asked_for_and_no_more_than_it_may() -> None:
    answers = MemoryAnswers(10_000)
    for number in range(20):
        answers.put(bytes([number]) * 32, answer("x" * 1_000), until=200.0)
        answers.get(bytes([0]) * 32, since=0.0)

    assert 5_000 < answers.size <= 10_000
    assert answers.get(bytes([0]) * 32, since=0.0) is not None
    assert answers.get(bytes([1]) * 32, since=0.0) is None
    assert answers.get(bytes([19]) * 32, since=0.0) is not None
    assert len(answers) < 10


# In a file.


async def test_what_was_kept_is_there_after_a_restart(path: Path) -> None:
    async with in_file(path) as file:
        file.put(KEY, answer("\u4e16"), until=200.0)
    async with in_file(path) as file:
        assert file.get(KEY, since=0.0) == answer("\u4e16")
        # The second time without the file.
        change(path, "DELETE FROM response_cache")
        assert file.get(KEY, since=0.0) == answer("\u4e16")


async def test_before_its_writer_has_begun_nothing_is_known_and_nothing_is_lost(
    path: Path,
) -> None:
    file = AnswerFile(path, MOST)
    file.put(KEY, answer(), until=200.0)
    assert file.get(OTHER, since=0.0) is None

    async with System(file.spec(), signals=False):
        await until(lambda: rows(path) == [KEY])
    file.close()


async def test_what_is_over_makes_room(path: Path) -> None:
    async with in_file(path) as file:
        file.put(KEY, answer(at=100.0), until=150.0)
        file.put(OTHER, answer(at=150.0), until=250.0)

    assert rows(path) == [OTHER]


async def test_the_file_stays_within_its_bound_and_keeps_what_is_good_longest(path: Path) -> None:
    most = 512 * 1024
    async with in_file(path, most) as file:
        for number in range(300):
            key = number.to_bytes(32, "big")
            file.put(key, answer("x" * 10_000, at=100.0), until=1000.0 + number)
            if number % 32 == 31:
                await until(lambda key=key: key in rows(path))  # type: ignore[misc]

    kept = rows(path)
    assert size(path) <= most * 1.1
    assert (299).to_bytes(32, "big") in kept
    assert (0).to_bytes(32, "big") not in kept
    assert len(kept) >= 30


async def test_an_answer_that_does_not_fit_is_left_out(path: Path) -> None:
    async with in_file(path, 64 * 1024) as file:
        file.put(KEY, answer("x" * 100_000), until=200.0)
        file.put(OTHER, answer(), until=200.0)

    assert rows(path) == [OTHER]


async def test_while_nothing_can_be_written_what_is_new_is_dropped_and_nothing_fails(
    path: Path,
) -> None:
    file = AnswerFile(path, MOST)
    for number in range(1_000):
        file.put(number.to_bytes(32, "big"), answer(), until=200.0)

    async with System(file.spec(), signals=False):
        pass
    assert 0 < len(rows(path)) < 100


async def test_a_damaged_answer_is_a_miss_and_a_warning_and_is_let_go(
    path: Path, logs: list[Any]
) -> None:
    async with in_file(path) as file:
        file.put(KEY, answer(), until=200.0)
        file.put(OTHER, answer(), until=200.0)
    change(path, "UPDATE response_cache SET body = ? WHERE key = ?", b'{"v": 1', KEY)

    async with in_file(path) as file:
        assert file.get(KEY, since=0.0) is None
        assert file.get(OTHER, since=0.0) == answer()

    assert rows(path) == [OTHER]
    assert [entry["log_level"] for entry in logs] == ["warning"]
    assert "kept answer cannot be read" in logs[0]["event"]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"no database at all, " * 500, id="garbage"),
        pytest.param(b"SQLite format 3\0" + b"\xff" * 5_000, id="damaged head"),
    ],
)
async def test_a_damaged_file_is_put_aside_and_begun_anew(
    path: Path, logs: list[Any], content: bytes
) -> None:
    write(path, content)

    async with in_file(path) as file:
        file.put(KEY, answer(), until=200.0)

    assert rows(path) == [KEY]
    assert path.with_name("trouper-cache.db.damaged").read_bytes() == content
    assert [entry["event"] for entry in logs] == ["kept answers are lost; a new file is begun"]


async def test_a_file_of_a_later_version_is_put_aside(path: Path, logs: list[Any]) -> None:
    async with in_file(path) as file:
        file.put(KEY, answer(), until=200.0)
    change(path, "PRAGMA user_version = 99")

    async with in_file(path) as file:
        assert file.get(KEY, since=0.0) is None
        file.put(OTHER, answer(), until=200.0)

    assert rows(path) == [OTHER]


async def test_damage_inside_the_file_is_found_when_it_is_read_and_mended(
    path: Path, logs: list[Any]
) -> None:
    async with in_file(path) as file:
        for number in range(60):
            file.put(number.to_bytes(32, "big"), answer("x" * 3_000), until=200.0)
    # All but the head and the schema.
    write(path, b"\xff" * (size(path) - 8192), after=8192)

    async with in_file(path) as file:
        assert file.get((5).to_bytes(32, "big"), since=0.0) is None
        await until(lambda: path.with_name("trouper-cache.db.damaged").exists())
        file.put(KEY, answer(), until=200.0)
        await until(lambda: rows(path) == [KEY])
        assert file.get(OTHER, since=0.0) is None

    events = [entry["event"] for entry in logs if entry["log_level"] == "warning"]
    assert events == ["kept answers cannot be read", "kept answers are lost; a new file is begun"]
