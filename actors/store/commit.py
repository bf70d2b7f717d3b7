"""What one transaction holds, and how it is applied: whoever is at fault alone fails alone."""

import sqlite3
from collections.abc import Sequence
from copy import copy
from typing import Any, Generic, TypeVar

import attrs
import structlog

from ...runtime.replies import Promise
from .errors import StoreError, WriteRefused, is_of_the_file
from .operations import Operation

__all__ = ["Entry", "Receipt", "apply_all"]

_log = structlog.get_logger("trouper.store")

R = TypeVar("R")


class Receipt(Generic[R]):
    """That an operation was taken in. It is answered when the operation is durable."""

    __slots__ = ("promise",)

    def __init__(self) -> None:
        self.promise = Promise()

    async def written(self) -> R:
        """Wait for the commit; the operation's answer. Raises StoreError. Await it once."""
        await self.promise.settled()
        answer: R = self.promise.result()
        return answer


@attrs.define(eq=False)
class Entry:
    """An operation, who waits for it (None where nobody does), and its answer once applied."""

    operation: Operation[Any]
    promise: Promise | None
    answer: Any = None
    refused: StoreError | None = None

    @property
    def wanted(self) -> bool:
        """Whether it is still to be applied: nobody has left, and it was not at fault."""
        return self.refused is None and not (self.promise is not None and self.promise.abandoned)

    def end(self) -> None:
        """The commit it was in is durable: say so."""
        if self.promise is not None:
            if self.refused is not None:
                self.promise.fail(self.refused)
            else:
                self.promise.succeed(self.answer)

    def fail(self, error: StoreError) -> None:
        """It was not written. What nobody waits for stays in the backlog."""
        if self.promise is not None:
            # One each: raised in many tasks, it would gather all their tracebacks.
            own = copy(error)
            own.__cause__ = error.__cause__
            self.promise.fail(own)


def apply_all(connection: sqlite3.Connection, entries: Sequence[Entry], file: str) -> bool:
    """Apply operations in order; whether all went well.

    False where one was at fault: it is marked, and the transaction is to be
    rolled back and begun anew without it. Raises sqlite3.Error where the file is.
    """
    for entry in entries:
        if not entry.wanted:
            continue
        try:
            entry.answer = entry.operation.apply(connection)
        except Exception as error:
            if is_of_the_file(error):
                raise
            entry.refused = _refused(error, entry.operation, file)
            return False
    return True


def _refused(error: Exception, operation: Operation[Any], file: str) -> StoreError:
    name = type(operation).__name__
    _log.error("write refused", file=file, operation=name, exc_info=error)
    refused = WriteRefused(file, f"{name} could not be applied: {type(error).__name__}: {error}")
    refused.__cause__ = error
    return refused
