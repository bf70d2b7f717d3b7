"""Anthropic's batch wire: what goes out, what its answers mean, and what is none."""

import json
from typing import Any

import pytest

from trouper.actors.chat import ChatRequest, Completion, Message, TextPart
from trouper.actors.errors import ErrorKind, ProviderError
from trouper.actors.wire.anthropic import AnthropicCodec
from trouper.actors.wire.anthropic_batch import AnthropicBatchWire
from trouper.actors.wire.batch import BatchFault, BatchWire

CODEC = AnthropicCodec(max_tokens_default=64)
WIRE = AnthropicBatchWire(codec=CODEC)


def batch(**fields: Any) -> bytes:
    raw = {
        "id": "msgbatch_1",
        "processing_status": "in_progress",
        "created_at": "1970-01-01T00:00:05Z",
        "request_counts": {
            "processing": 2,
            "succeeded": 0,
            "errored": 0,
            "canceled": 0,
            "expired": 0,
        },
        **fields,
    }
    return json.dumps(raw).encode()


def test_a_batch_is_begun_with_all_its_requests() -> None:
    request = ChatRequest(model="m", messages=(Message("user", (TextPart("hi"),)),))
    entries = [WIRE.entry(id, CODEC.encode(request, stream=False)) for id in ("a", "b")]
    wire: BatchWire = WIRE
    assert wire.upload("tag", entries) is None
    begin = WIRE.create("tag", entries, "")
    assert (begin.method, begin.path) == ("POST", "/v1/messages/batches")
    assert ("anthropic-version", "2023-06-01") in begin.headers
    first, second = json.loads(begin.body)["requests"]
    assert (first["custom_id"], second["custom_id"]) == ("a", "b")
    assert first["params"]["messages"][0]["content"] == [{"type": "text", "text": "hi"}]
    assert first["params"]["max_tokens"] == 64


def test_a_batch_is_counted_while_it_goes_on_and_has_results_in_the_end() -> None:
    going = WIRE.batch(200, {}, batch())
    assert (going.ended, going.total, going.done, going.failed) == (False, 2, 0, 0)
    assert (going.created_at, going.outputs, going.tag) == (5.0, (), "")
    counts = {"processing": 0, "succeeded": 3, "errored": 1, "canceled": 1, "expired": 1}
    over = WIRE.batch(
        200,
        {},
        batch(processing_status="ended", results_url="https://x/y", request_counts=counts),
    )
    assert (over.ended, over.total, over.done, over.failed) == (True, 6, 3, 3)
    # Not the address that is told: another host would be shown the key.
    assert WIRE.fetch(over.outputs[0]).path == "/v1/messages/batches/msgbatch_1/results"


def test_results_that_are_gone_are_said_to_be() -> None:
    gone = WIRE.batch(200, {}, batch(processing_status="ended", results_url=None))
    assert (gone.outputs, "gone" in gone.fault) == ((), True)


def test_odd_fields_do_no_harm() -> None:
    odd = WIRE.batch(200, {}, batch(created_at=None, request_counts="many"))
    assert (odd.created_at, odd.total) == (0.0, 0)


def test_a_list_goes_on_after_its_last() -> None:
    page = {"data": [{"id": "b2"}, {"id": "b1"}], "has_more": True, "last_id": "b1"}
    listing = WIRE.listed(200, {}, json.dumps(page).encode())
    assert ([one.id for one in listing.batches], listing.after) == (["b2", "b1"], "b1")
    assert WIRE.list("b/1").path == "/v1/messages/batches?limit=100&after_id=b%2F1"
    assert WIRE.listed(200, {}, b'{"data": [], "has_more": false}').after is None


def test_an_answer_is_what_the_codec_makes_of_it() -> None:
    message = {
        "id": "msg",
        "type": "message",
        "role": "assistant",
        "model": "m-1",
        "content": [{"type": "text", "text": "yes"}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 3, "output_tokens": 1, "service_tier": "batch"},
    }
    line = {"custom_id": "a", "result": {"type": "succeeded", "message": message}}
    outcome = WIRE.result(json.dumps(line).encode()).outcome
    assert isinstance(outcome, Completion)
    assert (outcome.text, outcome.service_tier) == ("yes", "batch")


@pytest.mark.parametrize(
    ("result", "kind"),
    [
        ({"type": "canceled"}, "cancelled"),
        ({"type": "expired"}, "expired"),
        (
            {
                "type": "errored",
                "error": {"type": "error", "error": {"type": "overloaded_error", "message": "x"}},
            },
            "overloaded",
        ),
        (
            {
                "type": "errored",
                "error": {"error": {"type": "invalid_request_error", "message": "x"}},
            },
            "invalid_request",
        ),
        ({"type": "errored"}, "server_error"),
        ({"type": "succeeded", "message": {}}, "protocol_error"),
    ],
)
def test_what_has_failed_says_how(result: dict[str, Any], kind: str) -> None:
    outcome = WIRE.result(json.dumps({"custom_id": "a", "result": result}).encode()).outcome
    assert isinstance(outcome, BatchFault)
    assert outcome.kind == kind
    assert outcome.message


@pytest.mark.parametrize("line", [b"junk", b"[]", b'{"custom_id": "a"}', b'{"result": {}}'])
def test_a_line_that_is_no_result_is_refused(line: bytes) -> None:
    with pytest.raises(ProviderError, match="a line that is no result"):
        WIRE.result(line)


def test_what_is_no_batch_is_refused() -> None:
    for read in (WIRE.batch, WIRE.listed, WIRE.uploaded):
        for body in (b"{}", b"[]"):
            with pytest.raises(ProviderError) as caught:
                read(200, {}, body)
            assert caught.value.kind is ErrorKind.PROTOCOL_ERROR
    with pytest.raises(ProviderError) as caught:
        WIRE.batch(401, {}, b'{"error": {"type": "authentication_error", "message": "no"}}')
    assert caught.value.kind is ErrorKind.AUTH
    assert WIRE.refusal(529, {}, b"").kind is ErrorKind.OVERLOADED


def test_ids_stay_within_their_place_in_an_address() -> None:
    assert WIRE.look("a/../b?c").path == "/v1/messages/batches/a%2F..%2Fb%3Fc"
    assert WIRE.cancel("a/b").path == "/v1/messages/batches/a%2Fb/cancel"
