"""What a client says is what a server reads, and what a server says is what a client reads."""

import json

import pytest
from hypothesis import given, strategies as st

from trouper.actors.chat import TextPart
from trouper.actors.wire.jsonrpc import RpcFault, encode_error
from trouper.actors.wire.session import Inbound, read_frame
from trouper.actors.wire.session_client import (
    Answered,
    Refused,
    Update,
    cancel_notice,
    initialize_call,
    new_session_call,
    prompt_call,
    read_server_frame,
)
from trouper.actors.wire.session_params import (
    CancelParams,
    InitializeParams,
    NewSessionParams,
    PromptParams,
)
from trouper.actors.wire.session_results import initialize_result, prompt_result, turn_failed
from trouper.actors.wire.session_updates import Updates

text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@given(text, text)
def test_a_server_reads_what_a_client_says(id: str, words: str) -> None:
    assert read_frame(initialize_call(1, "0")) == Inbound(1, True, InitializeParams(1))
    assert read_frame(prompt_call(2, id, words)) == Inbound(
        2, True, PromptParams(id, (TextPart(words),))
    )
    assert read_frame(cancel_notice(id)) == Inbound(None, False, CancelParams(id))


@pytest.mark.parametrize("assistant", ["", "terse"])
def test_an_assistant_is_named_where_one_is_wanted(assistant: str) -> None:
    inbound = read_frame(new_session_call(3, "/home", assistant))

    assert isinstance(inbound, Inbound)
    assert isinstance(inbound.params, NewSessionParams)
    assert (inbound.params.cwd, inbound.params.assistant) == ("/home", assistant)


@given(text, text, st.integers(0, 2**40))
def test_a_client_reads_what_a_server_says(id: str, words: str, seq: int) -> None:
    updates = Updates(id)

    assert read_server_frame(updates.message_chunk(seq, words)) == Update(id, words, False, seq)
    assert read_server_frame(updates.thought_chunk(seq, words)) == Update(id, words, True, seq)
    assert read_server_frame(updates.reset(seq)) == Update(id, "", False, seq, reset=True)
    assert read_server_frame(updates.usage(seq, 5)) is None
    assert read_server_frame(turn_failed(4, words, seq, retryable=True)) == Refused(
        4, -32010, words, True
    )


def test_answers_are_told_by_their_number() -> None:
    hello = read_server_frame(initialize_result(1, "0"))
    done = read_server_frame(prompt_result(2, "end_turn", 7))

    assert isinstance(hello, Answered)
    assert hello.result["protocolVersion"] == 1
    assert isinstance(done, Answered)
    assert (done.id, done.result["stopReason"]) == (2, "end_turn")
    assert read_server_frame(encode_error(None, -32700, "no JSON")) is None
    assert read_server_frame('{"jsonrpc": "2.0", "id": 5, "error": {}}') == Refused(
        5, 0, "the server does not say why", False
    )


def update(**members: object) -> str:
    return json.dumps({"jsonrpc": "2.0", "method": "session/update", "params": members})


@pytest.mark.parametrize(
    "frame",
    [
        '{"jsonrpc": "2.0", "method": "session/elsewhere"}',
        '{"jsonrpc": "2.0", "id": 1, "method": "session/request_permission"}',
        update(),
        update(sessionId="s", update=[]),
        update(sessionId=5, update={"sessionUpdate": "agent_message_chunk"}),
        update(sessionId="s", update={"sessionUpdate": "plan", "content": {"text": "x"}}),
        update(sessionId="s", update={"sessionUpdate": "agent_message_chunk", "content": 5}),
    ],
)
def test_what_a_client_has_no_use_for_is_nothing(frame: str) -> None:
    assert read_server_frame(frame) is None


def test_what_is_no_json_rpc_is_a_fault() -> None:
    with pytest.raises(RpcFault):
        read_server_frame("welcome!")
