"""Streams that hang, ping, drip and break, on each wire that has its own way of it: what others shipped.

The rows are those of the table of complaints (tests/complaints.py).
"""

import json
from contextlib import suppress
from functools import partial
from typing import Any

import httpx
import pytest
import trio
from trio.testing import MockClock

from tests.fakes.gates import Gated, open_gated
from tests.fakes.provider import (
    DONE,
    FINISH,
    ROLE,
    Answers,
    Body,
    Step,
    config,
    delta,
    frame,
    make_request,
    open_target,
    sse,
    text_of,
)
from tests.fakes.responses import event, response
from tests.fakes.routes import open_route, refusal
from trouper.actors.chat import Heartbeat
from trouper.actors.config import TimeoutConfig
from trouper.actors.errors import ErrorKind, ProviderError
from trouper.actors.gate.circuit import Circuit
from trouper.actors.gate.circuit_messages import Trip
from trouper.actors.policy.backoff import RetryPolicy
from trouper.actors.provider.messages import Batch, Chat
from trouper.actors.provider.target import Gates
from trouper.runtime import System, child

ONCE = RetryPolicy(attempts=1)
CUT = httpx.ReadError("reset by peer")


def anthropic(kind: str, **members: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **members})}\n\n".encode()


START = anthropic("message_start", message={"id": "m", "model": "m", "usage": {"input_tokens": 3}})
BLOCK = anthropic("content_block_start", index=0, content_block={"type": "text", "text": ""})
PING = anthropic("ping")
OVERLOADED = anthropic("error", error={"type": "overloaded_error", "message": "Overloaded"})
STOP = anthropic("message_delta", delta={"stop_reason": "end_turn"}) + anthropic("message_stop")


FAILED = b'data: {"error": {"message": "no", "type": "server_error"}}\n\n'


def words(text: str) -> bytes:
    return anthropic("content_block_delta", index=0, delta={"type": "text_delta", "text": text})


async def ends(*steps: Step, **more: Any) -> tuple[str, ProviderError]:
    """What an Anthropic stream of these steps had said by its end, and that end."""
    provider = config(kind="anthropic", base_url="https://fake.test", **more)
    batches: list[Batch] = []
    async with open_target(Answers(Body(*steps)), provider) as (target, _):
        with pytest.raises(ProviderError) as caught:
            async with target.connection.stream(Chat(make_request())) as items:
                async for batch in items:
                    batches.append(batch)  # noqa: PERF401 - kept also when it ends in an error
    assert any(isinstance(chunk, Heartbeat) for batch in batches for chunk in batch)
    return text_of(batches), caught.value


# Time.


async def test_a_stream_that_hangs_raises_by_default_and_the_next_target_answers(
    autojump_clock: MockClock,
) -> None:
    """Row 2: "Idle timeout on by default; expiry is a classified error, not a bare Cancelled"."""
    a, b = Answers(Body(ROLE, 1e9)), Answers(sse("from b"))
    async with open_route(a=a, b=b, retry=ONCE) as stage:
        assert text_of(await stage.collect()) == "from b"
    assert trio.current_time() <= 301


async def test_pings_do_not_keep_a_stream_alive_that_says_nothing(
    autojump_clock: MockClock,
) -> None:
    """Row 3: "Idle clock resets on content events; pings reset only a looser liveness clock":
    that of `total`."""
    pings: list[Step] = [10.0, PING] * 200
    text, error = await ends(START, BLOCK, words("a"), *pings)

    assert text == "a"
    assert (error.kind, error.in_stream) == (ErrorKind.TIMEOUT, True)
    assert "idle" in error.message
    assert 300 <= trio.current_time() <= 301


async def test_pings_alone_are_no_first_event(autojump_clock: MockClock) -> None:
    """Row 3, before the answer: who only says that it lives has not begun."""
    pings: list[Step] = [10.0, PING] * 200
    text, error = await ends(*pings)

    assert text == ""
    assert "first_event" in error.message
    assert 120 <= trio.current_time() <= 121


async def test_a_reader_that_is_slow_at_a_ping_does_not_make_the_provider_late(
    autojump_clock: MockClock,
) -> None:
    patient = TimeoutConfig(first_event=20, idle=20, total=10_000)
    provider = config(kind="anthropic", base_url="https://fake.test", timeouts=patient)
    body = Body(START, BLOCK, *[PING] * 40, words("late"), STOP)
    batches: list[Batch] = []
    async with (
        open_target(Answers(body), provider) as (target, _),
        target.connection.stream(Chat(make_request())) as items,
    ):
        async for batch in items:
            batches.append(batch)
            await trio.sleep(15.0)
    assert text_of(batches) == "late"


async def test_a_plain_answer_that_drips_has_its_share_of_the_time_and_no_more(
    autojump_clock: MockClock,
) -> None:
    """Row 5: a provider that gives one byte a second is never silent. Nothing measures its pace:
    before the commit point it has its share of the time that there is for the whole chain."""
    drip: list[Step] = [b" ", 1.0] * 10_000
    a = Answers(httpx.Response(200, stream=Body(*drip)))
    b = Answers(httpx.Response(200, json={"choices": [{"message": {"content": "from b"}}]}))
    async with open_route(a=a, b=b, retry=ONCE, total=100.0) as stage:
        completion = await stage.complete()

    assert completion.message.text == "from b"
    assert 50 <= trio.current_time() <= 52


async def test_a_stream_that_drips_without_a_word_is_left_for_the_next_target(
    autojump_clock: MockClock,
) -> None:
    """Row 5, streamed: a sign of life each second for ever is not the beginning of an answer."""
    drip: list[Step] = [1.0, PING] * 1_000
    a, b = Answers(Body(START, *drip)), Answers(sse("from b"))
    async with open_route(a=a, b=b, kinds={"a": "anthropic"}, retry=ONCE, total=100.0) as stage:
        assert text_of(await stage.collect()) == "from b"
    assert 50 <= trio.current_time() <= 52


# Errors within a stream.


async def test_an_overloaded_error_in_a_stream_is_the_error_that_a_status_would_be(
    autojump_clock: MockClock,
) -> None:
    """Row 7: "map in-stream errors to the same class as the HTTP error, flag in_stream"."""
    text, error = await ends(START, PING, BLOCK, words("a"), OVERLOADED)
    refused = httpx.Response(529, content=OVERLOADED.partition(b"data: ")[2])
    provider = config(kind="anthropic", base_url="https://fake.test")
    async with open_target(Answers(refused), provider) as (target, _):
        with pytest.raises(ProviderError) as caught:
            async with target.connection.stream(Chat(make_request())) as items:
                [_ async for _ in items]

    assert text == "a"
    assert error.kind is caught.value.kind is ErrorKind.OVERLOADED
    assert (error.in_stream, caught.value.in_stream) == (True, False)
    assert error.retryable


@pytest.mark.parametrize(
    ("kind", "begun"),
    [
        pytest.param("anthropic", [START, PING, OVERLOADED], id="overloaded_error (row 7)"),
        pytest.param("openai", [frame({}), FAILED], id="row 8"),
        pytest.param(
            "openai-responses",
            [
                response("created"),
                event("response.in_progress"),
                response("failed", error={"code": "server_error"}),
            ],
            id="failed after response.created (row 9)",
        ),
        pytest.param(
            "openai-responses",
            [response("created"), event("response.in_progress"), CUT],
            id="cut after response.created (row 9)",
        ),
        pytest.param("ollama", [b'{"error": "model is loading"}\n'], id="ollama's error line"),
    ],
)
async def test_an_error_that_follows_a_status_of_200_does_not_escape_the_fallback(
    kind: str, begun: list[Step], autojump_clock: MockClock
) -> None:
    """Rows 7, 8 and 9: a stream that was opened, or has announced a response, has said nothing
    yet; the next target answers and nobody notices."""
    a, b = Answers(Body(*begun)), Answers(sse("from b"))
    async with open_route(a=a, b=b, kinds={"a": kind}, retry=ONCE) as stage:
        batches = await stage.collect()
        counts = stage.counts

    assert text_of(batches) == "from b"
    assert counts == {"a": 1, "b": 1}


# The circuit.


async def streamed(gated: Gated) -> None:
    with suppress(ProviderError):
        async with gated.attempt() as attempt:
            async for _ in attempt:
                pass


@pytest.mark.parametrize(
    "body",
    [
        pytest.param([ROLE, delta("a"), CUT], id="cut"),
        pytest.param([ROLE, delta("a")], id="truncated"),
        pytest.param(
            [ROLE, delta("a"), b'data: {"error": {"code": "server_error"}}\n\n'], id="error"
        ),
    ],
)
async def test_streams_that_break_after_their_first_words_open_the_circuit_at_their_end(
    body: list[Step], autojump_clock: MockClock
) -> None:
    """Row 26: "Record at stream end"."""
    async with open_gated(*[Body(*body) for _ in range(10)]) as gated:
        for number in range(10):
            assert (await gated.circuit()).failures == number
            await streamed(gated)
        assert (await gated.circuit()).state == "open"


async def test_streams_that_their_reader_leaves_say_nothing_of_the_provider(
    autojump_clock: MockClock,
) -> None:
    """Row 26: "client cancel is neutral", before the first word and after it."""
    silent, spoken = Body(ROLE, 60.0), Body(ROLE, delta("a"), 60.0)
    bodies = [Body(*each.steps) for _ in range(10) for each in (silent, spoken)]
    async with open_gated(*bodies, Body(ROLE, delta("a"), FINISH, DONE)) as gated:
        for _ in bodies:
            with trio.move_on_after(5.0):
                await streamed(gated)
        circuit = await gated.circuit()
        assert (circuit.state, circuit.failures, circuit.in_flight) == ("closed", 0, 0)
        await streamed(gated)
        assert gated.trail[-1].kind == "ok"


# The time that is left.


async def test_a_target_that_was_waited_for_has_its_share_of_the_time_from_then_on(
    autojump_clock: MockClock,
) -> None:
    """Row 24: a circuit that was waited for longer than the target's first share has not used
    that up: nobody was asked."""
    a, b = Answers(sse("from a")), Answers(refusal(404, "model_not_found"))
    circuit = child("circuit", partial(Circuit, "a", "m"))
    async with System(circuit, signals=False) as system:
        tripped = system.ref("circuit", Circuit)
        await tripped.ask(Trip("maintenance", seconds=70.0))
        gates = {"a": Gates(circuit=tripped)}
        async with open_route(a=a, b=b, gates=gates, retry=ONCE, total=100.0) as stage:
            assert text_of(await stage.collect()) == "from a"
    assert 70 <= trio.current_time() <= 71


# What the ledger calls it.


async def test_an_attempt_that_is_left_before_its_first_word_is_called_cancelled(
    autojump_clock: MockClock,
) -> None:
    """As the slower one of two is: it was answered, and has said nothing."""
    async with open_gated(Body(ROLE, 60.0)) as gated:
        async with gated.attempt() as attempt:
            with trio.move_on_after(1.0):
                await anext(attempt)
        (row,) = await gated.rows()

    assert (row.state, row.closing and row.closing.outcome) == ("unknown", "cancelled")
    assert gated.trail[0].kind == "cancelled"


async def test_a_crash_of_the_connection_is_called_in_the_ledger_what_the_trail_calls_it(
    autojump_clock: MockClock,
) -> None:
    async with open_gated(Body(ROLE, KeyError("a bug"))) as gated:
        await streamed(gated)
        (row,) = await gated.rows()

    assert (row.state, row.closing and row.closing.outcome) == ("unknown", "unavailable")
    assert gated.trail[0].kind == "unavailable"
