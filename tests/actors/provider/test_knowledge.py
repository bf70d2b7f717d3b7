"""What is known before a call, and what answers teach."""

import datetime
from typing import Any

import pytest
import structlog

from trouper.actors.catalog import encodings
from trouper.actors.catalog.encodings import EncodingName, load_encoding
from trouper.actors.catalog.facts import ModelRef
from trouper.actors.catalog.prices import PriceBook
from trouper.actors.catalog.rates import FREE, Rates, UnknownPrice
from trouper.actors.chat import (
    ChatRequest,
    Finish,
    Finished,
    Message,
    TextDelta,
    TextPart,
    Usage,
    UsageUpdate,
)
from trouper.actors.provider.knowledge import Knowledge, is_paid
from trouper.actors.provider.tally import Tally

MODEL = ModelRef("far", "m", "other")
PRICED = {"far/m": {"input": 1.0, "output": 2.0}}


def asked(text: str = "hello") -> ChatRequest:
    return ChatRequest(model="m", messages=(Message("user", (TextPart(text),)),))


def tally(*chunks: Any) -> Tally:
    found = Tally()
    found.add(list(chunks))
    return found


def test_a_price_is_looked_up_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    knowledge = Knowledge(prices=PriceBook(PRICED))
    asked_for: list[datetime.datetime] = []
    rates = knowledge.prices.rates

    def counted(ref: ModelRef, *, at: datetime.datetime, service_tier: str | None = None) -> Any:
        asked_for.append(at)
        return rates(ref, at=at, service_tier=service_tier)

    monkeypatch.setattr(knowledge.prices, "rates", counted)
    now = 1_800_000_000.0
    monkeypatch.setattr("time.time", lambda: now)
    found = [knowledge.rates(MODEL) for _ in range(3)]
    now += 60
    found.append(knowledge.rates(MODEL))

    assert len(asked_for) == 2
    assert all(isinstance(each, Rates) for each in found)


def test_a_price_that_nobody_knows_is_said_once() -> None:
    knowledge = Knowledge(prices=PriceBook())
    with structlog.testing.capture_logs() as said:
        found = [knowledge.rates(MODEL) for _ in range(3)]

    assert all(isinstance(each, UnknownPrice) for each in found)
    assert [(line["event"], line["model"]) for line in said] == [("price is unknown", "far/m")]


def test_who_has_loaded_no_prices_is_told_nothing_of_them() -> None:
    with structlog.testing.capture_logs() as said:
        assert isinstance(Knowledge().rates(MODEL), UnknownPrice)
        assert Knowledge().rates(ModelRef("here", "m", "local")) is FREE
    assert said == []


def test_only_a_known_price_above_nothing_is_paid() -> None:
    priced = Knowledge(prices=PriceBook(PRICED))
    assert is_paid(priced.rates(MODEL))
    assert not is_paid(FREE)
    assert not is_paid(UnknownPrice("nobody has said"))


def test_an_estimate_comes_nearer_with_each_answer() -> None:
    knowledge = Knowledge()
    before = knowledge.likely_input(MODEL, 1_000)
    for _ in range(30):
        knowledge.learn(MODEL, 1_000, Usage(input=2_000, output=50))

    assert before == 1_200
    assert knowledge.likely_input(MODEL, 1_000) == pytest.approx(2_000, rel=0.02)
    # Others have learned nothing of it.
    assert knowledge.likely_input(ModelRef("far", "n", "other"), 1_000) == before


def test_an_answer_is_likely_as_long_as_its_limit_unless_that_limits_nothing() -> None:
    knowledge = Knowledge()
    assert knowledge.likely_output(MODEL, 300) == 300
    assert knowledge.likely_output(MODEL, 100_000) == 1_024
    assert knowledge.likely_output(MODEL, None) == 1_024
    for _ in range(300):
        knowledge.learn(MODEL, 0, Usage(input=10, output=100))
    assert knowledge.likely_output(MODEL, None) == 100


def test_a_broken_answer_is_counted_by_the_tokenizer_and_what_was_said_is_kept() -> None:
    load_encoding(EncodingName.O200K)
    knowledge = Knowledge()
    openai = ModelRef("openai", "m", "openai")
    words = "one two three four five six seven eight nine ten"
    found = knowledge.estimate(openai, asked(), 7, tally(TextDelta(0, words)))
    assert found == Usage(input=7, output=10, estimated=True)

    said = UsageUpdate(Usage(input=99, output=40, cache_read=9))
    found = knowledge.estimate(openai, asked(), 7, tally(said, TextDelta(0, words)))
    assert found == Usage(input=99, output=40, cache_read=9, estimated=True)


def test_what_is_too_long_to_be_kept_is_taken_to_be_like_its_beginning() -> None:
    load_encoding(EncodingName.O200K)
    knowledge = Knowledge()
    openai = ModelRef("openai", "m", "openai")
    deltas = [TextDelta(0, "seven " * 10) for _ in range(1_000)]
    found = knowledge.estimate(openai, asked(), 1, tally(*deltas))
    assert found.output == pytest.approx(10_000, rel=0.05)


def test_without_a_tokenizer_at_hand_characters_are_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(encodings, "_LOADED", {})
    knowledge = Knowledge()
    openai = ModelRef("openai", "m", "openai")
    found = knowledge.estimate(openai, asked("x" * 400), 0, tally(TextDelta(0, "y" * 200)))
    assert (found.input, found.output) == (100, 50)


def test_models_that_are_only_passing_through_are_forgotten() -> None:
    knowledge = Knowledge(prices=PriceBook())
    for number in range(3_000):
        ref = ModelRef("far", f"m{number}", "other")
        knowledge.learn(ref, 10, Usage(input=20, output=3))
        knowledge.rates(ref)
    assert len(knowledge._learned) <= 1_024
    assert len(knowledge._rates) <= 1_024
    assert len(knowledge._unpriced) <= 1_024


async def test_what_a_paid_model_is_counted_with_is_loaded_before_the_first_call() -> None:
    await Knowledge(prices=PriceBook(PRICED)).prepare(MODEL)

    assert encodings.is_loaded(EncodingName.O200K)


def test_whose_models_a_provider_serves_is_known_by_its_address() -> None:
    knowledge = Knowledge()
    assert knowledge.family("openai", "https://api.openai.com/v1") == "openai"
    assert knowledge.family("local", "") == "local"
    assert knowledge.family("openai", "http://127.0.0.1:1/v1") == ""


def test_an_empty_answer_has_begun_when_it_has_ended() -> None:
    assert not tally().begun
    assert tally(Finished(Finish.STOP)).begun
    assert tally().text == ("", 1.0)
