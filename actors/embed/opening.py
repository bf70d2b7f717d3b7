"""What both hosts hand to their portal: the application to open, and a turn as items."""

from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from math import inf
from typing import Self

import trio

from ...runtime.events import Observer
from ..app import App, open_app
from ..chat import Part
from ..config import AppConfig
from ..session.answer import Answer, TurnEvent
from ..session.reader import SessionHandle, Turn
from ..tools import Tool
from ..tree import MakeTransport

__all__ = ["Begun", "asked", "opener", "told"]


def opener(
    config: AppConfig,
    tools: Iterable[Tool],
    *,
    serve: bool,
    observer: Observer | None,
    transport: MakeTransport | None,
) -> Callable[[], AbstractAsyncContextManager[App]]:
    """What opens the application, in trio's thread. Signals stay the host's."""
    return partial(
        open_app,
        config,
        serve=serve,
        observer=observer,
        signals=False,
        tools=tuple(tools),
        transport=transport,
    )


class Begun:
    """The first item of a turn: it has begun, and `turn` says how it ends."""

    def __init__(self, turn: Turn) -> None:
        self.turn = turn


class _Items:
    """`Begun`, and then the events of a turn."""

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        self._begun = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Begun | TurnEvent:
        if not self._begun:
            self._begun = True
            return Begun(self._turn)
        return await anext(self._turn)


@asynccontextmanager
async def told(
    session: SessionHandle, prompt: str | tuple[Part, ...], timeout: float = inf
) -> AsyncGenerator[_Items]:
    """A turn of `session`; raises TimeoutError where it takes longer than `timeout` seconds."""
    with trio.move_on_after(timeout) as scope:
        async with session.prompt(prompt) as turn:
            yield _Items(turn)
    if scope.cancelled_caught:
        raise _too_slow(timeout)


async def asked(session: SessionHandle, prompt: str | tuple[Part, ...], timeout: float) -> Answer:
    """The answer of `session`; raises TimeoutError as `told` does."""
    with trio.move_on_after(timeout):
        return await session.ask(prompt)
    raise _too_slow(timeout)


def _too_slow(timeout: float) -> TimeoutError:
    return TimeoutError(f"the turn had not ended after {timeout:g} s; it is cancelled")
