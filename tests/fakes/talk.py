"""A conversation with models whose windows are known, or not, for tests in virtual time."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import attrs

from trouper.actors.catalog.models import ModelCatalog
from trouper.actors.catalog.tokens import TokenCounter
from trouper.actors.chat import Message, TextPart
from trouper.actors.policy.routing import Chain
from trouper.actors.provider.knowledge import Knowledge
from trouper.actors.session.context import ContextPolicy
from trouper.actors.session.events import StopReason
from trouper.actors.session.messages import Attach, Prompt, SessionMessage
from trouper.actors.store.journal import Journal
from trouper.runtime import Ref

from .house import House, Listener, open_house
from .model import Model
from .provider import Answers
from .routes import open_route

__all__ = ["Recording", "Talk", "first_questions", "open_talk", "texts"]


class Recording(TokenCounter):
    """Notes how many messages it was asked to count."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[int] = []

    async def count_each(self, messages: Sequence[Message], model: str) -> list[int]:
        self.asked.append(len(messages))
        return await super().count_each(messages, model)


@attrs.define
class Talk:
    """A session, and who listens to it."""

    house: House
    ref: Ref[SessionMessage]
    listener: Listener
    counter: Recording
    turns: int = 0

    async def say(self, text: str) -> StopReason:
        self.turns += 1
        await self.ref.ask(Prompt((TextPart(text),)))
        return (await self.listener.ended(self.turns)).stop

    async def error(self, text: str) -> str:
        assert await self.say(text) is StopReason.ERROR
        return (await self.listener.ended(self.turns)).error

    async def talk(self, turns: int) -> None:
        """So many turns, which are all answered."""
        for _ in range(turns):
            asked = f"Question {self.turns + 1}: " + "why, " * 20
            assert await self.say(asked) is StopReason.END_TURN


@asynccontextmanager
async def open_talk(
    context: ContextPolicy = "drop_oldest",
    *,
    windows: dict[str, int] | None = None,
    chain: Chain | None = None,
    facts: dict[str, Any] | None = None,
    max_output_tokens: int | None = 64,
    journal: Journal | None = None,
    small: Model | None = None,
    small_window: int | None = None,
    **models: Model,
) -> AsyncGenerator[Talk]:
    """A session over these models, whose windows are known as `windows` has them.

    With a `journal`, it is the one that is kept there. `small` is asked for summaries.
    """
    if windows is None:
        windows = {name: model.window for name, model in models.items()}
    known = {
        f"{name}/m": {"max_input_tokens": size, **(facts or {})} for name, size in windows.items()
    }
    counter = Recording()
    answers = {name: Answers(*model) for name, model in models.items()}
    async with (
        open_route(
            chain, facts=Knowledge(ModelCatalog(known), tokens=counter), answers=answers
        ) as stage,
        open_house(
            stage=stage,
            context=context,
            max_output_tokens=max_output_tokens,
            journal=journal,
            small=None if small is None else Answers(*small),
            small_window=small_window,
        ) as house,
    ):
        ref, listener = await house.open(id="" if journal is None else "s"), Listener()
        await ref.ask(Attach(listener))
        yield Talk(house, ref, listener, counter, turns=await _turns(journal))


async def _turns(journal: Journal | None) -> int:
    """How many there are in the session that is kept."""
    events = [] if journal is None else await journal.read("s", limit=10_000)
    return sum(event.kind == "turn" for event in events)


def texts(body: dict[str, Any]) -> list[str]:
    """What stands in the messages of a prompt."""
    return [message["content"] for message in body["messages"]]


def first_questions(model: Model) -> list[int]:
    """With which question of the user each prompt begins."""
    return [int(texts(body)[1].split("Question ")[1].split(":")[0]) for body in model.bodies]
