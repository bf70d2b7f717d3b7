"""A probe that stands in for other actors, and one actor run alone."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import trio

from ..actor import Actor, on
from ..errors import Reject, SpecError
from ..messages import Request
from ..ref import Ref
from ..spec import ChildSpec, child
from ..system import System

__all__ = ["Probe", "running"]

M = TypeVar("M")
T = TypeVar("T")

# Messages that a probe keeps: a test that sends more does not look at them.
_KEPT = 10_000


class Probe:
    """Stands in for any actor: it keeps what it is sent, for the test to look at.

    Asks are answered by `answer(message)`, which may raise an ActorError, and
    are refused where there is none; streams are refused always. Up to 10,000 messages
    wait to be received; one more crashes it.
    """

    def __init__(self, answer: Callable[[object], object] | None = None) -> None:
        self._answer = answer
        self._ref: Ref[object] | None = None
        self._put, self._got = trio.open_memory_channel[object](_KEPT)

    def spec(self, id: str = "probe") -> ChildSpec:
        """The child to put into a tree, under that `id`, before whom it is to be found by."""
        return child(id, lambda: _Listener(self))

    @property
    def ref(self) -> Ref[object]:
        """Its address, for messages of any kind. Raises SpecError before it has been started."""
        if self._ref is None:
            raise SpecError("the probe has not been started: put its spec into the tree, and first")
        return self._ref

    @property
    def waiting(self) -> int:
        """How many messages it has got that have not been received yet."""
        return self._got.statistics().current_buffer_used

    async def receive(self, kind: type[T], timeout: float = 5.0) -> T:
        """The next message it got, waiting for it at most `timeout` seconds.

        Raises AssertionError if it is none of `kind`, or if none comes.
        """
        message: object = None
        with trio.move_on_after(timeout) as scope:
            message = await self._got.receive()
        if scope.cancelled_caught:
            raise AssertionError(f"the probe got no {kind.__name__} within {timeout:g} s")
        if not isinstance(message, kind):
            raise AssertionError(  # noqa: TRY004 - it is the test's finding
                f"the probe got {message!r} and not a {kind.__name__}"
            )
        return message


class _Listener(Actor[object]):
    def __init__(self, probe: Probe) -> None:
        self._probe = probe

    async def init(self) -> None:
        self._probe._ref = self.ref

    @on(object)
    async def hear(self, message: object) -> None:
        self._probe._put.send_nowait(message)
        if not isinstance(message, Request):
            return None
        if self._probe._answer is None:
            raise Reject(f"the probe has no answer for {type(message).__name__}")
        # The type of the answer is the test's to know.
        return self._probe._answer(message)  # type: ignore[return-value]


@asynccontextmanager
async def running(start: Callable[[], Actor[M]], *before: ChildSpec) -> AsyncGenerator[Ref[M]]:
    """Run one actor in a system of its own, and give its ref.

    `before` are children that are started first, as probes. Nothing is
    restarted: a crash ends the block with SupervisorGaveUp, whose cause it is.
    """
    spec = child("actor", start, restart="permanent")
    async with System(*before, spec, intensity=0, signals=False) as system:
        ref: Ref[M] = system.ref("actor", Actor)
        yield ref
