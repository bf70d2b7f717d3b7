"""What is said of a configuration that is right, and may still not do what is wanted."""

import datetime
from typing import Any

import pytest

from trouper.actors.catalog.prices import PriceBook, load_price_book
from trouper.actors.config import (
    AppConfig,
    AssistantConfig,
    BudgetConfig,
    ModelConfig,
    ProviderConfig,
    demo_config,
)
from trouper.actors.config.advice import warnings_of

TODAY = datetime.date(2026, 11, 21)
OPENAI = ProviderConfig(
    name="openai",
    kind="openai",
    base_url="https://api.openai.com/v1",
    api_keys=["key-for-tests"],
)


def config(provider: ProviderConfig, *targets: object, **more: Any) -> AppConfig:
    model: dict[str, Any] = more.pop("model", {})
    return AppConfig(
        providers={provider.name: provider},
        models={"default": ModelConfig(targets=targets, **model)},
        assistants={"default": AssistantConfig(model="default")},
        **more,
    )


def elsewhere(url: str, *keys: str) -> ProviderConfig:
    return ProviderConfig(name="there", kind="openai", base_url=url, api_keys=keys)


def test_what_is_well_needs_no_word() -> None:
    assert warnings_of(demo_config(), TODAY) == ()
    assert warnings_of(config(OPENAI, "openai/gpt-5.1"), TODAY) == ()


def test_a_model_that_is_shut_down_or_soon_will_be_is_named_with_its_place() -> None:
    both = config(OPENAI, "openai/gpt-4-turbo", ["openai/gpt-5.1", "openai/o9"], facts=FACTS)

    assert warnings_of(both, TODAY) == (
        (
            "models.default.targets[0]: gpt-4-turbo was shut down on 2026-10-23 (29 days ago); "
            "requests to it will fail, name another model"
        ),
        (
            "models.default.targets[1][1]: o9 will be shut down on 2027-01-20, in 60 days; "
            "choose its successor"
        ),
    )
    assert len(warnings_of(both, TODAY - datetime.timedelta(days=1))) == 1


FACTS = {"openai/o9": {"shutdown": datetime.date(2027, 1, 20)}}


def test_a_model_that_nobody_knows_may_be_misspelled() -> None:
    near, far = warnings_of(config(OPENAI, "openai/gtp-5.1", "openai/zzz"), TODAY)

    assert near == (
        "models.default.targets[0]: this version of trouper knows no gtp-5.1; did you mean "
        '"gpt-5.1"? If it is new, say what is known of it under facts."openai/gtp-5.1"'
    )
    assert "`trouper models` lists those that are" in far


@pytest.mark.parametrize(
    "provider",
    [
        elsewhere("https://models.example.org/v1", "key-for-tests"),
        ProviderConfig(name="there", kind="ollama", base_url="http://127.0.0.1:11434"),
        ProviderConfig(name="there", kind="local"),
    ],
)
def test_who_names_models_as_they_like_is_not_doubted(provider: ProviderConfig) -> None:
    assert warnings_of(config(provider, "there/my-own"), TODAY) == ()


def test_what_a_model_does_not_take_is_said_before_it_is_asked() -> None:
    asked = config(
        OPENAI,
        "openai/gpt-5.1",
        model={"max_output_tokens": 9_999_999, "reasoning_effort": "max"},
    )

    limit, effort = warnings_of(asked, TODAY)

    assert limit.startswith(
        "models.default.targets[0]: max_output_tokens: 9999999 is out of range; gpt-5.1 takes 1 to"
    )
    assert effort == (
        "models.default.targets[0]: reasoning_effort: 'max' is not known; "
        "gpt-5.1 takes none, low, medium, high"
    )


def test_a_provider_on_another_machine_may_ask_for_a_key() -> None:
    assert warnings_of(config(elsewhere("https://models.example.org/v1"), "there/m"), TODAY) == (
        (
            "providers.there.api_keys: there are none, and models.example.org is another machine; "
            'if it asks for a key, add api_keys = ["env:NAME"]'
        ),
    )
    assert warnings_of(config(elsewhere("http://localhost:1/v1"), "there/m"), TODAY) == ()


def test_a_key_is_not_sent_in_clear_without_a_word() -> None:
    said = warnings_of(config(elsewhere("http://10.0.0.1/v1", "key-for-tests"), "there/m"), TODAY)

    assert said == (
        (
            "providers.there.base_url: the key goes to 10.0.0.1 in clear, for everybody on the "
            "way to read; use https"
        ),
    )
    assert not warnings_of(config(elsewhere("http://[::1]/v1", "key-for-tests"), "there/m"), TODAY)


def test_a_budget_needs_prices() -> None:
    provider = elsewhere("https://models.example.org/v1", "key-for-tests")
    budgets = {"daily": BudgetConfig(limit_usd=5, per="day")}
    prices = {"there/m": {"input": 1.0, "output": 2.0}}

    (said,) = warnings_of(config(provider, "there/m", budgets=budgets), TODAY, PriceBook())

    assert said.startswith("models.default.targets[0]: ")
    assert 'prices."there/m"' in said
    assert said.endswith("; until then budgets refuse its calls")
    assert not warnings_of(config(provider, "there/m"), TODAY, PriceBook())
    assert not warnings_of(config(provider, "there/m", budgets=budgets), TODAY)
    assert not warnings_of(
        config(provider, "there/m", budgets=budgets, prices=prices), TODAY, PriceBook(prices)
    )


async def test_prices_of_a_family_that_only_the_price_list_knows_are_found_by_its_address() -> None:
    groq = elsewhere("https://api.groq.com/openai/v1", "key-for-tests")
    book = await load_price_book()
    budgets = {"daily": BudgetConfig(limit_usd=5, per="day")}
    asked = config(groq, "there/llama-3.3-70b-versatile", budgets=budgets)

    assert warnings_of(asked, TODAY, book) == ()


def test_a_model_that_answers_on_another_wire_is_said_to_want_another_kind() -> None:
    assert warnings_of(config(OPENAI, "openai/gpt-5.2-pro"), TODAY) == (
        (
            "models.default.targets[0]: gpt-5.2-pro does not answer a provider of kind openai; "
            "ask it through one of kind openai-responses"
        ),
    )
