"""Keys of requests: equal ones for equal requests, whatever the process; other ones for others."""

import os
import pickle
import subprocess
import sys
from typing import Any

import attrs
import pytest
from hypothesis import given, strategies as st

from trouper.actors.chat import (
    ChatRequest,
    FilePart,
    ImagePart,
    Message,
    OpaquePart,
    Part,
    Sampling,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolResultPart,
    ToolSpec,
)
from trouper.actors.errors import ErrorKind, ProviderError
from trouper.actors.wire.canonical import RequestKeys

TARGETS = [("main", "big", "openai", "https://api.example/v1")]
FEW = st.sampled_from(["", "a", "b", "{", "[", "None"])
RAW = st.recursive(
    st.none() | FEW,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(FEW, inner, max_size=2),
    max_leaves=4,
)
PARTS: st.SearchStrategy[Part] = st.one_of(
    st.builds(TextPart, FEW),
    st.builds(ImagePart, FEW, FEW),
    st.builds(FilePart, FEW, FEW, FEW),
    st.builds(ThinkingPart, FEW, FEW, st.booleans(), FEW),
    st.builds(ToolCallPart, FEW, FEW, FEW),
    st.builds(ToolResultPart, FEW, FEW, st.booleans()),
    st.builds(OpaquePart, FEW, st.dictionaries(FEW, RAW, max_size=2)),
)
ROLES: st.SearchStrategy[Any] = st.sampled_from(["user", "assistant"])
MESSAGES = st.builds(Message, ROLES, st.lists(PARTS, max_size=2).map(tuple), FEW)
REQUESTS = st.builds(
    ChatRequest,
    model=FEW,
    messages=st.lists(MESSAGES, max_size=2).map(tuple),
    tools=st.lists(
        st.builds(ToolSpec, FEW, FEW, st.dictionaries(FEW, RAW, max_size=2)), max_size=2
    ).map(tuple),
    sampling=st.builds(
        Sampling, st.none() | st.sampled_from([0, 0.0, 0.5, 1, 1.0]), seed=st.none() | st.just(1)
    ),
    stop=st.lists(FEW, max_size=2).map(tuple),
    response_schema=st.none() | st.dictionaries(FEW, RAW, max_size=2),
    metadata=st.dictionaries(FEW, FEW, max_size=2),
    extra=st.dictionaries(FEW, RAW, max_size=2),
)
REQUEST = ChatRequest(model="", messages=(Message("user", (TextPart("hi"),)),))


def key(request: ChatRequest, targets: Any = TARGETS) -> bytes:
    return RequestKeys().key(request, targets)


@given(REQUESTS, REQUESTS)
def test_requests_have_equal_keys_exactly_if_they_are_equal(
    one: ChatRequest, other: ChatRequest
) -> None:
    assert (key(one) == key(other)) == (one == other)


@given(REQUESTS)
def test_a_copy_has_the_same_key_also_where_the_message_is_known_already(
    request: ChatRequest,
) -> None:
    keys = RequestKeys()
    copy: ChatRequest = pickle.loads(pickle.dumps(request))

    known = [keys.key(each, TARGETS) for each in (request, request, copy)]
    assert set(known) == {key(request)}
    assert len(known[0]) == 32


@pytest.mark.parametrize("name", [field.name for field in attrs.fields(ChatRequest)])
def test_each_field_of_a_request_counts(name: str) -> None:
    changed: Any = (Message("user", (TextPart("ho"),)),) if name == "messages" else "changed"

    assert key(attrs.evolve(REQUEST, **{name: changed})) != key(REQUEST)


@pytest.mark.parametrize("place", range(4))
def test_all_that_says_who_answers_counts(place: int) -> None:
    other = list(TARGETS[0])
    other[place] = "changed"

    keys = [key(REQUEST, targets) for targets in (TARGETS, [other], [], [*TARGETS, other])]
    assert len(set(keys)) == 4


VALUES: list[Any] = [1, True, "1", None, "", [], {}, [[]], {"a": 1}, ["a", 1], 1.5, 2**70, "\ud83d"]


@pytest.mark.parametrize("one", range(len(VALUES)))
def test_values_that_differ_on_the_wire_have_keys_that_differ(one: int) -> None:
    keys = [key(attrs.evolve(REQUEST, extra={"x": value})) for value in VALUES]

    assert keys.count(keys[one]) == 1


def test_the_order_of_names_is_of_no_interest_and_that_of_items_is() -> None:
    def of(extra: dict[str, Any]) -> bytes:
        return key(attrs.evolve(REQUEST, extra=extra))

    assert of({"a": 1, "b": {"c": 2, "d": 3}}) == of({"b": {"d": 3, "c": 2}, "a": 1})
    assert of({"a": [1, 2]}) != of({"a": [2, 1]})


def test_what_is_no_json_is_refused_as_its_wire_would_refuse_it() -> None:
    with pytest.raises(ProviderError) as caught:
        key(attrs.evolve(REQUEST, extra={"x": {1, 2}}))

    assert caught.value.kind is ErrorKind.INVALID_REQUEST


def test_another_process_makes_the_same_key() -> None:
    request = attrs.evolve(
        REQUEST,
        extra={"b": {"y": 1, "x": 2}, "a": [1.0, "ü"]},
        metadata={"m": "1", "k": "2"},
        tools=(ToolSpec("clock", "tells the time", {"type": "object", "properties": {}}),),
    )
    code = (
        "import pickle, sys\n"
        "from trouper.actors.wire.canonical import RequestKeys\n"
        "request, targets = pickle.load(sys.stdin.buffer)\n"
        "print(RequestKeys().key(request, targets).hex())\n"
    )

    there = {
        subprocess.run(
            [sys.executable, "-c", code],
            input=pickle.dumps((request, TARGETS)),
            capture_output=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }

    assert there == {key(request).hex().encode() + b"\n"}
