"""Conversations whose beginning is told in few words: when that is written, and what if not."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
import structlog
import trio
from trio.testing import MockClock

from tests.fakes.house import said
from tests.fakes.model import Model
from tests.fakes.routes import link, refusal
from tests.fakes.talk import Talk, open_talk, texts
from trouper.actors.chat import TextPart
from trouper.actors.errors import ErrorKind
from trouper.actors.session import session
from trouper.actors.session.events import StopReason
from trouper.actors.session.messages import CancelTurn, GetTranscript, Prompt

WINDOW = 1_500
OPENING = "[Summary of the earlier part of this conversation]\n"


def summaries_in(body: dict[str, Any]) -> list[str]:
    """The summaries that a prompt shows."""
    return [text.split("\n")[1] for text in texts(body) if text.startswith(OPENING)]


def asked_for(body: dict[str, Any]) -> str:
    """What a summary was to be written of."""
    return texts(body)[1]


async def test_what_is_left_out_is_told_and_the_window_is_never_exceeded(
    autojump_clock: MockClock,
) -> None:
    model = Model(WINDOW)
    async with open_talk("summarise", a=model) as talk:
        await talk.talk(50)
        history = await said(talk.ref)

    assert (len(model.prompts), model.refused) == (50, 0)
    assert max(model.prompts) <= WINDOW - 64
    shown = [summaries_in(body) for body in model.bodies]
    first = shown.index(["They said things. (1)"])
    assert shown[:first] == [[]] * first
    assert all(len(told) == 1 for told in shown[first:])
    # The conversation itself has no summary in it, and nothing of it is lost.
    assert len(history) == 100
    assert not any(text.startswith(OPENING) for _, text in history)


async def test_a_summary_is_written_once_and_stands_for_some_turns(
    autojump_clock: MockClock,
) -> None:
    model = Model(2_000)
    async with open_talk("summarise", a=model) as talk:
        await talk.talk(60)

    shown = [told for body in model.bodies for told in summaries_in(body)]
    assert 4 <= len(model.summaries) <= 15
    assert len(set(shown)) == len(model.summaries)
    assert shown == sorted(shown, key=shown.index)


async def test_each_summary_is_made_of_the_one_before_and_what_came_since(
    autojump_clock: MockClock,
) -> None:
    model = Model(WINDOW)
    async with open_talk("summarise", a=model) as talk:
        await talk.talk(40)

    first, second, *_ = map(asked_for, model.summaries)
    assert first.startswith("User: Question 1:")
    assert second.startswith("Earlier summary: They said things. (1)\n\nUser: Question ")
    # Every question is told of once, and none is left out between two summaries.
    told = [asked_for(body).count("User: Question ") for body in model.summaries]
    last = model.bodies[-1]["messages"][1]["content"]
    assert f"Question {sum(told) + 1}:" in last


async def test_a_summary_is_short_and_asked_of_the_same_model_without_a_stream(
    autojump_clock: MockClock,
) -> None:
    model = Model(WINDOW)
    async with open_talk("summarise", a=model) as talk:
        await talk.talk(20)

    body = model.summaries[0]
    assert body["model"] == "m"
    assert "stream" not in body or body["stream"] is False
    # An eighth of what a prompt may have, by our count.
    assert 100 < body["max_tokens"] <= WINDOW / 8


async def test_who_writes_more_than_asked_is_cut_short(autojump_clock: MockClock) -> None:
    model = Model(WINDOW, summary=lambda number: f"({number}) " + "very much " * 1_000)
    async with open_talk("summarise", a=model) as talk:
        await talk.talk(50)

    assert (len(model.prompts), model.refused) == (50, 0)
    assert max(model.prompts) <= WINDOW - 64


def always(answer: Any) -> Callable[[int], Any]:
    """The same answer to everybody who asks for a summary."""

    def summary(_: int) -> Any:
        return answer() if callable(answer) else answer

    return summary


@pytest.mark.parametrize(
    ("summary", "why"),
    [
        pytest.param(always(lambda: refusal(400)), "invalid_request", id="refused"),
        pytest.param(always(lambda: refusal(401)), "auth", id="no key"),
        pytest.param(always("  "), "nothing was written (stop)", id="empty"),
    ],
)
async def test_where_none_can_be_had_the_oldest_turns_are_left_out_without(
    summary: Callable[[int], Any], why: str, autojump_clock: MockClock
) -> None:
    model = Model(WINDOW, summary=summary)
    with structlog.testing.capture_logs() as logs:
        async with open_talk("summarise", a=model) as talk:
            await talk.talk(50)

    lines = [log for log in logs if log["event"].startswith("no summary was written")]
    assert len(model.prompts) == 50
    assert max(model.prompts) <= WINDOW - 64
    assert not any(summaries_in(body) for body in model.bodies)
    # It is not tried in every turn, but when there is more to leave out.
    assert len(lines) == len(model.summaries) <= 12
    assert all(why in line["error"] and line["log_level"] == "warning" for line in lines)


async def test_an_earlier_summary_stands_where_a_later_one_cannot_be_had(
    autojump_clock: MockClock,
) -> None:
    def once(number: int) -> Any:
        return "They met." if number == 1 else refusal(400)

    model = Model(WINDOW, summary=once)
    async with open_talk("summarise", a=model) as talk:
        await talk.talk(40)

    assert summaries_in(model.bodies[-1]) == ["They met."]
    assert max(model.prompts) <= WINDOW - 64
    # What was left out without one is told in the next that succeeds.
    assert "Question 1:" not in asked_for(model.summaries[-1])
    assert len(model.summaries) > 2


async def test_a_model_that_takes_too_long_to_write_it_holds_the_turn_up_for_a_minute(
    autojump_clock: MockClock,
) -> None:
    class Slow(Model):
        async def __call__(self, request: httpx.Request) -> httpx.Response:
            if b"You keep the memory" in request.content:
                await trio.sleep_forever()
            return await super().__call__(request)

    model = Slow(WINDOW)
    async with open_talk("summarise", a=model) as talk:
        began = trio.current_time()
        while not talk.turns or len(texts(model.bodies[-1])) == 2 * talk.turns:
            began = trio.current_time()
            await talk.talk(1)
        took = trio.current_time() - began

    assert took == pytest.approx(60.0, abs=1.0)


async def test_a_turn_can_be_cancelled_while_its_summary_is_written(
    autojump_clock: MockClock,
) -> None:
    hanging = trio.Event()

    class Hanging(Model):
        async def __call__(self, request: httpx.Request) -> httpx.Response:
            if b"You keep the memory" in request.content and not hanging.is_set():
                hanging.set()
                await trio.sleep_forever()
            return await super().__call__(request)

    async def until_it_hangs(talk: Talk) -> None:
        while not hanging.is_set():
            talk.turns += 1
            await talk.ref.ask(Prompt((TextPart("why, " * 20),)))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_first, nursery, talk.listener.ended, talk.turns)
                nursery.start_soon(_first, nursery, hanging.wait)

    model = Hanging(WINDOW)
    async with open_talk("summarise", a=model) as talk:
        await until_it_hangs(talk)
        talk.ref.tell(CancelTurn())
        end = await talk.listener.ended(talk.turns)
        assert await talk.say("and now?") is StopReason.END_TURN

    assert end.stop is StopReason.CANCELLED
    assert summaries_in(model.bodies[-1]) == ["They said things. (1)"]


async def _first(nursery: trio.Nursery, wait: Any, *args: Any) -> None:
    await wait(*args)
    nursery.cancel_scope.cancel()


async def test_a_paste_that_is_longer_than_the_window_is_told_in_part(
    autojump_clock: MockClock,
) -> None:
    small, large = Model(700), Model(20_000, summary=always(lambda: refusal(500)))
    chain = [link("a"), link("b", on=frozenset({ErrorKind.CONTEXT_WINDOW_EXCEEDED}))]
    async with open_talk("summarise", chain=chain, a=small, b=large) as talk:
        await talk.say("word " * 3_000)
        large.window = 0
        # Now only the small window is left, and what is to be told does not fit into it.
        await talk.say("hello")
        await talk.say("and now?")

    [body] = small.summaries
    assert "[Some of it is left out here]" in asked_for(body)
    assert summaries_in(small.bodies[0]) == ["They said things. (1)"]


async def test_a_model_that_reasons_has_room_for_it_beside_the_summary(
    autojump_clock: MockClock,
) -> None:
    facts = {"reasoning": True, "efforts": ["minimal", "low", "high"]}
    model = Model(WINDOW)
    async with open_talk("summarise", facts=facts, a=model) as talk:
        await talk.talk(20)

    body = model.summaries[0]
    assert body["reasoning_effort"] == "low"
    assert body["max_tokens"] > 2_048


async def test_where_only_the_newest_turn_fits_there_is_no_summary(
    autojump_clock: MockClock,
) -> None:
    model = Model(WINDOW)
    async with open_talk("summarise", a=model) as talk:
        await talk.talk(5)
        await talk.say("why, " * 580)

    assert model.summaries == []
    assert len(texts(model.bodies[-1])) == 2


async def test_a_summary_and_what_was_left_out_stand_after_the_oldest_turns_are_forgotten(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As a conversation of four million letters would, after some dozen turns.
    monkeypatch.setattr(session, "MAX_HISTORY", 6_000)
    model = Model(WINDOW)
    async with open_talk("summarise", a=model) as talk:
        await talk.talk(80)
        history = await said(talk.ref)

    assert len(history) < 60
    assert (len(model.prompts), model.refused) == (80, 0)
    # What is told and what is sent follow each other without a gap, in every turn.
    for number, body in enumerate(model.bodies, 1):
        questions = [text for text in texts(body)[1:] if "Question " in text]
        first = int(questions[0].split("Question ")[1].split(":")[0])
        assert len(questions) == number - first + 1
    told = [asked_for(body).count("User: Question ") for body in model.summaries]
    assert f"Question {sum(told) + 1}:" in texts(model.bodies[-1])[1]


async def test_a_summary_of_a_larger_window_gives_way_to_what_was_said_last(
    autojump_clock: MockClock,
) -> None:
    def once(number: int) -> Any:
        return "very much " * 500 if number == 1 else refusal(400)

    words = "request ({tokens} tokens) exceeds the available context size ({window} tokens)"
    model = Model(12_000, words=words, summary=once)
    async with open_talk("summarise", a=model) as talk:
        while not model.summaries:
            await talk.talk(1)
        model.window = WINDOW
        assert await talk.say("why, " * 400) is StopReason.END_TURN

    assert len(summaries_in(model.bodies[-2])) == 1
    assert summaries_in(model.bodies[-1]) == []
    assert texts(model.bodies[-1])[-1] == "why, " * 400
    assert (model.refused, len(model.summaries)) == (1, 2)


async def test_a_small_model_writes_the_summaries_where_there_is_one(
    autojump_clock: MockClock,
) -> None:
    model, small = Model(WINDOW), Model()
    async with open_talk("summarise", small=small, a=model) as talk:
        await talk.talk(30)
        told = await talk.ref.ask(GetTranscript())

    assert model.summaries == []
    assert len(small.summaries) > 1
    assert (len(model.prompts), model.refused) == (30, 0)
    summary = told.state.summary
    assert summary is not None
    # Who asks for the conversation is told what stands for its beginning.
    assert summaries_in(model.bodies[-1]) == [summary.text]


async def test_a_small_model_is_shown_no_more_than_its_window_takes(
    autojump_clock: MockClock,
) -> None:
    model, small = Model(6_000), Model(1_200)
    async with open_talk("summarise", small=small, small_window=1_200, a=model) as talk:
        await talk.talk(120)

    assert small.refused == 0
    assert len(small.summaries) > 0
    assert "[Some of it is left out here]" in asked_for(small.summaries[0])
