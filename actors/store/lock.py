"""One process a file: a lock beside it that ends with its process, however that ends.

SQLite would let two programs write by turns. But the second would take the
first one's open rows for those of a dead program.
"""

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from .errors import StoreInUse, StoreUnusable

__all__ = ["FileLock"]


class FileLock:
    """The lock of a store's file. `NAME.lock` holds the pid of who has it, and stays behind."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._path = file.with_name(f"{file.name}.lock")
        self._descriptor: int | None = None

    def take(self) -> None:
        """Take it; no matter if it is held here already.

        Raises StoreInUse where another has it, also one in this process, and
        StoreUnusable where the folder cannot be written.
        """
        if self._descriptor is not None:
            return
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StoreUnusable(
                str(self._file),
                f"{self._path.name} cannot be made beside it: {error.strerror}; check the folder",
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = _pid_in(descriptor)
            os.close(descriptor)
            raise StoreInUse(str(self._file), pid) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, b"%d\n" % os.getpid(), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        """Give it back."""
        if self._descriptor is not None:
            # The file stays: who deleted it could delete another's new lock.
            os.close(self._descriptor)
            self._descriptor = None


def _pid_in(descriptor: int) -> int:
    with suppress(ValueError):
        return int(os.pread(descriptor, 32, 0))
    return 0
