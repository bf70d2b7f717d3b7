"""A store's file: made private, brought up to date, held by one process, refused with reasons."""

import errno
import os
import pickle
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from trouper.actors.store.database import Database
from trouper.actors.store.errors import (
    StoreCorrupt,
    StoreError,
    StoreFull,
    StoreInUse,
    StoreTooNew,
    StoreTooOld,
    StoreUnusable,
    WriteFailed,
    said_of_file,
)
from trouper.actors.store.schema import APPLICATION_ID, MIGRATIONS, VERSION


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


def setting(database: Database, name: str) -> object:
    return database.connection.execute(f"PRAGMA {name}").fetchone()[0]


def made(path: Path, **more: object) -> None:
    database = Database(path, **more)  # type: ignore[arg-type]
    database.open()
    database.close()


@pytest.mark.parametrize(("durability", "synchronous"), [("full", 2), ("relaxed", 1)])
def test_a_file_is_opened_with_the_settings_of_its_durability(
    path: Path, durability: str, synchronous: int
) -> None:
    database = Database(path, durability=durability)  # type: ignore[arg-type]
    database.open()

    assert setting(database, "journal_mode") == "wal"
    assert setting(database, "synchronous") == synchronous
    assert setting(database, "foreign_keys") == 1
    assert setting(database, "user_version") == VERSION
    assert setting(database, "application_id") == APPLICATION_ID
    database.close()


def test_a_file_is_its_owners_alone(path: Path) -> None:
    umask = os.umask(0)
    try:
        database = Database(path)
        database.open()
        database.connection.execute("INSERT INTO budget VALUES ('all', 'total', 0, 0)")
        modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in path.parent.iterdir()}
        database.close()
    finally:
        os.umask(umask)

    assert modes == dict.fromkeys(
        ["store.db", "store.db-wal", "store.db-shm", "store.db.lock"], 0o600
    )


def test_after_closing_all_is_in_the_one_file(path: Path) -> None:
    database = Database(path)
    database.open()
    database.connection.execute("INSERT INTO budget VALUES ('all', 'total', 7, 0)")
    database.close()
    database.close()

    assert sorted(p.name for p in path.parent.iterdir()) == ["store.db", "store.db.lock"]
    with sqlite3.connect(path) as other:
        assert other.execute("SELECT spent_nano FROM budget").fetchall() == [(7,)]
    other.close()


def test_all_tables_are_strict(path: Path) -> None:
    database = Database(path)
    database.open()
    database.open()  # it is open: nothing happens

    tables = database.connection.execute("SELECT name, strict FROM pragma_table_list").fetchall()
    journal = {"session", "session_event", "session_snapshot"}
    ours = {"usage_ledger", "budget", "batch", "batch_part", "batch_request", "response"}
    assert {name for name, strict in tables if strict} == ours | journal
    assert {n for n, strict in tables if not strict} == {"sqlite_schema", "sqlite_temp_schema"}
    database.close()


def test_an_older_file_is_brought_up_to_date_with_what_is_in_it(path: Path) -> None:
    made(path)
    with sqlite3.connect(path) as old:
        old.execute("INSERT INTO budget VALUES ('all', 'total', 7, 0)")
    old.close()
    later = (*MIGRATIONS, "CREATE TABLE later (a TEXT) STRICT;\nDROP TABLE usage_ledger;\n")

    database = Database(path, migrations=later)
    database.open()

    tables = {n for (n,) in database.connection.execute("SELECT name FROM sqlite_schema")}
    assert {"later", "budget"} <= tables
    assert "usage_ledger" not in tables
    assert setting(database, "user_version") == VERSION + 1
    assert database.connection.execute("SELECT spent_nano FROM budget").fetchall() == [(7,)]
    database.close()


def test_a_migration_that_fails_leaves_the_file_as_it_was(path: Path) -> None:
    made(path)
    before = path.read_bytes()

    with pytest.raises(StoreError, match="it could not be written"):
        Database(path, migrations=(*MIGRATIONS, "CREATE TABLE a (b);\nNONSENSE")).open()

    made(path)
    assert path.read_bytes() == before


def test_a_file_of_a_later_version_is_refused(path: Path) -> None:
    made(path, migrations=(*MIGRATIONS, "CREATE TABLE later (a)"))

    known = f"of version {VERSION + 1} .* up to {VERSION}; install a later trouper"
    with pytest.raises(StoreTooNew, match=known):
        Database(path).open()


def test_another_programs_database_is_left_alone(path: Path) -> None:
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE bookmarks (url)")
    other.close()

    with pytest.raises(StoreCorrupt, match="database of another program"):
        Database(path).open()
    with sqlite3.connect(path) as other:
        assert other.execute("SELECT name FROM sqlite_schema").fetchall() == [("bookmarks",)]
    other.close()


def diary(_data: bytes) -> bytes:
    return b"This is my diary. " * 400


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def zeroed(data: bytes) -> bytes:
    return data[:100] + bytes(len(data) - 100)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (diary, "file is not a database"),
        (cut, "malformed"),
        (zeroed, "malformed"),
    ],
)
def test_a_damaged_file_is_said_to_be_damaged(
    path: Path, damage: Callable[[bytes], bytes], said: str
) -> None:
    made(path)
    path.write_bytes(damage(path.read_bytes()))

    with pytest.raises(StoreCorrupt, match=f"damaged, or no database: .*{said}.* put it aside"):
        Database(path).open()


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreUnusable, match="No such file or directory; check the folder"):
        Database(tmp_path / "nowhere" / "store.db").open()


def test_what_is_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(StoreUnusable, match="cannot be opened"):
        Database(tmp_path).open()


def test_a_file_is_used_by_one_process_at_a_time(path: Path) -> None:
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from trouper.actors.store.database import Database\n"
        f"database = Database({str(path)!r})\n"
        "database.open()\n"
        "print('open', flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"open\n"

        with pytest.raises(StoreInUse, match=rf"the process {other.pid} uses it; stop that") as e:
            Database(path).open()
        other.kill()

    assert e.value.pid == other.pid
    made(path)


def test_a_file_is_used_once_in_a_process(path: Path) -> None:
    database = Database(path)
    database.open()

    with pytest.raises(StoreInUse, match=f"the process {os.getpid()} uses it"):
        Database(path).open()
    database.close()
    made(path)


def test_a_lock_without_a_pid_is_a_lock(path: Path) -> None:
    database = Database(path)
    database.open()
    path.with_name("store.db.lock").write_text("")

    with pytest.raises(StoreInUse, match="another process uses it"):
        Database(path).open()
    database.close()


def test_what_the_last_process_left_is_looked_at_once(path: Path) -> None:
    seen: list[str] = []
    database = Database(path, recover=[lambda connection: seen.append("looked")])
    database.open()
    database.give_up()
    database.open()

    assert seen == ["looked"]
    database.close()


def test_what_is_in_memory_outlives_a_crash_of_its_writer() -> None:
    database = Database(":memory:")
    database.give_up()
    database.open()
    database.connection.execute("INSERT INTO budget VALUES ('all', 'total', 7, 0)")
    database.connection.execute("BEGIN")
    database.connection.execute("UPDATE budget SET spent_nano = 8")
    database.give_up()
    database.open()

    assert database.connection.execute("SELECT spent_nano FROM budget").fetchall() == [(7,)]
    database.close()


def test_where_sqlite_has_no_write_ahead_log_the_file_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As with a file system that has no shared memory: SQLite says so by its answer.
    connect = sqlite3.connect

    def in_memory(_path: str, **more: object) -> sqlite3.Connection:
        return connect(":memory:", **more)  # type: ignore[call-overload, no-any-return]

    monkeypatch.setattr(sqlite3, "connect", in_memory)

    with pytest.raises(StoreUnusable, match=r"no write-ahead log there \(it says memory\)"):
        Database(path).open()


def test_where_there_is_no_room_for_a_file_it_is_said(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = os.open

    def no_room(file: Path, flags: int, mode: int) -> int:
        if flags & os.O_EXCL:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return opened(file, flags, mode)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", no_room)
        with pytest.raises(StoreUnusable, match="cannot be made: No space left on device"):
            Database(path).open()

    made(path)  # its lock was given back


def test_a_log_that_cannot_be_taken_over_is_an_error(path: Path) -> None:
    database = Database(path)
    database.open()

    def deny(*_: object) -> int:
        return sqlite3.SQLITE_DENY

    database.connection.set_authorizer(deny)

    with pytest.raises(StoreError, match="not authorized"):
        database.checkpoint()
    database.close()


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("SQLITE_FULL", StoreFull, "free some space"),
        ("SQLITE_IOERR_WRITE", WriteFailed, "check its disk"),
        ("SQLITE_BUSY", WriteFailed, "another program keeps it locked"),
        ("SQLITE_CANTOPEN", StoreUnusable, "check its folder"),
        ("SQLITE_CORRUPT_INDEX", StoreCorrupt, "bring back a copy"),
    ],
)
def test_what_sqlite_says_is_told_with_what_to_do(name: str, kind: type, said: str) -> None:
    error = sqlite3.OperationalError("it went wrong")
    error.sqlite_errorcode = getattr(sqlite3, name)
    error.sqlite_errorname = name

    told = said_of_file(error, "/data/store.db")

    assert type(told) is kind
    assert said in str(told)
    assert str(told).startswith("/data/store.db: ")
    assert name in str(told)
    assert told.__cause__ is error


@pytest.mark.parametrize(
    "error",
    [
        StoreInUse("a.db", 7),
        StoreTooNew("a.db", 9, 1),
        StoreTooOld("a.db", 0, 1),
        StoreFull("a.db", "there is no room"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_its_errors_travel_between_processes(error: StoreError) -> None:
    copied = pickle.loads(pickle.dumps(error))

    assert type(copied) is type(error)
    assert str(copied) == str(error)
    assert vars(copied) == vars(error)
