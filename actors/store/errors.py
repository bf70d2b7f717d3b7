"""Everything that the store raises.

ActorError
└── StoreError             names the file
    ├── StoreUnusable          the file cannot be opened, and waiting does not help
    │   ├── StoreInUse             another program has it; names its process
    │   ├── StoreTooNew            a later version of this program has written it
    │   ├── StoreTooOld            an earlier one has, and who only reads cannot bring it up to date
    │   └── StoreCorrupt           it is damaged, or no database at all
    ├── WriteFailed            the disk refused; nothing of this commit was kept
    │   └── StoreFull              ... because there is no room
    ├── WriteRefused           this one operation is at fault; others were kept
    ├── WriteAbandoned         the writer ended before it came to it
    ├── StoreBusy              too many wait already
    └── JournalError           a session's journal refuses; names the session
        ├── NoSuchSession          there is no session of that id
        ├── NotOwner               another node has it
        ├── Fenced                 it was claimed anew since
        ├── Gap                    a number would be left out
        └── EventConflict          a number is taken by another event

A store's error is an ActorError: it fails the requests that needed the write,
and what crashes is the writer alone, which its supervisor starts again.
"""

import sqlite3

from ...runtime.errors import ActorError

__all__ = [
    "EventConflict",
    "Fenced",
    "Gap",
    "JournalError",
    "NoSuchSession",
    "NotOwner",
    "StoreBusy",
    "StoreCorrupt",
    "StoreError",
    "StoreFull",
    "StoreInUse",
    "StoreTooNew",
    "StoreTooOld",
    "StoreUnusable",
    "WriteAbandoned",
    "WriteFailed",
    "WriteRefused",
    "is_busy",
    "is_of_the_file",
    "said_of_file",
]


class StoreError(ActorError):
    """Base of what goes wrong with a store. `file` is its path, `detail` what happened to it."""

    def __init__(self, file: str, detail: str) -> None:
        super().__init__(file, detail)
        self.file = file
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.file}: {self.detail}"


class StoreUnusable(StoreError):
    """The file cannot be opened, and waiting does not help: the text says what does."""


class StoreInUse(StoreUnusable):
    """The process `pid` has the file (0 where that is not known): one program a file.

    Stop that one, or give this one another path.
    """

    def __init__(self, file: str, pid: int) -> None:
        super().__init__(file, f"{_who(pid)} uses it; stop that, or set another path in [store]")
        self.pid = pid

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.file, self.pid)


class StoreTooNew(StoreUnusable):
    """The file is of version `found`, and this program knows those up to `known`.

    Install a later trouper: nothing goes back to an earlier version.
    """

    def __init__(self, file: str, found: int, known: int) -> None:
        super().__init__(
            file,
            f"it is of version {found} and this program knows those up to {known}; "
            f"install a later trouper, or set another path in [store]",
        )
        self.found = found
        self.known = known

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.file, self.found, self.known)


class StoreTooOld(StoreUnusable):
    """The file is of version `found`, and who only reads needs `known`.

    Start `trouper serve` on it once, which brings it up to date.
    """

    def __init__(self, file: str, found: int, known: int) -> None:
        super().__init__(
            file,
            f"it is of version {found} and this command reads version {known}; "
            f"start `trouper serve` on it once, which brings it up to date",
        )
        self.found = found
        self.known = known

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.file, self.found, self.known)


class StoreCorrupt(StoreUnusable):
    """The file is damaged, or is no database of this program.

    Put it aside with its -wal file, and bring back a copy or begin a new one.
    """


class WriteFailed(StoreError):
    """The disk refused a commit: nothing in it was kept. The writer tries again with the next."""


class StoreFull(WriteFailed):
    """There is no room for what was to be written: free some space on the disk of the file."""


class WriteRefused(StoreError):
    """One operation could not be applied; `__cause__` says why. Others of its commit were kept."""


class WriteAbandoned(StoreError):
    """The writer ended before it came to this: nothing of it was kept, and it may be tried again."""


class StoreBusy(StoreError):
    """As many wait for a commit as may; try again a little later."""


class JournalError(StoreError):
    """The journal of session `sid` refuses what was asked; nothing of it was kept."""

    def __init__(self, file: str, sid: str, detail: str) -> None:
        super().__init__(file, detail)
        self.sid = sid

    def __str__(self) -> str:
        return f"{self.file}: session {self.sid}: {self.detail}"


class NoSuchSession(JournalError):
    """There is no session of that id: it was deleted, or never opened."""

    def __init__(self, file: str, sid: str) -> None:
        super().__init__(file, sid, "it is not there; it was deleted, or never opened")

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.file, self.sid)


class NotOwner(JournalError):
    """The session belongs to `node`, by the claim with that `fence`: ask that one.

    Where it is dead, the session may be taken from it.
    """

    def __init__(self, file: str, sid: str, node: str, fence: int) -> None:
        super().__init__(
            file, sid, f"{node} has it (fence {fence}); ask that one, or take it if it is dead"
        )
        self.node = node
        self.fence = fence

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.file, self.sid, self.node, self.fence)


class Fenced(JournalError):
    """The claim with that `fence` is over: the session was claimed anew since, by `now`.

    Who was fenced off writes no more, before it has claimed the session itself.
    """

    def __init__(self, file: str, sid: str, fence: int, now: int) -> None:
        super().__init__(
            file, sid, f"fence {fence} is over, it has {now} now; claim it anew before writing"
        )
        self.fence = fence
        self.now = now

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.file, self.sid, self.fence, self.now)


class Gap(JournalError):
    """An event would have the number `seq`, and the last one that there is has `head`.

    Read the session anew: the writer has lost sight of it.
    """

    def __init__(self, file: str, sid: str, seq: int, head: int) -> None:
        super().__init__(
            file, sid, f"event {seq} does not follow its last one, {head}; read it anew"
        )
        self.seq = seq
        self.head = head

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.file, self.sid, self.seq, self.head)


class EventConflict(JournalError):
    """Number `seq` belongs to another event, which stays: read the session anew."""

    def __init__(self, file: str, sid: str, seq: int) -> None:
        super().__init__(file, sid, f"event {seq} is another one already; read it anew")
        self.seq = seq

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.file, self.sid, self.seq)


def said_of_file(error: sqlite3.Error, file: str) -> StoreError:
    """What SQLite says of a file, as an error of ours; `error` becomes its cause."""
    said = f"{error} ({getattr(error, 'sqlite_errorname', type(error).__name__)})"
    found: StoreError
    match _primary(error):
        case sqlite3.SQLITE_FULL:
            found = StoreFull(file, f"there is no room: {said}; free some space on its disk")
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            found = StoreCorrupt(
                file,
                f"it is damaged, or no database: {said}; put it aside with its -wal file and "
                f"bring back a copy, or start with a new one",
            )
        case sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM:
            found = StoreUnusable(
                file, f"it cannot be opened: {said}; check its folder and its permissions"
            )
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            found = WriteFailed(
                file, f"another program keeps it locked: {said}; end that program's transaction"
            )
        case _:
            found = WriteFailed(file, f"it could not be written: {said}; check its disk")
    found.__cause__ = error
    return found


def is_of_the_file(error: BaseException) -> bool:
    """Whether the file or its disk is at fault, and not what was asked of it."""
    return isinstance(error, sqlite3.Error) and _primary(error) in _OF_THE_FILE


def is_busy(error: sqlite3.Error) -> bool:
    """Whether another connection holds the lock that was needed."""
    return _primary(error) == sqlite3.SQLITE_BUSY


_OF_THE_FILE = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_NOTADB,
    }
)


def _primary(error: sqlite3.Error) -> int:
    """SQLite's primary result code; 0 where the error is Python's own."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _who(pid: int) -> str:
    return f"the process {pid}" if pid else "another process"
