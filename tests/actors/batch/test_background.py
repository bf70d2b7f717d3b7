"""Requests that are asked one by one: nothing is lost, whatever ends in between."""

import random
from pathlib import Path
from typing import Any

import trio

from tests.fakes.batch_app import ledger, requests, results, running
from tests.fakes.batches import BatchProvider, usage_of
from tests.fakes.http_server import Peer
from trouper.actors.config.attempts import RetryConfig
from trouper.actors.gate.limiter_messages import Priority


def full_price(prompt: str) -> int:
    read, written = usage_of(prompt)
    return read * 2_000 + written * 10_000


async def test_a_thousand_requests_survive_that_their_program_ends_again_and_again(
    tmp_path: Path,
) -> None:
    provider = BatchProvider(batching=False)
    path, lives, chance = tmp_path / "s.db", 0, random.Random(7)
    prompts = [f"prompt {n}" for n in range(1_000)]
    id, found = "", list[dict[str, Any]]()
    with trio.fail_after(60):
        while True:
            lives += 1
            with trio.move_on_after(chance.uniform(0.2, 0.3) * lives) as life:
                async with running(path, provider) as app:
                    if not id:
                        # (A life that ends in it may have submitted it, and nobody has its id.)
                        with trio.CancelScope(shield=True):
                            id = await app.batches.submit(requests(*prompts))
                    found = await results(app, id)
            if not life.cancelled_caught:
                break
    async with running(path, provider) as app:
        rows = await ledger(app)

    assert lives > 1
    assert [one["text"] for one in found] == [f"You said: {prompt}" for prompt in prompts]
    assert [one["cost_nano_dollars"] for one in found] == list(map(full_price, prompts))
    # What was under way when a program ended is asked again, and nothing else.
    assert len(provider.plain) <= len(prompts) + 16 * (lives - 1)
    assert len([row for row in rows if row.closing and row.closing.outcome == "ok"]) >= 1_000
    assert not [row for row in rows if row.state == "reserved"]


async def test_what_passes_is_waited_for(tmp_path: Path) -> None:
    provider = BatchProvider(batching=False)

    async def out(peer: Peer, what: str) -> bool:
        if what != "POST /chat/completions" or len(provider.plain) > 6:
            return False
        await peer.send(b"HTTP/1.1 503 X\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n")
        return True

    provider.hook = out
    once = RetryConfig(attempts=1)
    async with running(tmp_path / "s.db", provider, retry=once) as app:
        id = await app.batches.submit(requests("one", "two"))
        found = await results(app, id)
    assert [one["text"] for one in found] == ["You said: one", "You said: two"]


async def test_people_go_first(tmp_path: Path) -> None:
    async with running(tmp_path / "s.db", BatchProvider(batching=False)) as app:
        seen: list[Priority] = []
        complete = app.complete

        async def spy(*args: object, **kwargs: object) -> object:
            seen.append(kwargs["priority"])  # type: ignore[arg-type]
            return await complete(*args, **kwargs)  # type: ignore[arg-type]

        app.complete = spy  # type: ignore[method-assign, assignment]
        id = await app.batches.submit(requests("one"))
        await results(app, id)
    assert seen == [Priority.BATCH]


async def test_what_is_called_off_is_not_asked_any_more(tmp_path: Path) -> None:
    provider = BatchProvider(batching=False)
    reached = trio.Event()

    async def slow(peer: Peer, what: str) -> bool:
        if what == "POST /chat/completions":
            if len(provider.plain) == 10:
                reached.set()
            if len(provider.plain) > 10:
                await trio.sleep(0.2)
        return False

    provider.hook = slow
    async with running(tmp_path / "s.db", provider) as app:
        id = await app.batches.submit(requests(*(f"p {n}" for n in range(500))))
        await reached.wait()
        await app.batches.cancel(id)
        found = await results(app, id)
        status = await app.batches.status(id)
    assert status is not None
    assert status.counts.done + status.counts.cancelled == len(found) == 500
    assert status.counts.cancelled > 300
    assert len(provider.plain) == status.counts.done
