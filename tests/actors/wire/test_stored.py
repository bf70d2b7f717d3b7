"""Completions in a file: what comes back is what went in, or it is refused."""

from typing import Any, get_args

import attrs
import orjson
import pytest
from hypothesis import given, strategies as st

from trouper.actors.chat import (
    Completion,
    FilePart,
    Finish,
    ImagePart,
    Message,
    OpaquePart,
    Part,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolResultPart,
    Usage,
)
from trouper.actors.trail import AttemptRecord
from trouper.actors.wire.stored import Unreadable, read_completion, write_completion

PARTS: list[Part] = [
    TextPart("some \u4e16 text \x00"),
    ImagePart("https://example.com/a.png", "image/png"),
    FilePart(file_id="f1", name="a.csv"),
    ThinkingPart("hm", "c2ln", True, "anthropic"),
    ToolCallPart("c1", "clock", '{"zone": '),
    ToolResultPart("c1", "noon", True),
    OpaquePart("anthropic", {"type": "server_tool", "input": [1, None, {"a": 0.5}]}),
]
ANSWER = Completion(
    message=Message("assistant", tuple(PARTS), "name"),
    finish=Finish.STOP,
    raw_finish="end_turn",
    usage=Usage(10, 20, 3, 4, 2, 5, True),
    model="big-2026",
    response_id="r1",
    service_tier="priority",
)
STORED = write_completion(ANSWER)


def test_every_kind_of_part_comes_back_as_it_went_in() -> None:
    assert read_completion(STORED) == ANSWER


@pytest.mark.parametrize("kind", get_args(Part))
def test_no_kind_of_part_is_forgotten(kind: type[Any]) -> None:
    values: dict[Any, Any] = {str: "text", bool: True}
    fields = {each.name: values.get(each.type, {"raw": [1]}) for each in attrs.fields(kind)}
    answer = attrs.evolve(ANSWER, message=Message("assistant", (kind(**fields),)))

    assert read_completion(write_completion(answer)) == answer


@given(st.text(), st.none() | st.text(), st.sampled_from(Finish))
def test_every_text_comes_back(text: str, raw: str | None, finish: Finish) -> None:
    answer = Completion(
        message=Message("assistant", (TextPart(text),)), finish=finish, raw_finish=raw
    )

    assert read_completion(write_completion(answer)) == answer


def test_how_it_came_about_is_not_kept() -> None:
    tried = attrs.evolve(ANSWER, trail=(AttemptRecord(target="main/big", kind="ok", ms=5),))

    assert read_completion(write_completion(tried)).trail == ()


@given(st.integers(0, len(STORED) - 1))
def test_a_cut_completion_is_refused(length: int) -> None:
    with pytest.raises(Unreadable):
        read_completion(STORED[:length])


@given(st.integers(0, len(STORED) - 1), st.integers(0, 255))
def test_damage_is_refused_or_still_a_completion(place: int, byte: int) -> None:
    damaged = bytearray(STORED)
    damaged[place] = byte

    try:
        assert isinstance(read_completion(bytes(damaged)), Completion)
    except Unreadable:
        pass


@pytest.mark.parametrize(
    "change",
    [
        {"v": 2},
        {"v": "1"},
        {"completion": None},
        {"completion": {"finish": "stop"}},
        {"completion": {"message": {"role": "assistant", "parts": []}, "finish": "?"}},
        {"completion": {"message": {"role": "assistant", "parts": [{"type": "Other"}]}}},
    ],
)
def test_what_another_version_has_written_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(Unreadable):
        read_completion(orjson.dumps({**orjson.loads(STORED), **change}))
