"""How a batch comes in: a file in a folder beside the store, which its driver takes in.

So a batch can be submitted while a server has the store, and `submit` needs no
more than a disk. The file is there as a whole or not at all, and it goes when its
requests are in the store; `ID.cancel` calls a batch off in the same way.

    NAME-batches/ID.jsonl      a header, and a line of [custom_id, model, body] a request
    NAME-batches/ID.cancel
"""

import os
import secrets
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, BinaryIO, Final

import attrs
import orjson

from ..store.errors import StoreUnusable
from ..wire.openai_request import InvalidBody
from .errors import BadBatch
from .lines import MOST_LINE, BatchRequest, ModelNames, read_line
from .rows import BatchRow, Way

__all__ = ["MOST_REQUESTS", "Inbox", "Unreadable"]

MOST_REQUESTS: Final = 200_000
"""Requests of one batch: whoever has more splits them, and has results earlier."""

_VERSION: Final = 1

# Seconds after which nobody is still writing a draft.
_ABANDONED: Final = 86_400.0

# Faults that are told of one file.
_MOST_FAULTS: Final = 50


class Unreadable(ValueError):
    """A file of the inbox that is none of ours, or is damaged."""


class Inbox:
    """The inbox of the store in that file. All of it blocks."""

    def __init__(self, store: Path) -> None:
        self.folder = store.with_name(f"{store.stem}-batches")

    def submit(
        self,
        source: BinaryIO,
        names: ModelNames,
        *,
        name: str = "",
        model: str = "",
        session: str = "",
        user: str = "",
        way: Way = "auto",
    ) -> str:
        """Check every line of `source` and put them in; the id of the batch.

        `model` is asked by lines that name none, `session` and `user` are whose
        budgets it falls under. `name` is what faults call the source. Raises
        BadBatch with the faults of all lines, and then nothing is submitted.
        """
        id = f"batch-{secrets.token_hex(6)}"
        header = BatchRow(
            id=id, at=time.time(), session=session, user=user, way=way, state="loading"
        )
        try:
            self.folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise StoreUnusable(
                str(self.folder), f"it cannot be made: {error.strerror}; check its disk"
            ) from error
        draft = self.folder / f".{id}.draft"
        try:
            # For its owner alone: what is asked is private.
            with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
                out.write(orjson.dumps({"v": _VERSION, **attrs.asdict(header)}) + b"\n")
                for line in _checked(source, names, name or id, model or names.default):
                    out.write(orjson.dumps([line.custom_id, line.model, line.body.decode()]))
                    out.write(b"\n")
                out.flush()
                os.fsync(out.fileno())
            draft.rename(self.folder / f"{id}.jsonl")
        finally:
            draft.unlink(missing_ok=True)
        _sync(self.folder)
        return id

    def cancel(self, id: str) -> None:
        """Call a batch off."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        (self.folder / f"{id}.cancel").touch(0o600)

    def submitted(self) -> list[str]:
        """The ids of batches that nobody has taken in yet, the oldest first."""
        return self._ids(".jsonl")

    def cancelled(self) -> list[str]:
        """The ids of batches that were called off, and nobody has heard it yet."""
        return self._ids(".cancel")

    def open(self, id: str) -> tuple[BatchRow, Iterator[BatchRequest]]:
        """A batch that was submitted, its requests as they are asked for.

        Raises Unreadable for what `submit` has not written, as iterating does.
        """
        source = (self.folder / f"{id}.jsonl").open("rb")
        try:
            header: dict[str, Any] = orjson.loads(source.readline())
            if header.pop("v") != _VERSION:
                raise Unreadable(f"{source.name}: another version of trouper has submitted it")
            return BatchRow(**header), _lines(source)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            source.close()
            raise Unreadable(f"{source.name}: it is no batch: {error}") from error

    def put_aside(self, id: str) -> None:
        """Keep what cannot be read under another name, for a person to look at."""
        (self.folder / f"{id}.jsonl").rename(self.folder / f"{id}.damaged")

    def tidy(self) -> None:
        """Forget what was being submitted by programs that were killed within it."""
        with suppress(FileNotFoundError):
            for each in os.scandir(self.folder):
                if each.name.endswith(".draft") and each.stat().st_mtime < time.time() - _ABANDONED:
                    Path(each.path).unlink(missing_ok=True)

    def done(self, id: str) -> None:
        """It is in the store."""
        (self.folder / f"{id}.jsonl").unlink(missing_ok=True)

    def heard(self, id: str) -> None:
        """It is known to be called off."""
        (self.folder / f"{id}.cancel").unlink(missing_ok=True)

    def _ids(self, suffix: str) -> list[str]:
        try:
            found = [each for each in os.scandir(self.folder) if each.name.endswith(suffix)]
        except FileNotFoundError:
            return []
        found = [each for each in found if not each.name.startswith(".")]
        found.sort(key=lambda each: each.stat().st_mtime_ns)
        return [each.name.removesuffix(suffix) for each in found]


def _lines(source: BinaryIO) -> Iterator[BatchRequest]:
    with closing(source):
        for raw in source:
            try:
                custom_id, model, body = orjson.loads(raw)
                line = BatchRequest(custom_id, model, body.encode())
            except (ValueError, TypeError, AttributeError) as error:
                raise Unreadable(f"{source.name}: it is damaged: {error}") from error
            yield line


def _checked(source: BinaryIO, names: ModelNames, name: str, model: str) -> Iterator[BatchRequest]:
    """The requests, until there is a fault; from then on only the faults are looked for."""
    faults: list[str] = []
    more = 0
    seen: dict[str, int] = {}
    for number, raw in _numbered(source, name):
        try:
            line = read_line(raw, number, names, model)
            if line.custom_id in seen:
                first = seen[line.custom_id]
                raise InvalidBody((f"id {line.custom_id!r} is that of line {first} already",))
        except InvalidBody as error:
            told = [f"line {number}: {fault}" for fault in error.faults]
            kept = told[: _MOST_FAULTS - len(faults)]
            faults += kept
            more += len(told) - len(kept)
            continue
        seen[line.custom_id] = number
        if not faults:
            yield line
    if not seen and not faults:
        faults.append("has no request in it")
    if len(seen) > MOST_REQUESTS:
        faults.append(f"has {len(seen)} requests; a batch has up to {MOST_REQUESTS}, split it")
    if faults:
        raise BadBatch(name, faults, more)


def _numbered(source: BinaryIO, name: str) -> Iterator[tuple[int, bytes]]:
    number = 0
    while raw := source.readline(MOST_LINE + 1):
        number += 1
        if len(raw) > MOST_LINE:
            fault = f"line {number}: is longer than {MOST_LINE} bytes; is it one request a line?"
            raise BadBatch(name, [fault])
        if raw.strip():
            yield number, raw


def _sync(folder: Path) -> None:
    """Make a rename durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
