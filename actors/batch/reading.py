"""Reading batches out of a store's file, also while another program carries them on.

    with BatchReader(path) as reader:
        for line in reader.results(id): ...

All of it blocks; `read` does it in a thread. Nothing is read whole: requests and
answers come page by page.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import orjson

from ..store.store_reader import StoreReader
from ..store.threads import in_thread
from .lines import result_line
from .rows import BatchRow, Counts, PartRow, RequestRow, RequestState, Status

__all__ = ["BatchReader", "read", "read_answers", "read_requests"]

R = TypeVar("R")

_BATCH = "SELECT id, at, session, user, way, state, note FROM batch"
_PART = "SELECT batch, part, target, state, key_id, remote_id, named_at, others FROM batch_part"
_REQUEST = "SELECT n, part, custom_id, model, state, request FROM batch_request"


class BatchReader(StoreReader):
    """The batches of the store in the file `path`."""

    def batches(self, *, unfinished: bool = False) -> list[BatchRow]:
        """All batches, or those that are not done, the oldest first."""
        where = " WHERE state <> 'done'" if unfinished else ""
        return [_batch(row) for row in self._select(f"{_BATCH}{where} ORDER BY at, id", ())]

    def find(self, id: str) -> BatchRow | None:
        """The batch of that id."""
        return next(map(_batch, self._select(f"{_BATCH} WHERE id = ?", (id,))), None)

    def status(self, id: str) -> Status | None:
        """How the batch of that id is."""
        batch = self.find(id)
        if batch is None:
            return None
        counted = self._select(
            "SELECT state, count(*) FROM batch_request WHERE batch = ? GROUP BY state", (id,)
        )
        return Status(batch=batch, counts=Counts(**dict(counted)), parts=tuple(self.parts(id)))

    def parts(self, id: str) -> list[PartRow]:
        """The parts of a batch."""
        found = self._select(f"{_PART} WHERE batch = ? ORDER BY part", (id,))
        return [_part(row) for row in found]

    def remote_ids(self) -> list[str]:
        """The ids of all batches at providers that are known to be parts of batches."""
        return [id for (id,) in self._select("SELECT remote_id FROM batch_part", ()) if id]

    def count(self, id: str, part: int, state: RequestState) -> int:
        """How many requests of a part are in that state."""
        ((number,),) = self._select(
            "SELECT count(*) FROM batch_request WHERE batch = ? AND part = ? AND state = ?",
            (id, part, state),
        )
        return int(number)

    def requests(
        self, id: str, part: int, state: RequestState, after: int = -1, most: int = 100
    ) -> list[RequestRow]:
        """The next requests of a part in that state, behind number `after`."""
        found = self._select(
            f"{_REQUEST} WHERE batch = ? AND part = ? AND state = ? AND n > ? ORDER BY n LIMIT ?",
            (id, part, state, after, most),
        )
        return [_request(row) for row in found]

    def page(self, id: str, after: int = -1, most: int = 100) -> list[tuple[int, bytes]]:
        """The next answers behind request `after`, each with its number: lines of JSON."""
        found = self._select(
            "SELECT n, custom_id, answer FROM batch_request WHERE batch = ? AND n > ? "
            "AND answer IS NOT NULL ORDER BY n LIMIT ?",
            (id, after, most),
        )
        return [(n, result_line(custom_id, answer)) for n, custom_id, answer in found]

    def results(self, id: str) -> Iterator[bytes]:
        """All answers that there are, in the order of the requests."""
        after = -1
        while page := self.page(id, after):
            yield from (line for _, line in page)
            after = page[-1][0]

    def _select(self, sql: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        with self._reading() as connection:
            return connection.execute(sql, values).fetchall()


async def read(path: Path, function: Callable[[BatchReader], R]) -> R:
    """What `function` says of the file's reader, in a thread. Raises StoreError."""

    def opened() -> R:
        with BatchReader(path) as reader:
            return function(reader)

    return await in_thread(opened)


async def read_requests(
    path: Path, id: str, part: int, state: RequestState, after: int, most: int
) -> list[RequestRow]:
    """`BatchReader.requests`, in a thread."""
    return await read(path, lambda reader: reader.requests(id, part, state, after, most))


async def read_answers(path: Path, id: str, after: int) -> list[tuple[int, bytes]]:
    """`BatchReader.page`, in a thread."""
    return await read(path, lambda reader: reader.page(id, after))


def _batch(row: tuple[Any, ...]) -> BatchRow:
    id, at, session, user, way, state, note = row
    return BatchRow(id=id, at=at, session=session, user=user, way=way, state=state, note=note)


def _part(row: tuple[Any, ...]) -> PartRow:
    batch, part, target, state, key_id, remote_id, named_at, others = row
    return PartRow(
        batch=batch,
        part=part,
        target=target,
        state=state,
        key_id=key_id,
        remote_id=remote_id,
        named_at=named_at,
        others=tuple(orjson.loads(others)),
    )


def _request(row: tuple[Any, ...]) -> RequestRow:
    n, part, custom_id, model, state, request = row
    return RequestRow(
        n=n, part=part, custom_id=custom_id, model=model, state=state, request=request or b""
    )
