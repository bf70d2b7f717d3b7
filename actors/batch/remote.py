"""One part of a batch, as one batch of its provider: sent once, looked at, fetched.

    planned --entries, money, file--> named --POST--> running --results--> ended
                 ^                      |  looked for: there is none
                 '----------------------'

The rule that keeps a part from being submitted twice: before the provider is
asked to begin it, the store says so (`named`). Whoever does not know what came of
that, because the program was killed or the answer was lost, first looks through
the provider's list, `settle` seconds later. OpenAI's batches carry our tag.
Anthropic's carry nothing of ours until they have ended: there a batch of as many
requests, made since then, that is none of ours otherwise, is taken for it, and
if its results turn out to be somebody else's it is let go, and the search goes
on. Only what is not found is begun again.
"""

import time
from collections.abc import Sequence
from contextlib import aclosing

import attrs
import structlog
import trio

from ..catalog.facts import ModelRef
from ..errors import ProviderError
from ..store.ledger import Closing
from ..wire.batch import CANCELLED, EXPIRED, BatchFault, BatchResult, RemoteBatch
from .background import cancel_waiting
from .books import Books, fault_of
from .endpoint import Endpoint
from .house import House
from .operations import ChangePart, LetGo, RecordResults, RequestResult, Sent
from .patience import Patience
from .preparation import Preparation
from .reading import read, read_requests
from .rows import BatchRow, PartRow, RequestRow, RequestState, tag_of

__all__ = ["RemoteRun"]

_log = structlog.get_logger("trouper.batch")

# Answers that are recorded at a time.
_PAGE = 200

# Seconds by which the provider's clock may differ from ours.
_SKEW = 300.0

# Pages of a hundred: what an account begins in a day.
_MOST_PAGES = 50

# Answers to "begin it" that leave open whether it has begun, each followed by a
# search that found nothing: what gives them does not speak this wire.
_MOST_UNCLEAR = 5

# Times that a batch which is known to be there is said not to be: a proxy that
# is at fault for a minute must not cost a day's answers.
_MOST_REFUSALS = 6

_RELEASED = Closing(state="released", outcome="", cost=0)
_UNKNOWN = Closing(state="unknown", outcome="")


class RemoteRun:
    """Carries one part on, to its end."""

    def __init__(
        self,
        house: House,
        endpoint: Endpoint,
        batch: BatchRow,
        part: PartRow,
        called_off: trio.Event,
        preparing: trio.Lock,
    ) -> None:
        provider, _, model = part.target.partition("/")
        family = house.knowledge.family(endpoint.config.kind, endpoint.config.base_url)
        self._house = house
        self._endpoint = endpoint
        self._batch = batch
        self._part = part
        self._ref = ref = ModelRef(provider, model, family)
        self._books = Books(house.knowledge, house.budgets, ref, batch)
        self._preparation = Preparation(house, endpoint, part, ref, self._books)
        self._patience = Patience(house, batch, endpoint.keys, part.key_id)
        self._called_off = called_off
        # The entries of one part are in memory at a time.
        self._preparing = preparing
        self._unclear = 0

    async def run(self) -> None:
        """Return when each of its requests has its answer. Raises StoreError."""
        while True:
            match self._part.state:
                case "planned":
                    async with self._preparing:
                        trouble = await self._begin()
                    if trouble is not None:
                        await self._patience.bear(trouble, may_change_key=True)
                case "named":
                    await self._search()
                case "running":
                    await self._follow()
                case "ended":
                    return

    async def _change(self, **changes: object) -> None:
        part = attrs.evolve(self._part, **changes)  # type: ignore[arg-type]
        await self._house.write(Sent(part) if part.state == "running" else ChangePart(part))
        self._part = part

    # To the provider.

    async def _begin(self) -> ProviderError | None:
        """Bring it to the provider. Answers what is to be waited for before another try."""
        if self._called_off.is_set():
            await cancel_waiting(self._house, self._batch, self._part.part)
            await self._change(state="ended")
            return None
        entries = await self._preparation.entries(self._patience.key_id)
        if not entries:
            await self._change(state="ended")
            return None
        try:
            await self._send(entries)
        except ProviderError as error:
            unclear = self._part.state == "named" and _may_have_begun(error)
            self._unclear += unclear
            if unclear and self._unclear < _MOST_UNCLEAR:
                return None
            if not unclear and Patience.is_passing(error):
                await self._change(state="planned")
                return error
            await self._give_up(error, _UNKNOWN if unclear else _RELEASED)
        else:
            await self._patience.well()
        return None

    async def _send(self, entries: Sequence[bytes]) -> None:
        endpoint, wire, tag = self._endpoint, self._endpoint.wire, tag_of(self._part)
        key_id = self._patience.key_id
        upload = wire.upload(tag, entries)
        file_id = ""
        if upload is not None:
            file_id = await endpoint.ask(upload, key_id, wire.uploaded)
        await self._change(state="named", key_id=key_id, named_at=time.time())
        begun = await endpoint.ask(wire.create(tag, entries, file_id), key_id, wire.batch)
        await self._change(state="running", remote_id=begun.id)
        _log.info("batch is with its provider", batch=tag, remote=begun.id, requests=len(entries))

    async def _give_up(self, error: ProviderError, closing: Closing) -> None:
        """The provider takes none of it."""
        closing = attrs.evolve(closing, outcome=error.kind.value)
        await self._fail_all("waiting", fault_of(error), closing)
        await self._change(state="ended")

    async def _search(self) -> None:
        """Whether the provider has it: it is adopted, or begun again."""
        settled = self._part.named_at + self._house.tempo.settle
        await trio.sleep(max(0.0, settled - time.time()))
        found = await self._patience.until(self._find)
        if found is None:
            await self._change(state="planned", remote_id="")
        else:
            _log.info("batch was found again", batch=tag_of(self._part), remote=found.id)
            await self._change(state="running", remote_id=found.id)

    async def _find(self) -> RemoteBatch | None:
        endpoint, wire, part = self._endpoint, self._endpoint.wire, self._part
        size, taken = await read(
            self._house.path,
            lambda reader: (
                reader.count(part.batch, part.part, "waiting"),
                {*reader.remote_ids(), *part.others},
            ),
        )

        def is_it(batch: RemoteBatch) -> bool:
            if batch.id in taken:
                return False
            return batch.tag == tag_of(part) if wire.has_tags else batch.total == size

        since, after = part.named_at - _SKEW, ""
        for _ in range(_MOST_PAGES):
            listing = await endpoint.ask(wire.list(after), self._key_id, wire.listed)
            fresh = [batch for batch in listing.batches if batch.created_at >= since]
            for batch in filter(is_it, fresh):
                return batch
            if listing.after is None or len(fresh) < len(listing.batches):
                return None
            after = listing.after
        return None

    @property
    def _key_id(self) -> str:
        """The key that has begun it: another may be of an account that does not know it."""
        known = self._part.key_id in self._endpoint.keys
        return self._part.key_id if known else self._patience.key_id

    # From the provider.

    async def _follow(self) -> None:
        wire, tempo = self._endpoint.wire, self._house.tempo
        look = wire.look(self._part.remote_id)
        pause, told = tempo.first_look, False
        while True:
            if self._called_off.is_set() and not told:
                told = True
                await self._call_off()
            try:
                batch = await self._patience.until(
                    lambda: self._endpoint.ask(look, self._key_id, wire.batch),
                    refusals=_MOST_REFUSALS,
                )
            except ProviderError as error:
                await self._lost(fault_of(error))
                return
            if batch.ended:
                break
            with trio.move_on_after(pause):
                if told:
                    await trio.sleep_forever()
                await self._called_off.wait()
            pause = min(pause * tempo.growth, tempo.most)
        await self._fetch(batch)

    async def _call_off(self) -> None:
        wire = self._endpoint.wire
        try:
            await self._endpoint.ask(wire.cancel(self._part.remote_id), self._key_id, wire.batch)
        except ProviderError as error:
            # It may have ended meanwhile, which the next look says.
            _log.info("batch is not called off", batch=tag_of(self._part), kind=error.kind.value)

    async def _fetch(self, batch: RemoteBatch) -> None:
        if batch.fault and not batch.outputs:
            await self._lost(BatchFault("invalid_request", batch.fault), billed=batch.done > 0)
            return
        for output in batch.outputs:
            try:
                ours = await self._patience.until(
                    lambda: self._take(output),  # noqa: B023
                    refusals=_MOST_REFUSALS,
                )
            except ProviderError as error:
                await self._lost(fault_of(error))
                return
            if not ours:
                await self._disown()
                return
        await self._end_rest(batch)

    async def _disown(self) -> None:
        """What was taken for it is another's: look on."""
        _log.warning("batch is another's", batch=tag_of(self._part), remote=self._part.remote_id)
        part = attrs.evolve(
            self._part,
            state="named",
            remote_id="",
            others=(*self._part.others, self._part.remote_id),
        )
        await self._house.write(LetGo(part))
        self._part = part

    async def _take(self, output: str) -> bool:
        """Record all results of a file; whether they are ours."""
        wire, prefix = self._endpoint.wire, f"{tag_of(self._part)}-"
        answers: list[RequestResult] = []
        found = strange = 0
        async with aclosing(self._endpoint.lines(wire.fetch(output), self._key_id)) as lines:
            async for line in lines:
                if not line.strip():
                    continue
                result = wire.result(line)
                if not result.custom_id.startswith(prefix):
                    strange += 1
                    continue
                found += 1
                answers.append(self._answer(result, prefix))
                if len(answers) >= _PAGE:
                    await self._record(answers)
                    answers = []
        await self._record(answers)
        return found > 0 or not strange

    def _answer(self, result: BatchResult, prefix: str) -> RequestResult:
        return self._books.answered(int(result.custom_id.removeprefix(prefix)), result.outcome)

    async def _end_rest(self, batch: RemoteBatch) -> None:
        """What the results do not tell of."""
        match batch.status:
            case "expired":
                fault, billed = (
                    BatchFault(EXPIRED, "the provider did not come to it in time"),
                    False,
                )
            case "cancelled" | "cancelling":
                fault, billed = BatchFault(CANCELLED, "it was called off"), False
            case _:
                words = "the provider's results do not tell of it"
                fault, billed = BatchFault("protocol_error", words), True
        await self._lost(fault, billed=billed)

    async def _lost(self, fault: BatchFault, *, billed: bool = True) -> None:
        """All that has no answer gets none, and the part has ended."""
        closing = Closing(
            state="unknown" if billed else "released",
            outcome=fault.kind,
            cost=None if billed else 0,
        )
        await self._fail_all("sent", fault, closing)
        await self._change(state="ended")

    async def _fail_all(self, state: RequestState, fault: BatchFault, closing: Closing) -> None:
        while found := await self._requests(state, -1):
            answers = [self._books.failed(row.n, fault, closing) for row in found]
            await self._record(answers)

    async def _record(self, answers: Sequence[RequestResult]) -> None:
        """Write them down; then those hear of it who are told what a call has cost."""
        settled = await self._house.write(RecordResults(self._batch.id, answers))
        for answer, _ in settled:
            assert answer.closing is not None
            self._house.settled(self._ref, answer.closing)
        await self._books.closed(settled)

    async def _requests(self, state: RequestState, after: int) -> list[RequestRow]:
        batch, part = self._part.batch, self._part.part
        return await read_requests(self._house.path, batch, part, state, after, _PAGE)


def _may_have_begun(error: ProviderError) -> bool:
    """Whether the provider may have begun what it was asked for, whatever it said."""
    return error.billed != "no" or (error.status or 0) >= 500
