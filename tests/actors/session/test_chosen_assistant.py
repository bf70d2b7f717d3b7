"""What a session can be told to be: another model, another assistant, another title. And the
titles that a small model gives. In virtual time."""

from itertools import pairwise

import httpx
import orjson
import pytest
import structlog
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.fakes.acting import answer
from tests.fakes.house import House, Listener, open_house
from tests.fakes.journals import Failing
from tests.fakes.memory_journal import MemoryJournal
from tests.fakes.provider import DONE, FINISH, ROLE, Answers, Body, delta
from tests.fakes.routes import whole
from trouper.actors.chat import TextPart
from trouper.actors.errors import NotKept, UnknownAssistant, UnknownModel
from trouper.actors.session.events import (
    AssistantChanged,
    ModelChanged,
    SessionEvent,
    TextAdded,
    TitleChanged,
    TurnEnded,
)
from trouper.actors.session.export import stored_state
from trouper.actors.session.messages import (
    Attach,
    GetTranscript,
    Prompt,
    Retitle,
    SessionMessage,
    SwitchAssistant,
    SwitchModel,
)
from trouper.actors.session.state import State
from trouper.actors.store.errors import WriteFailed
from trouper.runtime import Ref

SLOW = (ROLE, delta("once "), 10.0, delta("upon "), 10.0, delta("a time"), FINISH, DONE)


def prompt(text: str = "hello") -> Prompt:
    return Prompt((TextPart(text),))


async def opened(house: House, after: int | None = None) -> tuple[Ref[SessionMessage], Listener]:
    ref, listener = await house.open(id="s"), Listener()
    await ref.ask(Attach(listener, after=after))
    return ref, listener


async def state_of(journal: MemoryJournal) -> State:
    return stored_state("s", None, await journal.read("s", limit=1_000))


def asked(house: House, number: int = -1) -> tuple[str, str]:
    """The model and the system prompt of a request."""
    body = orjson.loads(house.answers.requests[number].content)
    return body["model"], body["messages"][0]["content"]


def gapless(events: list[SessionEvent]) -> bool:
    return all(later.first == earlier.seq + 1 for earlier, later in pairwise(events))


# Another model, another assistant.


async def test_another_model_is_asked_from_the_next_turn_on(autojump_clock: MockClock) -> None:
    async with open_house(*[answer(text) for text in "abc"]) as house:
        ref, listener = await opened(house)
        for number, model in enumerate(("", "large", ""), 1):
            if number > 1:
                await ref.ask(SwitchModel(model))
            await ref.ask(prompt())
            await listener.ended(number)

    assert [asked(house, number)[0] for number in range(3)] == ["fake-1", "large-1", "fake-1"]
    changes = [event.model for event in listener.events if isinstance(event, ModelChanged)]
    assert changes == ["large", ""]
    assert gapless(listener.events)
    # All of the conversation goes along.
    assert len(orjson.loads(house.answers.requests[1].content)["messages"]) == 4


async def test_another_assistant_answers_with_its_own_model(autojump_clock: MockClock) -> None:
    async with open_house(answer("a"), answer("b")) as house:
        ref, listener = await opened(house)
        await ref.ask(SwitchModel("large"))
        await ref.ask(prompt())
        await listener.ended()
        await ref.ask(SwitchAssistant("other"))
        await ref.ask(prompt())
        await listener.ended(2)
        told = await ref.ask(GetTranscript())

    assert asked(house, 0) == ("large-1", "be kind")
    assert asked(house, 1) == ("fake-1", "be other")
    assert [e.assistant for e in listener.events if isinstance(e, AssistantChanged)] == ["other"]
    assert (told.state.assistant, told.state.model) == ("other", "")


async def test_what_is_not_there_is_not_taken(autojump_clock: MockClock) -> None:
    async with open_house(answer("a")) as house:
        ref, listener = await opened(house)
        with pytest.raises(UnknownModel, match="no model 'tiny'; configured are: large, huge"):
            await ref.ask(SwitchModel("tiny"))
        with pytest.raises(UnknownAssistant, match="no assistant 'nobody'"):
            await ref.ask(SwitchAssistant("nobody"))
        await ref.ask(prompt())
        await listener.ended()

    assert asked(house) == ("fake-1", "be kind")
    assert type(listener.events[0]).__name__ == "TurnStarted"


async def test_a_choice_is_there_in_the_next_run(autojump_clock: MockClock) -> None:
    journal = MemoryJournal()
    async with open_house(journal=journal) as house:
        ref, listener = await opened(house)
        await ref.ask(SwitchAssistant("other"))
        await ref.ask(SwitchModel("huge"))
        await ref.ask(Retitle("  Of this\nand that "))
    async with open_house(answer("a"), journal=journal) as house:
        ref, again = await opened(house, after=0)
        await ref.ask(prompt())
        await again.ended()

    assert asked(house) == ("huge-1", "be other")
    assert again.events[:3] == listener.events
    assert gapless(again.events)
    state = await state_of(journal)
    assert (state.assistant, state.model, state.title) == ("other", "huge", "Of this and that")
    stored = await journal.find("s")
    assert stored is not None
    assert stored.title == "Of this and that"


async def test_a_choice_that_is_not_configured_any_more_leaves_the_session_usable(
    autojump_clock: MockClock,
) -> None:
    journal = MemoryJournal()
    async with open_house(journal=journal) as house:
        ref, _ = await opened(house)
        await ref.ask(SwitchModel("huge"))
    with structlog.testing.capture_logs() as logs:
        async with open_house(answer("a"), journal=journal, with_models=["large"]) as house:
            ref, listener = await opened(house)
            await ref.ask(prompt())
            await listener.ended()

    assert asked(house) == ("fake-1", "be kind")
    assert "session goes on without its choice" in [line["event"] for line in logs]


async def test_a_choice_that_cannot_be_written_down_is_not_taken(
    autojump_clock: MockClock,
) -> None:
    journal = Failing(None, *[WriteFailed("f", "full")] * 20)
    async with open_house(answer("a"), journal=journal) as house:
        ref, listener = await opened(house)
        with pytest.raises(NotKept):
            await ref.ask(SwitchModel("large"))
        journal.errors.clear()
        await ref.ask(prompt())
        await listener.ended()

    assert asked(house)[0] == "fake-1"
    assert not any(isinstance(event, ModelChanged) for event in listener.events)


async def test_a_choice_while_a_turn_streams_comes_between_its_words(
    autojump_clock: MockClock,
) -> None:
    class Slow(MemoryJournal):
        async def append(self, *args: object, **more: object) -> int:
            await trio.sleep(1)
            return await super().append(*args, **more)  # type: ignore[arg-type]

    journal = Slow()
    async with open_house(Body(*SLOW), journal=journal) as house:
        ref, listener = await opened(house)
        await ref.ask(prompt())
        await trio.sleep(9.5)
        # While it is being written down, more is said.
        await ref.ask(Retitle("A tale"))
        await ref.ask(SwitchModel("large"))
        await listener.ended()
    async with open_house(journal=journal) as house:
        for seen in range(len(listener.events)):
            ref, again = await house.directory.reach("s", owner="me"), Listener()
            await ref.ask(Attach(again, after=seen))
            assert again.events == listener.events[seen:]

    assert listener.text == "once upon a time"
    assert [type(event).__name__ for event in listener.events] == [
        "TurnStarted",
        "TextAdded",
        "TitleChanged",
        "TextAdded",
        "ModelChanged",
        "TextAdded",
        "TurnEnded",
    ]
    assert gapless(listener.events)


async def test_an_embedding_program_chooses_by_its_handle(autojump_clock: MockClock) -> None:
    async with open_house(answer("a"), answer("b")) as house:
        session = await house.handle()
        await session.use_model("huge")
        await session.ask("one")
        await session.use_assistant("other")
        await session.ask("two")
        await session.rename("Numbers")
        told = await session.transcript()

    assert [asked(house, number) for number in (0, 1)] == [
        ("huge-1", "be kind"),
        ("fake-1", "be other"),
    ]
    assert (told.state.title, told.state.assistant, told.running) == ("Numbers", "other", None)
    assert [turn.asked.text for turn in told.state.turns] == ["one", "two"]


# Titles.


async def titled(house: House, turns: int = 1) -> Listener:
    ref, listener = await opened(house)
    for number in range(1, turns + 1):
        await ref.ask(prompt(f"What of ships, {number}?"))
        await listener.ended(number)
    await wait_all_tasks_blocked(0.01)
    return listener


async def test_a_small_model_gives_a_title_after_the_first_turn(autojump_clock: MockClock) -> None:
    journal, small = MemoryJournal(), Answers(whole('"On ships."\nIt is short.'))
    async with open_house(answer("They float."), answer("Yes."), journal=journal, small=small) as h:
        listener = await titled(h, turns=2)

    [title] = [event for event in listener.events if isinstance(event, TitleChanged)]
    assert title.title == "On ships"
    assert gapless(listener.events)
    state = await state_of(journal)
    assert state.title == "On ships"
    stored = await journal.find("s")
    assert stored is not None
    assert stored.title == "On ships"
    [request] = small.requests
    body = orjson.loads(request.content)
    assert body["messages"][1]["content"] == "User: What of ships, 1?\n\nAssistant: They float."
    assert body["max_tokens"] <= 64


async def test_nobody_waits_for_a_title(autojump_clock: MockClock) -> None:
    async def later(_: httpx.Request) -> httpx.Response:
        await trio.sleep(5)
        return whole("On ships")

    async with open_house(answer("a"), answer("b"), small=Answers(later)) as house:
        listener = await titled(house, turns=2)
        assert trio.current_time() < 1
        await trio.sleep(5)

    assert [type(event).__name__ for event in listener.events[-2:]] == [
        "TurnEnded",
        "TitleChanged",
    ]


@pytest.mark.parametrize("broken", [httpx.Response(500), whole("  "), httpx.Response(401)])
async def test_where_no_title_can_be_had_the_first_words_stay(
    autojump_clock: MockClock, broken: httpx.Response
) -> None:
    small = Answers(*[broken] * 10)
    async with open_house(answer("a"), small=small) as house:
        listener = await titled(house)
        await trio.sleep(60)
        told = await (await house.open(id="t")).ask(GetTranscript())
        state = (await house.directory.find("s", owner="me").ask(GetTranscript())).state

    assert told.state.title == ""
    assert state.title == "What of ships, 1?"
    assert isinstance(listener.events[-1], TurnEnded)


async def test_a_title_that_somebody_has_given_stays(autojump_clock: MockClock) -> None:
    async def later(_: httpx.Request) -> httpx.Response:
        await trio.sleep(5)
        return whole("On ships")

    async with open_house(answer("a"), small=Answers(later)) as house:
        ref, listener = await opened(house)
        await ref.ask(prompt())
        await listener.ended()
        await ref.ask(Retitle("Mine"))
        await trio.sleep(10)
        told = await ref.ask(GetTranscript())

    assert told.state.title == "Mine"
    assert [e.title for e in listener.events if isinstance(e, TitleChanged)] == ["Mine"]


async def test_a_turn_without_an_answer_has_no_title_to_be_asked_for(
    autojump_clock: MockClock,
) -> None:
    small = Answers(whole("On ships"))
    async with open_house(httpx.Response(401), small=small) as house:
        await titled(house)

    assert small.requests == []


async def test_a_title_that_cannot_be_written_down_fails_nothing(
    autojump_clock: MockClock,
) -> None:
    journal = Failing(None, None, None, *[WriteFailed("f", "full")] * 20)
    small = Answers(whole("On ships"))
    async with open_house(answer("a"), answer("b"), journal=journal, small=small) as house:
        ref, listener = await opened(house)
        await ref.ask(prompt())
        await listener.ended()
        await trio.sleep(10)
        journal.errors.clear()
        await ref.ask(prompt())
        await listener.ended(2)

    assert [e.text for e in listener.events if isinstance(e, TextAdded)] == ["a", "b"]
    assert not any(isinstance(event, TitleChanged) for event in listener.events)
    assert gapless(listener.events)
