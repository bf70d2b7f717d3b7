"""Responses over HTTP: answers, conversations that go on, errors, who leaves."""

import json
from typing import Any

import attrs
import pytest
import trio
from structlog.testing import capture_logs

from tests.fakes.gateway import PATIENCE, start_gateway
from tests.fakes.http_by_hand import everything
from tests.fakes.models import FakeModels, Step, spoken
from tests.fakes.raw_client import RawAnswer
from tests.fakes.responses_client import ask, responses_request
from tests.fakes.stored_responses import response
from trouper.actors.chat import (
    ChatRequest,
    Completion,
    Finish,
    Finished,
    Heartbeat,
    Message,
    PartDone,
    Started,
    TextDelta,
    TextPart,
    ToolCallPart,
    ToolCallStarted,
)
from trouper.actors.errors import ErrorKind, ProviderError
from trouper.actors.gateway.auth import Access
from trouper.actors.gateway.limits import Limits
from trouper.actors.provider.call import Call
from trouper.actors.store.errors import StoreFull
from trouper.actors.store.memory_responses import MemoryResponses
from trouper.actors.store.responses import StoredResponse

SLOW_DOWN = ProviderError(
    kind=ErrorKind.RATE_LIMITED, message="slow down", provider="acme", retry_after=1.5
)


def body(answer: RawAnswer) -> dict[str, Any]:
    assert answer.status == 200, answer.body
    told: dict[str, Any] = json.loads(answer.body)
    return told


def error(answer: RawAnswer) -> dict[str, Any]:
    fault: dict[str, Any] = json.loads(answer.body)["error"]
    return fault


def events(answer: RawAnswer) -> list[dict[str, Any]]:
    """The events of a stream, each of which has its type in both places."""
    blocks = answer.body.decode().removesuffix("\n\n").split("\n\n")
    pairs = [block.split("\n") for block in blocks if not block.startswith(":")]
    told = [(kind, json.loads(data.removeprefix("data: "))) for kind, data in pairs]
    assert all(kind == f"event: {event['type']}" for kind, event in told)
    return [event for _, event in told]


def said(request: ChatRequest) -> list[tuple[str, str]]:
    return [(message.role, message.text) for message in request.messages]


async def test_a_plain_request_gets_a_response(nursery: trio.Nursery) -> None:
    models = FakeModels()
    running = await start_gateway(nursery, models=models)

    answer = await ask(running, instructions="Be brief.", user="alice", max_output_tokens=5)

    told = body(answer)
    assert (told["object"], told["status"], told["model"]) == ("response", "completed", "small")
    assert told["output"][0]["content"][0]["text"] == "hello"
    assert (told["instructions"], told["max_output_tokens"]) == ("Be brief.", 5)
    ((request, call),) = models.asked
    assert said(request) == [("system", "Be brief."), ("user", "hi")]
    assert (request.max_output_tokens, call.user) == (5, "alice")
    # One id in the head, in the ledger and, in other words, in the body.
    assert f"x-request-id: {call.request_id}".encode() in answer.head
    assert told["id"].removeprefix("resp_") == call.request_id.removeprefix("req_")


async def test_a_stream_comes_as_events(nursery: trio.Nursery) -> None:
    running = await start_gateway(nursery, models=FakeModels(spoken("You", " said", "!")))

    answer = await ask(running, stream=True)

    told = events(answer)
    assert answer.complete
    assert b"content-type: text/event-stream" in answer.head
    assert "".join(event.get("delta", "") for event in told) == "You said!"
    assert [event["sequence_number"] for event in told] == list(range(len(told)))
    assert told[-1]["response"]["usage"]["input_tokens"] == 3


async def test_all_events_of_a_batch_are_one_piece(nursery: trio.Nursery) -> None:
    batch = [TextDelta(0, "a"), TextDelta(0, "b")]
    running = await start_gateway(nursery, models=FakeModels([batch, *spoken()[1:]]))

    answer = await ask(running, stream=True)

    wire = answer.wire.partition(b"\r\n\r\n")[2]
    assert wire.count(b"\r\nevent: ") == 2  # all up to "ab"; the end
    assert b'"delta":"ab"' in wire


async def test_a_provider_that_waits_keeps_the_connection_alive(nursery: trio.Nursery) -> None:
    steps: list[Step] = [[], [Started("x", "m")], [Heartbeat()], *spoken("hi")]
    running = await start_gateway(nursery, models=FakeModels(steps))

    answer = await ask(running, stream=True)

    assert b"\n\n: alive\n\n" in answer.body.replace(b"\r\n", b"")
    assert events(answer)[-1]["type"] == "response.completed"


async def test_a_conversation_goes_on_where_it_was(nursery: trio.Nursery) -> None:
    models = FakeModels()
    running = await start_gateway(nursery, models=models)

    first = body(await ask(running, input="one", instructions="Rhyme."))
    models.steps = spoken("again")
    second = body(await ask(running, input="two", previous_response_id=first["id"]))
    await ask(running, input="three", previous_response_id=second["id"], stream=True)

    assert second["previous_response_id"] == first["id"]
    # The instructions are of one request only.
    assert said(models.asked[-1][0]) == [
        ("user", "one"),
        ("assistant", "hello"),
        ("user", "two"),
        ("assistant", "again"),
        ("user", "three"),
    ]


async def test_calls_and_their_results_go_back_and_forth(nursery: trio.Nursery) -> None:
    call = ToolCallPart("call_1", "clock", '{"tz":"UTC"}')
    calling: list[Step] = [
        [Started("x", "m"), ToolCallStarted(0, "call_1", "clock")],
        [PartDone(0, call), Finished(Finish.TOOL_CALLS)],
    ]
    models = FakeModels(calling)
    running = await start_gateway(nursery, models=models)
    clock = {"type": "function", "name": "clock", "parameters": {"type": "object"}}

    asked = events(await ask(running, input="when?", tools=[clock], stream=True))[-1]["response"]
    models.steps = spoken("noon")
    result = {"type": "function_call_output", "call_id": "call_1", "output": "12:00"}
    await ask(running, input=[result], previous_response_id=asked["id"], tools=[clock])

    (made,) = asked["output"]
    assert (made["type"], made["name"], made["arguments"]) == (
        "function_call",
        "clock",
        '{"tz":"UTC"}',
    )
    request = models.asked[-1][0]
    assert [message.role for message in request.messages] == ["user", "assistant", "tool"]
    assert request.messages[1].parts == (call,)
    assert request.tools[0].name == "clock"


async def test_items_may_be_named_by_their_ids(nursery: trio.Nursery) -> None:
    models = FakeModels()
    running = await start_gateway(nursery, models=models)
    first = body(await ask(running, input="one"))
    named = {"type": "item_reference", "id": first["output"][0]["id"]}
    more = {"role": "user", "content": "two"}

    second = body(await ask(running, input=[named, named, more]))
    none = await ask(running, input=[{"type": "item_reference", "id": "msg_1"}])
    gone = await ask(running, input=[{**named, "id": f"msg_{'0' * 28}"}])
    await ask(running, input="three", previous_response_id=second["id"])

    assert said(models.asked[1][0]) == [("assistant", "hellohello"), ("user", "two")]
    assert [error(each)["code"] for each in (none, gone)] == ["item_not_found"] * 2
    assert said(models.asked[2][0])[:2] == said(models.asked[1][0])


async def test_what_is_not_to_be_stored_cannot_be_gone_on_from(nursery: trio.Nursery) -> None:
    running = await start_gateway(nursery, models=FakeModels())

    told = body(await ask(running, store=False))
    answer = await ask(running, previous_response_id=told["id"])

    assert told["store"] is False
    assert (answer.status, error(answer)["code"], error(answer)["param"]) == (
        400,
        "previous_response_not_found",
        "previous_response_id",
    )


async def test_a_response_can_be_had_again_and_forgotten(nursery: trio.Nursery) -> None:
    running = await start_gateway(nursery, models=FakeModels())
    clock = {"type": "function", "name": "clock"}
    told = body(await ask(running, metadata={"a": "b"}, tools=[clock], instructions="x"))
    path = f"/v1/responses/{told['id']}"

    again = body(await ask(running, "GET", path=path))
    deleted = body(await ask(running, "DELETE", path=path))
    gone = [await ask(running, method, path=path) for method in ("GET", "DELETE")]

    # Without what was as large as the request.
    assert again == {**told, "tools": [], "instructions": None}
    assert deleted == {"id": told["id"], "object": "response", "deleted": True}
    assert [(each.status, error(each)["code"]) for each in gone] == [
        (404, "response_not_found")
    ] * 2


async def test_responses_belong_to_the_token_that_asked(nursery: trio.Nursery) -> None:
    access = Access(["token-of-alice", "token-of-mallory"])
    running = await start_gateway(nursery, models=FakeModels(), access=access)
    alice = {"Authorization": "Bearer token-of-alice"}
    mallory = {"Authorization": "Bearer token-of-mallory"}
    id = body(await ask(running, headers=alice))["id"]

    goes_on = await ask(running, headers=mallory, previous_response_id=id)
    reads = await ask(running, "GET", path=f"/v1/responses/{id}", headers=mallory)
    nobody = await ask(running)

    assert (goes_on.status, reads.status, nobody.status) == (400, 404, 401)
    assert (await ask(running, "GET", path=f"/v1/responses/{id}", headers=alice)).status == 200


async def test_a_conversation_has_a_bound(nursery: trio.Nursery) -> None:
    models = FakeModels()
    running = await start_gateway(nursery, models=models, limits=Limits(chat_body_bytes=2500))
    first = body(await ask(running, input="x" * 1000))

    too_long = await ask(running, input="y" * 1200, previous_response_id=first["id"])
    second = body(await ask(running, input="z", previous_response_id=first["id"]))
    chained = await ask(running, input="z", previous_response_id=second["id"])

    assert error(too_long)["code"] == "context_length_exceeded"
    assert (error(chained)["code"], len(models.asked)) == ("context_length_exceeded", 2)


@pytest.mark.parametrize("stream", [False, True])
async def test_an_error_before_the_first_word_has_its_status(
    nursery: trio.Nursery, stream: bool
) -> None:
    running = await start_gateway(nursery, models=FakeModels([[], SLOW_DOWN]))

    answer = await ask(running, stream=stream)

    assert (answer.status, error(answer)["code"]) == (429, "rate_limit_exceeded")
    assert b"retry-after: 2\r\n" in answer.head


async def test_a_conversation_too_long_for_the_model_is_too_long_in_its_input(
    nursery: trio.Nursery,
) -> None:
    too_long = ProviderError(kind=ErrorKind.CONTEXT_WINDOW_EXCEEDED, message="too long")
    running = await start_gateway(nursery, models=FakeModels([too_long]))

    fault = error(await ask(running))

    assert (fault["code"], fault["param"]) == ("context_length_exceeded", "input")


async def test_an_error_behind_the_first_word_fails_the_response(nursery: trio.Nursery) -> None:
    running = await start_gateway(nursery, models=FakeModels([*spoken("You")[:2], SLOW_DOWN]))

    answer = await ask(running, stream=True)

    told = events(answer)
    assert (answer.status, answer.complete) == (200, True)
    assert told[-1]["type"] == "response.failed"
    failed = told[-1]["response"]
    assert failed["error"]["code"] == "rate_limit_exceeded"
    assert failed["output"][0]["content"][0]["text"] == "You"
    gone = await ask(running, previous_response_id=failed["id"])
    assert error(gone)["code"] == "previous_response_not_found"


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_that_a_provider_ends_with_an_error_fails(
    nursery: trio.Nursery, stream: bool
) -> None:
    class Broken(FakeModels):
        async def complete(self, request: ChatRequest, call: Call) -> Completion:
            return attrs.evolve(await super().complete(request, call), finish=Finish.ERROR)

    models = Broken([*spoken("You")[:2], [Finished(Finish.ERROR, "error")]])
    running = await start_gateway(nursery, models=models)

    answer = await ask(running, stream=stream)

    fault = events(answer)[-1]["response"]["error"] if stream else error(answer)
    assert (answer.status, fault["code"]) == (200 if stream else 502, "upstream_error")


async def test_an_answer_that_cannot_be_kept_is_given_all_the_same(nursery: trio.Nursery) -> None:
    class Full(MemoryResponses):
        async def put(self, response: StoredResponse) -> None:
            raise StoreFull("trouper.db", "there is no room")

    running = await start_gateway(nursery, models=FakeModels(), responses=Full())

    with capture_logs() as logs:
        told = body(await ask(running))

    assert (told["status"], told["store"]) == ("completed", False)
    assert [line["event"] for line in logs] == ["response not kept"]


async def test_what_was_kept_is_read_whoever_wrote_it(nursery: trio.Nursery) -> None:
    """A row is JSON of this wire: no later program reads it in another way."""
    store = MemoryResponses()
    output = b'{"output":[{"type":"message","role":"assistant","content":"b"}]}'
    given = b'[{"role":"user","content":"a"}]'
    await store.put(response("resp_1", owner="local", at=4e9, input=given, body=output))
    models = FakeModels()
    running = await start_gateway(nursery, models=models, responses=store)

    await ask(running, input="c", previous_response_id="resp_1")

    assert models.asked[0][0].messages == (
        Message("user", (TextPart("a"),)),
        Message("assistant", (TextPart("b"),)),
        Message("user", (TextPart("c"),)),
    )


async def test_a_request_that_is_none_is_refused_before_anybody_is_asked(
    nursery: trio.Nursery,
) -> None:
    models = FakeModels()
    running = await start_gateway(nursery, models=models)

    wrong = await ask(running, temperature="warm")
    put = await ask(running, "PUT")
    got = await ask(running, "GET")
    below = await ask(running, "GET", path="/v1/responses/resp_1/input_items")
    options = await ask(running, "OPTIONS")

    assert (wrong.status, error(wrong)["param"]) == (400, "temperature")
    assert (put.status, got.status, below.status, options.status) == (405, 405, 404, 200)
    assert models.asked == []


@pytest.mark.parametrize("begun", [False, True])
async def test_a_client_that_leaves_cancels_its_request(nursery: trio.Nursery, begun: bool) -> None:
    steps: list[Step] = [*(spoken("You")[:2] if begun else []), trio.Event()]
    models = FakeModels(steps)
    running = await start_gateway(nursery, models=models)

    async with await running.connect() as client:
        await client.send_all(responses_request(stream=True))
        await models.wait_taken(len(steps))

    with trio.fail_after(PATIENCE):
        await models.answers[0].closed.wait()
    await running.settled()


async def test_an_answer_that_outlasts_a_stopping_server_fails(nursery: trio.Nursery) -> None:
    models = FakeModels([*spoken("You")[:2], trio.Event()])
    running = await start_gateway(nursery, models=models, limits=Limits(close_seconds=1.1))

    async with await running.connect() as client:
        await client.send_all(responses_request(stream=True))
        await models.wait_taken(3)
        running.scope.cancel()
        answer = RawAnswer(await everything(client), "eof")

    last = events(answer)[-1]
    assert (last["type"], last["response"]["error"]["code"]) == (
        "response.failed",
        "server_restarts",
    )
