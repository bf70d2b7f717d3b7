"""The Agent Client Protocol: every frame of ours is one that its official schema accepts."""

import json
from typing import Any

import pytest
from acp import schema
from hypothesis import given, strategies as st

from trouper.actors.chat import ImagePart, TextPart, Usage
from trouper.actors.wire.jsonrpc import (
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    RpcFault,
)
from trouper.actors.wire.session import TURN_FAILED, Inbound, read_frame
from trouper.actors.wire.session_params import (
    CancelParams,
    CancelRequestParams,
    InitializeParams,
    ListParams,
    LoadParams,
    NewSessionParams,
    PromptParams,
    ResumeParams,
    SetModeParams,
)
from trouper.actors.wire.session_results import (
    initialize_result,
    new_session_result,
    prompt_result,
    turn_failed,
)
from trouper.actors.wire.session_updates import Updates


def frame(method: str, params: Any = None, *, id: Any = 1) -> str:
    body = {"jsonrpc": "2.0", "method": method, "params": params}
    return json.dumps(body if id is None else {**body, "id": id})


def ours(model: Any, method: str, id: int = 1) -> str:
    """A request as the official package writes it."""
    return frame(method, model.model_dump(mode="json", by_alias=True, exclude_none=True), id=id)


def test_what_the_official_client_sends_is_understood() -> None:
    text = schema.TextContentBlock(type="text", text="hello")
    file = schema.EmbeddedResourceContentBlock(
        type="resource", resource=schema.TextResourceContents(uri="file:///a", text="its text")
    )
    picture = schema.ImageContentBlock(type="image", data="aGk=", mime_type="image/png")
    link = schema.ResourceContentBlock(type="resource_link", name="notes", uri="file:///n.md")

    assert read_frame(ours(schema.InitializeRequest(protocol_version=1), "initialize")) == Inbound(
        1, True, InitializeParams(1)
    )
    assert read_frame(
        ours(schema.NewSessionRequest(cwd="/tmp", mcp_servers=[]), "session/new")
    ) == Inbound(1, True, NewSessionParams(cwd="/tmp"))
    assert read_frame(
        ours(
            schema.PromptRequest(session_id="s", prompt=[text, link, file, picture]),
            "session/prompt",
        )
    ) == Inbound(
        1,
        True,
        PromptParams(
            "s",
            (
                TextPart("hello"),
                TextPart("[notes](file:///n.md)"),
                TextPart("file:///a:\n\nits text"),
                ImagePart("data:image/png;base64,aGk=", media_type="image/png"),
            ),
        ),
    )
    assert read_frame(
        ours(schema.LoadSessionRequest(cwd="/", session_id="s", mcp_servers=[]), "session/load")
    ) == Inbound(1, True, LoadParams("s", "/"))
    resumed = schema.ResumeSessionRequest(cwd="/", session_id="s")
    assert read_frame(ours(resumed, "session/resume")) == Inbound(1, True, ResumeParams("s", "/"))
    assert read_frame(ours(schema.ListSessionsRequest(), "session/list")) == Inbound(
        1, True, ListParams()
    )
    mode = schema.SetSessionModeRequest(session_id="s", mode_id="tutor")
    assert read_frame(ours(mode, "session/set_mode")) == Inbound(
        1, True, SetModeParams("s", "tutor")
    )
    assert read_frame(frame("session/cancel", {"sessionId": "s"}, id=None)) == Inbound(
        None, False, CancelParams("s")
    )


def test_a_cancelled_request_is_named_by_its_id() -> None:
    by_number = read_frame(frame("$/cancel_request", {"requestId": 4}, id=None))
    by_text = read_frame(frame("$/cancel_request", {"requestId": "a"}, id=None))

    assert by_number == Inbound(None, False, CancelRequestParams(4))
    assert by_text == Inbound(None, False, CancelRequestParams("a"))


def test_the_assistant_is_chosen_in_meta_and_is_the_servers_default_otherwise() -> None:
    chosen = read_frame(frame("session/new", {"_meta": {"trouper.dev/assistant": "tutor"}}))
    silent = read_frame(frame("session/new", {"_meta": None, "mcpServers": None}))

    assert isinstance(chosen, Inbound)
    assert isinstance(silent, Inbound)
    assert isinstance(chosen.params, NewSessionParams)
    assert isinstance(silent.params, NewSessionParams)
    assert (chosen.params.assistant, silent.params.assistant) == ("tutor", "")


def test_what_needs_no_attention_is_none() -> None:
    assert read_frame(frame("some/notice", {"a": 1}, id=None)) is None


IMAGE = {"type": "image", "data": "aGk=", "mimeType": "image/png"}
AUDIO = {"type": "audio", "data": "aGk=", "mimeType": "audio/wav"}
BLOB = {"type": "resource", "resource": {"uri": "file:///b", "blob": "aGk="}}


@pytest.mark.parametrize(
    ("sent", "code", "words"),
    [
        (frame("session/fork", {}), METHOD_NOT_FOUND, ["session/fork", "session/new"]),
        (frame("session/load", {}), INVALID_PARAMS, ["params.sessionId: required"]),
        (frame("session/resume", {"sessionId": 1}), INVALID_PARAMS, ["params.sessionId"]),
        (
            frame("session/resume", {"sessionId": "s", "_meta": {"trouper.dev/afterSeq": -1}}),
            INVALID_PARAMS,
            ["params._meta", "trouper.dev/afterSeq"],
        ),
        (
            frame("session/list", {"cursor": 4}),
            INVALID_PARAMS,
            ["params.cursor: expected a string"],
        ),
        (frame("session/close", {}), INVALID_PARAMS, ["params.sessionId: required"]),
        (frame("session/set_mode", {"sessionId": "s"}), INVALID_PARAMS, ["params.modeId"]),
        (
            frame("session/set_config_option", {"sessionId": "s", "configId": "x", "value": True}),
            INVALID_PARAMS,
            ["params.value: expected a string"],
        ),
        (frame("session/prompt", {}, id=None), INVALID_REQUEST, ["session/prompt", "id"]),
        (frame("initialize"), INVALID_PARAMS, ["params.protocolVersion: required"]),
        (frame("initialize", {"protocolVersion": "1"}), INVALID_PARAMS, ["whole number"]),
        (frame("initialize", {"protocolVersion": True}), INVALID_PARAMS, ["whole number"]),
        (frame("session/new", {"cwd": 3}), INVALID_PARAMS, ["params.cwd: expected a string"]),
        (frame("session/new", {"mcpServers": {}}), INVALID_PARAMS, ["params.mcpServers"]),
        (
            frame("initialize", {"protocolVersion": 1, "clientCapabilities": 3}),
            INVALID_PARAMS,
            ["params.clientCapabilities: expected an object"],
        ),
        (frame("session/new", {"_meta": []}), INVALID_PARAMS, ["params._meta"]),
        (
            frame("session/new", {"_meta": {"trouper.dev/assistant": 1}}),
            INVALID_PARAMS,
            ["trouper.dev/assistant"],
        ),
        (
            frame("session/prompt", {"prompt": [{"type": "text", "text": "x"}]}),
            INVALID_PARAMS,
            ["params.sessionId: required"],
        ),
        (
            frame("session/prompt", {"sessionId": "s", "prompt": [{"type": "text"}]}),
            INVALID_PARAMS,
            ["params.prompt[0]: text: expected a string"],
        ),
        (
            frame("session/prompt", {"sessionId": "s", "prompt": ["x"]}),
            INVALID_PARAMS,
            ["params.prompt[0]: expected a content block"],
        ),
        (
            frame("session/prompt", {"sessionId": "s", "prompt": [AUDIO]}),
            INVALID_PARAMS,
            ["params.prompt[0]", "'audio'", "text, resource_link"],
        ),
        (
            frame("session/prompt", {"sessionId": "s", "prompt": [{**IMAGE, "mimeType": "x/y"}]}),
            INVALID_PARAMS,
            ["params.prompt[0]", "'x/y'", "image/png"],
        ),
        (
            frame("session/prompt", {"sessionId": "s", "prompt": [{"type": "resource"}]}),
            INVALID_PARAMS,
            ["params.prompt[0]: resource: expected an object"],
        ),
        (
            frame("session/prompt", {"sessionId": "s", "prompt": [BLOB]}),
            INVALID_PARAMS,
            ["params.prompt[0]", "file:///b", "is not text"],
        ),
        (frame("session/prompt", {"sessionId": "s", "prompt": []}), INVALID_PARAMS, ["at least"]),
        (frame("session/prompt", {"sessionId": "s", "prompt": "x"}), INVALID_PARAMS, ["a list"]),
        (
            frame("session/prompt", {"sessionId": "s", "prompt": [{"type": "text", "text": ""}]}),
            INVALID_PARAMS,
            ["no text"],
        ),
    ],
)
def test_a_bad_request_is_told_which_member_is_wrong(
    sent: str, code: int, words: list[str]
) -> None:
    with pytest.raises(RpcFault) as caught:
        read_frame(sent)

    assert caught.value.code == code
    assert [word for word in words if word not in caught.value.message] == []
    assert caught.value.id == json.loads(sent).get("id")


def test_a_frame_full_of_faults_is_not_answered_at_length() -> None:
    with pytest.raises(RpcFault) as caught:
        read_frame(frame("session/prompt", {"sessionId": "s", "prompt": [AUDIO] * 10_000}))

    assert len(caught.value.message) < 1_000


def result(text: str) -> Any:
    return json.loads(text)["result"]


def test_answers_are_what_the_schema_says() -> None:
    hello = schema.InitializeResponse.model_validate(result(initialize_result(1, "0.1.0")))
    opened = schema.NewSessionResponse.model_validate(result(new_session_result(2, "s-1")))
    ended = schema.PromptResponse.model_validate(
        result(prompt_result("x", "end_turn", 9, Usage(input=3, output=4)))
    )

    assert hello.protocol_version == 1
    assert hello.agent_info is not None
    assert hello.agent_info.name == "trouper"
    assert hello.agent_capabilities is not None
    assert hello.agent_capabilities.load_session is True
    assert hello.agent_capabilities.session_capabilities is not None
    assert hello.agent_capabilities.session_capabilities.resume is not None
    assert hello.agent_capabilities.session_capabilities.fork is None
    assert hello.agent_capabilities.field_meta == {"trouper.dev": {"v": 1}}
    assert opened.session_id == "s-1"
    assert ended.stop_reason == "end_turn"
    assert ended.field_meta is not None
    assert ended.field_meta["trouper.dev/seq"] == 9
    assert ended.field_meta["trouper.dev/usage"]["outputTokens"] == 4
    assert "trouper.dev/usage" not in result(prompt_result(1, "cancelled", 1))["_meta"]


def test_a_failed_turn_is_an_error_that_says_whether_to_try_again() -> None:
    error = schema.Error.model_validate(
        json.loads(turn_failed(1, "the provider is overloaded", 3, retryable=True))["error"]
    )

    assert (error.code, error.message) == (TURN_FAILED, "the provider is overloaded")
    assert error.data == {"retryable": True, "trouper.dev/seq": 3}


def update(text: str) -> tuple[str, Any]:
    body = json.loads(text)
    assert (body["jsonrpc"], body["method"]) == ("2.0", "session/update")
    notification = schema.SessionNotification.model_validate(body["params"])
    return notification.session_id, notification.update


@given(st.text(), st.text(), st.integers(0, 2**53))
def test_chunks_are_what_the_schema_says(session_id: str, text: str, seq: int) -> None:
    updates = Updates(session_id)

    message_id, message = update(updates.message_chunk(seq, text))
    thought_id, thought = update(updates.thought_chunk(seq, text))

    assert isinstance(message, schema.AgentMessageChunk)
    assert isinstance(thought, schema.AgentThoughtChunk)
    assert message_id == thought_id == session_id
    assert message.content.text == thought.content.text == text
    assert message.field_meta == thought.field_meta == {"trouper.dev/seq": seq}


def test_what_begins_again_is_a_chunk_that_any_client_can_show() -> None:
    _, reset = update(Updates("s").reset(4))

    assert isinstance(reset, schema.AgentMessageChunk)
    assert "begins again" in reset.content.text
    assert reset.field_meta == {"trouper.dev/seq": 4, "trouper.dev/reset": True}


@given(st.integers(90, 1_100), st.booleans())
def test_arguments_that_are_nested_too_deeply_are_shown_as_they_were_written(
    depth: int, asked: bool
) -> None:
    written = "[" * depth + "]" * depth
    updates = Updates("s")
    if asked:
        shown = json.loads(updates.permission(1, 2, 3, "c", "t", written))["params"]["toolCall"]
    else:
        shown = json.loads(updates.tool_called(2, 3, "c", "t", written))["params"]["update"]

    assert shown["rawInput"] == (written if depth > 100 else json.loads(written))


@pytest.mark.parametrize(("window", "size"), [(4096, 4096), (0, 70), (50, 70)])
def test_usage_says_a_window_that_is_never_smaller_than_what_fitted(window: int, size: int) -> None:
    _, usage = update(Updates("s").usage(4, 70, window))

    assert isinstance(usage, schema.UsageUpdate)
    assert (usage.used, usage.size) == (70, size)
    assert usage.field_meta == {"trouper.dev/seq": 4}
