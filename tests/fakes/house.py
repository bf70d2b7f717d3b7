"""Sessions on a real runtime before a fake provider, for tests in virtual time."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import trio

from trouper.actors.chat import Message
from trouper.actors.errors import UnknownAssistant
from trouper.actors.provider.route import make_route
from trouper.actors.provider.target import Target
from trouper.actors.session.context import ContextPolicy
from trouper.actors.session.directory import Directory
from trouper.actors.session.events import SessionEvent, TextAdded, TurnEnded
from trouper.actors.session.messages import GetHistory, SessionMessage
from trouper.actors.session.reader import SessionHandle
from trouper.actors.session.session import Assistant, Session
from trouper.actors.store.journal import Journal
from trouper.actors.tree import sessions_spec
from trouper.runtime import Ref, System

from .provider import Answers, open_target
from .routes import Stage

__all__ = ["House", "Listener", "open_house", "said"]


class Listener:
    """An attachment that keeps all it is told."""

    def __init__(self) -> None:
        self.events: list[SessionEvent] = []
        self._news = trio.Event()

    def deliver(self, event: SessionEvent) -> None:
        self.events.append(event)
        self._news.set()

    async def ended(self, turn: int = 1) -> TurnEnded:
        """The end of a turn, once it has come."""
        while True:
            for event in self.events:
                if isinstance(event, TurnEnded) and event.turn == turn:
                    return event
            self._news = trio.Event()
            await self._news.wait()

    async def hears(self, count: int) -> None:
        """Wait for so many events."""
        while len(self.events) < count:
            self._news = trio.Event()
            await self._news.wait()

    @property
    def text(self) -> str:
        return "".join(event.text for event in self.events if isinstance(event, TextAdded))


@attrs.define(eq=False)
class House:
    """The sessions, and the system they live in."""

    system: System
    directory: Directory
    answers: Answers

    async def open(self, owner: str = "me", id: str = "") -> Ref[SessionMessage]:
        _, ref = await self.directory.open(owner=owner, id=id)
        return ref

    async def handle(self, id: str = "s") -> SessionHandle:
        return SessionHandle(id, await self.open(id=id))

    async def stop(self, id: str) -> None:
        await self.system.children("sessions", Session).stop(id)


@asynccontextmanager
async def open_house(
    *answers: Any,
    limit: int = 100,
    idle: float = 900.0,
    prompt: str = "be kind",
    stage: Stage | None = None,
    context: ContextPolicy = "drop_oldest",
    max_output_tokens: int | None = None,
    journal: Journal | None = None,
) -> AsyncGenerator[House]:
    """Sessions whose provider gives these answers, in turn; or those of a `stage`."""
    fake = Answers(*answers)

    async with open_target(fake) as (target, _):
        who = stage.route if stage is not None else make_route(_targets(target))

        def assistant(name: str) -> Assistant:
            if name not in ("", "default"):
                raise UnknownAssistant(name, ["default"])
            return Assistant(
                name="default",
                prompt=prompt,
                route=who,
                context=context,
                max_output_tokens=max_output_tokens,
            )

        sessions = sessions_spec(limit, journalled=journal is not None)
        async with System(sessions, signals=False) as system:
            directory = Directory(
                lambda: system.children("sessions", Session),
                system.registry,
                assistant,
                idle,
                journal=None if journal is None else lambda: journal,
                node="this run",
            )
            yield House(system, directory, fake)


def _targets(target: Target) -> tuple[Target, ...]:
    return (attrs.evolve(target, model="fake-1"),)


async def said(ref: Ref[SessionMessage]) -> list[tuple[str, str]]:
    """The history, as roles and texts."""
    history: tuple[Message, ...] = await ref.ask(GetHistory())
    return [(message.role, message.text) for message in history]
