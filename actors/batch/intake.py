"""Takes a batch out of the inbox into the store, page by page, and cuts it into parts."""

from collections.abc import Iterator
from typing import Final

import attrs
import structlog

from ..config import AppConfig
from ..provider.kinds import codec_for
from ..store.threads import in_thread
from .endpoint import Endpoint, batch_wire
from .house import House
from .inbox import Inbox
from .lines import BatchRequest
from .operations import Begin, Load, Loaded
from .rows import BACKGROUND, BatchRow, PartRow, RequestRow

__all__ = ["MOST_PART_BYTES", "MOST_PART_REQUESTS", "Probe", "take_in"]

_log = structlog.get_logger("trouper.batch")

MOST_PART_BYTES: Final = 16 * 1024 * 1024
"""Bytes of one part. Providers take more, but a part is in memory while it is sent."""

MOST_PART_REQUESTS: Final = 10_000
"""Requests of one part. Providers take more, but results come with the end of a part."""

# What an entry has beside its body, as the longest wire has it.
_FRAME: Final = 256

# Requests and bytes that are written at a time.
_PAGE, _PAGE_BYTES = 500, 1024 * 1024


class Probe:
    """Which providers have a batch endpoint. Each is asked once in the life of a program."""

    def __init__(self, config: AppConfig) -> None:
        self._config = config
        self._known: dict[str, bool] = {}

    async def has_endpoint(self, provider: str, *, wanted: bool) -> bool:
        """Whether that provider has one. Raises ProviderError where nobody can say.

        Where it is `wanted` in any case, the kind alone decides.
        """
        config = self._config.providers[provider]
        if batch_wire(config, codec_for(config)) is None:
            return False
        if wanted:
            return True
        if provider not in self._known:
            async with Endpoint.opened(config) as endpoint:
                self._known[provider] = await endpoint.exists()
            if not self._known[provider]:
                _log.info("provider has no batch endpoint", provider=provider)
        return self._known[provider]


@attrs.define(eq=False)
class _Open:
    """A part that takes more requests."""

    row: PartRow
    requests: int = 0
    size: int = 0


class _Cut:
    """Says which part a request belongs to."""

    def __init__(self, config: AppConfig, batch: BatchRow, probe: Probe) -> None:
        self._config = config
        self._batch = batch
        self._probe = probe
        self._open: dict[str, _Open] = {}
        self.parts: list[PartRow] = []

    async def part_of(self, line: BatchRequest) -> int:
        model = self._config.models.get(line.model)
        if model is None or self._batch.way == "background":
            # One that is not configured any more is refused when it is asked.
            return BACKGROUND
        target = model.targets[0]
        wanted = self._batch.way == "provider"
        if not await self._probe.has_endpoint(target.provider, wanted=wanted):
            return BACKGROUND
        size = len(line.body) + _FRAME
        part = self._open.get(str(target))
        if (
            part is None
            or part.requests == MOST_PART_REQUESTS
            or part.size + size > MOST_PART_BYTES
        ):
            row = PartRow(batch=self._batch.id, part=len(self.parts), target=str(target))
            self.parts.append(row)
            part = self._open[str(target)] = _Open(row)
        part.requests += 1
        part.size += size
        return part.row.part


async def take_in(house: House, inbox: Inbox, id: str, probe: Probe) -> None:
    """Bring a batch that was submitted into the store; harmless where it is there.

    Raises ProviderError where a provider cannot say whether it has a batch
    endpoint, and StoreError.
    """
    batch, lines = await in_thread(inbox.open, id)
    if await house.write(Begin(batch)):
        cut, n = _Cut(house.config, batch, probe), 0
        while page := await in_thread(_page, lines):
            rows: list[RequestRow] = []
            for line in page:
                rows.append(
                    RequestRow(
                        n=n,
                        part=await cut.part_of(line),
                        custom_id=line.custom_id,
                        model=line.model,
                        request=line.body,
                    )
                )
                n += 1
            await house.write(Load(batch.id, tuple(rows)))
        await house.write(Loaded(batch.id, tuple(cut.parts)))
        _log.info("batch is in the store", batch=batch.id, requests=n, parts=len(cut.parts))
    await in_thread(inbox.done, id)


def _page(lines: Iterator[BatchRequest]) -> list[BatchRequest]:
    page: list[BatchRequest] = []
    size = 0
    for line in lines:
        page.append(line)
        size += len(line.body)
        if len(page) == _PAGE or size > _PAGE_BYTES:
            break
    return page
