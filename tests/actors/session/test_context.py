"""Conversations that are longer than a model's window: they go on, and nobody is sent too much."""

from itertools import pairwise

import pytest
import structlog
from trio.testing import MockClock

from tests.fakes.house import said
from tests.fakes.model import Model
from tests.fakes.routes import link
from tests.fakes.talk import first_questions, open_talk, texts
from trouper.actors.catalog import encodings
from trouper.actors.chat import ImagePart, Part, TextPart
from trouper.actors.errors import ErrorKind
from trouper.actors.session.messages import Prompt

BIGGER = frozenset({ErrorKind.CONTEXT_WINDOW_EXCEEDED})
WINDOW = 600


# The oldest turns are dropped.


async def test_a_conversation_goes_on_for_fifty_turns_and_never_exceeds_the_window(
    autojump_clock: MockClock,
) -> None:
    model = Model(WINDOW)
    async with open_talk(a=model) as talk:
        await talk.talk(50)
        history = await said(talk.ref)

    assert (len(model.prompts), model.refused) == (50, 0)
    assert max(model.prompts) <= WINDOW - 64
    # Nothing of the conversation itself is lost.
    assert len(history) == 100
    for number, body in enumerate(model.bodies, 1):
        roles = [message["role"] for message in body["messages"]]
        assert texts(body)[0] == "be kind"
        assert texts(body)[-1].startswith(f"Question {number}:")
        assert roles == ["system", *["user", "assistant"] * (len(roles) // 2 - 1), "user"]


async def test_the_beginning_stays_the_same_for_some_turns_so_that_caches_hold(
    autojump_clock: MockClock,
) -> None:
    model = Model(2_000)
    async with open_talk(a=model) as talk:
        await talk.talk(60)

    begins = first_questions(model)
    changes = sum(one != other for one, other in pairwise(begins))
    assert begins == sorted(begins)
    # Sixty turns of a hundred tokens, cut by a quarter of 1,936 each time.
    assert 5 <= changes <= 12


async def test_each_turn_counts_its_own_messages_and_no_older_ones(
    autojump_clock: MockClock,
) -> None:
    model = Model(WINDOW)
    async with open_talk(a=model) as talk:
        await talk.talk(20)

    # The system prompt and a question; then an answer and a question.
    assert talk.counter.asked == [2] * 20


async def test_a_short_conversation_needs_no_tokenizer(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Model(4_000)
    monkeypatch.setattr(encodings, "_LOADED", {})
    async with open_talk(a=model) as talk:
        await talk.say("hello")
        assert talk.counter.asked == []
        # By now the fake model has loaded it, to count for itself.
        await talk.say("hello again")

    assert talk.counter.asked == [4]


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param((TextPart("why, " * 600),), id="long"),
        pytest.param((TextPart("なぜ" * 300),), id="of letters with many bytes"),
        pytest.param((TextPart("why"), ImagePart(url="http://a.test/b.png")), id="with an image"),
    ],
)
async def test_what_may_be_long_is_counted(
    parts: tuple[Part, ...], autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Model(4_000)
    async with open_talk(a=model) as talk:
        monkeypatch.setattr(encodings, "_LOADED", {})
        await talk.ref.ask(Prompt(parts))
        await talk.listener.ended()

    assert talk.counter.asked == [2]


async def test_where_nobody_knows_the_window_nothing_is_counted(
    autojump_clock: MockClock,
) -> None:
    model = Model()
    async with open_talk(windows={}, a=model) as talk:
        await talk.talk(5)

    assert talk.counter.asked == []
    assert len(texts(model.bodies[-1])) == 10


async def test_a_message_that_alone_is_too_long_is_told_in_figures_and_the_next_one_is_answered(
    autojump_clock: MockClock,
) -> None:
    model = Model(WINDOW)
    async with open_talk(a=model) as talk:
        await talk.talk(8)
        error = await talk.error("why, " * 1_000)
        await talk.talk(1)

    assert error.startswith("the newest turn alone has about 2,")
    assert error.endswith(
        " tokens, of which 536 fit; say less at once, or start a new conversation"
    )
    assert model.refused == 0


async def test_the_log_says_what_was_left_out(autojump_clock: MockClock) -> None:
    with structlog.testing.capture_logs() as logs:
        async with open_talk(a=Model(WINDOW)) as talk:
            await talk.talk(8)

    [line, *_] = [log for log in logs if log["event"] == "conversation is shortened"]
    assert line["session"].startswith("sess_")
    assert (line["target"], line["limit"], line["summarised"]) == ("a/m", 536, False)
    assert line["left_out"] % 2 == 0
    assert line["tokens"] <= 536 * 0.75


# The answer is that it is too long.


async def test_who_wants_nothing_left_out_is_told_that_it_is_too_long(
    autojump_clock: MockClock,
) -> None:
    model = Model(WINDOW)
    async with open_talk("refuse", a=model) as talk:
        await talk.talk(5)
        error = await talk.error("why, " * 200)

    assert error.startswith("the conversation has about ")
    assert "of which 600 fit" in error
    assert (len(model.bodies), model.refused) == (5, 0)


@pytest.mark.parametrize(("factor", "stop"), [(0.7, "end_turn"), (1.3, "error")])
async def test_what_may_fit_is_sent_and_the_provider_has_the_word(
    factor: float, stop: str, autojump_clock: MockClock
) -> None:
    # With what we add to our count for models of nobody's family it is more than 600.
    model = Model(WINDOW, factor=factor)
    async with open_talk("refuse", a=model) as talk:
        assert (await talk.say("why, " * 260)).value == stop

    assert len(model.bodies) + model.refused == 1


# Our count was wrong.


@pytest.mark.parametrize("factor", [1.3, 1.7, 2.4])
async def test_a_model_that_counts_otherwise_is_learned_and_every_turn_answered(
    factor: float, autojump_clock: MockClock
) -> None:
    model = Model(2_000, factor=factor)
    async with open_talk(a=model) as talk:
        await talk.talk(60)

    assert len(model.prompts) == 60
    assert max(model.prompts) <= 2_000
    assert model.refused <= 1


async def test_a_window_that_nobody_knew_is_found_and_kept_to(autojump_clock: MockClock) -> None:
    model = Model(WINDOW)
    async with open_talk(windows={}, a=model) as talk:
        await talk.talk(50)

    assert len(model.prompts) == 50
    assert model.refused <= 2


async def test_a_window_that_is_smaller_than_was_said_is_found_and_kept_to(
    autojump_clock: MockClock,
) -> None:
    model = Model(WINDOW)
    async with open_talk(windows={"a": 100_000}, a=model) as talk:
        await talk.talk(50)

    assert len(model.prompts) == 50
    assert model.refused <= 2


async def test_where_less_is_refused_too_the_turn_fails_and_says_so(
    autojump_clock: MockClock,
) -> None:
    model = Model(2_000)
    async with open_talk(a=model) as talk:
        await talk.talk(10)
        model.window = 10
        error = await talk.error("hello")
        model.window = 2_000
        await talk.talk(1)

    assert "the conversation is longer than the model's window" in error
    assert model.refused == 2


async def test_a_refusal_is_heeded_also_where_nothing_was_counted_before(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encodings, "_LOADED", {})
    model = Model(WINDOW, loads=False)
    async with open_talk(windows={"a": 1_000_000}, a=model) as talk:
        await talk.talk(60)

    assert len(model.prompts) == 60
    assert model.refused <= 3


LLAMA = "request ({tokens} tokens) exceeds the available context size ({window} tokens)"
ANTHROPIC = "prompt is too long: {tokens} tokens > {window} maximum"


@pytest.mark.parametrize("words", [LLAMA, ANTHROPIC])
@pytest.mark.parametrize(("factor", "windows"), [(1.0, {}), (2.0, {}), (0.6, {"a": 90_000})])
async def test_what_a_refusal_says_of_the_window_is_believed_and_used_to_its_end(
    words: str, factor: float, windows: dict[str, int], autojump_clock: MockClock
) -> None:
    model = Model(2_000, factor=factor, words=words)
    async with open_talk(windows=windows, a=model) as talk:
        await talk.talk(60)

    assert (len(model.prompts), model.refused) == (60, 1)
    assert 1_700 <= max(model.prompts[30:]) <= 2_000
    # Not half of it was given up at once.
    after = next(b for a, b in pairwise(model.prompts) if b < a)
    assert after > 1_000


# Several windows.


async def test_a_chain_is_asked_for_what_each_of_its_windows_takes(
    autojump_clock: MockClock,
) -> None:
    small, large = Model(WINDOW), Model(4_000)
    chain = [link("a"), link("b", on=BIGGER)]
    async with open_talk(chain=chain, a=small, b=large) as talk:
        await talk.talk(60)

    assert (small.refused, large.refused) == (0, 0)
    # The larger window was made for this, and is used to its end before anything is left out.
    assert len(small.bodies) + len(large.bodies) == 60
    assert len(small.bodies) <= 6
    assert max(len(body["messages"]) for body in large.bodies) > 60
    assert max(large.prompts) <= 4_000
