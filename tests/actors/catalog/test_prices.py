"""Prices by provider, model, time and tier; what is unknown is said and never zero."""

import datetime
import sys
import threading
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import genai_prices
import pytest
import trio
from genai_prices import data_snapshot
from hypothesis import given, settings, strategies as st

from trouper.actors.catalog import prices
from trouper.actors.catalog.facts import ModelRef
from trouper.actors.catalog.prices import BATCH, PriceBook, load_price_book
from trouper.actors.catalog.rates import FREE, Cost, Rate, Rates, UnknownPrice, cost_of
from trouper.actors.chat import Usage
from trouper.actors.errors import ConfigError

AT = datetime.datetime(2026, 11, 21, 12, tzinfo=datetime.UTC)
SNAPSHOT = data_snapshot.get_snapshot()
BOOK = PriceBook(snapshot=SNAPSHOT)
MODELS = [
    (provider.id, model.id)
    for provider in SNAPSHOT.providers
    if provider.id in ("openai", "anthropic")
    for model in provider.models
]


def ref(family: str, model: str) -> ModelRef:
    return ModelRef("main", model, family)


def priced(
    family: str, model: str, usage: Usage, tier: str | None = None, book: PriceBook = BOOK
) -> Cost:
    rates = book.rates(ref(family, model), at=AT, service_tier=tier)
    assert isinstance(rates, Rates)
    return cost_of(usage, rates)


@pytest.mark.parametrize(
    ("family", "model", "tier", "usage", "nano_dollars"),
    [
        # 0.15 and 0.6 $ a million, half of the input for cached tokens.
        ("openai", "gpt-4o-mini", None, Usage(1_000, 200), 1_000 * 150 + 200 * 600),
        (
            "openai",
            "gpt-4o-mini",
            "default",
            Usage(1_000, 200, cache_read=800),
            200 * 150 + 800 * 75 + 200 * 600,
        ),
        # Reasoning is output and is not paid twice.
        ("openai", "gpt-6.1-sol", None, Usage(10, 500, reasoning=400), 10 * 2_000 + 500 * 10_000),
        ("openai", "gpt-6.1-sol", "priority", Usage(10, 5), 10 * 4_000 + 5 * 20_000),
        ("openai", "gpt-6.1-sol", "flex", Usage(10, 5), 10 * 1_000 + 5 * 5_000),
        # Batch is half of everything.
        (
            "openai",
            "gpt-6.1-sol",
            BATCH,
            Usage(10, 5, cache_read=5),
            5 * 1_000 + 5 * 50 + 5 * 5_000,
        ),
        ("anthropic", "claude-sonnet-5-5", BATCH, Usage(10, 5), 10 * 1_000 + 5 * 5_000),
        # Above 272,000 tokens every token has the dearer price.
        ("openai", "gpt-6-astra", None, Usage(272_000, 1), 272_000 * 10_000 + 50_000),
        ("openai", "gpt-6-astra", None, Usage(272_001, 1), 272_001 * 20_000 + 75_000),
        ("anthropic", "claude-haiku-5-5", None, Usage(100_001, 1), 100_001 * 500 + 2_500),
        # Anthropic's cache: reads a twentieth, writes a quarter more, twice for an hour.
        (
            "anthropic",
            "claude-sonnet-5-5",
            "standard",
            Usage(10_000, 100, cache_read=5_000, cache_write=4_000, cache_write_1h=1_000),
            1_000 * 2_000 + 5_000 * 100 + 3_000 * 2_500 + 1_000 * 4_000 + 100 * 10_000,
        ),
        # 0.0375 $ a million cached tokens: 37.5 nano-dollars, rounded at the end.
        ("openai", "gpt-5.4-mini", "flex", Usage(3, 0, cache_read=3), 113),
    ],
)
def test_costs_agree_with_the_price_list_to_the_nano_dollar(
    family: str, model: str, tier: str | None, usage: Usage, nano_dollars: int
) -> None:
    cost = priced(family, model, usage, tier)

    assert cost.nano_dollars == nano_dollars
    assert cost.assumed == ""


def test_a_price_can_be_found_again_by_its_id() -> None:
    listed = f"genai-prices-{genai_prices.__version__}"

    assert priced("openai", "gpt-4o-mini-2024-07-18", Usage(1)).price_id == (
        f"{listed} openai/gpt-4o-mini"
    )
    assert priced("openai", "gpt-6.1-sol", Usage(1), "flex").price_id == (
        f"{listed} openai/gpt-6.1-sol flex"
    )


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    read, written, written_1h, plain = (draw(st.integers(0, 400_000)) for _ in range(4))
    output = draw(st.integers(0, 200_000))
    return Usage(
        input=read + written + written_1h + plain,
        output=output,
        cache_read=read,
        cache_write=written + written_1h,
        cache_write_1h=written_1h,
        reasoning=draw(st.integers(0, output)),
    )


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(MODELS), usages(), st.sampled_from([None, "flex", "priority", BATCH]))
def test_our_integers_agree_with_the_librarys_decimals(
    name: tuple[str, str], usage: Usage, tier: str | None
) -> None:
    family, model = name
    rates = BOOK.rates(ref(family, model), at=AT, service_tier=tier)
    if isinstance(rates, UnknownPrice):
        return
    context = {"processing": "batch"} if tier == BATCH else {"service_tier": tier} if tier else None
    theirs = genai_prices.calc_price(
        genai_prices.Usage(
            input_tokens=usage.input,
            output_tokens=usage.output,
            cache_read_tokens=usage.cache_read,
            cache_write_tokens=usage.cache_write,
            cache_write_1h_tokens=usage.cache_write_1h,
            output_reasoning_tokens=usage.reasoning,
        ),
        model,
        provider_id=family,
        genai_request_timestamp=AT,
        price_context=context,
    )

    whole = (theirs.total_price * 10**9).quantize(Decimal(1), ROUND_HALF_UP)
    assert cost_of(usage, rates).nano_dollars == int(whole)


def test_a_tier_without_a_price_is_assumed_to_cost_as_usual_and_says_so() -> None:
    cost = priced("openai", "gpt-4o-mini", Usage(1_000), "flex")

    assert cost.nano_dollars == 150_000
    assert cost.assumed == "no price is known for tier 'flex' of gpt-4o-mini"
    assert "flex" not in cost.price_id


def test_a_resellers_tiers_are_not_those_of_whose_models_it_sells() -> None:
    assert "flex" in priced("azure", "gpt-6.1-sol-2026-11-01", Usage(1), "flex").assumed


def test_a_tier_has_its_price_from_its_first_day_on() -> None:
    before = datetime.datetime(2026, 10, 11, tzinfo=datetime.UTC)
    rates = BOOK.rates(ref("openai", "gpt-6.1-sol"), at=before, service_tier="flex")

    assert isinstance(rates, Rates)
    assert rates.input.base == 2_000_000
    assert "flex" in rates.assumed


@pytest.mark.parametrize(("hour", "pico"), [(0, 135_000), (12, 270_000), (20, 135_000)])
def test_a_price_may_hang_on_the_time_of_day(hour: int, pico: int) -> None:
    # 12:00 in Greenwich is 20:00 in Beijing; it is the instant that counts.
    zone = datetime.timezone(datetime.timedelta(hours=8))
    at = datetime.datetime(2026, 11, 21, hour, tzinfo=datetime.UTC).astimezone(zone)
    rates = BOOK.rates(ref("deepseek", "deepseek-chat"), at=at)

    assert isinstance(rates, Rates)
    assert rates.input == Rate(pico)


def test_a_price_by_the_request_counts() -> None:
    rates = BOOK.rates(ref("perplexity", "sonar-pro"), at=AT)

    assert isinstance(rates, Rates)
    assert rates.request > 0
    assert cost_of(Usage(), rates).nano_dollars == rates.request // 1_000


@pytest.mark.parametrize(
    ("family", "model"),
    [
        ("openai", "gpt-of-the-future"),
        ("nobody", "gpt-4o"),
        ("", "gpt-4o"),
        ("open", "gpt-4o"),
        # Listed, with no price at all: the library itself says zero.
        ("github-copilot", "gpt-4o"),
        # Listed, with a price for input only.
        ("openai", "text-embedding-3-small"),
    ],
)
def test_an_unknown_price_is_said_with_what_to_do(family: str, model: str) -> None:
    found = BOOK.rates(ref(family, model), at=AT)

    assert isinstance(found, UnknownPrice)
    assert f'put them under prices."main/{model}" in the configuration' in found.why


def test_no_model_that_is_listed_costs_nothing_without_saying_so() -> None:
    usage = Usage(input=1_000, output=1_000)
    known = [
        (provider.id, model.id, model.get_prices(AT), cost_of(usage, found).nano_dollars)
        for provider in SNAPSHOT.providers
        for model in provider.models
        if isinstance(found := BOOK.rates(ref(provider.id, model.id), at=AT), Rates)
    ]

    assert len(known) > 100
    assert [
        (provider, model)
        for provider, model, listed, cost in known
        if cost == 0 and (listed.input_mtok is None or listed.output_mtok is None)
    ] == []


def test_a_model_on_ones_own_machine_is_free() -> None:
    assert BOOK.rates(ref("local", "smollm2"), at=AT) is FREE
    assert PriceBook().rates(ref("local", "smollm2"), at=AT) is FREE


def test_the_configuration_outranks_the_list() -> None:
    book = PriceBook(
        {
            "main/gpt-4o": {"input": 1.0, "output": 2.0},
            "main/*": {"input": 0.5, "output": 0.5, "tiers": {"batch": {"input": 0, "output": 0}}},
            "lan/*": {"input": 0, "output": 0},
        },
        SNAPSHOT,
    )
    usage = Usage(input=10, output=10)

    assert priced("openai", "gpt-4o", usage, book=book).nano_dollars == 30_000
    assert priced("openai", "gpt-4o", usage, book=book).price_id == "config main/gpt-4o"
    assert priced("openai", "gpt-4.1", usage, book=book).nano_dollars == 10_000
    assert priced("openai", "gpt-4.1", usage, BATCH, book=book).nano_dollars == 0
    free = book.rates(ModelRef("lan", "anything"), at=AT)
    assert isinstance(free, Rates)
    assert free.input == Rate(0)
    assert free.price_id == "config lan/*"


def test_wrong_prices_are_refused_when_the_book_is_made() -> None:
    with pytest.raises(ConfigError, match="must be dollars a million tokens"):
        PriceBook({"main/gpt-4o": {"input": "a lot", "output": 1}})


def test_whose_prices_an_address_has() -> None:
    assert BOOK.family("https://api.groq.com/openai/v1") == "groq"
    assert BOOK.family("http://127.0.0.1:8000/v1") == ""
    assert PriceBook().family("https://api.groq.com/openai/v1") == ""


def test_many_names_do_not_fill_the_memory() -> None:
    book = PriceBook(snapshot=SNAPSHOT)
    for number in range(1_100):
        book.rates(ref("anthropic", f"nobody-{number}"), at=AT)

    assert len(book._found) <= 1_024


async def test_the_list_is_loaded_off_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[threading.Thread] = []
    load = prices._load

    def watched() -> Any:
        seen.append(threading.current_thread())
        return load()

    monkeypatch.setattr(prices, "_load", watched)

    book = await load_price_book({"main/x": {"input": 1, "output": 1}})

    assert seen != [threading.current_thread()]
    assert isinstance(book.rates(ref("openai", "gpt-4o"), at=AT), Rates)
    assert isinstance(book.rates(ref("", "x"), at=AT), Rates)


async def test_without_the_library_prices_are_unknown_and_the_rest_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "genai_prices", None)

    book = await load_price_book()

    found = book.rates(ref("openai", "gpt-4o"), at=AT)
    assert isinstance(found, UnknownPrice)
    assert "the price list is not loaded; pip install 'trouper[prices]'" in found.why
    await trio.lowlevel.checkpoint()
