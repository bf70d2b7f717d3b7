"""Requests without a batch endpoint, asked one by one at a pace that harms nobody.

They go the way of every question, behind all those that somebody waits for
(Priority.BATCH), and an answer is kept as soon as it is there. A question that was
under way when the program was killed is asked again: the ledger has both.
"""

import random

import structlog
import trio

from ..chat import Completion
from ..errors import ErrorKind, ProviderError
from ..wire.batch import CANCELLED, BatchFault
from .house import House
from .lines import answer_of, answer_of_fault, request_of
from .operations import RecordResults, RequestResult
from .reading import read_requests
from .rows import BACKGROUND, BatchRow, RequestRow

__all__ = ["cancel_waiting", "run_background"]

_log = structlog.get_logger("trouper.batch")

# At once. Limits of providers are kept elsewhere; this bounds what a batch takes
# of the connections that others need.
_AT_ONCE = 16

# How often a request is begun anew that fails for what passes: with the pauses
# in between some six minutes, which outlast most outages.
_TRIES = 12

# Requests that are read at a time.
_PAGE = 64
# ... and written at a time, of those that nobody asks any more.
_CANCELLED = 500

# What waiting mends, beside what says so itself.
_PASSES = frozenset({ErrorKind.CIRCUIT_OPEN, ErrorKind.LIMITER_TIMEOUT})


async def run_background(house: House, batch: BatchRow, called_off: trio.Event) -> None:
    """Ask all that has no part, until all is answered or `called_off`."""
    send, receive = trio.open_memory_channel[RequestRow](0)
    async with trio.open_nursery() as nursery, send, receive:
        for _ in range(_AT_ONCE):
            nursery.start_soon(_work, house, batch, receive.clone(), called_off)
        after = -1
        while not called_off.is_set():
            found = await read_requests(house.path, batch.id, BACKGROUND, "waiting", after, _PAGE)
            for row in found:
                await send.send(row)
            if len(found) < _PAGE:
                break
            after = found[-1].n
    if called_off.is_set():
        await cancel_waiting(house, batch, BACKGROUND)


async def cancel_waiting(house: House, batch: BatchRow, part: int) -> None:
    """Say of all of a part that nobody has begun that it was called off."""
    fault = BatchFault(CANCELLED, "it was called off before it was begun")
    while True:
        found = await read_requests(house.path, batch.id, part, "waiting", -1, _CANCELLED)
        answers = [RequestResult(row.n, "cancelled", answer_of_fault(fault)) for row in found]
        await house.write(RecordResults(batch.id, answers))
        if len(found) < _CANCELLED:
            return


async def _work(
    house: House,
    batch: BatchRow,
    rows: "trio.MemoryReceiveChannel[RequestRow]",
    called_off: trio.Event,
) -> None:
    async with rows:
        async for row in rows:
            if called_off.is_set():
                continue
            answer = await _answer(house, batch, row, called_off)
            if answer is not None:
                await house.write(RecordResults(batch.id, [answer]))


async def _answer(
    house: House, batch: BatchRow, row: RequestRow, called_off: trio.Event
) -> RequestResult | None:
    """The answer; None where it was called off meanwhile."""
    request = request_of(row)
    pause = 1.0
    for tries_left in reversed(range(_TRIES)):
        try:
            return _answered(row, await house.ask(request, batch))
        except ProviderError as error:
            if not tries_left or not (error.retryable or error.kind in _PASSES):
                fault = BatchFault(error.kind.value, error.message)
                return RequestResult(row.n, "failed", answer_of_fault(fault))
            wait = max(pause, error.retry_after or 0.0) * random.uniform(0.8, 1.2)
            _log.info(
                "batch request waits",
                batch=batch.id,
                custom_id=row.custom_id,
                kind=error.kind.value,
                wait_s=round(wait, 1),
            )
        with trio.move_on_after(min(wait, 10 * house.tempo.most)):
            await called_off.wait()
            return None
        pause = min(2 * pause, house.tempo.most)
    raise AssertionError("the last try has ended it")


def _answered(row: RequestRow, completion: Completion) -> RequestResult:
    costs = [each.cost for each in completion.trail]
    known = [cost for cost in costs if cost is not None]
    return RequestResult(
        row.n, "done", answer_of(completion, sum(known) if len(known) == len(costs) else None)
    )
