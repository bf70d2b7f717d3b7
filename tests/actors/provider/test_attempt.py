"""One attempt through its gates: what each refuses, what each is told, and that nothing stays out."""

import random
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import attrs
import httpx
import pytest
import trio
from trio.testing import MockClock

from tests.fakes.gates import KEYS, NOTHING, USAGE, Gated, Listening, open_gated, refusal, whole
from tests.fakes.provider import (
    DONE,
    FINISH,
    ROLE,
    Body,
    config,
    delta,
    text_of,
)
from trouper.actors.config import BreakerConfig
from trouper.actors.errors import ErrorKind, ProviderError
from trouper.actors.policy.budget import Budget
from trouper.actors.provider.call import Call
from trouper.actors.provider.messages import Batch
from trouper.actors.provider.target import make_target
from trouper.actors.store.ledger import Closing
from trouper.actors.telemetry.observer import AttemptBegan

CUT = httpx.ReadError("reset by peer")


async def read(gated: Gated) -> list[Batch]:
    async with gated.attempt() as attempt:
        return [batch async for batch in attempt]


# What comes of it.


async def test_an_answer_has_its_trail_its_cost_and_a_row_in_the_ledger(
    autojump_clock: MockClock,
) -> None:
    async with open_gated(whole()) as gated:
        async with gated.attempt() as attempt:
            completion = await attempt.complete()

        assert completion.text == "hello"
        (record,) = completion.trail
        assert (record.target, record.kind, record.key_id) == ("fake/m", "ok", gated.keys[0])
        assert (record.input_tokens, record.output_tokens, record.estimated) == (9, 4, False)
        assert record.cost == 9 * 1_000 + 4 * 10_000
        (row,) = await gated.rows()
        assert row.state == "settled"
        assert (row.opening.request_id, row.opening.session, row.opening.user) == (
            "r1",
            "s1",
            "alice",
        )
        assert row.opening.key_id == gated.keys[0]
        assert row.closing is not None
        assert (row.closing.cost, row.closing.outcome, row.closing.model) == (
            49_000,
            "ok",
            "m-2027",
        )
        assert await gated.in_flight() == NOTHING


async def test_a_stream_begins_with_all_up_to_the_commit_point_and_is_settled_at_its_end(
    autojump_clock: MockClock,
) -> None:
    body = Body(ROLE, 2.0, delta("a"), delta("b"), FINISH, USAGE, DONE)
    async with open_gated(body) as gated:
        async with gated.attempt() as attempt:
            assert not attempt.committed
            first = await anext(attempt)
            assert [type(chunk).__name__ for chunk in first] == ["Started", "TextDelta"]
            assert attempt.committed
            assert (await gated.circuit()).in_flight == 1
            rest = [batch async for batch in attempt]
            # Before the block is left: a reader may take its time.
            assert await gated.in_flight() == NOTHING

        assert text_of(rest) == "b"
        (row,) = await gated.rows()
        assert row.closing is not None
        assert row.closing.first_token_ms == 2_000
        assert row.closing.cost == 49_000
        assert gated.trail[0].kind == "ok"


async def test_a_stream_that_breaks_off_is_estimated_by_what_was_written(
    autojump_clock: MockClock,
) -> None:
    words = " ".join(f"word{number}" for number in range(200))
    async with open_gated(Body(ROLE, delta(words), CUT)) as gated:
        with pytest.raises(ProviderError) as caught:
            await read(gated)

        assert caught.value.committed
        (record,) = caught.value.trail
        assert (record.kind, record.estimated) == ("stream_truncated", True)
        assert record.output_tokens is not None
        assert 400 <= record.output_tokens <= 800
        (row,) = await gated.rows()
        assert (row.state, row.closing and row.closing.cost) == ("settled", record.cost)
        assert await gated.in_flight() == NOTHING


async def test_what_the_provider_has_counted_of_a_broken_answer_outranks_the_estimate(
    autojump_clock: MockClock,
) -> None:
    async with open_gated(Body(ROLE, USAGE, delta("a"), CUT)) as gated:
        with pytest.raises(ProviderError):
            await read(gated)

    assert (gated.trail[0].input_tokens, gated.trail[0].output_tokens) == (9, 4)
    assert gated.trail[0].estimated


async def test_what_may_have_been_billed_counts_in_full_and_is_called_unknown(
    autojump_clock: MockClock,
) -> None:
    async with open_gated(CUT) as gated:
        error = await gated.fails()

        assert error.billed == "maybe"
        assert error.trail[0].cost is None
        (row,) = await gated.rows()
        assert row.state == "unknown"
        assert row.opening.reserved > 0
        spent = await gated.ledger.spent("all", "total")
        assert spent.spent == row.opening.reserved


async def test_what_never_left_costs_nothing(autojump_clock: MockClock) -> None:
    async with open_gated(refusal(500), httpx.ConnectError("refused")) as gated:
        await gated.fails()
        await gated.fails()

        assert [record.cost for record in gated.trail] == [0, 0]
        assert {row.state for row in await gated.rows()} == {"released"}


async def test_an_unknown_price_is_no_zero(autojump_clock: MockClock) -> None:
    async with open_gated(whole(), prices={}) as gated:
        async with gated.attempt() as attempt:
            completion = await attempt.complete()

        assert completion.trail[0].cost is None
        (row,) = await gated.rows()
        assert row.closing is not None
        assert (row.state, row.closing.cost, row.closing.usage is None) == ("settled", None, False)


async def test_an_error_carries_the_whole_trail(autojump_clock: MockClock) -> None:
    async with open_gated(refusal(500), refusal(429), httpx.ConnectError("refused")) as gated:
        errors = [await gated.fails() for _ in range(3)]

    kinds = ["server_error", "rate_limited", "connection_failed"]
    assert [record.kind for record in errors[-1].trail] == kinds
    assert [len(error.trail) for error in errors] == [1, 2, 3]


# Leaving.


async def test_leaving_before_anything_was_sent_takes_nothing(autojump_clock: MockClock) -> None:
    async with open_gated() as gated:
        async with gated.attempt():
            pass

        assert gated.trail[0].kind == "cancelled"
        assert await gated.in_flight() == NOTHING
        assert (await gated.circuit()).calls == 0
        assert {row.state for row in await gated.rows()} == {"released"}


async def test_leaving_a_stream_early_stops_the_provider_and_settles_an_estimate(
    autojump_clock: MockClock,
) -> None:
    body = Body(ROLE, delta("a few words"), 60.0, delta("b"))
    async with open_gated(body) as gated:
        async with gated.attempt() as attempt:
            await anext(attempt)
        await trio.sleep(0.01)

        assert body.closed
        assert (gated.trail[0].kind, gated.trail[0].estimated) == ("cancelled", True)
        (row,) = await gated.rows()
        assert (row.state, row.closing and row.closing.outcome) == ("settled", "cancelled")
        assert await gated.in_flight() == NOTHING


async def test_cancelled_while_it_waits_in_a_gate_holds_nothing(autojump_clock: MockClock) -> None:
    provider = config(api_keys=KEYS[:1])
    async with open_gated(refusal(429, retry_after="20"), provider=provider) as gated:
        await gated.fails()
        with trio.move_on_after(5):
            async with gated.attempt():
                raise AssertionError("it was let through")

        assert gated.trail[1].kind == "cancelled"
        assert (await gated.limiter()).waiting == 0
        assert await gated.in_flight() == NOTHING


async def test_a_storm_of_cancels_leaves_every_gate_at_zero(autojump_clock: MockClock) -> None:
    chance = random.Random(5)

    async def answer(_: httpx.Request) -> httpx.Response:
        await trio.sleep(chance.uniform(0, 0.2))
        match chance.randrange(8):
            case 0:
                return refusal(500)
            case 1:
                return refusal(400)
            case 2:
                raise CUT
            case _:
                body = Body(ROLE, 0.05, delta("some"), 0.05, delta("words"), FINISH, USAGE, DONE)
                return httpx.Response(200, stream=body)

    async def client(gated: Gated) -> None:
        for _ in range(20):
            with trio.move_on_after(chance.uniform(0, 0.4)):
                try:
                    async with gated.attempt() as attempt:
                        async for _batch in attempt:
                            pass
                except ProviderError:
                    pass

    provider = config(
        api_keys=KEYS,
        requests_per_minute=3_000,
        max_connections=8,
        # Behind an open circuit there is no storm.
        breaker=BreakerConfig(min_calls=10_000),
    )
    budget = Budget(name="all", limit=10**12, per="total")
    async with open_gated(*[answer] * 1000, provider=provider, budgets=[budget]) as gated:
        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(client, gated)
        await trio.testing.wait_all_tasks_blocked()

        assert len(gated.trail) == 400
        assert {"ok", "cancelled"} <= {record.kind for record in gated.trail}
        assert await gated.in_flight() == NOTHING
        rows = await gated.rows()
        assert len(rows) > 100
        spent = await gated.ledger.spent("all", "total")
        assert spent.reserved == 0
        assert spent.spent == sum(
            row.closing.weight(row.opening.reserved) for row in rows if row.closing is not None
        )


async def test_what_was_taken_is_given_back_in_reverse(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    async with open_gated(whole()) as gated:
        gates = gated.target.gates
        settle = gated.ledger.settle

        def settled(op_id: str, closing: Closing) -> None:
            told.append("row")
            settle(op_id, closing)

        monkeypatch.setattr(gated.ledger, "settle", settled)
        heard: dict[str, Any] = {
            "circuit": Listening(gates.circuit, told),
            "keys": Listening(gates.keys, told),
            "limiters": {id: Listening(ref, told) for id, ref in gates.limiters.items()},
        }
        gated.target = attrs.evolve(gated.target, gates=attrs.evolve(gates, **heard))
        async with gated.attempt() as attempt:
            await attempt.complete()

    assert told == ["row", "Settle", "ReportKey", "Report"]


class Seen:
    """Who observes one attempt."""

    def __init__(self) -> None:
        self.said: list[Any] = []

    def attempted(self, began: AttemptBegan) -> "Seen":
        self.said.append(began)
        return self

    def sent(self, waited: float = 0.0) -> None:
        self.said.append(("sent", waited))

    def first_token(self) -> None:
        self.said.append("first token")

    def ended(self, ended: Any) -> None:
        self.said.append(ended)


async def test_who_observes_is_told_of_each_step(autojump_clock: MockClock) -> None:
    seen = Seen()
    call = Call(request_id="r1", seen=seen)
    body = Body(ROLE, delta("a"), FINISH, USAGE, DONE)
    async with open_gated(body) as gated, gated.attempt(call=call) as attempt:
        async for _ in attempt:
            pass

    began, sent, first, ended = seen.said
    assert (began.number, began.provider, began.model, began.kind) == (1, "fake", "m", "openai")
    assert (sent, first) == (("sent", 0.0), "first token")
    assert (ended.result, ended.cost, ended.key_id) == ("ok", 49_000, gated.keys[0])
    assert ended.usage.output == 4


async def test_who_observes_is_told_of_a_failure(autojump_clock: MockClock) -> None:
    seen = Seen()
    async with open_gated(refusal(503)) as gated:
        with pytest.raises(ProviderError) as caught:
            async with gated.attempt(call=Call(seen=seen)) as attempt:
                await attempt.complete()

    assert seen.said[-1].result == "failed"
    assert seen.said[-1].error is caught.value
    assert seen.said[-1].status == 503


async def test_a_model_may_be_waited_for_longer_or_shorter_than_its_provider(
    autojump_clock: MockClock,
) -> None:
    async with open_gated(Body(50.0), Body(ROLE, delta("a"), 50.0)) as gated:
        target = make_target(config(), gated.target.connection, "m", first_event=8.0, idle=4.0)
        gated.target = target
        for longest in (8, 4):
            began = trio.current_time()
            with pytest.raises(ProviderError) as caught:
                await read(gated)
            assert longest <= trio.current_time() - began <= longest + 1
            assert caught.value.kind is ErrorKind.TIMEOUT


class Mute:
    """A connection whose streams end without a word."""

    @asynccontextmanager
    async def stream(self, _: object) -> AsyncGenerator[AsyncGenerator[Batch]]:
        async def nothing() -> AsyncGenerator[Batch]:
            none: list[Batch] = []
            for batch in none:
                yield batch

        async with aclosing(nothing()) as batches:
            yield batches


async def test_a_stream_that_ends_without_a_word_is_nothing_that_anybody_answered(
    autojump_clock: MockClock,
) -> None:
    async with open_gated() as gated:
        mute: Any = Mute()
        gated.target = attrs.evolve(gated.target, connection=mute)
        assert await read(gated) == []
        assert gated.trail[0].kind == "cancelled"
        assert await gated.in_flight() == NOTHING
