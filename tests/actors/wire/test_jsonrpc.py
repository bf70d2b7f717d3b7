"""JSON-RPC frames: what is read, what is refused with which code, what is written."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from trouper.actors.wire.jsonrpc import (
    INVALID_PARAMS,
    INVALID_REQUEST,
    PARSE_ERROR,
    RpcFault,
    RpcNotification,
    RpcRequest,
    RpcResponse,
    decode,
    dump_text,
    encode_error,
    encode_result,
)


def test_a_request_has_an_id_and_a_notification_has_none() -> None:
    call = decode('{"jsonrpc":"2.0","id":7,"method":"m","params":{"a":1}}')
    notice = decode('{"jsonrpc":"2.0","method":"m"}')

    assert call == RpcRequest(7, "m", {"a": 1})
    assert notice == RpcNotification("m", {})


def test_an_id_of_null_is_still_a_request() -> None:
    assert decode('{"jsonrpc":"2.0","id":null,"method":"m"}') == RpcRequest(None, "m", {})


def test_an_answer_is_told_from_a_request() -> None:
    assert decode('{"jsonrpc":"2.0","id":"x","result":null}') == RpcResponse("x")
    failed = decode('{"jsonrpc":"2.0","id":"x","error":{"code":1,"message":"no"}}')
    assert failed == RpcResponse("x", None, {"code": 1, "message": "no"})


@pytest.mark.parametrize(
    ("frame", "code", "id", "word"),
    [
        ("", PARSE_ERROR, None, "not JSON"),
        ("{", PARSE_ERROR, None, "not JSON"),
        ('{"a":"\\ud800"}', PARSE_ERROR, None, "not JSON"),
        ("[" * 100_000, PARSE_ERROR, None, "not JSON"),
        ("[]", INVALID_REQUEST, None, "one call a frame"),
        ("[1]", INVALID_REQUEST, None, "one call a frame"),
        ("1", INVALID_REQUEST, None, "no object"),
        ("null", INVALID_REQUEST, None, "no object"),
        ("{}", INVALID_REQUEST, None, "jsonrpc"),
        ('{"jsonrpc":"1.0","id":1,"method":"m"}', INVALID_REQUEST, 1, "jsonrpc"),
        ('{"jsonrpc":"2.0","id":1}', INVALID_REQUEST, 1, "method"),
        ('{"jsonrpc":"2.0","id":1,"method":5}', INVALID_REQUEST, 1, "method"),
        ('{"jsonrpc":"2.0","id":1.5,"method":"m"}', INVALID_REQUEST, None, "id"),
        ('{"jsonrpc":"2.0","id":true,"method":"m"}', INVALID_REQUEST, None, "id"),
        ('{"jsonrpc":"2.0","id":{},"method":"m"}', INVALID_REQUEST, None, "id"),
        (f'{{"jsonrpc":"2.0","id":"{"x" * 257}","method":"m"}}', INVALID_REQUEST, None, "id"),
        ('{"jsonrpc":"2.0","id":1,"method":"m","params":[1]}', INVALID_PARAMS, 1, "params"),
    ],
)
def test_what_is_no_json_rpc_is_refused_with_its_code(
    frame: str, code: int, id: int | None, word: str
) -> None:
    with pytest.raises(RpcFault) as caught:
        decode(frame)

    assert (caught.value.code, caught.value.id) == (code, id)
    assert word in caught.value.message
    assert str(code) in str(caught.value)


@given(st.text())
def test_no_text_makes_the_reader_fail_in_another_way(frame: str) -> None:
    with contextlib.suppress(RpcFault):
        decode(frame)


JSON_ID = st.none() | st.integers(-(2**53), 2**53) | st.text(max_size=64)


@given(JSON_ID, st.integers(-40000, -1), st.text(), st.none() | st.just({"retryable": True}))
def test_an_error_reads_back_as_it_was_meant(
    id: str | int | None, code: int, message: str, data: dict[str, Any] | None
) -> None:
    frame = json.loads(encode_error(id, code, message, data))

    assert frame.pop("jsonrpc") == "2.0"
    expected: dict[str, Any] = {"code": code, "message": message}
    assert frame == {"id": id, "error": expected if data is None else {**expected, "data": data}}


def test_a_result_reads_back_as_it_was_meant() -> None:
    frame = decode(encode_result(3, {"a": [1]}))

    assert frame == RpcResponse(3, {"a": [1]})


@given(st.text(st.characters(codec=None)))
def test_any_text_can_be_sent(text: str) -> None:
    sent = json.loads(dump_text(text))

    whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    assert sent == whole
    sent.encode()


def test_halves_of_one_character_become_whole() -> None:
    assert dump_text("\ud83d\ude00") == '"\U0001f600"'
    assert dump_text("cut \ud83d") == '"cut �"'
