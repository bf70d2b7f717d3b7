"""Sessions on a real runtime before a fake provider, for tests in virtual time."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import attrs
import trio

from tests.fakes.history import history_of
from trouper.actors.catalog.models import ModelCatalog
from trouper.actors.chat import Message
from trouper.actors.errors import UnknownAssistant, UnknownModel
from trouper.actors.provider.knowledge import Knowledge
from trouper.actors.provider.route import make_route
from trouper.actors.provider.target import Target
from trouper.actors.session.assistant import Assistant, Company
from trouper.actors.session.context import ContextPolicy
from trouper.actors.session.directory import Directory
from trouper.actors.session.events import SessionEvent, TextAdded, TurnEnded
from trouper.actors.session.messages import SessionMessage
from trouper.actors.session.reader import SessionHandle
from trouper.actors.session.session import Session
from trouper.actors.store.journal import Journal
from trouper.actors.tools import Tool, ToolDirectory, tools_spec
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
    most_per_owner: int | None = None,
    idle: float = 900.0,
    prompt: str = "be kind",
    stage: Stage | None = None,
    context: ContextPolicy = "drop_oldest",
    max_output_tokens: int | None = None,
    journal: Journal | None = None,
    tools: Sequence[Tool] = (),
    small: Answers | None = None,
    small_window: int | None = None,
    with_models: Sequence[str] = ("large", "huge"),
    **more: Any,
) -> AsyncGenerator[House]:
    """Sessions whose provider gives these answers, in turn; or those of a `stage`.

    They may call the `tools`, and titles and summaries are asked of `small`, whose
    window nobody knows where it is not said. Besides "default"
    there is an assistant called "other", and models called as `with_models` has
    them; `more` are fields of all assistants.
    """
    fake, directory = Answers(*answers), ToolDirectory()

    async with open_target(fake) as (target, _), open_target(small or Answers()) as (minor, _):
        who = stage.route if stage is not None else make_route(_targets(target))

        def assistant(name: str) -> Assistant:
            if name not in ("", "default", "other"):
                raise UnknownAssistant(name, ["default", "other"])
            return Assistant(
                name=name or "default",
                prompt="be other" if name == "other" else prompt,
                route=who,
                context=context,
                max_output_tokens=max_output_tokens,
                tools=("*",) if tools else (),
                small=None if small is None else make_route([_small(minor, small_window)]),
                **more,
            )

        def with_model(one: Assistant, model: str) -> Assistant:
            if model not in with_models:
                raise UnknownModel(model, with_models)
            route = make_route([attrs.evolve(target, model=f"{model}-1")])
            return attrs.evolve(one, model=model, route=route)

        sessions = sessions_spec(limit, journalled=journal is not None)
        running = tools_spec(tools, directory)
        company = Company(assistant=assistant, with_model=with_model, tools=directory)
        async with System(running, sessions, signals=False) as system:
            house = Directory(
                lambda: system.children("sessions", Session),
                system.registry,
                assistant,
                idle,
                journal=None if journal is None else lambda: journal,
                node="this run",
                company=company,
                most_per_owner=most_per_owner,
            )
            yield House(system, house, fake)


def _targets(target: Target) -> tuple[Target, ...]:
    return (attrs.evolve(target, model="fake-1"),)


def _small(target: Target, window: int | None) -> Target:
    known = {} if window is None else {"fake/small-1": {"max_input_tokens": window}}
    return attrs.evolve(target, model="small-1", knowledge=Knowledge(ModelCatalog(known)))


async def said(ref: Ref[SessionMessage]) -> list[tuple[str, str]]:
    """The history, as roles and texts."""
    history: tuple[Message, ...] = await history_of(ref)
    return [(message.role, message.text) for message in history]
