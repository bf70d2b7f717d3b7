"""Tool calls out of fragments, as OpenAI and the less exact servers stream them."""

import json
from typing import Any

import pytest

from trouper.actors.chat import (
    Chunk,
    Finish,
    IncompleteToolCall,
    OpaquePart,
    PartDone,
    ToolArgsDelta,
    ToolCallPart,
    ToolCallStarted,
)
from trouper.actors.wire.openai_tools import ToolCalls

Fragment = dict[str, Any]


def part(
    index: int | None = None, id: str | None = None, name: str | None = None, args: Any = None
) -> Fragment:
    """One entry of a delta's tool_calls; what is None is left out."""
    function = {"name": name, "arguments": args}
    entry = {
        "index": index,
        "id": id,
        "function": {key: value for key, value in function.items() if value is not None},
    }
    return {key: value for key, value in entry.items() if value is not None}


def chunks_of(*deltas: list[Any]) -> list[Chunk]:
    indices = iter(range(100))
    calls = ToolCalls(lambda: next(indices))
    return [chunk for entries in deltas for chunk in calls.take(entries)] + calls.end(
        Finish.TOOL_CALLS
    )


def calls_of(*deltas: list[Any]) -> list[tuple[str, str, str]]:
    chunks = chunks_of(*deltas)
    done = [chunk.part for chunk in chunks if isinstance(chunk, PartDone)]
    calls = [call for call in done if isinstance(call, ToolCallPart)]
    # What the deltas told along the way is what stands in the end.
    for index, call in enumerate(calls):
        told = [c.fragment for c in chunks if isinstance(c, ToolArgsDelta) and c.index == index]
        assert "".join(told) == call.args_json
        assert ToolCallStarted(index, call.id, call.name) in chunks
    assert sum(isinstance(chunk, ToolCallStarted) for chunk in chunks) == len(calls)
    return [(call.id, call.name, call.args_json) for call in calls]


CASES: dict[str, tuple[list[list[Any]], list[tuple[str, str, str]]]] = {
    "as OpenAI does": (
        [[part(0, "a", "f", "")], [part(0, args='{"x"')], [part(0, args=": 1}")]],
        [("a", "f", '{"x": 1}')],
    ),
    "two in parallel, interleaved": (
        [[part(0, "a", "f", ""), part(1, "b", "g", "")], [part(1, args="{}")], [part(0, args="1")]],
        [("a", "f", "1"), ("b", "g", "{}")],
    ),
    "indices begin at one, and leave one out": (
        [[part(1, "a", "f", "{}")], [part(5, "b", "g", "{}")]],
        [("a", "f", "{}"), ("b", "g", "{}")],
    ),
    "all are index 0, with ids": (
        [[part(0, "a", "f", "{}")], [part(0, "b", "f", "{}")]],
        [("a", "f", "{}"), ("b", "f", "{}")],
    ),
    "all are index 0 in one delta": (
        [[part(0, "a", "f", "{}"), part(0, "b", "g", "[]")]],
        [("a", "f", "{}"), ("b", "g", "[]")],
    ),
    "all are index 0 and take turns": (
        [
            [part(0, "a", "f", '{"x'), part(0, "b", "g", '{"y')],
            [part(0, "a", args='": 1}')],
            [part(0, "b", args='": 2}')],
        ],
        [("a", "f", '{"x": 1}'), ("b", "g", '{"y": 2}')],
    ),
    "one index twice in a delta": (
        [[part(0, "a", "f", '{"x'), part(0, args='": 1}')]],
        [("a", "f", '{"x": 1}')],
    ),
    "no index, ids": (
        [
            [part(None, "a", "f", '{"x')],
            [part(None, None, None, '": 1}')],
            [part(id="b", name="g")],
        ],
        [("a", "f", '{"x": 1}'), ("b", "g", "")],
    ),
    "no index, the id in every fragment": (
        [[part(id="a", name="f", args="{")], [part(id="a", name="f", args="}")]],
        [("a", "f", "{}")],
    ),
    "the name in every fragment": (
        [[part(0, "a", "f", "{")], [part(0, "a", "f", '"x": 1')], [part(0, "a", "f", "}")]],
        [("a", "f", '{"x": 1}')],
    ),
    "an empty name after the first fragment (Mistral)": (
        [[part(0, "a", "f", "")], [part(0, None, "", '{"q": 1}')]],
        [("a", "f", '{"q": 1}')],
    ),
    "a name in pieces": (
        [[part(0, "a", "get_", "")], [part(0, "a", "weather")], [part(0, args="{}")]],
        [("a", "get_weather", "{}")],
    ),
    "a name that comes after the arguments have begun": (
        [[part(0, "a", args="{")], [part(0, name="f", args="}")]],
        [("a", "f", "{}")],
    ),
    "another name once the arguments have begun": (
        [[part(0, "a", "f", "{")], [part(0, name="g", args="}")]],
        [("a", "f", "{}")],
    ),
    "an id that comes late": (
        [[part(0, name="f")], [part(0, "a")], [part(0, args="{}")]],
        [("a", "f", "{}")],
    ),
    "arguments as an object": (
        [[part(0, "a", "f", {"x": [1, None]})]],
        [("a", "f", '{"x":[1,null]}')],
    ),
    "arguments that are no JSON are kept": (
        [[part(0, "a", "f", '{"x": ')]],
        [("a", "f", '{"x": ')],
    ),
    "entries that are no fragments": (
        [[None, 7, {}, part(0, "a", "f", "{}")]],
        [("a", "f", "{}")],
    ),
}


@pytest.mark.parametrize(("deltas", "calls"), CASES.values(), ids=CASES.keys())
def test_fragments_become_the_calls_that_were_meant(
    deltas: list[list[Any]], calls: list[tuple[str, str, str]]
) -> None:
    """Parallel calls that are all index 0 (litellm#33678), or have none (openai-python#2806),
    and an index twice in one chunk (openai-python#3201, #3203) were merged or lost: calls
    are told apart by index and id, entry by entry."""
    assert calls_of(*deltas) == calls


WITHOUT_IDS: dict[str, tuple[list[list[Fragment]], list[tuple[str, str]]]] = {
    "all are index 0 and whole": (
        [[part(0, name="f", args="{}")], [part(0, name="f", args='{"x": 1}')]],
        [("f", "{}"), ("f", '{"x": 1}')],
    ),
    "index 0 again before the arguments are whole": (
        [[part(0, name="f", args='{"x": {}')], [part(0, name="f", args="}")]],
        [("f", '{"x": {}}')],
    ),
    "index 0 again with another name and no arguments yet": (
        [[part(0, name="f")], [part(0, name="g", args="{}")]],
        [("f", ""), ("g", "{}")],
    ),
    "no index": (
        [[part(name="f", args="{}")], [part(name="f", args="{}")], [part(name="g", args="{}")]],
        [("f", "{}"), ("f", "{}"), ("g", "{}")],
    ),
    "no index, the name in every fragment": (
        [[part(name="f", args="{")], [part(name="f", args="}")]],
        [("f", "{}")],
    ),
    "an id after the call was announced": (
        [[part(0, name="f", args="{")], [part(0, "late", args="}")]],
        [("f", "{}")],
    ),
}


@pytest.mark.parametrize(("deltas", "calls"), WITHOUT_IDS.values(), ids=WITHOUT_IDS.keys())
def test_calls_without_ids_get_ids_of_their_own(
    deltas: list[list[Fragment]], calls: list[tuple[str, str]]
) -> None:
    found = calls_of(*deltas)

    assert [(name, arguments) for _, name, arguments in found] == calls
    assert len({id for id, _, _ in found}) == len(calls)
    assert all(id.startswith("call_") for id, _, _ in found)


def test_a_call_is_told_before_its_arguments_and_done_after_them() -> None:
    chunks = chunks_of([part(0, "a", "f", "")], [part(0, args="{")], [part(0, args="}")])

    assert chunks == [
        ToolCallStarted(0, "a", "f"),
        ToolArgsDelta(0, "{"),
        ToolArgsDelta(0, "}"),
        PartDone(0, ToolCallPart("a", "f", "{}")),
    ]


def test_ten_thousand_fragments_that_all_repeat_the_name_are_one_call() -> None:
    text = json.dumps({"x": "y" * 10_000})

    found = calls_of(*([part(0, name="f", args=letter)] for letter in text))

    assert [(name, arguments) for _, name, arguments in found] == [("f", text)]


def test_calls_within_which_the_limit_fell_are_marked_as_not_to_be_run() -> None:
    """A finish of `length` within a call's JSON makes an IncompleteToolCall."""
    indices = iter(range(100))
    calls = ToolCalls(lambda: next(indices))
    calls.take([part(0, "a", "f", "{}"), part(1, "b", "g", '{"x": '), part(2, "c", "h")])

    done = [chunk.part for chunk in calls.end(Finish.LENGTH) if isinstance(chunk, PartDone)]

    assert done == [
        ToolCallPart("a", "f", "{}"),
        IncompleteToolCall("b", "g", '{"x": '),
        IncompleteToolCall("c", "h", ""),
    ]


def test_a_custom_call_is_kept_as_it_came_because_its_input_is_no_json() -> None:
    begun = {"index": 0, "id": "a", "type": "custom", "custom": {"name": "shell", "input": "ls "}}
    chunks = chunks_of(
        [begun], [{"index": 0, "custom": {"input": "-l"}}], [part(1, "b", "f", "{}")]
    )

    raw = {"id": "a", "type": "custom", "custom": {"name": "shell", "input": "ls -l"}}
    assert chunks == [
        ToolCallStarted(1, "b", "f"),
        ToolArgsDelta(1, "{}"),
        PartDone(0, OpaquePart("openai", raw)),
        PartDone(1, ToolCallPart("b", "f", "{}")),
    ]
