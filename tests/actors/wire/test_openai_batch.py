"""OpenAI's batch wire: what goes out, what its answers mean, and what is none."""

import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from trouper.actors.chat import ChatRequest, Completion, Message, TextPart
from trouper.actors.errors import ErrorKind, ProviderError
from trouper.actors.wire.batch import BatchFault
from trouper.actors.wire.openai import OpenAICodec
from trouper.actors.wire.openai_batch import OpenAIBatchWire

CODEC = OpenAICodec()
WIRE = OpenAIBatchWire(codec=CODEC)


def entry(custom_id: str, text: str) -> bytes:
    request = ChatRequest(model="m", messages=(Message("user", (TextPart(text),)),))
    return WIRE.entry(custom_id, CODEC.encode(request, stream=False))


def batch(**fields: Any) -> bytes:
    return json.dumps({"id": "b1", "status": "in_progress", "created_at": 5, **fields}).encode()


def test_a_request_is_a_line_of_the_file() -> None:
    assert json.loads(entry("a", "hi")) == {
        "custom_id": "a",
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": {"model": "m", "messages": [{"role": "user", "content": "hi"}]},
    }


@given(st.lists(st.text(), min_size=1))
def test_a_file_holds_what_was_put_in_whatever_that_is(texts: list[str]) -> None:
    lines = [entry(str(n), text) for n, text in enumerate(texts)]
    request = WIRE.upload("tag-0", lines)
    boundary = dict(request.headers)["content-type"].partition("boundary=")[2].encode()
    _, purpose, file, end = request.body.split(b"--" + boundary)
    assert b'name="purpose"\r\n\r\nbatch\r\n' in purpose
    assert end == b"--\r\n"
    content = file.partition(b"\r\n\r\n")[2]
    assert content.strip().split(b"\n") == lines


def test_a_batch_is_begun_with_its_tag() -> None:
    request = WIRE.create("tag-0", [], "file-1")
    assert (request.method, request.path) == ("POST", "/batches")
    assert json.loads(request.body) == {
        "input_file_id": "file-1",
        "endpoint": "/v1/chat/completions",
        "completion_window": "24h",
        "metadata": {"trouper": "tag-0"},
    }


@pytest.mark.parametrize(
    ("status", "ended"),
    [
        ("validating", False),
        ("in_progress", False),
        ("finalizing", False),
        ("cancelling", False),
        ("completed", True),
        ("failed", True),
        ("expired", True),
        ("cancelled", True),
    ],
)
def test_a_batch_has_ended_when_nothing_changes_any_more(status: str, ended: bool) -> None:
    assert WIRE.batch(200, {}, batch(status=status)).ended is ended


def test_a_batch_tells_where_its_answers_are() -> None:
    found = WIRE.batch(
        200,
        {},
        batch(
            status="completed",
            metadata={"trouper": "tag-0", "other": "x"},
            request_counts={"total": 3, "completed": 2, "failed": 1},
            output_file_id="f-out",
            error_file_id="f-err",
        ),
    )
    assert (found.tag, found.outputs) == ("tag-0", ("f-out", "f-err"))
    assert (found.total, found.done, found.failed, found.created_at) == (3, 2, 1, 5.0)
    assert WIRE.fetch("f/out").path == "/files/f%2Fout/content"


def test_a_file_that_was_not_taken_says_why() -> None:
    data = [{"code": "a", "message": "line 1: no"}, {"code": "b"}, "junk"]
    assert WIRE.batch(200, {}, batch(status="failed", errors={"data": data})).fault == (
        "line 1: no; b"
    )
    assert "does not say why" in WIRE.batch(200, {}, batch(status="failed")).fault


def test_a_list_goes_on_after_its_last() -> None:
    page = {"data": [{"id": "b2"}, {"id": "b1"}, "junk"], "has_more": True}
    listing = WIRE.listed(200, {}, json.dumps(page).encode())
    assert ([one.id for one in listing.batches], listing.after) == (["b2", "b1"], "b1")
    assert WIRE.list("b/1", most=5).path == "/batches?limit=5&after=b%2F1"
    last = WIRE.listed(200, {}, b'{"data": [], "has_more": true}')
    assert last.after is None


def test_an_answer_is_what_the_codec_makes_of_it() -> None:
    body = {
        "id": "c",
        "model": "m-1",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "yes"},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4},
    }
    response = {"status_code": 200, "request_id": "r", "body": body}
    line = json.dumps({"id": "x", "custom_id": "a", "response": response, "error": None})
    result = WIRE.result(line.encode())
    assert result.custom_id == "a"
    assert isinstance(result.outcome, Completion)
    assert (result.outcome.text, result.outcome.model) == ("yes", "m-1")
    assert result.outcome.usage is not None
    assert result.outcome.usage.input == 3


@pytest.mark.parametrize(
    ("line", "kind", "words"),
    [
        (
            {"response": {"status_code": 400, "body": {"error": {"message": "too hot"}}}},
            "invalid_request",
            "too hot",
        ),
        ({"response": {"status_code": 429, "body": {"error": {}}}}, "rate_limited", "429"),
        ({"error": {"code": "batch_expired", "message": "late"}}, "expired", "late"),
        ({"error": {"code": "batch_cancelled", "message": "off"}}, "cancelled", "off"),
        ({"error": {"code": "other", "message": "odd"}}, "server_error", "odd"),
        ({}, "server_error", "does not say why"),
    ],
)
def test_what_has_failed_says_how(line: dict[str, Any], kind: str, words: str) -> None:
    outcome = WIRE.result(json.dumps({"custom_id": "a", **line}).encode()).outcome
    assert isinstance(outcome, BatchFault)
    assert outcome.kind == kind
    assert words in outcome.message


@pytest.mark.parametrize("line", [b"junk", b"[]", b'"x"', b"{}", b"7"])
def test_a_line_that_is_no_result_is_refused(line: bytes) -> None:
    with pytest.raises(ProviderError, match="a line that is no result"):
        WIRE.result(line)


@pytest.mark.parametrize("body", [b"{}", b"[]", b'{"id": ""}', b"7"])
def test_what_is_no_batch_is_refused(body: bytes) -> None:
    for read in (WIRE.batch, WIRE.uploaded, WIRE.listed):
        with pytest.raises(ProviderError) as caught:
            read(200, {}, body)
        assert caught.value.kind is ErrorKind.PROTOCOL_ERROR


def test_a_refusal_is_classified_as_any_other() -> None:
    body = b'{"error": {"message": "no", "code": "invalid_api_key"}}'
    for read in (WIRE.batch, WIRE.uploaded, WIRE.listed):
        with pytest.raises(ProviderError) as caught:
            read(401, {}, body)
        assert caught.value.kind is ErrorKind.AUTH
    assert WIRE.refusal(401, {}, body).kind is ErrorKind.AUTH


def test_ids_stay_within_their_place_in_an_address() -> None:
    assert WIRE.look("a/../b?c").path == "/batches/a%2F..%2Fb%3Fc"
    assert WIRE.cancel("a/b").path == "/batches/a%2Fb/cancel"
