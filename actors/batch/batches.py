"""Batches as a program uses them: `app.batches`.

id = await app.batches.submit([{"id": "1", "prompt": "Name a fruit."}, ...])
await app.batches.ended(id)
async for result in app.batches.results(id): ...
"""

import io
from collections.abc import AsyncGenerator, Iterable, Mapping
from pathlib import Path
from typing import Any

import orjson
import trio

from ..config import AppConfig
from ..config.store import MEMORY
from ..store.threads import in_thread
from .errors import NoBatchStore, UnknownBatch
from .inbox import Inbox
from .lines import ModelNames
from .reading import BatchReader, read, read_answers
from .rows import BatchRow, Status, Way

__all__ = ["Batches"]

# Seconds between two looks at a batch that is waited for.
_LOOK = 0.25


class Batches:
    """The batches of the store of a configuration. Raises NoBatchStore where that is in memory."""

    def __init__(self, config: AppConfig) -> None:
        self._config = config
        self.one_by_one = True
        """Whether requests without a batch endpoint are asked here; set it before the start."""

    async def submit(
        self,
        requests: Path | Iterable[Mapping[str, Any]],
        *,
        model: str = "",
        session: str = "",
        user: str = "",
        way: Way = "auto",
    ) -> str:
        """Submit a file of lines, or objects that could be its lines; the batch's id.

        A line is OpenAI's of a batch file, `{"custom_id", "body": {...}}`, or in short
        `{"id", "prompt"}` with, where wanted, `model`, `system` and `max_tokens`.
        `way` is "auto" (by the provider's batch endpoint where there is one),
        "provider" (there or not at all) or "background" (one by one). `model` is asked by those that name none: "" is the model of the default
        assistant. `session` and `user` are whose budgets it falls under. It is
        safe when this returns. Raises BadBatch with the faults of all lines.
        """
        inbox = self._inbox()
        names = ModelNames(self._config)

        def put() -> str:
            options = {"model": model, "session": session, "user": user}
            if isinstance(requests, Path):
                with requests.open("rb") as file:
                    return inbox.submit(file, names, name=str(requests), way=way, **options)
            lines = io.BytesIO(b"".join(orjson.dumps(dict(one)) + b"\n" for one in requests))
            return inbox.submit(lines, names, name="requests", way=way, **options)

        return await in_thread(put)

    async def all(self) -> list[BatchRow]:
        """All batches that are in the store, the oldest first."""
        return await read(self.path, BatchReader.batches)

    async def status(self, id: str) -> Status | None:
        """How a batch is; None where it was submitted and is not in the store yet.

        Raises UnknownBatch.
        """
        inbox = self._inbox()
        waiting = id in await in_thread(inbox.submitted)
        found = await read(self.path, lambda reader: reader.status(id))
        if found is None and not waiting:
            # It may have gone from the one into the other meanwhile.
            found = await read(self.path, lambda reader: reader.status(id))
            if found is None:
                raise UnknownBatch(id)
        return found

    async def ended(self, id: str) -> Status:
        """Wait until each request of a batch has its answer. Raises UnknownBatch."""
        while True:
            status = await self.status(id)
            if status is not None and status.ended:
                return status
            await trio.sleep(_LOOK)

    async def results(self, id: str) -> AsyncGenerator[dict[str, Any]]:
        """The answers that there are, in the order of the requests; some are read at a time.

        One that was answered is `{"custom_id", "text", "completion", "usage",
        "cost_nano_dollars"}`, the cost None where nobody knows it; one that failed is
        `{"custom_id", "error": {"kind", "message"}}`. Raises UnknownBatch.
        """
        await self.status(id)
        after = -1
        while True:
            found = await read_answers(self.path, id, after)
            for after, line in found:  # noqa: B007 - where the next page begins
                yield orjson.loads(line)
            if not found:
                return

    async def cancel(self, id: str) -> None:
        """Call a batch off: what is answered stays, what was not begun is cancelled.

        Raises UnknownBatch.
        """
        await self.status(id)
        await in_thread(self._inbox().cancel, id)

    @property
    def kept(self) -> bool:
        """Whether there is a file to keep batches in."""
        return self._config.store.path != MEMORY

    @property
    def path(self) -> Path:
        """The file that they are kept in. Raises NoBatchStore where the store is in memory."""
        if not self.kept:
            raise NoBatchStore
        return Path(self._config.store.path).absolute()

    def _inbox(self) -> Inbox:
        return Inbox(self.path)
