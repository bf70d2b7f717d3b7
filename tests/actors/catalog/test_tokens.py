"""Requests are counted near enough, and no text can end the program or hold up its loop."""

import gc
import threading
from collections.abc import Collection, Sequence
from typing import Any

import attrs
import pytest
import trio
import trio.testing
from hypothesis import given, settings, strategies as st

from trouper.actors.catalog import encodings
from trouper.actors.catalog.encodings import EncodingName, load_encoding
from trouper.actors.catalog.tokens import (
    INLINE_CHARS,
    Allowances,
    TokenCounter,
    count_text,
    slices,
)
from trouper.actors.chat import (
    ChatRequest,
    FilePart,
    ImagePart,
    Message,
    OpaquePart,
    Part,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolResultPart,
    ToolSpec,
)

O200K = load_encoding(EncodingName.O200K)
CL100K = load_encoding(EncodingName.CL100K)

HELLO = Message("user", (TextPart("hello world"),))


def whole(text: str) -> int:
    return len(O200K.encode(text, disallowed_special=()))


def ask(*messages: Message, model: str = "gpt-4o", **fields: Any) -> ChatRequest:
    return ChatRequest(model=model, messages=messages, **fields)


def count(*parts: Part, role: Any = "user") -> int:
    """The tokens of the parts alone: a request less its overheads."""
    empty = TokenCounter().count_request(ask(Message(role, ())))
    return TokenCounter().count_request(ask(Message(role, parts))) - empty


@given(st.text(), st.integers(1, 30))
def test_slices_are_the_text_and_none_is_too_long(text: str, size: int) -> None:
    cut = list(slices(text, size))

    assert "".join(cut) == text
    assert all(len(piece) <= size for piece in cut)
    assert all(cut[1:])


@settings(deadline=None)
@given(st.lists(st.from_regex(r"[A-Za-z]{1,12}[.,;:!?)]?", fullmatch=True), min_size=1))
@pytest.mark.parametrize("encoding", [O200K, CL100K], ids=["o200k", "cl100k"])
def test_words_have_the_same_tokens_wherever_they_are_cut(encoding: Any, words: list[str]) -> None:
    text = " ".join(words)

    assert sum(len(encoding.encode(piece)) for piece in slices(text, 20)) == len(
        encoding.encode(text)
    )


def test_prose_is_counted_as_if_it_were_whole() -> None:
    text = "The quick brown fox jumps over 12 lazy dogs; it's said, and isn't true.\n\n" * 2_000

    assert count_text(text, O200K) == whole(text)


@pytest.mark.parametrize(
    "text",
    [
        "お誕生日おめでとうございます今日は良い天気です" * 2_000,
        "0123456789abcdefABCDEF+/" * 3_000,
        "\n" * 50_000,
        "a" * 50_000,
        "👩‍👩‍👧‍👦🎉é" * 5_000,
    ],
    ids=["japanese", "base64", "newlines", "one word", "emoji"],
)
def test_text_without_a_clean_cut_is_counted_to_a_tenth_of_a_percent(text: str) -> None:
    assert count_text(text, O200K) == pytest.approx(whole(text), rel=0.001, abs=10)


def test_a_million_blanks_do_not_panic() -> None:
    # Whole, they are a pyo3 PanicException, which is no Exception: openai/tiktoken#587.
    assert 0 < count_text(" " * 1_001_000, O200K) < 20_000


@settings(deadline=None)
@given(st.text(st.characters(codec=None)))
def test_no_text_is_refused_not_even_half_a_character(text: str) -> None:
    assert (count_text(text, O200K) > 0) is bool(text)


def test_what_looks_like_a_special_token_is_text() -> None:
    assert count_text("<|endoftext|>", O200K) == whole("<|endoftext|>") > 1


def test_text_that_tiktoken_gives_up_on_is_guessed() -> None:
    class GivesUp:
        def encode(self, text: str, *, disallowed_special: Collection[str]) -> Sequence[int]:
            raise ValueError("regex error")

    assert count_text("x" * 401, GivesUp()) == 101


def test_a_request_has_the_overheads_of_the_cookbook() -> None:
    counter = TokenCounter()

    # 3 a message, 1 for its role, 2 for its text, 3 for the answer's beginning.
    assert counter.count_request(ask(HELLO)) == 3 + 1 + 2 + 3
    assert counter.count_request(ask(HELLO, HELLO)) == 2 * (3 + 1 + 2) + 3
    named = attrs.evolve(HELLO, name="anna")
    assert counter.count_request(ask(named)) == 3 + 1 + 2 + (1 + whole("anna")) + 3
    assert counter.count_request(ask()) == 3


def test_the_model_decides_the_encoding() -> None:
    birthday = Message("user", (TextPart("お誕生日おめでとう"),))
    counter = TokenCounter()

    assert counter.count_request(ask(birthday, model="gpt-4o")) == 8 + 4 + 3
    assert counter.count_request(ask(birthday, model="gpt-4")) == 9 + 4 + 3
    assert counter.count_request(ask(birthday, model="default"), "gpt-4") == 9 + 4 + 3


@pytest.mark.parametrize(
    ("part", "tokens"),
    [
        (TextPart("hello world"), 2),
        (ThinkingPart("hello world"), 2),
        (ImagePart("data:image/png;base64," + "A" * 100_000), Allowances().image),
        (FilePart(file_id="file-1"), Allowances().file),
        (OpaquePart("openai", {"type": "text"}), whole('{"type":"text"}')),
        (OpaquePart("openai", {"odd": object}), whole("{'odd': <class 'object'>}")),
        (OpaquePart("openai", {"half": "\ud800"}), whole('{"half":"\ud800"}')),
    ],
)
def test_every_part_counts(part: Part, tokens: int) -> None:
    assert count(part) == tokens


def test_tool_calls_and_their_results_count() -> None:
    call = ToolCallPart("call_1", "weather", '{"city":"Oslo"}')
    assert count(call, role="assistant") == whole("weather") + whole('{"city":"Oslo"}')

    result = ToolResultPart("call_1", "hello world")
    assert count(result, role="tool") == 2
    # The second result is a message of its own on the wire.
    assert count(result, result, role="tool") == 2 + 2 + 3 + 1


def test_allowances_are_the_callers_to_set() -> None:
    counter = TokenCounter(Allowances(image=85))
    empty = counter.count_request(ask(Message("user", ())))

    assert counter.count_request(ask(Message("user", (ImagePart("x"),)))) - empty == 85


def test_tools_count_with_their_parameters() -> None:
    schema = {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "Where."},
            "unit": {"type": "string", "enum": ["celsius", "kelvin"]},
        },
    }
    tool = ToolSpec("weather", "The weather now.", schema)
    flat = TokenCounter().count_request(ask(HELLO, tools=(tool,)))

    expected = 7 + whole("weather:The weather now") + 12
    expected += 3 + 3 + whole("city:string:Where")
    expected += 3 + whole("unit:string:") - 3 + 3 + whole("celsius") + 3 + whole("kelvin")
    assert flat - TokenCounter().count_request(ask(HELLO)) == expected
    older = TokenCounter().count_request(ask(HELLO, tools=(tool,)), "gpt-4")
    assert older - TokenCounter().count_request(ask(HELLO), "gpt-4") >= expected + 3


def test_properties_within_properties_count() -> None:
    inner = {"type": "object", "properties": {"name": {"type": "string"}}}
    one = {"properties": {"name": {"type": "string"}}}

    def tokens(schema: dict[str, Any]) -> int:
        return TokenCounter().count_request(ask(tools=(ToolSpec("t", "", schema),)))

    leaf = tokens(one) - tokens({})
    assert tokens({"items": inner}) - tokens({}) == leaf
    assert tokens({"anyOf": [inner, inner]}) - tokens({}) == 2 * leaf
    assert tokens({"$defs": {"person": inner}}) - tokens({}) == leaf
    within = tokens({"properties": {"owner": inner}}) - tokens({})
    assert within == 3 + 3 + whole("owner:object:") + leaf
    assert tokens({"properties": {"any": True}}) > tokens({})


def test_a_schema_that_holds_itself_has_an_end() -> None:
    schema: dict[str, Any] = {"type": "object"}
    schema["properties"] = {"next": schema}

    assert TokenCounter().count_request(ask(tools=(ToolSpec("t", "", schema),))) < 1_000


def test_a_schema_of_the_answer_counts() -> None:
    plain = TokenCounter().count_request(ask(HELLO))
    schema = {"type": "object"}

    assert TokenCounter().count_request(ask(HELLO, response_schema=schema)) - plain == whole(
        '{"type":"object"}'
    )


class Recording:
    """An encoder that says where and of what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.threads: set[threading.Thread] = set()
        self.go_on = threading.Event()
        self.go_on.set()

    def encode(self, text: str, *, disallowed_special: Collection[str]) -> Sequence[int]:
        self.asked.append(text)
        self.threads.add(threading.current_thread())
        assert self.go_on.wait(30)
        return range(len(text))


@pytest.fixture
def recording(monkeypatch: pytest.MonkeyPatch) -> Recording:
    encoder = Recording()
    monkeypatch.setattr(encodings, "_LOADED", {EncodingName.O200K: encoder})
    return encoder


def test_the_next_turn_costs_its_new_messages_only(recording: Recording) -> None:
    counter = TokenCounter()
    tool = ToolSpec("weather", "The weather.", {"properties": {"city": {}}})
    first = counter.count_request(ask(HELLO, tools=(tool,)))
    recording.asked.clear()

    again = counter.count_request(
        ask(HELLO, Message("assistant", (TextPart("hi"),)), tools=(tool,))
    )

    assert recording.asked == ["assistant", "hi"]
    assert again > first


def test_counts_are_forgotten_with_their_messages() -> None:
    counter = TokenCounter()
    for number in range(100):
        counter.count_request(ask(Message("user", (TextPart(str(number)),))))
    gc.collect()

    assert len(counter._messages[EncodingName.O200K]) == 0


async def test_a_small_request_is_counted_on_the_loop(recording: Recording) -> None:
    await TokenCounter().count_request_async(ask(HELLO))

    assert recording.threads == {threading.current_thread()}


@pytest.mark.parametrize(
    "part",
    [
        TextPart("x" * INLINE_CHARS * 2),
        ThinkingPart("x" * INLINE_CHARS * 2),
        ToolResultPart("call_1", "x" * INLINE_CHARS * 2),
        ToolCallPart("call_1", "x", "x" * INLINE_CHARS * 2),
        OpaquePart("openai", {"x": "x" * INLINE_CHARS * 2}),
    ],
)
async def test_a_big_request_is_counted_in_a_thread_and_once(
    recording: Recording, part: Part
) -> None:
    counter = TokenCounter()
    big = Message("user", (part, ImagePart("x" * 100)))

    counted = await counter.count_request_async(ask(big))

    assert counted > INLINE_CHARS
    assert threading.current_thread() not in recording.threads
    recording.asked.clear()
    assert await counter.count_request_async(ask(big)) == counted
    assert recording.asked == []


async def test_many_new_tools_are_counted_in_a_thread(recording: Recording) -> None:
    tools = tuple(ToolSpec(f"tool-{number}", "", {}) for number in range(100))

    await TokenCounter().count_request_async(ask(HELLO, tools=tools))

    assert threading.current_thread() not in recording.threads


async def test_a_cancelled_count_returns_at_once(
    recording: Recording, autojump_clock: trio.testing.MockClock
) -> None:
    recording.go_on.clear()
    big = Message("user", (TextPart("x" * INLINE_CHARS * 2),))

    with trio.move_on_after(1) as scope:
        await TokenCounter().count_request_async(ask(big))
    recording.go_on.set()

    assert scope.cancelled_caught


async def test_the_first_count_loads_the_encoding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encodings, "_LOADED", {})

    assert await TokenCounter().count_request_async(ask(HELLO, model="gpt-4")) == 9


async def test_messages_counted_one_by_one_are_what_they_add_to_a_request() -> None:
    counter, messages = TokenCounter(), [HELLO, Message("assistant", (TextPart("hi there"),))]

    each = await counter.count_each(messages, "gpt-4o")

    assert sum(each) == counter.count_request(ask(*messages)) - counter.count_request(ask())
    assert await counter.count_each([], "gpt-4o") == []


async def test_long_messages_are_counted_one_by_one_in_a_thread_and_once(
    recording: Recording,
) -> None:
    counter, big = TokenCounter(), Message("user", (TextPart("x" * INLINE_CHARS * 2),))

    each = await counter.count_each([HELLO, big], "gpt-4o")

    assert threading.current_thread() not in recording.threads
    recording.asked.clear()
    assert await counter.count_each([HELLO, big], "gpt-4o") == each
    assert recording.asked == []


async def test_the_first_count_of_single_messages_loads_the_encoding(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(encodings, "_LOADED", {})

    assert await TokenCounter().count_each([HELLO], "gpt-4") == [6]
