"""What becomes of clients of OpenAI's who leave, who are slow, and who are there when the server stops."""

import json

import pytest
import trio

from tests.fakes.gateway import PATIENCE, start_gateway
from tests.fakes.http_by_hand import everything, get, status
from tests.fakes.models import FakeModels, Step, spoken
from tests.fakes.raw_client import RawAnswer, chat_request
from trouper.actors.chat import TextDelta
from trouper.actors.gateway.limits import Limits


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_cancels_its_request_within_a_second(
    nursery: trio.Nursery, begun: bool, stream: bool
) -> None:
    steps: list[Step] = [*(spoken("You")[:2] if begun else []), trio.Event()]
    models = FakeModels(steps)
    running = await start_gateway(nursery, models=models)

    async with await running.connect() as client:
        await client.send_all(chat_request(model="small", stream=stream))
        await models.wait_taken(len(steps))
    left = trio.current_time()

    with trio.fail_after(PATIENCE):
        await models.answers[0].closed.wait()
    assert trio.current_time() - left < 1.0
    await running.settled()


async def test_a_reader_that_is_slow_slows_its_provider_down(nursery: trio.Nursery) -> None:
    """Nothing is kept for it but what the kernel's buffers hold."""
    steps: list[Step] = [[TextDelta(0, "x" * 100_000)] for _ in range(300)]
    models = FakeModels([*steps, *spoken()[-1:]])
    running = await start_gateway(nursery, models=models)

    async with await running.connect() as client:
        await client.send_all(
            chat_request(model="small", stream=True, headers={"Connection": "close"})
        )
        stood_at = await models.wait_stuck()
        read = 0
        last = b""
        with trio.fail_after(PATIENCE):
            async for data in client:
                read, last = read + len(data), bytes(last[-100:] + data)

    assert stood_at < 200
    assert read > 30_000_000
    assert last.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")


async def test_a_reader_that_stops_is_cut_off(nursery: trio.Nursery) -> None:
    steps: list[Step] = [[TextDelta(0, "x" * 100_000)] for _ in range(1000)]
    models = FakeModels(steps)
    running = await start_gateway(nursery, models=models, limits=Limits(stall_seconds=0.2))

    async with await running.connect() as client:
        await client.send_all(
            chat_request(model="small", stream=True, headers={"Connection": "close"})
        )
        with trio.fail_after(PATIENCE):
            await running.wait_connections(1)
            await running.settled()

    assert models.answers[0].closed.is_set()


async def test_a_server_that_stops_lets_answers_come_to_their_end(nursery: trio.Nursery) -> None:
    go_on = trio.Event()
    models = FakeModels([*spoken("You")[:2], go_on, *spoken(" said")[1:]])
    running = await start_gateway(nursery, models=models)

    async with await running.connect() as client:
        await client.send_all(chat_request(model="small", stream=True))
        first = bytes(await client.receive_some())
        running.scope.cancel()
        await trio.sleep(0.05)
        assert not running.ended.is_set()
        go_on.set()
        rest = await everything(client)
        with trio.fail_after(PATIENCE):
            await running.ended.wait()

    answer = RawAnswer(first + rest, "eof")
    assert answer.complete
    assert (answer.text, answer.events[-1]) == ("You said", "[DONE]")


@pytest.mark.parametrize("begun", [False, True])
async def test_an_answer_that_outlasts_the_grace_is_told_so(
    nursery: trio.Nursery, begun: bool
) -> None:
    steps: list[Step] = [*(spoken("You")[:2] if begun else []), trio.Event()]
    models = FakeModels(steps)
    running = await start_gateway(nursery, models=models, limits=Limits(close_seconds=1.2))

    async with await running.connect() as client:
        await client.send_all(chat_request(model="small", stream=True))
        await models.wait_taken(len(steps))
        running.scope.cancel()
        answer = RawAnswer(await everything(client), "eof")

    told = answer.chunks[-1]["error"] if begun else json.loads(answer.body)["error"]
    assert (answer.status, told["code"]) == (200 if begun else 503, "server_restarts")
    assert models.answers[0].closed.is_set()


async def test_a_request_that_comes_while_the_server_stops_is_turned_away(
    nursery: trio.Nursery,
) -> None:
    go_on = trio.Event()
    models = FakeModels([go_on, *spoken("hi")])
    running = await start_gateway(nursery, models=models)

    async with await running.connect() as busy, await running.connect() as late:
        await late.send_all(get("/v1/models"))
        await late.receive_some()
        await busy.send_all(chat_request(model="small"))
        await models.wait_taken(1)
        running.scope.cancel()
        await trio.sleep(0.05)
        await late.send_all(chat_request(model="small"))
        refused = bytes(await late.receive_some())
        go_on.set()
        answered = await everything(busy)

    assert (status(refused), status(answered)) == (503, 200)
    assert b"retry-after: 5\r\n" in refused.lower()
    assert len(models.asked) == 1
