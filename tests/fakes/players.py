"""A company of actors for tests: each writes what it does into one diary."""

from collections import deque
from collections.abc import Callable
from typing import Any

import attrs
import trio

from trouper.runtime import Actor, ChildSpec, Request, System, child, on
from trouper.runtime.cell import Exit

__all__ = [
    "Crash",
    "Finish",
    "Hang",
    "Life",
    "Note",
    "Notes",
    "Play",
    "Player",
    "eventually",
    "until",
]


class Life(Request[int]):
    """Which of its lives is this?"""


@attrs.frozen
class Note:
    """Remember this."""

    text: str


class Notes(Request[tuple[str, ...]]):
    """What has this life been told to remember?"""


@attrs.frozen
class Crash:
    """Raise this."""

    error: BaseException = attrs.field(factory=lambda: ValueError("boom"))


@attrs.frozen
class Hang(Request[None]):
    """Wait for so many seconds; for a long time, unless told."""

    seconds: float = 1e9
    shielded: bool = False


class Finish:
    """End this life as one that has done its work."""


@attrs.define(eq=False)
class Play:
    """The diary, and what is to happen in the players' starts and ends.

    `starts` has for each player what happens in its next lives' `init`: an
    exception is raised, a number slept, None nothing.
    """

    diary: list[str] = attrs.field(factory=list)
    starts: dict[str, deque[BaseException | float | None]] = attrs.field(factory=dict)
    ends: dict[str, float] = attrs.field(factory=dict)
    lives: dict[str, int] = attrs.field(factory=dict)
    alive: set[str] = attrs.field(factory=set)
    twice: set[str] = attrs.field(factory=set)
    """Who has had two lives at once, which must not be."""

    def part(self, name: str, **options: Any) -> ChildSpec:
        """The spec of a player."""
        return child(name, self.player(name), **options)

    def player(self, name: str) -> Callable[[], "Player"]:
        """What makes a player."""
        return lambda: Player(name, self)

    def plan(self, name: str, *starts: BaseException | float | None) -> None:
        """What happens in the next starts of a player."""
        self.starts[name] = deque(starts)

    def write(self, line: str) -> None:
        """Add a line to the diary."""
        self.diary.append(line)

    def read(self) -> list[str]:
        """The diary since it was read last."""
        lines, self.diary = self.diary, []
        return lines


class Player(Actor[Life | Note | Notes | Crash | Hang | Finish]):
    """Does as it is told, and writes its starts and ends down."""

    def __init__(self, name: str, play: Play) -> None:
        self.name = name
        self.play = play
        self.notes: list[str] = []

    async def init(self) -> None:
        play, name = self.play, self.name
        if name in play.alive:
            play.twice.add(name)
        play.alive.add(name)
        play.lives[name] = self.life = play.lives.get(name, 0) + 1
        play.write(f"{name} starts")
        plan = play.starts.get(name)
        match plan.popleft() if plan else None:
            case BaseException() as error:
                raise error
            case float() | int() as seconds:
                await trio.sleep(seconds)
            case None:
                pass
        play.write(f"{name} is ready")

    async def terminate(self, reason: Exit) -> None:
        try:
            await trio.sleep(self.play.ends.get(self.name, 0.0))
            self.play.write(f"{self.name} ends: {reason.kind.value}")
        finally:
            self.play.alive.discard(self.name)

    @on(Life)
    async def which(self, message: Life) -> int:
        return self.life

    @on(Note)
    async def note(self, message: Note) -> None:
        self.notes.append(message.text)

    @on(Notes)
    async def read(self, message: Notes) -> tuple[str, ...]:
        return tuple(self.notes)

    @on(Crash)
    async def crash(self, message: Crash) -> None:
        raise message.error

    @on(Hang)
    async def hang(self, message: Hang) -> None:
        with trio.CancelScope(shield=message.shielded):
            await trio.sleep(message.seconds)

    @on(Finish)
    async def finish(self, message: Finish) -> None:
        self.stop()


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait until `condition` holds: a look each millisecond, of virtual time."""
    with trio.fail_after(60):
        while not condition():  # noqa: ASYNC110 - what the runtime does is not an Event
            await trio.sleep(0.001)


async def until(system: System, path: str, state: str) -> None:
    """Wait until the actor at `path` is in `state`."""
    await eventually(lambda: system.snapshot(path)[0].state == state)
