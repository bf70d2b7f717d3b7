"""A coroutine that is driven by hand behaves as one that is awaited."""

import contextvars
from collections.abc import Generator
from types import coroutine
from typing import Any

import pytest

from trouper.runtime.driving import drive

name: contextvars.ContextVar[str] = contextvars.ContextVar("name", default="outside")


@coroutine
def trap(value: object) -> Generator[Any, Any, Any]:
    return (yield value)


async def body(trace: list[object]) -> str:
    trace.append(await trap("first"))
    try:
        trace.append(await trap("second"))
    except KeyError as error:
        trace.append(error)
    finally:
        trace.append(name.get())
    trace.append(await trap("third"))
    return "done"


def start(trace: list[object]) -> Any:
    context = contextvars.copy_context()
    context.run(name.set, "inside")
    made = body(trace)
    first = context.run(made.send, None)
    return drive(context, made, first)


def test_values_go_in_traps_come_out_and_the_result_is_returned() -> None:
    trace: list[object] = []
    driven = start(trace)
    assert [driven.send(None), driven.send(1), driven.send(2)] == ["first", "second", "third"]
    with pytest.raises(StopIteration) as stopped:
        driven.send(3)
    assert stopped.value.value == "done"
    assert trace == [1, 2, "inside", 3]


def test_what_is_thrown_in_is_raised_where_it_waits() -> None:
    trace: list[object] = []
    error = KeyError("thrown")
    driven = start(trace)
    assert [driven.send(None), driven.send(1)] == ["first", "second"]
    assert driven.throw(error) == "third"
    assert trace == [1, error, "inside"]
    driven.close()


def test_what_it_does_not_catch_comes_out() -> None:
    trace: list[object] = []
    driven = start(trace)
    driven.send(None)
    with pytest.raises(ZeroDivisionError):
        driven.throw(ZeroDivisionError())


def test_closing_it_closes_what_it_drives() -> None:
    trace: list[object] = []
    driven = start(trace)
    assert [driven.send(None), driven.send(1)] == ["first", "second"]
    driven.close()
    assert trace == [1, "inside"]
