"""In trio, beside asyncio and beside threads: the same names, with the same parameters and answers."""

import inspect
import re
import typing
from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any

import pytest

from trouper.actors.app import App, open_app
from trouper.actors.bot import Bot
from trouper.actors.embed import (
    AsyncioApp,
    AsyncioBot,
    AsyncioSession,
    AsyncioTurn,
    ThreadApp,
    ThreadBot,
    ThreadSession,
    ThreadTurn,
)
from trouper.actors.session.reader import SessionHandle, Turn

# The inner parts, which `portal.value` has, too; and what sessions tell their turn.
ONLY_TRIO = {
    App: {"assistants", "batches", "budgets", "knowledge", "ledger", "sessions", "system"},
    Turn: {"deliver"},
}
# What a portal adds. In trio a block is entered and left in place of `start` and `stop`.
ONLY_EMBEDDED = {
    AsyncioApp: {"host", "portal", "start", "stop", "wait_ended"},
    ThreadApp: {"portal", "start", "stop", "wait_ended"},
}
# A task is cancelled from outside, and a thread is not.
ONLY_THREADS = {"timeout"}

WORLDS = [
    (App, AsyncioApp, ThreadApp),
    (SessionHandle, AsyncioSession, ThreadSession),
    (Turn, AsyncioTurn, ThreadTurn),
    (Bot, AsyncioBot, ThreadBot),
]
SAME_ANSWERS: dict[Any, Any] = {
    AsyncioSession: SessionHandle,
    ThreadSession: SessionHandle,
    AsyncioTurn: Turn,
    ThreadTurn: Turn,
}
_SET = re.compile(r"^ +self\.(\w+)(?:: .+)? = ", re.MULTILINE)


def names(kind: type) -> set[str]:
    """What people may use: methods, properties, and what `__init__` sets."""
    found: set[str] = set()
    for base in kind.__mro__[:-1]:
        found |= set(vars(base))
        if "__init__" in vars(base):
            found |= set(_SET.findall(inspect.getsource(vars(base)["__init__"])))
    public = {name for name in found if not name.startswith("_")}
    return public - ONLY_EMBEDDED.get(kind, set()) - ONLY_TRIO.get(kind, set())


def parameters(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    return dict(inspect.signature(function, eval_str=True).parameters)


def answer(function: Callable[..., Any]) -> Any:
    """What it gives, whoever waits for it and whichever world it is of."""
    found = typing.get_type_hints(function)["return"]
    if typing.get_origin(found) in (AsyncGenerator, Generator):
        return ("items", typing.get_args(found)[0])
    return SAME_ANSWERS.get(found, found)


@pytest.mark.parametrize(("trio", "asyncio", "threads"), WORLDS)
def test_the_three_worlds_have_the_same_names(trio: type, asyncio: type, threads: type) -> None:
    assert names(trio) == names(asyncio) == names(threads)
    assert names(trio)


@pytest.mark.parametrize(("trio", "asyncio", "threads"), WORLDS)
def test_what_has_the_same_name_takes_the_same_and_gives_the_same(
    trio: type, asyncio: type, threads: type
) -> None:
    for name in names(trio):
        function = getattr(trio, name, None)
        if not inspect.isfunction(function):
            continue
        for other in (asyncio, threads):
            its = getattr(other, name)
            theirs = parameters(its)
            for extra in ONLY_THREADS if other is threads else ():
                theirs.pop(extra, None)
            if name != "answer":  # a bot's `say` is a coroutine function, but not in threads
                assert theirs == parameters(function), f"{other.__name__}.{name}"
            assert list(theirs) == list(parameters(function)), f"{other.__name__}.{name}"
            assert answer(its) == answer(function), f"{other.__name__}.{name}"


def test_all_applications_are_opened_with_the_same_parameters() -> None:
    in_trio = parameters(open_app)
    beside_asyncio, beside_threads = parameters(AsyncioApp), parameters(ThreadApp)

    # Signals are the host's; a portal has a stop and a thread.
    del in_trio["signals"]
    mode = beside_asyncio.pop("mode")
    assert mode.default == "thread"
    assert beside_asyncio == beside_threads
    of_portals = {name: beside_asyncio.pop(name) for name in ("stop_timeout", "name")}
    assert set(of_portals) == {"stop_timeout", "name"}
    assert beside_asyncio == in_trio


def test_both_hosts_start_and_stop_it_in_the_same_way() -> None:
    for name in ("start", "stop"):
        beside_asyncio, beside_threads = (getattr(kind, name) for kind in (AsyncioApp, ThreadApp))
        assert parameters(beside_asyncio) == parameters(beside_threads)
