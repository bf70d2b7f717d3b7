"""Power that fails at any moment: what was acknowledged is there, however the rest was torn.

A test cannot pull a plug. What can be proven is all but the promise of the disk
itself: an acknowledged commit lies whole in the bytes that were in the files when it
was acknowledged, and whatever stands behind them, half a commit, noise, pages of the
database that a checkpoint has written in part, neither hides it nor is taken for
one. That these bytes were synced before is SQLite's `synchronous = FULL`.
"""

import random
from pathlib import Path

import attrs
import pytest
import trio

from tests.fakes.attempts import attempt, cost
from tests.fakes.journals import event, opened
from trouper.actors.store.database import Database
from trouper.actors.store.journal_operations import recover_journal
from trouper.actors.store.ledger_operations import recover
from trouper.actors.store.store import Store
from trouper.actors.store.writer import Writer
from trouper.runtime import System

# Bytes of the header of each page in a log, by SQLite's format.
_FRAME = 24


@attrs.frozen
class Moment:
    """What had been acknowledged, and how long the log was then."""

    attempts: frozenset[str]
    events: int
    log: int


@attrs.frozen
class Disk:
    """The files of a program that was still writing, and the moments of its acknowledgements."""

    database: bytes
    log: bytes
    moments: tuple[Moment, ...]
    # The database after a checkpoint, which takes the same log over.
    taken_over: bytes


def wal(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Disk:
    return trio.run(_written, tmp_path_factory.mktemp("disk") / "store.db")


async def _written(path: Path) -> Disk:
    store = Store(path)
    moments: list[Moment] = []
    async with System(store.spec(), signals=False) as system:
        writer = system.ref(store.writer_path(), Writer)
        ledger, journal = store.ledger(writer), store.journal(writer)
        claim = await opened(journal, "s")
        for number in range(12):
            await ledger.reserve(attempt(f"a{number}", 10))
            ledger.settle(f"a{number}", cost(3))
            # Some fill a page, most do not.
            said = event("x" * (50 if number % 3 else 6_000))
            await journal.append("s", claim.fence, number + 1, [said])
            done = frozenset(f"a{each}" for each in range(number + 1))
            moments.append(Moment(done, number + 1, wal(path).stat().st_size))
        (level,) = store.database.connection.execute("PRAGMA synchronous").fetchone()
        assert level == 2, "FULL: a commit is acknowledged when its frames are synced"
        before, log = _bytes(path), _bytes(wal(path))
        store.database.take_over_log()
        after = _bytes(path)
    assert before != after
    return Disk(before, log, tuple(moments), after)


def _bytes(path: Path) -> bytes:
    return path.read_bytes()


def kept(folder: Path, database: bytes, log: bytes) -> tuple[set[str], int]:
    """The attempts and the number of events that the next program finds in such files."""
    folder.mkdir(exist_ok=True)
    path = folder / "store.db"
    for old in folder.iterdir():
        old.unlink()
    path.write_bytes(database)
    wal(path).write_bytes(log)
    # It is only looked at: nothing need be synced again.
    store = Database(path, durability="relaxed", recover=[recover, recover_journal])
    store.open()
    try:
        read = store.connection.execute
        assert read("PRAGMA integrity_check").fetchall() == [("ok",)]
        attempts = {op_id for (op_id,) in read("SELECT op_id FROM usage_ledger")}
        (events,) = read("SELECT count(*) FROM session_event").fetchone()
        (head,) = read("SELECT coalesce(max(head), 0) FROM session").fetchone()
        assert events == head
        return attempts, events
    finally:
        store.close()


def cuts(begin: int, end: int) -> list[int]:
    """Where to cut a log: within the next frame's header, and within the pages behind."""
    return sorted(
        {*range(begin, min(begin + _FRAME + 1, end), 3), *range(begin, end, 1_999), end - 1}
    )


def test_a_log_that_was_cut_anywhere_has_all_that_was_acknowledged(
    disk: Disk, tmp_path: Path
) -> None:
    for moment, later in ((disk.moments[2], disk.moments[3]), (disk.moments[6], disk.moments[7])):
        for cut in cuts(moment.log, later.log):
            attempts, events = kept(tmp_path / "again", disk.database, disk.log[:cut])

            assert moment.attempts <= attempts <= later.attempts, cut
            assert moment.events <= events <= later.events, cut


@pytest.mark.parametrize("seed", range(20))
def test_noise_behind_what_was_acknowledged_is_taken_for_nothing(
    disk: Disk, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    moment = chance.choice(disk.moments[:-1])
    rest = bytearray(disk.log[moment.log :])
    # What a disk does to sectors that it was not told to sync: some are old, some are new.
    for at in range(0, len(rest), 512):
        if chance.random() < 0.5:
            rest[at : at + 512] = chance.choice((bytes(512), chance.randbytes(512)))

    log = disk.log[: moment.log] + bytes(rest)[: chance.randrange(len(rest))]
    attempts, events = kept(tmp_path / "again", disk.database, log)

    assert moment.attempts <= attempts
    assert moment.events <= events


@pytest.mark.parametrize("seed", range(10))
def test_a_database_into_which_a_checkpoint_was_half_written_is_whole_by_its_log(
    disk: Disk, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    old = disk.database.ljust(len(disk.taken_over), b"\0")
    # A checkpoint writes only pages that are in the log, and the log stays until they are synced.
    torn = b"".join(
        chance.choice((old, disk.taken_over))[at : at + 512] for at in range(0, len(old), 512)
    )

    attempts, events = kept(tmp_path / "again", torn, disk.log)

    assert attempts == set(disk.moments[-1].attempts)
    assert events == disk.moments[-1].events


def test_what_was_acknowledged_is_lost_where_its_own_bytes_are(disk: Disk, tmp_path: Path) -> None:
    """That the tests above can fail: with a byte of an acknowledged commit it is gone."""
    moment = disk.moments[5]

    attempts, events = kept(tmp_path / "again", disk.database, disk.log[: moment.log - 1])

    assert (attempts, events) != (set(moment.attempts), moment.events)
    assert events < moment.events
