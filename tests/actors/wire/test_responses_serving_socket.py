"""What a client sends over a websocket, and the frames that it gets."""

import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from trouper.actors.wire.openai_faults import ApiFault
from trouper.actors.wire.openai_served_request import RefusedRequest
from trouper.actors.wire.responses_serving import Event
from trouper.actors.wire.responses_serving_socket import (
    error_frame,
    event_frame,
    read_client_event,
    steer_refused,
)


def refused(message: str | bytes) -> ApiFault:
    with pytest.raises(RefusedRequest) as caught:
        read_client_event(message)
    return caught.value.fault


def test_a_request_is_read_with_its_lane() -> None:
    event = read_client_event('{"type": "response.create", "stream_id": "a.b-C_1", "input": "x"}')

    assert (event.kind, event.lane, event.body["input"]) == ("response.create", "a.b-C_1", "x")
    assert read_client_event('{"type": "response.steer"}').lane is None


@pytest.mark.parametrize(
    ("message", "code", "param"),
    [
        ("{", "invalid_json", None),
        ("[]", "invalid_request", None),
        (b"{}", "invalid_request", None),
        ("{}", "invalid_request", "type"),
        ('{"type": "response.cancel"}', "invalid_request", "type"),
        ('{"type": ["response.create"]}', "invalid_request", "type"),
        ('{"type": "response.create", "stream_id": 5}', "invalid_request", "stream_id"),
        ('{"type": "response.create", "stream_id": ""}', "invalid_request", "stream_id"),
        ('{"type": "response.create", "stream_id": "a\\"b"}', "invalid_request", "stream_id"),
        ('{"type": "response.create", "stream_id": "a\\n"}', "invalid_request", "stream_id"),
    ],
)
def test_what_is_no_request_is_refused(message: str | bytes, code: str, param: str | None) -> None:
    fault = refused(message)

    assert (fault.status, fault.code, fault.param) == (400, code, param)


@given(st.text() | st.binary())
def test_whatever_comes_is_read_or_refused(message: str | bytes) -> None:
    refused(message)


def test_an_event_names_its_lane_where_it_has_one() -> None:
    event = Event("response.x", '{"type":"response.x","delta":"\u2713"}'.encode())

    assert json.loads(event_frame(event, None)) == {"type": "response.x", "delta": "\u2713"}
    assert json.loads(event_frame(event, "a")) == {
        "type": "response.x",
        "delta": "\u2713",
        "stream_id": "a",
    }


def test_an_error_has_its_status_and_what_http_says_in_its_head() -> None:
    fault = ApiFault(
        status=429, message="slow down", code="rate_limit_exceeded", param="x", retry_after=1.5
    )

    told: dict[str, Any] = json.loads(error_frame(fault, "a"))

    assert (told["type"], told["status"], told["stream_id"]) == ("error", 429, "a")
    assert told["error"] == {
        "type": "invalid_request_error",
        "code": "rate_limit_exceeded",
        "message": "slow down",
        "param": "x",
    }
    assert told["headers"]["retry-after"] == "2"
    assert json.loads(error_frame(ApiFault(status=400, message="no"), None)).keys() == {
        "type",
        "status",
        "error",
    }


def test_steering_is_refused_and_its_input_given_back() -> None:
    told = json.loads(steer_refused({"previous_response_id": "resp_1", "input": "more"}))

    assert told["type"] == "response.steer.failed"
    assert told["error"]["code"] == "steering_not_supported"
    assert told["steer"] == {"previous_response_id": "resp_1", "input": "more"}
