"""Trees as data, and what is wrong with them said before anything runs."""

import functools
from collections.abc import Callable
from math import inf
from typing import Any

import pytest
import trio

from tests.fakes.players import Play, Player
from trouper.runtime import SpecError, child, dynamic, supervisor
from trouper.runtime.restarts import Restart
from trouper.runtime.spec import ChildSpec, Strategy


async def pump() -> None: ...


async def listen(*, task_status: trio.TaskStatus[None]) -> None: ...


class Pump:
    async def run(self) -> None: ...
    async def _refill(self) -> None: ...


def pump_of_here() -> Callable[..., Any]:
    async def run() -> None: ...

    return run


def player_of_here() -> Callable[..., Any]:
    return lambda: Player("a", Play())


def test_a_spec_can_be_compared_and_printed() -> None:
    spec = supervisor("sub", child("a", Player), child("b", pump), strategy="rest_for_one")

    assert spec == supervisor("sub", child("a", Player), child("b", pump), strategy="rest_for_one")
    assert "id='b'" in repr(spec)
    assert spec.subtree is not None
    assert spec.subtree.strategy is Strategy.REST_FOR_ONE
    assert spec.restart is Restart.PERMANENT
    assert (spec.shutdown, spec.start_timeout) == (inf, inf)


@pytest.mark.parametrize(
    ("start", "kind", "is_function", "tells"),
    [
        (Player, "Player", False, False),
        (functools.partial(Player, "a"), "Player", False, False),
        (pump, "pump", True, False),
        (listen, "listen", True, True),
        (functools.partial(functools.partial(listen)), "listen", True, True),
        (Pump().run, "Pump", True, False),
        (Pump()._refill, "refill", True, False),
        (pump_of_here(), "pump_of_here", True, False),
        (player_of_here(), "player_of_here", False, False),
    ],
)
def test_what_a_child_starts_from_says_what_it_is(
    start: Callable[..., Any], kind: str, is_function: bool, tells: bool
) -> None:
    spec = child("a", start)

    assert (spec.kind, spec.is_function, spec.tells_when_ready) == (kind, is_function, tells)


def test_a_callable_object_may_make_an_actor() -> None:
    class Factory:
        def __call__(self) -> Player:
            raise NotImplementedError

    assert child("a", Factory()).kind == "Factory"


A = child("a", Player)

# As those call them who have no type checker.
loose_child: Any = child
loose_supervisor: Any = supervisor


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda: child("", Player), "a child's id is not empty"),
        (lambda: child("a/b", Player), "has no slash, not 'a/b'"),
        (lambda: loose_child("a", 5), "starts from a class or function, not from 5"),
        (lambda: loose_child("a", int), "int is not an Actor"),
        (lambda: loose_child("a", Player, restart="always"), "restart is one of 'permanent', "),
        (lambda: child("a", Player, shutdown=-1), "child 'a': 'shutdown' must be >= 0"),
        (lambda: child("a", Player, start_timeout=0), "child 'a': 'start_timeout' must be > 0"),
        (lambda: child("a", Player, poison=-1), "child 'a': 'poison' must be >= 0"),
        (lambda: loose_child("a", Player, while_down="wait"), "while_down is 'queue' or 'reject'"),
        (lambda: supervisor("s", A, A), "supervisor 's' has two children called 'a'"),
        (lambda: loose_supervisor("s", strategy="all"), "strategy is one of 'one_for_one', "),
        (lambda: supervisor("s", intensity=-1), "supervisor 's': 'restarts' must be >= 0"),
        (lambda: supervisor("s", period=0), "supervisor 's': 'period' must be > 0"),
        (lambda: loose_supervisor("s", auto_shutdown="some"), "auto_shutdown is one of 'never', "),
        (lambda: supervisor("s", child("a", Player, significant=True)), "say auto_shutdown='any'"),
        (lambda: dynamic("d", Player, max_children=0), "max_children is at least 1"),
        (lambda: dynamic("d", Player, period=-1), "supervisor 'd': 'period' must be > 0"),
    ],
)
def test_a_wrong_spec_says_what_is_wrong_with_it(wrong: Callable[[], ChildSpec], says: str) -> None:
    with pytest.raises(SpecError) as caught:
        wrong()

    assert says in str(caught.value)


def test_the_start_of_a_supervisor_is_none_of_its_spec() -> None:
    with pytest.raises(AssertionError, match="not made by its spec's start"):
        supervisor("s").start()
