"""Makes the requests of a part ready to be sent: fitted to the model, encoded, and paid for.

What cannot be sent, or what no budget covers, has its answer at once.
"""

from collections.abc import Sequence

import attrs
import trio

from ..catalog.facts import ModelRef
from ..catalog.validation import validate, without_refused_sampling
from ..chat import ChatRequest
from ..errors import ErrorKind, ProviderError
from .books import Books, fault_of
from .endpoint import Endpoint
from .house import House
from .lines import request_of
from .operations import RecordResults, RequestResult, ReserveAll
from .reading import read_requests
from .rows import PartRow, RequestRow, tag_of

__all__ = ["Preparation"]

# Requests at a time.
_PAGE = 200


class Preparation:
    """That of one part; it may be done again, and then changes nothing in the ledger."""

    def __init__(
        self, house: House, endpoint: Endpoint, part: PartRow, ref: ModelRef, books: Books
    ) -> None:
        self._house = house
        self._endpoint = endpoint
        self._part = part
        self._ref = ref
        self._books = books

    async def entries(self, key_id: str) -> list[bytes]:
        """The entries of all requests that wait, whose money is reserved; some MB, as parts are.

        Raises StoreError.
        """
        entries: list[bytes] = []
        after = -1
        while True:
            found = await read_requests(
                self._house.path, self._part.batch, self._part.part, "waiting", after, _PAGE
            )
            entries += await self._page(found, key_id)
            if len(found) < _PAGE:
                return entries
            after = found[-1].n

    async def _page(self, rows: Sequence[RequestRow], key_id: str) -> list[bytes]:
        wire, tag = self._endpoint.wire, tag_of(self._part)
        openings, entries, failed = [], [], list[RequestResult]()
        for row in rows:
            # Each is some tenths of a millisecond, which others need not wait for.
            await trio.lowlevel.checkpoint()
            try:
                request = self._fitted(row)
                encoded = self._endpoint.codec.encode(request, stream=False)
                opening = await self._books.opening(row.n, request, key_id)
            except ProviderError as error:
                failed.append(self._books.failed(row.n, fault_of(error), None))
                continue
            openings.append(opening)
            entries.append((row.n, wire.entry(f"{tag}-{row.n}", encoded)))
        while (denied := await self._house.write(ReserveAll(tuple(openings)))) is not None:
            index, why = denied
            denied_one, _ = openings.pop(index)
            n, _ = entries.pop(index)
            fault = await self._books.refused(denied_one, why)
            failed.append(self._books.failed(n, fault, None))
        if failed:
            await self._house.write(RecordResults(self._part.batch, failed))
        return [entry for _, entry in entries]

    def _fitted(self, row: RequestRow) -> ChatRequest:
        """The request as this model takes it. Raises ProviderError where it takes it in no way."""
        request = attrs.evolve(self._house.fit(request_of(row)), model=self._ref.model)
        facts = self._house.knowledge.facts(self._ref)
        request, _ = without_refused_sampling(request, facts)
        faults = validate(request, facts)
        if faults:
            raise ProviderError(
                kind=ErrorKind.INVALID_REQUEST,
                message=f"not sent, because it would be refused: {'; '.join(faults)}",
            )
        return request
