"""The output items of a response: each kind, and servers that tell of them in ways of their own."""

import pytest

from tests.fakes.responses import added, completion, decode, done, event, response, said, text
from trouper.actors.chat import (
    Finish,
    IncompleteToolCall,
    OpaquePart,
    PartDone,
    TextDelta,
    TextPart,
    ThinkingPart,
    ToolArgsDelta,
    ToolCallPart,
)

ARGUMENTS = "response.function_call_arguments.delta"


def test_items_that_no_delta_told_are_told_when_they_are_done() -> None:
    refused = {"type": "refusal", "refusal": "no"}
    whole = completion(
        response("created"),
        done(0, type="reasoning", id="r", summary=[{"text": "a"}, {"text": "b"}]),
        done(1, type="message", id="m", content=[*said("so")["content"], refused]),
        done(2, type="function_call", id="f", call_id="c", name="f", arguments="{}"),
        response("completed"),
    )

    assert whole.message.parts == (
        ThinkingPart("a\n\nb", origin="openai-responses"),
        TextPart("so"),
        OpaquePart("openai-responses", refused),
        ToolCallPart("c", "f", "{}"),
    )


def test_items_that_no_event_told_are_told_by_the_list_that_ends_the_answer() -> None:
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    whole = completion(response("completed", output=[said("so"), call]))

    assert whole.message.parts == (TextPart("so"), ToolCallPart("c", "f", "{}"))
    assert whole.finish is Finish.TOOL_CALLS


def test_what_the_deltas_have_told_is_not_told_again_by_the_list_that_ends_the_answer() -> None:
    call = {"type": "function_call", "id": "f", "call_id": "c", "name": "f", "arguments": "{}"}
    chunks = decode(
        [
            text(0, "so"),
            added(1, **{**call, "arguments": ""}),
            event(ARGUMENTS, output_index=1, delta="{}"),
            response("completed", output=[said("so"), call]),
        ]
    )

    assert sum(isinstance(chunk, TextDelta) for chunk in chunks) == 1
    assert sum(isinstance(chunk, ToolArgsDelta) for chunk in chunks) == 1
    assert chunks.count(PartDone(2, ToolCallPart("c", "f", "{}"))) == 1


def test_a_call_that_was_never_done_ends_with_the_answer() -> None:
    whole = completion(
        added(0, type="function_call", id="f", call_id="c", name="f"),
        event("response.function_call_arguments.done", output_index=0, arguments='{"a": 1}'),
        response("incomplete", incomplete_details={"reason": "max_output_tokens"}),
    )

    assert whole.message.parts == (ToolCallPart("c", "f", '{"a": 1}'),)
    assert whole.finish is Finish.LENGTH


def test_items_that_are_all_numbered_zero_are_told_apart_by_their_ids() -> None:
    calls = [
        {"type": "function_call", "id": id, "call_id": id, "name": id, "arguments": "{}"}
        for id in ("a", "b")
    ]
    whole = completion(
        added(0, type="message", id="m1"),
        text(0, "one"),
        done(0, **said("one", id="m1")),
        added(0, type="message", id="m2"),
        text(0, "two"),
        done(0, **said("two", id="m2")),
        *(added(0, **{**call, "arguments": ""}) for call in calls),
        *(event(ARGUMENTS, item_id=id, output_index=0, delta="{}") for id in ("a", "b")),
        *(done(0, **call) for call in calls),
        response("completed"),
    )

    assert whole.message.parts == (
        TextPart("one"),
        TextPart("two"),
        ToolCallPart("a", "a", "{}"),
        ToolCallPart("b", "b", "{}"),
    )


def test_items_that_have_no_numbers_are_told_apart_by_their_ids() -> None:
    """As llama.cpp streams them: no event says where its item stands."""
    delta = "response.output_text.delta"
    whole = completion(
        added(None, type="message", id="m1"),
        event(delta, item_id="m1", delta="one"),
        event(delta, item_id="m1", delta=" more"),
        done(None, **said("one more", id="m1")),
        added(None, type="message", id="m2"),
        event(delta, item_id="m2", delta="two"),
        event("response.refusal.delta", item_id="m2", content_index=1, delta="no"),
        event("response.reasoning_text.delta", item_id="r", delta="hm"),
        event("response.reasoning_text.delta", item_id="r", delta="m"),
        response("completed", output=[said("one more", id="m1"), said("two", id="m2")]),
    )

    assert whole.message.parts == (
        TextPart("one more"),
        TextPart("two"),
        OpaquePart("openai-responses", {"type": "refusal", "refusal": "no"}),
        ThinkingPart("hmm", origin="openai-responses"),
    )


def test_items_that_get_a_new_id_in_each_event_are_known_by_their_place() -> None:
    whole = completion(
        added(0, type="function_call", id="x1", call_id="c", name="f"),
        event(ARGUMENTS, item_id="x2", output_index=0, delta="{}"),
        done(0, type="function_call", id="x3", call_id="c", name="f", arguments="{}"),
        response("completed"),
    )

    assert whole.message.parts == (ToolCallPart("c", "f", "{}"),)


def test_thinking_in_plain_words_goes_along_as_it_came() -> None:
    raw = {"type": "reasoning", "id": "r", "content": [{"type": "reasoning_text", "text": "hm"}]}
    whole = completion(
        event("response.reasoning_text.delta", output_index=0, content_index=0, delta="hm"),
        done(0, **raw),
        response("completed"),
    )

    assert whole.message.parts == (
        ThinkingPart("hm", origin="openai-responses"),
        OpaquePart("openai-responses", raw),
    )


@pytest.mark.parametrize("kind", ["web_search_call", "custom_tool_call", "yet_to_be_invented"])
def test_items_of_other_kinds_are_kept_as_they_came(kind: str) -> None:
    raw = {"type": kind, "id": "x_1", "status": "completed", "input": "anything"}
    whole = completion(
        added(0, type=kind, id="x_1", status="in_progress"),
        event(f"response.{kind}.searching", item_id="x_1", output_index=0),
        done(0, **raw),
        text(1, "so"),
        response("completed"),
    )

    assert whole.message.parts == (OpaquePart("openai-responses", raw), TextPart("so"))
    ours = kind == "custom_tool_call"  # it is the caller's turn
    assert whole.finish is (Finish.TOOL_CALLS if ours else Finish.STOP)


def test_what_our_parts_have_no_room_for_follows_its_part() -> None:
    cited = {"type": "url_citation", "url": "https://example.com"}
    message = said("so", phase="commentary")
    message["content"][0]["annotations"] = [cited]
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    whole = completion(
        text(0, "so"),
        done(0, **message),
        done(1, **call, namespace="n", caller={"type": "direct"}),
        response("completed"),
    )

    beside = {"type": "trouper.beside", "annotations": [cited], "phase": "commentary"}
    assert whole.message.parts == (
        TextPart("so"),
        OpaquePart("openai-responses", beside),
        ToolCallPart("c", "f", "{}"),
        OpaquePart("openai-responses", {"type": "trouper.beside", "namespace": "n"}),
    )


def test_likelihoods_are_handed_on_where_they_were_asked_for() -> None:
    tokens = [{"token": "a", "logprob": -0.1}, {"token": "b", "logprob": -0.2}]
    frames = [
        event("response.output_text.delta", output_index=0, delta=token["token"], logprobs=[token])
        for token in tokens
    ]
    content = [{"type": "output_text", "text": "ab", "logprobs": tokens}]
    item = {"type": "message", "content": content}

    for whole in (
        completion(*frames, response("completed")),
        completion(response("completed", output=[item])),
    ):
        assert (whole.text, whole.logprobs) == ("ab", {"content": tokens})


def test_a_call_that_the_limit_cut_off_is_not_to_be_run() -> None:
    whole = completion(
        added(0, type="function_call", id="f", call_id="c", name="f"),
        event(ARGUMENTS, output_index=0, delta='{"a": '),
        response("incomplete", incomplete_details={"reason": "max_output_tokens"}),
    )

    assert whole.message.parts == (IncompleteToolCall("c", "f", '{"a": '),)
