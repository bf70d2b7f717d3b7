"""OpenAI's clients at our port: answers, errors and bounds."""

import json
from typing import Any

import pytest
import trio
from structlog.testing import capture_logs

from tests.fakes.gateway import Running, start_gateway
from tests.fakes.http_by_hand import LAST, everything, exchange, get
from tests.fakes.models import FakeModels, spoken
from tests.fakes.raw_client import RawAnswer, chat_request
from trouper.actors.chat import Heartbeat, TextDelta
from trouper.actors.errors import ErrorKind, ProviderError
from trouper.actors.gateway.auth import Access
from trouper.actors.gateway.limits import Limits
from trouper.runtime.errors import ActorDown

CLOSE = {"Connection": "close"}


def chat(headers: dict[str, str] | None = None, **fields: Any) -> bytes:
    fields.setdefault("model", "small")
    return chat_request(headers={**CLOSE, **(headers or {})}, **fields)


async def asked(running: Running, request: bytes) -> RawAnswer:
    return RawAnswer(await exchange(running, request), "eof")


def error(answer: RawAnswer) -> dict[str, Any]:
    fault: dict[str, Any] = json.loads(answer.body)["error"]
    return fault


async def test_a_plain_request_gets_a_plain_answer(nursery: trio.Nursery) -> None:
    models = FakeModels()
    running = await start_gateway(nursery, models=models)

    answer = await asked(running, chat(user="alice", max_tokens=5))

    body = json.loads(answer.body)
    assert (answer.status, body["object"], body["model"]) == (200, "chat.completion", "small")
    assert body["choices"][0]["message"]["content"] == "hello"
    ((request, call),) = models.asked
    assert (request.model, request.max_output_tokens, call.user) == ("small", 5, "alice")
    # One id in the head, in the ledger and, in other words, in the body.
    assert f"x-request-id: {call.request_id}".encode() in answer.head
    assert body["id"].removeprefix("chatcmpl-") == call.request_id.removeprefix("req_")


async def test_a_stream_comes_as_events(nursery: trio.Nursery) -> None:
    running = await start_gateway(nursery, models=FakeModels(spoken("You", " said", "!")))

    answer = await asked(running, chat(stream=True, stream_options={"include_usage": True}))

    assert answer.complete
    assert b"content-type: text/event-stream" in answer.head
    assert (answer.text, answer.events[-1]) == ("You said!", "[DONE]")
    assert answer.chunks[-1]["usage"]["prompt_tokens"] == 3


async def test_requests_and_streams_follow_each_other_on_one_connection(
    nursery: trio.Nursery,
) -> None:
    running = await start_gateway(nursery, models=FakeModels())

    wire = await exchange(
        running,
        chat_request(model="small", stream=True)
        + chat_request(model="small")
        + chat_request(model="small", n=2)
        + chat(stream=True),
    )

    assert wire.count(b"HTTP/1.1 200") == 3
    assert wire.count(b"HTTP/1.1 400") == 1
    assert wire.count(b"[DONE]") == 2


async def test_a_connection_carries_more_than_any_one_request_may(nursery: trio.Nursery) -> None:
    """Regression: after 16 MiB in all, a kept connection was taken for a message without end."""
    running = await start_gateway(nursery, models=FakeModels())
    long = chat_request("x" * 1_000_000, model="small")

    async with await running.connect() as stream, trio.open_nursery() as reading:
        wire = bytearray()

        async def read() -> None:
            wire.extend(await everything(stream))

        reading.start_soon(read)
        for _ in range(20):
            await stream.send_all(long)
        await stream.send_all(chat())

    assert wire.count(b"HTTP/1.1 200") == 21


async def test_a_client_of_http_1_0_gets_events_without_chunks(nursery: trio.Nursery) -> None:
    running = await start_gateway(nursery, models=FakeModels())

    answer = await asked(running, chat_request(model="small", stream=True, version="1.0"))

    assert b"transfer-encoding" not in answer.head
    assert (answer.text, answer.events[-1]) == ("hello", "[DONE]")


async def test_all_events_of_a_batch_are_one_piece(nursery: trio.Nursery) -> None:
    batch = [TextDelta(0, "a"), TextDelta(0, "b")]
    running = await start_gateway(nursery, models=FakeModels([batch, *spoken()[1:]]))

    wire = await exchange(running, chat(stream=True))

    body = wire.partition(b"\r\n\r\n")[2]
    assert body.count(b"\r\ndata: ") == 2  # the role and "ab"; the end with [DONE]
    assert b'"content":"ab"' in body


async def test_nothing_is_sent_before_there_is_something_to_say(nursery: trio.Nursery) -> None:
    failed = ProviderError(kind=ErrorKind.OVERLOADED, message="too many", provider="acme")
    running = await start_gateway(nursery, models=FakeModels([[], failed]))

    answer = await asked(running, chat(stream=True))

    assert (answer.status, error(answer)["code"]) == (503, "server_is_overloaded")


async def test_a_provider_that_waits_keeps_the_connection_alive(nursery: trio.Nursery) -> None:
    running = await start_gateway(nursery, models=FakeModels([[Heartbeat()], *spoken("hi")]))

    answer = await asked(running, chat(stream=True))

    assert answer.body.startswith(b": ")
    assert answer.text == "hi"


async def test_an_error_before_the_first_word_has_its_status(nursery: trio.Nursery) -> None:
    failed = ProviderError(
        kind=ErrorKind.RATE_LIMITED, message="slow down", provider="acme", retry_after=1.5
    )
    running = await start_gateway(nursery, models=FakeModels([failed]))

    for stream in (False, True):
        answer = await asked(running, chat(stream=stream))

        assert (answer.status, error(answer)["code"]) == (429, "rate_limit_exceeded")
        assert b"retry-after: 2\r\n" in answer.head
        assert b"x-request-id: req_" in answer.head


async def test_an_error_behind_the_first_word_is_a_frame_of_the_stream(
    nursery: trio.Nursery,
) -> None:
    failed = ProviderError(kind=ErrorKind.STREAM_TRUNCATED, message="cut", provider="acme")
    running = await start_gateway(nursery, models=FakeModels([*spoken("You")[:2], failed]))

    answer = await asked(running, chat(stream=True))

    *said, last = answer.chunks
    assert (answer.status, answer.complete) == (200, True)
    assert "".join(each["choices"][0]["delta"].get("content", "") for each in said) == "You"
    assert last["error"]["code"] == "stream_truncated"
    assert "[DONE]" not in answer.events


@pytest.mark.parametrize(
    ("failure", "code", "number"),
    [
        (ActorDown("providers/acme", "it has stopped"), "service_unavailable", 503),
        (ZeroDivisionError("a bug"), "server_error", 500),
    ],
)
async def test_a_failure_of_our_own_is_logged_and_ends_one_request(
    nursery: trio.Nursery, failure: Exception, code: str, number: int
) -> None:
    models = FakeModels([failure])
    running = await start_gateway(nursery, models=models)

    with capture_logs() as logs:
        answer = await asked(running, chat())
    models.steps = spoken("hello")
    after = await asked(running, chat())

    assert (answer.status, error(answer)["code"], after.status) == (number, code, 200)
    assert [line["event"] for line in logs] == ["request failed"]
    assert str(failure) not in answer.body.decode()


async def test_a_request_that_is_none_is_refused_before_anybody_is_asked(
    nursery: trio.Nursery,
) -> None:
    models = FakeModels()
    running = await start_gateway(nursery, models=models)
    head = "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"

    wrong = await asked(running, chat(temperature="warm"))
    garbled = await asked(running, f"{head}Content-Length: 3\r\n\r\n{{]}}".encode())
    packed = await asked(
        running, f"{head}Content-Encoding: gzip\r\nContent-Length: 1\r\n\r\n.".encode()
    )

    assert (wrong.status, error(wrong)["param"]) == (400, "temperature")
    assert (garbled.status, error(garbled)["code"]) == (400, "invalid_json")
    assert (packed.status, models.asked) == (415, [])


async def test_a_body_is_bounded_and_may_be_larger_than_that_of_other_routes(
    nursery: trio.Nursery,
) -> None:
    limits = Limits(body_bytes=100, chat_body_bytes=2000)
    running = await start_gateway(nursery, models=FakeModels(), limits=limits)
    endless = (
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        + (b"400\r\n" + b"x" * 1024 + b"\r\n") * 3
    )

    fits = await asked(running, chat(user="x" * 200))
    announced = await asked(running, chat(user="x" * 2000))
    sent = await asked(running, endless)

    assert (fits.status, announced.status, sent.status) == (200, 413, 413)
    assert error(sent)["code"] == "request_too_large"


async def test_models_are_listed_and_told_one_by_one(nursery: trio.Nursery) -> None:
    running = await start_gateway(nursery, models=FakeModels())

    listed = await asked(running, get("/v1/models", LAST))
    one = await asked(running, get("/v1/models/large%2F2", LAST))
    none = await asked(running, get("/v1/models/huge", LAST))
    head = await exchange(running, b"HEAD /v1/models HTTP/1.0\r\n\r\n")

    assert [each["id"] for each in json.loads(listed.body)["data"]] == ["small", "large/2"]
    assert json.loads(one.body)["id"] == "large/2"
    assert (none.status, error(none)["code"]) == (404, "model_not_found")
    assert head.startswith(b"HTTP/1.1 200")
    assert head.endswith(b"\r\n\r\n")


async def test_other_methods_are_told_what_there_is(nursery: trio.Nursery) -> None:
    running = await start_gateway(nursery, models=FakeModels())

    got = await asked(running, get("/v1/chat/completions", LAST))
    options = await asked(
        running, b"OPTIONS /v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    nowhere = await asked(running, get("/v1/embeddings", LAST))

    assert got.status == 405
    assert b"allow: options, post\r\n" in got.head
    assert options.status == 200
    assert b"access-control" not in options.head
    assert "/v1/chat/completions" in error(nowhere)["message"]


async def test_without_models_the_paths_do_not_exist(nursery: trio.Nursery) -> None:
    running = await start_gateway(nursery)

    answer = await asked(running, chat())

    assert answer.status == 404
    assert "/v1/models" not in error(answer)["message"]


async def test_a_token_is_asked_for_before_the_body_is_read(nursery: trio.Nursery) -> None:
    models = FakeModels()
    running = await start_gateway(nursery, models=models, access=Access(["s3cret-token"]))
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n"

    none = await asked(running, head)
    wrong = await asked(running, chat({"Authorization": "Bearer no"}))
    right = await asked(running, chat({"Authorization": "Bearer s3cret-token"}))
    foreign = await asked(running, chat({"Origin": "https://evil.example"}))
    listed = await asked(running, get("/v1/models", LAST))

    assert (none.status, error(none)["code"]) == (401, "invalid_api_key")
    assert b"www-authenticate: bearer" in none.head
    assert (wrong.status, right.status, foreign.status, listed.status) == (401, 200, 403, 401)
    # Who names no user falls under the budgets of the token.
    assert models.asked[0][1].user.startswith("token-")
