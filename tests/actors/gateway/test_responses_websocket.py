"""Responses over a websocket: lanes, conversations that go on, errors."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import trio
from structlog.testing import capture_logs

from tests.fakes.gateway import start_gateway
from tests.fakes.http_by_hand import GOOD_HANDSHAKE, exchange, get
from tests.fakes.models import FakeModels, Step, spoken
from tests.fakes.responses_client import open_responses
from trouper.actors.chat import ChatRequest
from trouper.actors.errors import ErrorKind, ProviderError
from trouper.actors.gateway.auth import Access
from trouper.actors.gateway.responding import Recent, ResponseHistory
from trouper.actors.store.memory_responses import MemoryResponses
from trouper.actors.store.responses import StoredResponse


def said(request: ChatRequest) -> list[tuple[str, str]]:
    return [(message.role, message.text) for message in request.messages]


def text(response: dict[str, Any]) -> str:
    words: str = response["output"][0]["content"][0]["text"]
    return words


def failure(kind: ErrorKind, **more: Any) -> ProviderError:
    return ProviderError(kind=kind, message="too bad", provider="acme", **more)


async def test_a_request_gets_the_events_of_a_response(nursery: trio.Nursery) -> None:
    models = FakeModels(spoken("You", " said"))
    running = await start_gateway(nursery, models=models)

    async with open_responses(running) as socket:
        await socket.send(stream=True, user="alice", nobody_knows=["this"])
        told = await socket.rest()

    assert told[0]["type"] == "response.created"
    assert "".join(event.get("delta", "") for event in told) == "You said"
    assert [event["sequence_number"] for event in told] == list(range(len(told)))
    assert told[-1]["response"]["usage"]["output_tokens"] == 2
    assert not any("stream_id" in event for event in told)
    assert models.asked[0][1].user == "alice"
    assert told[-1]["response"]["id"][5:] == models.asked[0][1].request_id[4:]


async def test_a_page_offers_its_token_beside_the_protocol_that_is_documented(
    nursery: trio.Nursery,
) -> None:
    access = Access(["right"])
    running = await start_gateway(nursery, models=FakeModels(spoken("hi")), access=access)
    token = "openai-insecure-api-key.right"

    async with open_responses(running, subprotocols=[token, "responses"]) as page:
        assert page.ws.subprotocol == "responses"
    lone = f"Sec-WebSocket-Protocol: {token}"
    alone = await exchange(running, get("/v1/responses", *GOOD_HANDSHAKE, lone))

    assert b"offer the subprotocol 'responses' beside the token" in alone


async def test_lanes_do_not_wait_for_each_other(nursery: trio.Nursery) -> None:
    go_on = trio.Event()
    models = FakeModels([*spoken("slow")[:2], go_on, *spoken("slow")[2:]])
    running = await start_gateway(nursery, models=models)

    async with open_responses(running) as socket:
        await socket.send(stream_id="slow")
        await models.wait_taken(3)
        begun = [await socket.next() for _ in range(5)]
        models.steps = spoken("quick")
        await socket.send(stream_id="quick")
        quick = await socket.rest()
        await socket.send()
        unnamed = await socket.rest()
        go_on.set()
        slow = await socket.rest()

    assert {event["stream_id"] for event in [*begun, *slow]} == {"slow"}
    assert {event["stream_id"] for event in quick} == {"quick"}
    assert not any("stream_id" in event for event in unnamed)
    assert [text(each[-1]["response"]) for each in (quick, slow)] == ["quick", "slow"]


async def test_requests_of_a_lane_are_answered_in_their_order(nursery: trio.Nursery) -> None:
    go_on = trio.Event()
    models = FakeModels([go_on, *spoken("first")])
    running = await start_gateway(nursery, models=models)

    async with open_responses(running) as socket:
        await socket.send(input="one")
        await models.wait_taken(1)
        models.steps = spoken("second")
        await socket.send(input="two")
        await socket.send(input="three")
        await trio.sleep(0.05)
        assert len(models.asked) == 1
        go_on.set()
        answers = [text((await socket.rest())[-1]["response"]) for _ in range(3)]

    assert answers == ["first", "second", "second"]
    assert [said(request)[0][1] for request, _ in models.asked] == ["one", "two", "three"]


@pytest.mark.parametrize("store", [True, False])
async def test_a_conversation_goes_on_upon_its_connection(
    nursery: trio.Nursery, store: bool
) -> None:
    models = FakeModels()
    running = await start_gateway(nursery, models=models)

    async with open_responses(running) as socket:
        first = await socket.ask(input="one", store=store, instructions="Rhyme.")
        second = await socket.ask(input="two", store=store, previous_response_id=first["id"])
        await socket.ask(input="three", store=store, previous_response_id=second["id"])
        await socket.ask(input="or", store=store, previous_response_id=first["id"])

    assert said(models.asked[2][0]) == [
        ("user", "one"),
        ("assistant", "hello"),
        ("user", "two"),
        ("assistant", "hello"),
        ("user", "three"),
    ]
    assert said(models.asked[3][0])[2:] == [("user", "or")]
    # The same objects, so that what was encoded for the one need not be for the other.
    assert models.asked[1][0].messages[0] is models.asked[2][0].messages[0]


async def test_a_stored_conversation_goes_on_after_a_restart(nursery: trio.Nursery) -> None:
    store, models = MemoryResponses(), FakeModels()
    running = await start_gateway(nursery, models=models, responses=store)
    async with open_responses(running) as socket:
        kept = await socket.ask(input="one")
        held = await socket.ask(input="one", store=False)
    running.scope.cancel()
    again = await start_gateway(nursery, models=models, responses=store)

    async with open_responses(again) as socket:
        await socket.ask(input="two", previous_response_id=kept["id"])
        gone = await socket.ask(input="two", previous_response_id=held["id"])

    assert said(models.asked[-1][0]) == [("user", "one"), ("assistant", "hello"), ("user", "two")]
    assert (gone["type"], gone["status"], gone["error"]["code"], gone["error"]["param"]) == (
        "error",
        400,
        "previous_response_not_found",
        "previous_response_id",
    )


async def test_a_response_is_kept_before_its_end_is_told(nursery: trio.Nursery) -> None:
    class Slow(MemoryResponses):
        def __init__(self) -> None:
            super().__init__()
            self.asked, self.go_on = trio.Event(), trio.Event()

        async def put(self, response: StoredResponse) -> None:
            self.asked.set()
            await self.go_on.wait()
            await super().put(response)

    store = Slow()
    running = await start_gateway(nursery, models=FakeModels(), responses=store)

    async with open_responses(running) as socket:
        await socket.send()
        while (await socket.next()).get("delta") != "hello":
            pass
        await store.asked.wait()
        with trio.move_on_after(0.05) as quiet:
            await socket.next()
        store.go_on.set()
        end = (await socket.rest())[-1]["response"]

    assert quiet.cancelled_caught
    assert await store.find(end["id"], owner="local") is not None


async def test_a_request_that_generates_nothing_is_gone_on_from(nursery: trio.Nursery) -> None:
    models = FakeModels()
    running = await start_gateway(nursery, models=models)
    rules = {"role": "developer", "content": "Rhyme."}

    async with open_responses(running) as socket:
        await socket.send(input=[rules], generate=False, store=False)
        warm = await socket.rest()
        id = warm[-1]["response"]["id"]
        await socket.ask(input="hi", previous_response_id=id, store=False)

    assert [event["type"] for event in warm] == [
        "response.created",
        "response.in_progress",
        "response.completed",
    ]
    ((request, _),) = models.asked
    assert said(request) == [("system", "Rhyme."), ("user", "hi")]


async def test_a_model_that_fails_fails_the_response(nursery: trio.Nursery) -> None:
    steps: list[Step] = [failure(ErrorKind.RATE_LIMITED, retry_after=1.5)]
    models = FakeModels(steps)
    running = await start_gateway(nursery, models=models)

    async with open_responses(running) as socket:
        at_once = await socket.ask()
        models.steps = [*spoken("You")[:2], failure(ErrorKind.CONTEXT_WINDOW_EXCEEDED)]
        await socket.send()
        later = await socket.rest()
        models.steps = spoken("hello")
        after = await socket.ask()

    assert at_once["status"] == "failed"
    assert at_once["error"]["code"] == "rate_limit_exceeded"
    assert at_once["error"]["message"].endswith("Please try again in 1.5s.")
    assert [event["type"] for event in later][0 :: len(later) - 1] == [
        "response.created",
        "response.failed",
    ]
    assert later[-1]["response"]["error"]["code"] == "context_length_exceeded"
    assert after["status"] == "completed"


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        (ErrorKind.MODEL_NOT_FOUND, 404, "model_not_found"),
        (ErrorKind.INVALID_REQUEST, 400, "invalid_request"),
    ],
)
async def test_a_request_that_no_model_takes_is_an_error_with_its_status(
    nursery: trio.Nursery, kind: ErrorKind, status: int, code: str
) -> None:
    running = await start_gateway(nursery, models=FakeModels([failure(kind)]))

    async with open_responses(running) as socket:
        told = await socket.ask(stream_id="a")

    assert (told["type"], told["status"], told["error"]["code"]) == ("error", status, code)
    assert told["stream_id"] == "a"


async def test_a_fault_of_our_own_is_logged_and_ends_one_request(nursery: trio.Nursery) -> None:
    models = FakeModels([ZeroDivisionError("a bug")])
    running = await start_gateway(nursery, models=models)

    async with open_responses(running) as socket:
        with capture_logs() as logs:
            told = await socket.ask()
        models.steps = spoken("hello")
        after = await socket.ask()

    assert (told["status"], told["error"]["code"]) == ("failed", "server_error")
    assert [line["event"] for line in logs] == ["request failed"]
    assert after["status"] == "completed"


@pytest.mark.parametrize(
    "frame",
    ["{", "[]", b"\x00", {"type": "x"}, {"type": "response.create", "stream_id": 5, "input": "x"}],
)
async def test_what_is_no_request_is_an_error_and_the_connection_stays(
    nursery: trio.Nursery, frame: Any
) -> None:
    running = await start_gateway(nursery, models=FakeModels())

    async with open_responses(running) as socket:
        await socket.raw(frame)
        told = await socket.next()
        after = await socket.ask()

    assert (told["type"], told["status"]) == ("error", 400)
    assert after["status"] == "completed"


async def test_a_wrong_field_is_named_in_its_lane(nursery: trio.Nursery) -> None:
    running = await start_gateway(nursery, models=FakeModels())

    async with open_responses(running) as socket:
        told = await socket.ask(temperature="warm", stream_id="a")
        await socket.raw({"type": "response.steer", "previous_response_id": "x", "input": "more"})
        steered = await socket.next()

    assert (told["error"]["param"], told["stream_id"]) == ("temperature", "a")
    assert steered["error"]["code"] == "steering_not_supported"


def conversations(*sizes: int) -> Iterator[tuple[str, ResponseHistory]]:
    for number, size in enumerate(sizes):
        yield str(number), ResponseHistory((), size)


def test_a_connection_remembers_what_it_was_asked_for_last() -> None:
    recent = Recent(1000)
    for id, conversation in conversations(400, 400):
        recent.put(id, conversation)
    assert recent.get("0") is not None

    recent.put("2", ResponseHistory((), 400))

    assert [id for id in "012" if recent.get(id)] == ["0", "2"]
    for id, conversation in conversations(*[1] * 100):
        recent.put(f"more-{id}", conversation)
    assert recent.get("2") is None


async def test_every_event_is_one_frame_of_json(nursery: trio.Nursery) -> None:
    running = await start_gateway(nursery, models=FakeModels(spoken('"\n\u2713')))

    async with open_responses(running) as socket:
        await socket.send(stream_id="a")
        frames = [await socket.ws.get_message() for _ in range(9)]

    assert [json.loads(frame)["type"] for frame in frames][-1] == "response.completed"
