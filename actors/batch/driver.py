"""Who carries batches on: one task in the tree of the program that has the store.

It takes in what was submitted and runs each batch that is not done, those of an
earlier life first. All that it knows is in the store; it may be killed at any time.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import structlog
import trio

from ...runtime import Backoff, ChildSpec, child, supervisor
from ..errors import ProviderError
from ..provider.kinds import codec_for
from ..store.threads import in_thread
from .background import run_background
from .endpoint import Endpoint, batch_wire
from .house import House
from .inbox import Inbox, Unreadable
from .intake import Probe, take_in
from .operations import Cancel, EndBatch, Forget, Note
from .reading import read
from .remote import RemoteRun
from .rows import BatchRow

__all__ = ["Driver", "driver_spec"]

_BACKOFF = Backoff(initial=1.0, maximum=60.0, reset_after=300.0)
_CRASHES, _PERIOD = 30, 60.0

_log = structlog.get_logger("trouper.batch")


def driver_spec(house: Callable[[], House]) -> ChildSpec:
    """The child that carries batches on, in the house that is there when it starts.

    A disk that is full for an hour must not end the program, so it comes back
    at ever longer intervals, and never so often that its supervisor gives up.
    """

    async def driver() -> None:
        await Driver(house()).run()

    spec = child("driver", driver, backoff=_BACKOFF)
    return supervisor("batches", spec, intensity=_CRASHES, period=_PERIOD)


class Driver:
    """Carries on all batches of a store. `run` is a child of a supervisor."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._inbox = Inbox(house.path)
        self._probe = Probe(house.config)
        self._called_off: dict[str, trio.Event] = {}
        self._preparing = trio.Lock()
        self._not_before: dict[str, float] = {}

    async def run(self) -> None:
        """Go on until cancelled. Raises StoreError."""
        self._called_off.clear()
        await in_thread(self._inbox.tidy)
        async with trio.open_nursery() as nursery:
            await self._start_all(nursery)
            while True:
                if await self._look():
                    await self._start_all(nursery)
                await trio.sleep(self._house.tempo.inbox)

    async def _look(self) -> bool:
        """Whether there is something new. Cheap where there is nothing."""
        new = False
        for id in self._inbox.submitted():
            if trio.current_time() >= self._not_before.get(id, 0.0):
                new = await self._take_in(id) or new
        for id in self._inbox.cancelled():
            new = await self._call_off(id) or new
        return new

    async def _take_in(self, id: str) -> bool:
        try:
            await take_in(self._house, self._inbox, id, self._probe)
        except Unreadable as error:
            _log.error("batch cannot be read", batch=id, detail=str(error))
            await in_thread(self._inbox.put_aside, id)
            await self._house.write(Forget(id))
            return False
        except ProviderError as error:
            wait = self._house.tempo.most
            self._not_before[id] = trio.current_time() + wait
            _log.warning("batch waits", batch=id, kind=error.kind.value, wait_s=wait)
            await self._house.write(Note(id, str(error)))
            return False
        return True

    async def _call_off(self, id: str) -> bool:
        if id in self._inbox.submitted():
            return False  # when it is in the store
        begun = await self._house.write(Cancel(id))
        if id in self._called_off:
            self._called_off[id].set()
        self._inbox.heard(id)
        return begun

    async def _start_all(self, nursery: trio.Nursery) -> None:
        for batch in await read(self._house.path, lambda reader: reader.batches(unfinished=True)):
            if batch.state != "loading" and batch.id not in self._called_off:
                called_off = self._called_off[batch.id] = trio.Event()
                if batch.state == "cancelling":
                    called_off.set()
                nursery.start_soon(self._run, batch, called_off)

    async def _run(self, batch: BatchRow, called_off: trio.Event) -> None:
        parts = await read(self._house.path, lambda reader: reader.parts(batch.id))
        providers = {part.target.partition("/")[0] for part in parts if part.state != "ended"}
        gone = sorted(name for name in providers if not self._has(name))
        if gone:
            note = f"{', '.join(gone)} has it and is not configured any more; put it back"
            await self._house.write(Note(batch.id, note))
            return
        async with self._endpoints(providers) as endpoints, trio.open_nursery() as nursery:
            if self._house.one_by_one or called_off.is_set():
                nursery.start_soon(run_background, self._house, batch, called_off)
            for part in parts:
                if part.state == "ended":
                    continue
                endpoint = endpoints[part.target.partition("/")[0]]
                run = RemoteRun(self._house, endpoint, batch, part, called_off, self._preparing)
                nursery.start_soon(run.run)
        if await self._house.write(EndBatch(batch.id)):
            del self._called_off[batch.id]
            _log.info("batch is done", batch=batch.id)

    def _has(self, provider: str) -> bool:
        config = self._house.config.providers.get(provider)
        return config is not None and batch_wire(config, codec_for(config)) is not None

    @asynccontextmanager
    async def _endpoints(self, names: set[str]) -> AsyncGenerator[dict[str, Endpoint]]:
        """The endpoints of these providers, by their names."""
        async with AsyncExitStack() as stack:
            yield {
                name: await stack.enter_async_context(
                    Endpoint.opened(
                        self._house.config.providers[name], self._house.knowledge.models
                    )
                )
                for name in sorted(names)
            }
