"""A conversation that has become as long as a session keeps it: it forgets, or takes no more."""

import orjson
import pytest
from trio.testing import MockClock

from tests.fakes.house import House, Listener, open_house, said
from tests.fakes.journals import Failing
from tests.fakes.provider import sse
from trouper.actors.chat import ImagePart, TextPart
from trouper.actors.errors import HistoryFull, NotKept
from trouper.actors.session.messages import Attach, Prompt, SessionMessage
from trouper.actors.session.turn import MAX_HISTORY
from trouper.actors.store.errors import StoreUnusable
from trouper.runtime import Ref


def prompt(text: str) -> Prompt:
    return Prompt((TextPart(text),))


async def attached(house: House) -> tuple[Ref[SessionMessage], Listener]:
    ref, listener = await house.open(), Listener()
    await ref.ask(Attach(listener))
    return ref, listener


async def test_a_conversation_has_its_bound_and_forgets_its_oldest_turns_there(
    autojump_clock: MockClock,
) -> None:
    async with open_house(sse("first"), sse("second"), sse("third")) as house:
        ref, listener = await attached(house)
        with pytest.raises(HistoryFull, match="open a new session"):
            await ref.ask(Prompt((ImagePart("x" * MAX_HISTORY * 2),)))
        for turn, text in enumerate(("x" * 100, "y" * (MAX_HISTORY - 110), "five more"), 1):
            await ref.ask(prompt(text))
            await listener.ended(turn)
        history = await said(ref)

    assert [text[:9] for _, text in history] == ["five more", "third"]
    sent = orjson.loads(house.answers.requests[-1].content)["messages"]
    assert [message["content"][:9] for message in sent] == ["be kind", "five more"]


async def test_a_conversation_of_which_nothing_is_left_out_ends_at_its_bound(
    autojump_clock: MockClock,
) -> None:
    async with open_house(sse("short"), sse("last"), context="refuse") as house:
        ref, listener = await attached(house)
        await ref.ask(prompt("y" * (MAX_HISTORY - 10)))
        await listener.ended()
        with pytest.raises(HistoryFull, match="open a new session"):
            await ref.ask(prompt("five more"))
        await ref.ask(prompt("four"))
        await listener.ended(2)


async def test_nothing_is_forgotten_for_a_prompt_that_is_not_written_down(
    autojump_clock: MockClock,
) -> None:
    journal = Failing()
    async with open_house(sse("first"), sse("second"), journal=journal) as house:
        ref, listener = await attached(house)
        for turn, text in enumerate(("x" * 100, "y" * (MAX_HISTORY - 110)), 1):
            await ref.ask(prompt(text))
            await listener.ended(turn)
        before = await said(ref)
        journal.errors.append(StoreUnusable("f", "no room"))
        with pytest.raises(NotKept):
            await ref.ask(prompt("five more"))
        history = await said(ref)

    assert [text[:6] for _, text in before] == ["xxxxxx", "first", "yyyyyy", "second"]
    assert history == before
