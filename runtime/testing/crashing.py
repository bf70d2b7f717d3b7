"""Crashes into a system that runs, so that a test sees whether a program survives them.

It gives the actors of the system other handlers, by the way that those who look on
at actors have (tapping.py): whoever is not tested pays nothing for it. What a crash
then does is the runtime's own doing, restarts, lost messages and all, but for one
thing: it is never taken for the fault of a message that poisons its actor.
"""

from collections import Counter, deque
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from types import coroutine
from typing import Any, Self

import attrs

from ..actor import Handler
from ..actor_tasks import ActorTasks
from ..cell import Cell, Environment
from ..errors import ActorDown, SpecError
from ..injected import InjectedCrash
from ..life import Life
from ..system import System
from ..tapping import put_tap
from .crash import Crash, Crashed, Moment, Passed

__all__ = ["Crashes"]

# Places that are remembered: a test that goes through them all has fewer.
_KEPT = 10_000


class Crashes:
    """Lets actors crash as a test orders: the same ones for the same `seed`.

    What has crashed, and when, stands in `happened`, and in a note of the exception
    that a test fails with. `passed` has the places where a crash could have come.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self.happened: list[Crashed] = []
        self.passed: deque[Passed] = deque(maxlen=_KEPT)
        self._orders: list[_Order] = []
        self._kinds: set[type] = {object}
        self._counts: Counter[tuple[str, type]] = Counter()
        self._env: Environment | None = None
        self._began = 0.0

    @contextmanager
    def into(self, system: System, *orders: Crash) -> Generator[Self]:
        """Crash actors of that system by these orders, for the length of the block.

        An actor that has begun with a batch of messages follows them from the next
        one on (32 messages). Raises AssertionError at the end of the block where an
        order without a chance was not carried out: its test would test nothing. Raises
        SpecError where there are orders for this system already.
        """
        env = system._environment
        if env.dress is not None:
            raise SpecError("there are orders for this system already; give all of them at once")
        self._env, self._began = env, env.now()
        self._orders = [_Order(crash) for crash in orders]
        self._kinds = {object, *(crash.message for crash in orders)}
        self._counts.clear()
        env.dress = self._dressed
        _put(env)
        try:
            yield self
            self._check()
        except BaseException as error:
            error.add_note(self.report())
            raise
        finally:
            env.dress = None
            _put(env)

    async def now(self, path: str) -> None:
        """Let the child at `path` crash where it is, and wait until that life has ended.

        An actor that waits for something gets no answer; one that is idle crashes, too,
        and so does an async function that is a child. Raises SpecError where nobody is
        there, and ActorDown where it is not running.
        """
        if self._env is None:
            raise SpecError("crashes.now() is called inside of `with crashes.into(system)`")
        cell = self._env.cell(path)
        life = cell.life
        if not isinstance(life, Life) or life.exit is not None or life.asked:
            raise ActorDown(path, "it is not running, so it cannot crash")
        life.crash(self._crash(cell, 0, None, "now"))
        await life.finished()

    def report(self) -> str:
        """What has crashed, a line each, and by which seed."""
        if not self.happened:
            return f"No actor was let crash (seed {self.seed})."
        lines = "".join(f"\n  {crashed}" for crashed in self.happened)
        return f"Let crash by the test (seed {self.seed}):{lines}"

    def _check(self) -> None:
        assert self._env is not None
        for order in self._orders:
            if order.left == order.crash.times and order.crash.chance is None:
                raise AssertionError(f"{order.crash} never came: {self._why_not(order.crash)}")

    def _why_not(self, crash: Crash) -> str:
        assert self._env is not None
        seen = [
            f"{path} got {count}"
            for (path, kind), count in self._counts.items()
            if kind is crash.message and crash.means(path)
        ]
        if seen:
            return f"of such messages {', '.join(seen[:20])}"
        paths = [path for path in self._env.cells if crash.means(path)]
        if paths:
            return f"{', '.join(paths[:20])} got no such message"
        return f"nobody is there; there are {', '.join([*self._env.cells][:20]) or 'no actors'}"

    def _crash(self, cell: Cell, number: int, message: object, moment: str) -> InjectedCrash:
        assert self._env is not None
        kind = type(message).__name__ if number else ""
        at = self._env.now() - self._began
        crashed = Crashed(cell.path, cell.lives, at, number, kind, moment)
        self.happened.append(crashed)
        return InjectedCrash(f"crash {len(self.happened)} of seed {self.seed}, {crashed}")

    # The handlers.

    def _dressed(self, cell: Cell, own: Mapping[type, Handler]) -> Mapping[type, Handler]:
        return {kind: self._armed(handler, cell) for kind, handler in own.items()}

    def _armed(self, handler: Handler, cell: Cell) -> Handler:
        function = handler.function

        def plainly(actor: Any, message: object) -> Any:
            hand = self._take(cell, message)
            hand.strike("begin")
            result = function(actor, message)
            hand.strike("end")
            return result

        async def slowly(actor: Any, message: object, *sink: Any) -> Any:
            hand = self._take(cell, message)
            hand.strike("begin")
            result = await _struck_as_it_waits(function(actor, message, *sink), hand.strike)
            hand.strike("end")
            return result

        return attrs.evolve(handler, function=plainly if handler.plain else slowly)

    def _take(self, cell: Cell, message: object) -> "_Hand":
        """Count a message that an actor takes in hand, and look which orders mean it."""
        path = cell.path
        for kind in self._kinds:
            if isinstance(message, kind):
                self._counts[path, kind] += 1
        number = self._counts[path, object]
        self.passed.append(Passed(path, number, type(message)))
        due = [order for order in self._orders if self._is_due(order.crash, path, message)]
        return _Hand(self, cell, number, message, due)

    def _is_due(self, crash: Crash, path: str, message: object) -> bool:
        if not (isinstance(message, crash.message) and crash.means(path)):
            return False
        return crash.strikes(path, self._counts[path, crash.message], self.seed)


@attrs.define
class _Order:
    """A crash that is ordered, and how often it is still to come."""

    crash: Crash
    left: int = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.left = self.crash.times


@attrs.frozen
class _Hand:
    """A message in an actor's hand, and the orders that mean it."""

    crashes: Crashes
    cell: Cell
    number: int
    message: object
    orders: list[_Order]

    def strike(self, moment: Moment) -> None:
        """Raise InjectedCrash where an order is for this moment."""
        for order in self.orders:
            if order.left and order.crash.moment == moment:
                order.left -= 1
                raise self.crashes._crash(self.cell, self.number, self.message, moment)


@coroutine
def _struck_as_it_waits(body: Any, strike: Callable[[Moment], None]) -> Generator[Any, Any, Any]:
    """Run a handler to its end, and have it struck when it has first waited.

    What it raises then, or makes of the crash, is nothing to the crash: it dies of that.
    """
    step, value, crash = body.send, None, None
    waits = False
    while True:
        try:
            trap = step(value)
        except StopIteration as done:
            if crash is not None:
                raise crash from None
            return done.value
        except Exception:
            if crash is not None:
                raise crash from None
            raise
        # trio throws nothing in: an error is in what it sends. (So is Cancelled, by which
        # `trio.sleep` ends, too; hence it is not asked which it was.)
        value = yield trap
        step = body.send
        if not waits:
            waits = True
            try:
                strike("wait")
            except InjectedCrash as error:
                step, value, crash = body.throw, error, error


def _put(env: Environment) -> None:
    """Let the actors that live have the handlers that are theirs now."""
    for cell in list(env.cells.values()):
        life = cell.life
        if isinstance(life, ActorTasks) and life.actor is not None:
            put_tap(life.actor, cell)
