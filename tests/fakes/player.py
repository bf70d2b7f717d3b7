"""An actor that plays what its messages say: each carries the function to run.

So a test says at one place what happens in the handler and what the asker sees.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import attrs
import trio

from trouper.runtime import Actor, Backoff, ChildSpec, Request, Sink, Streams, System, child, on
from trouper.runtime.inspection import LastCrash

__all__ = [
    "Act",
    "Do",
    "InTask",
    "Items",
    "Limited",
    "LimitedItems",
    "Note",
    "Player",
    "Stage",
    "after",
    "answer",
    "ask_of",
    "boom",
    "elapsed",
    "player",
    "playing",
]

Act = Callable[["Player"], Awaitable[Any]]


@attrs.frozen(eq=False)
class Do(Request[Any]):
    """Run it in the actor's turn."""

    act: Act


@attrs.frozen(eq=False)
class InTask(Request[Any]):
    """Run it in a task of its own."""

    act: Act


@attrs.frozen(eq=False)
class Limited(Request[Any]):
    """Run it in a task of its own, one at a time."""

    act: Act


@attrs.frozen
class Note:
    """Write it into the actor's `heard`."""

    text: object


@attrs.frozen(eq=False)
class Items(Streams[Any]):
    """Run it with the sink of a stream."""

    act: Callable[["Player", Sink[Any]], Awaitable[None]]


@attrs.frozen(eq=False)
class LimitedItems(Streams[Any]):
    """Likewise, one at a time."""

    act: Callable[["Player", Sink[Any]], Awaitable[None]]


class Player(Actor[Do | InTask | Limited | Note | Items | LimitedItems], background=True):
    """Plays. `heard` is given from outside, so that it outlives the lives."""

    def __init__(self, heard: list[Any] | None = None) -> None:
        self.heard: list[Any] = heard if heard is not None else []

    @on(Do)
    async def do(self, message: Do) -> Any:
        return await message.act(self)

    @on(InTask, task=True)
    async def in_task(self, message: InTask) -> Any:
        return await message.act(self)

    @on(Limited, task=True, limit=1)
    async def limited(self, message: Limited) -> Any:
        return await message.act(self)

    @on(Note)
    async def note(self, message: Note) -> None:
        self.heard.append(message.text)

    @on(Items)
    async def items(self, message: Items, sink: Sink[Any]) -> None:
        await message.act(self, sink)

    @on(LimitedItems, limit=1)
    async def limited_items(self, message: LimitedItems, sink: Sink[Any]) -> None:
        await message.act(self, sink)


def answer(value: object) -> Act:
    """Answer at once."""

    async def act(_: Player) -> Any:
        return value

    return act


def after(seconds: float, value: object = None) -> Act:
    """Answer after a while."""

    async def act(_: Player) -> Any:
        await trio.sleep(seconds)
        return value

    return act


def boom(error: BaseException, seconds: float = 0) -> Act:
    """Raise, after a while."""

    async def act(_: Player) -> Any:
        if seconds:
            await trio.sleep(seconds)
        raise error

    return act


def ask_of(path: str, message: Any, timeout: float = 60) -> Act:
    """Ask another player, and answer what it answers."""

    async def act(actor: Player) -> Any:
        return await actor.find(path, Player).ask(message, timeout=timeout)

    return act


def player(id: str, heard: list[Any] | None = None, **options: Any) -> ChildSpec:
    """A player that restarts at once as often as need be, unless the options say otherwise."""
    options.setdefault("backoff", Backoff(initial=0, maximum=0, jitter=0))
    options.setdefault("poison", 0)
    return child(id, lambda: Player(heard), **options)


@attrs.frozen
class Stage:
    """A running system of players, and the events that it has reported."""

    system: System
    events: list[Any]

    def __getitem__(self, path: str) -> Any:
        return self.system.ref(path, Player)

    def crash(self, path: str) -> LastCrash:
        """The last crash of a player."""
        crash = self.system.snapshot(path)[0].last_crash
        assert crash is not None
        return crash

    def dead(self) -> list[tuple[str, object]]:
        """The dead letters, as reason and what was noted (or the message)."""
        letters = self.system.dead_letters
        return [(d.reason.value, getattr(d.message, "text", d.message)) for d in letters]


@asynccontextmanager
async def playing(*specs: ChildSpec | str, **options: Any) -> AsyncGenerator[Stage]:
    """A system of players: give ids, or specs."""
    events: list[Any] = []
    children = [player(spec) if isinstance(spec, str) else spec for spec in specs]
    options.setdefault("intensity", 1000)
    options.setdefault("signals", False)
    options.setdefault("observer", events.append)
    async with System(*children, **options) as system:
        yield Stage(system, events)


class Elapsed:
    """Virtual seconds since it was made."""

    def __init__(self) -> None:
        self._began = trio.current_time()

    def __call__(self) -> float:
        return round(trio.current_time() - self._began, 6)


def elapsed() -> Elapsed:
    """Start a watch on trio's clock."""
    return Elapsed()
