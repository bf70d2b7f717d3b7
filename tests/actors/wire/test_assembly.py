"""Chunks fold into the completion that they are parts of, and come out of it again."""

import tracemalloc

import attrs
import pytest
from hypothesis import given, strategies as st

from trouper.actors.chat import (
    Chunk,
    Completion,
    Finish,
    Finished,
    Heartbeat,
    IncompleteToolCall,
    Logprobs,
    Message,
    OpaquePart,
    PartDone,
    RefusalDelta,
    Reset,
    Started,
    TextDelta,
    TextPart,
    ThinkingDelta,
    ThinkingPart,
    ThinkingSignature,
    ToolArgsDelta,
    ToolCallPart,
    ToolCallStarted,
    Usage,
    UsageUpdate,
)
from trouper.actors.wire.assembly import Assembly, chunks_of, settled


def assembled(*chunks: Chunk) -> Completion:
    assembly = Assembly()
    assembly.extend(chunks)
    return assembly.completion()


WORDS = st.text(max_size=5)
PARTS = st.one_of(
    st.builds(TextPart, WORDS),
    st.builds(ThinkingPart, WORDS, WORDS, st.booleans(), st.just("openai")),
    st.builds(ToolCallPart, WORDS, WORDS, WORDS),
    st.builds(OpaquePart, st.just("openai"), st.dictionaries(WORDS, WORDS)),
    st.just(OpaquePart("openai", {"type": "refusal", "refusal": "no"})),
)


def as_codecs_give_it(completion: Completion) -> Completion:
    """With its tool calls as they stand after such a finish."""
    said = tuple(settled(part, completion.finish) for part in completion.message.parts)
    return attrs.evolve(completion, message=Message("assistant", said))


COMPLETIONS = st.builds(
    Completion,
    message=st.builds(Message, st.just("assistant"), st.lists(PARTS, max_size=6).map(tuple)),
    finish=st.sampled_from(Finish),
    raw_finish=st.none() | WORDS,
    usage=st.none() | st.builds(Usage, st.integers(0, 9), st.integers(0, 9)),
    model=WORDS,
    response_id=WORDS,
    service_tier=st.none() | WORDS,
    logprobs=st.none() | st.just({"content": [{"token": "a", "logprob": -0.1}]}),
).map(as_codecs_give_it)


@given(COMPLETIONS)
def test_a_completion_taken_apart_and_put_together_is_the_same(completion: Completion) -> None:
    assert assembled(*chunks_of(completion)) == completion


def test_deltas_of_several_parts_may_take_turns() -> None:
    completion = assembled(
        Started("r1", "m", "flex", "anthropic"),
        ThinkingDelta(0, "h"),
        TextDelta(1, "so "),
        ThinkingDelta(0, "m"),
        ThinkingSignature(0, "sig"),
        ToolCallStarted(2, "a", "f"),
        TextDelta(1, "it is"),
        ToolArgsDelta(2, "{"),
        Heartbeat(),
        ToolArgsDelta(2, "}"),
        RefusalDelta(3, "n"),
        RefusalDelta(3, "o"),
        UsageUpdate(Usage(1, 1)),
        UsageUpdate(Usage(1, 9)),
        Finished(Finish.TOOL_CALLS, "tool_calls"),
    )

    assert completion.message.parts == (
        ThinkingPart("hm", "sig", origin="anthropic"),
        TextPart("so it is"),
        ToolCallPart("a", "f", "{}"),
        OpaquePart("anthropic", {"type": "refusal", "refusal": "no"}),
    )
    assert completion.usage == Usage(1, 9)
    assert (completion.finish, completion.raw_finish) == (Finish.TOOL_CALLS, "tool_calls")
    assert (completion.response_id, completion.model, completion.service_tier) == (
        "r1",
        "m",
        "flex",
    )


def test_a_part_that_is_done_stands_as_it_was_given() -> None:
    opaque = OpaquePart("anthropic", {"type": "server_tool_use"})

    completion = assembled(
        TextDelta(0, "draft"), PartDone(0, TextPart("final")), PartDone(1, opaque)
    )

    assert completion.message.parts == (TextPart("final"), opaque)


@pytest.mark.parametrize("said", [(), (Started("r1", "m"),), (TextDelta(0, "half"),)])
def test_an_answer_that_has_not_ended_can_be_asked_for(said: tuple[Chunk, ...]) -> None:
    assembly = Assembly()
    assembly.extend(said)

    assert not assembly.finished
    assert assembly.completion().finish is Finish.UNKNOWN
    assembly.extend([Finished(Finish.STOP)])
    assert assembly.finished
    assert assembly.completion().finish is Finish.STOP


def test_a_reset_voids_what_was_said() -> None:
    completion = assembled(
        Started("r1", "m"),
        TextDelta(0, "old"),
        UsageUpdate(Usage(1, 1)),
        Reset("elsewhere"),
        Started("r2", "n"),
        TextDelta(0, "new"),
    )

    assert (completion.text, completion.usage, completion.response_id) == ("new", None, "r2")


CUT_BY: dict[Finish, bool] = {
    finish: finish not in (Finish.STOP, Finish.TOOL_CALLS) for finish in Finish
}


@pytest.mark.parametrize(("finish", "cut"), CUT_BY.items())
def test_a_call_is_incomplete_where_the_answer_ended_within_its_arguments(
    finish: Finish, cut: bool
) -> None:
    completion = assembled(
        ToolCallStarted(0, "a", "f"),
        ToolArgsDelta(0, "{}"),
        ToolCallStarted(1, "b", "g"),
        ToolArgsDelta(1, '{"x": '),
        Finished(finish),
    )

    kind = IncompleteToolCall if cut else ToolCallPart
    assert completion.message.parts == (ToolCallPart("a", "f", "{}"), kind("b", "g", '{"x": '))


def test_likelihoods_are_joined_and_what_is_no_list_is_the_last_one() -> None:
    completion = assembled(
        Logprobs({"content": [1], "text": "a", "bytes": None}),
        Logprobs({"content": [2], "text": "b", "refusal": [3]}),
        Logprobs({"content": None}),
    )

    assert completion.logprobs == {"content": [1, 2], "text": "b", "refusal": [3]}


def test_the_tier_that_the_end_names_outranks_that_of_the_start() -> None:
    said = (Started("r", "m", "flex"), Finished(Finish.STOP, "stop"))

    assert assembled(*said).service_tier == "flex"
    assert assembled(*said, Finished(Finish.STOP, "stop", "default")).service_tier == "default"


@pytest.mark.parametrize("pieces", [1, 127, 128, 129, 257, 1_000])
def test_however_many_pieces_an_answer_came_in_it_is_whole(pieces: int) -> None:
    texts = [f"word{number} " for number in range(pieces)]
    assembly = Assembly()
    assembly.extend([TextDelta(0, text) for text in texts])
    so_far = assembly.completion().message.text
    assembly.extend([ToolCallStarted(1, "c1", "tell"), *(ToolArgsDelta(1, text) for text in texts)])

    text, call = assembly.completion().message.parts
    assert isinstance(text, TextPart)
    assert isinstance(call, ToolCallPart)
    assert so_far == text.text == call.args_json == "".join(texts)


def test_many_small_pieces_take_not_much_more_than_their_letters() -> None:
    tracemalloc.start()
    try:
        assembly = Assembly()
        for number in range(20_000):
            assembly.extend([TextDelta(0, f"{number:05}")])
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert taken < 2 * 5 * 20_000
