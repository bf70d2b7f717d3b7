"""What becomes of a provider's batch when answers are lost, keys die and programs end."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.fakes.batch_app import half_price, ledger, requests, results, running
from tests.fakes.batches import BatchProvider
from tests.fakes.http_server import Peer
from trouper.actors.app import App
from trouper.actors.batch.batches import Batches
from trouper.actors.batch.errors import NoBatchStore, UnknownBatch
from trouper.actors.batch.rows import Status
from trouper.actors.config import AppConfig, AssistantConfig, ModelConfig, ProviderConfig, Secret

KINDS = pytest.mark.parametrize("kind", ["openai", "anthropic"])
BEGIN = ("POST /batches", "POST /messages/batches")


async def until(app: App, id: str, is_so: Callable[[Status], object]) -> Status:
    """The batch's status, once `is_so` says that it is so."""
    with trio.fail_after(20):
        while True:
            status = await app.batches.status(id)
            if status is not None and is_so(status):
                return status
            await trio.sleep(0.01)


def losing(provider: BatchProvider, times: int, *asked: str) -> list[str]:
    """The provider hangs up instead of giving these answers, so often; those that were lost."""
    lost: list[str] = []

    async def hook(peer: Peer, what: str) -> bool:
        if what in asked and len(lost) < times:
            lost.append(what)
            await peer.reset()
            return True
        return False

    provider.hook = hook
    return lost


@KINDS
async def test_a_batch_whose_beginning_nobody_heard_of_is_found_again(
    tmp_path: Path, kind: str
) -> None:
    provider = BatchProvider()
    lost = losing(provider, 1, *BEGIN)
    async with running(tmp_path / "s.db", provider, kind) as app:
        id = await app.batches.submit(requests("one", "two"))
        assert [one["text"] for one in await results(app, id)] == ["You said: one", "You said: two"]
    assert len(lost) == 1
    assert len(provider.batches) == 1


@KINDS
async def test_what_the_provider_has_not_begun_is_begun_again(tmp_path: Path, kind: str) -> None:
    provider = BatchProvider()

    async def refuse(peer: Peer, what: str) -> bool:
        if what not in BEGIN or provider.asked.count(f"POST /v1{what[5:]}") > 2:
            return False
        provider.batches.clear()
        await peer.send(b"HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n")
        return True

    provider.hook = refuse
    async with running(tmp_path / "s.db", provider, kind) as app:
        id = await app.batches.submit(requests("one"))
        assert (await results(app, id))[0]["text"] == "You said: one"
        (row,) = await ledger(app)
    assert row.state == "settled"
    assert len(provider.batches) == 1


async def test_a_batch_of_anothers_is_let_go_and_ours_is_begun(tmp_path: Path) -> None:
    provider = BatchProvider()

    async def lose_ours(peer: Peer, what: str) -> bool:
        if (
            what != BEGIN[1]
            or len(provider.batches) != 1
            or provider.asked.count("POST /v1/messages/batches") != 1
        ):
            return False
        # As large as ours, and begun in the same moment by somebody else.
        (ours,) = provider.batches.values()
        ours.requests = {"theirs": next(iter(ours.requests.values()))}
        await peer.reset()
        return True

    provider.hook = lose_ours
    async with running(tmp_path / "s.db", provider, "anthropic") as app:
        id = await app.batches.submit(requests("one"))
        assert (await results(app, id))[0]["text"] == "You said: one"
        status = await app.batches.status(id)
        (row,) = await ledger(app)
    assert status is not None
    assert (status.parts[0].others, status.parts[0].remote_id) == (("b0",), "b1")
    assert row.closing is not None
    assert row.closing.cost == half_price("one")


async def test_whoever_answers_no_batch_again_and_again_is_given_up(tmp_path: Path) -> None:
    provider = BatchProvider(lists=False)

    async def babble(peer: Peer, what: str) -> bool:
        if what != BEGIN[0]:
            return False
        await peer.send(b"HTTP/1.1 200 X\r\nContent-Length: 2\r\n\r\n{}")
        return True

    provider.hook = babble
    async with running(tmp_path / "s.db", provider) as app:
        id = await app.batches.submit(requests("one"))
        (found,) = await results(app, id)
        (row,) = await ledger(app)
    assert found["error"]["kind"] == "protocol_error"
    # It may have been billed: nobody knows.
    assert row.state == "unknown"
    assert len(provider.batches) == 5


@KINDS
async def test_another_key_is_shown_where_the_first_is_refused(tmp_path: Path, kind: str) -> None:
    provider = BatchProvider(keys=frozenset({"k-2"}))
    keys = (Secret("k-1"), Secret("k-2"))
    async with running(tmp_path / "s.db", provider, kind, api_keys=keys) as app:
        id = await app.batches.submit(requests("one"), way="provider")
        assert (await results(app, id))[0]["text"] == "You said: one"


@KINDS
async def test_what_passes_is_waited_for_and_said_meanwhile(tmp_path: Path, kind: str) -> None:
    provider = BatchProvider(status=503)
    async with running(tmp_path / "s.db", provider, kind) as app:
        id = await app.batches.submit(requests("one"), way="provider")
        waiting = await until(app, id, lambda status: status.batch.note)
        assert "HTTP 503" in waiting.batch.note
        provider.status = 0
        assert (await results(app, id))[0]["text"] == "You said: one"
        done = await app.batches.status(id)
    assert done is not None
    assert done.batch.note == ""


async def test_before_it_is_known_whether_there_is_an_endpoint_nothing_is_lost(
    tmp_path: Path,
) -> None:
    provider = BatchProvider(status=503)
    async with running(tmp_path / "s.db", provider) as app:
        id = await app.batches.submit(requests("one"))
        await until(app, id, lambda status: status.batch.note)
        provider.status = 0
        assert (await results(app, id))[0]["text"] == "You said: one"


async def test_a_file_that_the_provider_does_not_take_fails_as_a_whole(tmp_path: Path) -> None:
    provider = BatchProvider(ends_as="failed")
    async with running(tmp_path / "s.db", provider) as app:
        id = await app.batches.submit(requests("one", "two"))
        one, two = await results(app, id)
        rows = await ledger(app)
    assert one["error"] == two["error"] == {"kind": "invalid_request", "message": "line 1 is wrong"}
    assert {row.state for row in rows} == {"released"}


async def test_what_a_whole_batch_did_not_come_to_has_expired(tmp_path: Path) -> None:
    provider = BatchProvider(ends_as="expired")
    async with running(tmp_path / "s.db", provider) as app:
        id = await app.batches.submit(requests("one", "expire two"))
        one, two = await results(app, id)
    assert one["text"] == "You said: one"
    assert two["error"]["kind"] == "expired"


async def test_results_that_break_off_are_fetched_again_and_nothing_is_counted_twice(
    tmp_path: Path,
) -> None:
    provider = BatchProvider()
    broken: list[str] = []

    async def cut(peer: Peer, what: str) -> bool:
        if not what.endswith("/content") or len(broken) == 3:
            return False
        broken.append(what)
        content = next(
            iter(content for id, content in provider.files.items() if id[:6] == "output")
        )
        await peer.send(b"HTTP/1.1 200 X\r\nContent-Length: %d\r\n\r\n" % len(content))
        await peer.send(content[: len(content) * len(broken) // 4])
        await peer.reset()
        return True

    provider.hook = cut
    prompts = [f"prompt {n}" for n in range(1_000)]
    async with running(tmp_path / "s.db", provider) as app:
        id = await app.batches.submit(requests(*prompts))
        found = await results(app, id)
        costs = [row.closing.cost for row in await ledger(app) if row.closing and row.closing.cost]
    assert len(broken) == 3
    assert [one["text"] for one in found] == [f"You said: {prompt}" for prompt in prompts]
    assert sum(costs) == sum(map(half_price, prompts))


@KINDS
async def test_a_program_that_ends_in_between_goes_on_where_it_was(
    tmp_path: Path, kind: str
) -> None:
    provider = BatchProvider(looks=10**6)
    path = tmp_path / "s.db"
    async with running(path, provider, kind) as app:
        id = await app.batches.submit(requests("one", "two"))
        await until(app, id, lambda status: status.counts.sent == 2)
    async with running(path, provider, kind) as app:
        # What a dead program has left open counts in full, until the results say better.
        assert {row.state for row in await ledger(app)} == {"unknown"}
        provider.looks = 0
        assert [one["text"] for one in await results(app, id)] == ["You said: one", "You said: two"]
        rows = await ledger(app)
        totals = await app.ledger.spent("all", "total")
    assert len(provider.batches) == 1
    assert {row.state for row in rows} == {"settled"}
    assert totals.spent == half_price("one") + half_price("two")


async def test_what_is_called_off_at_its_provider_is_cancelled(tmp_path: Path) -> None:
    provider = BatchProvider(looks=10**6)
    async with running(tmp_path / "s.db", provider) as app:
        id = await app.batches.submit(requests("one", "two"))
        await until(app, id, lambda status: status.counts.sent == 2)
        await app.batches.cancel(id)
        one, two = await results(app, id)
        status = await app.batches.status(id)
        rows = await ledger(app)
    assert one["error"]["kind"] == two["error"]["kind"] == "cancelled"
    assert status is not None
    assert status.counts.cancelled == 2
    assert {row.state for row in rows} == {"released"}


async def test_what_is_called_off_before_it_was_sent_is_not_sent(tmp_path: Path) -> None:
    provider = BatchProvider()
    lost = losing(provider, 10**6, "POST /files")
    async with running(tmp_path / "s.db", provider) as app:
        id = await app.batches.submit(requests("one"))
        await until(app, id, lambda status: status.batch.note)
        await app.batches.cancel(id)
        (one,) = await results(app, id)
    assert one["error"]["kind"] == "cancelled"
    assert lost
    assert provider.batches == {}


async def test_what_no_model_takes_is_said_and_the_rest_is_sent(tmp_path: Path) -> None:
    provider = BatchProvider()
    lines: list[dict[str, Any]] = [
        {"id": "good", "prompt": "one"},
        {
            "custom_id": "hot",
            "body": {"messages": [{"role": "user", "content": "x"}], "temperature": 9.5},
        },
    ]
    async with running(tmp_path / "s.db", provider) as app:
        id = await app.batches.submit(lines)
        good, hot = await results(app, id)
        only_bad = await app.batches.submit(lines[1:])
        (bad,) = await results(app, only_bad)
    assert good["text"] == "You said: one"
    assert "temperature: 9.5 is out of range" in hot["error"]["message"]
    assert bad["error"]["kind"] == "invalid_request"
    assert provider.served == ["one"]


@KINDS
async def test_a_batch_that_is_gone_for_a_moment_is_not_given_up(tmp_path: Path, kind: str) -> None:
    provider = BatchProvider()
    refused: list[str] = []

    async def not_found(peer: Peer, what: str) -> bool:
        if not what.startswith("GET ") or "b0" not in what or len(refused) == 3:
            return False
        refused.append(what)
        await peer.send(b"HTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n")
        return True

    provider.hook = not_found
    async with running(tmp_path / "s.db", provider, kind) as app:
        id = await app.batches.submit(requests("one"))
        assert (await results(app, id))[0]["text"] == "You said: one"
    assert len(refused) == 3


async def test_a_batch_that_is_gone_for_good_is_of_unknown_cost(tmp_path: Path) -> None:
    provider = BatchProvider()

    async def gone(peer: Peer, what: str) -> bool:
        if not what.startswith("GET /batches/"):
            return False
        await peer.send(b"HTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n")
        return True

    provider.hook = gone
    async with running(tmp_path / "s.db", provider) as app:
        id = await app.batches.submit(requests("one"))
        (one,) = await results(app, id)
        (row,) = await ledger(app)
    assert one["error"]["kind"] == "protocol_error"
    assert row.state == "unknown"


async def test_what_the_results_do_not_tell_of_is_said(tmp_path: Path) -> None:
    provider = BatchProvider()

    async def shorten(peer: Peer, what: str) -> bool:
        if not what.endswith("/content"):
            return False
        content = provider.files["output-b0"].splitlines()[0] + b"\n\n"
        await peer.send(b"HTTP/1.1 200 X\r\nContent-Length: %d\r\n\r\n" % len(content) + content)
        return True

    provider.hook = shorten
    async with running(tmp_path / "s.db", provider) as app:
        id = await app.batches.submit(requests("one", "two"))
        one, two = await results(app, id)
    assert "do not tell of it" in one["error"]["message"]
    assert two["text"] == "You said: two"


async def test_a_batch_waits_for_a_provider_that_was_taken_out_of_the_configuration(
    tmp_path: Path,
) -> None:
    provider = BatchProvider(looks=10**6)
    path = tmp_path / "s.db"
    async with running(path, provider) as app:
        id = await app.batches.submit(requests("one"))
        await until(app, id, lambda status: status.counts.sent == 1)
    async with running(path, provider, "ollama") as app:
        waiting = await until(app, id, lambda status: status.batch.note)
    assert "fake has it and is not configured any more" in waiting.batch.note
    provider.looks = 0
    async with running(path, provider) as app:
        assert (await results(app, id))[0]["text"] == "You said: one"
        done = await app.batches.status(id)
    assert done is not None
    assert done.batch.note == ""


async def test_an_unknown_batch_and_a_store_in_memory_are_said() -> None:
    config = AppConfig(
        providers={"p": ProviderConfig(name="p", kind="openai", base_url="http://localhost:1/v1")},
        models={"default": ModelConfig(targets=["p/m"])},
        assistants={"default": AssistantConfig(model="default")},
    )
    with pytest.raises(NoBatchStore, match=r"set path in \[store\]"):
        await Batches(config).submit(requests("one"))


async def test_nobody_knows_a_batch_that_was_not_submitted(tmp_path: Path) -> None:
    async with running(tmp_path / "s.db", BatchProvider()) as app:
        with pytest.raises(UnknownBatch, match="no batch 'b-0'"):
            await app.batches.status("b-0")
        assert await app.batches.all() == []
