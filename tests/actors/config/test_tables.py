"""The tables beside providers, models and assistants: store, budgets, facts, prices, telemetry."""

import datetime
from pathlib import Path
from typing import Any

import pytest

from trouper.actors.catalog.facts import ModelRef
from trouper.actors.catalog.models import ModelCatalog
from trouper.actors.catalog.overrides import price_overrides
from trouper.actors.config import (
    AppConfig,
    BudgetConfig,
    StoreConfig,
    TelemetryConfig,
    demo_config,
    parse_config,
)
from trouper.actors.errors import ConfigError
from trouper.actors.policy.budget import Budget

MINIMAL = """
[providers.here]
kind = "openai"
base_url = "http://127.0.0.1:1/v1"
[models.default]
targets = ["here/m"]
[assistants.default]
model = "default"
"""


def parsed(text: str) -> AppConfig:
    return parse_config(MINIMAL + text, folder=Path("/etc/trouper"), environ={})


def faults(text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        parsed(text)
    return caught.value.faults


def faults_of(make: Any, **arguments: Any) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        make(**arguments)
    return caught.value.faults


def test_every_key_of_the_file_arrives() -> None:
    config = parsed("""
        [store]
        path = "trouper.db"
        durability = "relaxed"
        cache_max_bytes = 1048576
        [budgets.daily]
        limit_usd = "5.00"
        per = "day"
        [budgets.alice]
        limit_usd = 0.000000001
        per = "month"
        scope = "user"
        only = "alice"
        alert_at = 0.5
        clamp = false
        [facts."here/m"]
        max_input_tokens = 100_000
        shutdown = 2027-01-14
        [prices."here/*"]
        input = 0.15
        output = 0.6
        [telemetry]
        traces = true
        content = true
    """)

    assert config.store == StoreConfig(
        path="/etc/trouper/trouper.db", durability="relaxed", cache_max_bytes=1_048_576
    )
    assert config.limits == (
        Budget(name="daily", limit=5_000_000_000, per="day"),
        Budget(
            name="alice",
            limit=1,
            per="month",
            scope="user",
            only="alice",
            alert_at=0.5,
            clamp=False,
        ),
    )
    found = ModelCatalog(config.facts).find(ModelRef("here", "m"))
    assert (found.max_input_tokens, found.shutdown) == (100_000, datetime.date(2027, 1, 14))
    assert price_overrides(config.prices)["here/*"].input == 0.15
    assert config.telemetry == TelemetryConfig(traces=True, content=True)


def test_without_a_word_nothing_is_kept_and_nothing_is_told() -> None:
    config = parsed("")

    assert (config.store.path, config.store.cache_path) == (":memory:", ":memory:")
    assert (config.store.durability, config.limits) == ("full", ())
    assert (config.telemetry.traces, config.telemetry.content) == (False, False)


def test_what_is_not_said_of_a_budget_is_as_calls_are_held_against_it() -> None:
    plain = Budget(name="b", limit=1_000_000_000, per="total")

    assert BudgetConfig(limit_usd=1, per="total").budget("b") == plain


def test_memory_is_no_file_of_the_folder_and_other_paths_are_seen_from_there() -> None:
    assert parsed('[store]\npath = ":memory:"').store.path == ":memory:"
    assert parsed('[store]\npath = "/var/t.db"').store.path == "/var/t.db"
    assert parsed('[store]\npath = "a/t.db"').store.path == "/etc/trouper/a/t.db"


def test_the_path_of_a_store_may_be_a_path() -> None:
    assert StoreConfig(path=Path("a/t.db")) == StoreConfig(path="a/t.db")
    assert faults_of(StoreConfig, path=3) == ("path: must be the path of a file, not 3",)


@pytest.mark.parametrize(
    ("path", "beside"),
    [
        ("trouper.db", "trouper-cache.db"),
        ("/a/b.c/x", "/a/b.c/x-cache.db"),
        ("a.sqlite", "a-cache.sqlite"),
    ],
)
def test_cached_answers_lie_beside_in_a_file_of_their_own(path: str, beside: str) -> None:
    assert StoreConfig(path=path).cache_path == beside


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[store]\npath = 3", "store.path: must be the path of a file, not 3"),
        ('[store]\npath = ""', "store.path: must be the path of a file, not ''"),
        (
            '[store]\ndurability = "none"',
            (
                "store.durability: this version of trouper knows no durability 'none'; "
                "known: full, relaxed"
            ),
        ),
        (
            "[store]\ncache_max_bytes = 1",
            "store.cache_max_bytes: must be a whole number from 1048576 to 1099511627776, not 1",
        ),
        ('[budgets.b]\nper = "day"', "budgets.b.limit_usd: is missing"),
        ('[budgets.b]\nlimit_usd = "5"', "budgets.b.per: is missing"),
        (
            '[budgets.b]\nlimit_usd = "5"\nper = "week"',
            (
                "budgets.b.per: this version of trouper knows no period 'week'; "
                "known: day, month, total"
            ),
        ),
        (
            '[budgets.b]\nlimit_usd = "five"\nper = "day"',
            "budgets.b.limit_usd: must be an amount of dollars such as \"5.00\", not 'five'",
        ),
        (
            '[budgets.b]\nlimit_usd = true\nper = "day"',
            'budgets.b.limit_usd: must be an amount of dollars such as "5.00", not true',
        ),
        (
            '[budgets.b]\nlimit_usd = "-1"\nper = "day"',
            "budgets.b.limit_usd: must be from 0 to 1000000000 dollars, not -1",
        ),
        (
            '[budgets.b]\nlimit_usd = 0\nper = "day"',
            "budgets.b.limit_usd: must be above 0; to spend nothing, configure no provider",
        ),
        (
            '[budgets.b]\nlimit_usd = 1\nper = "day"\nalert_at = 80',
            "budgets.b.alert_at: must be a number above 0 and up to 1, not 80",
        ),
        (
            '[budgets.b]\nlimit_usd = 1\nper = "day"\nonly = "alice"',
            'budgets.b.only: a budget of scope "all" is for everybody; set scope, or leave this out',
        ),
        (
            '[budgets.b]\nlimit_usd = 1\nper = "day"\nscope = "user"\nonly = ""',
            "budgets.b.only: is empty; name the user that it is for, or leave this out",
        ),
        (
            '[budgets.b]\nlimit_usd = 1\nper = "day"\nscope = "model"\nonly = "m"',
            "budgets.b.only: must be \"provider/model\", not 'm'",
        ),
        (
            '[budgets.b]\nlimit_usd = 1\nper = "day"\nscope = "model"\nonly = "there/m"',
            'budgets.b.only: no provider "there" is configured; did you mean "here"?',
        ),
        (
            '[budgets.b]\nlimit_usd = 1\nper = "day"\nscope = "provider"\nonly = "heer"',
            'budgets.b.only: no provider "heer" is configured; did you mean "here"?',
        ),
        (
            '[budgets."a b"]\nlimit_usd = 1\nper = "day"',
            "budgets.'a b': a name has up to 64 letters, digits, dots, hyphens and underscores",
        ),
        ("facts = 3", "facts: must be a table, not 3"),
        (
            '[facts."here/*"]\ntools = true',
            "facts.'here/*': is no model; only prices are given for all of a provider's",
        ),
        ("[facts]\nm = {}", 'facts.m: must be called "provider/model"'),
        ('[facts]\n"here/m" = 3', "facts.'here/m': must be a table, not 3"),
        (
            '[facts."heer/m"]\ntools = true',
            'facts.\'heer/m\': no provider "heer" is configured; did you mean "here"?',
        ),
        (
            '[facts."here/m"]\nmax_input_tokens = "1"',
            (
                "facts.'here/m'.max_input_tokens: must be a whole number of tokens from 1 to "
                "100000000, not '1'"
            ),
        ),
        (
            '[prices."here/m"]\ninput = 1.0',
            "prices.'here/m'.output: is missing",
        ),
        (
            '[prices."here/m"]\ninput = 1\noutput = 20_000',
            "prices.'here/m'.output: must be dollars a million tokens from 0 to 10000, not 20000",
        ),
        ("telemetry = true", "telemetry: must be a table, not true"),
        (
            "[telemetry]\ncontent = true",
            "telemetry.content: stands in spans, and there are none; set traces = true, too",
        ),
    ],
)
def test_a_fault_is_one_sentence_that_begins_with_its_key(text: str, sentence: str) -> None:
    # Before all tables: else a key would be one of the last table.
    with pytest.raises(ConfigError) as caught:
        parse_config(f"{text}\n{MINIMAL}", environ={})

    assert list(caught.value.faults) == [sentence]


def test_faults_across_tables_are_said_beside_those_within_one() -> None:
    said = faults(
        '[facts."there/m"]\ntools = 1\n[budgets.b]\nlimit_usd = -1\nscope = "provider"\n'
        'only = "there"\n[models.x]\ntargets = [["here/m", "there/m"], {target = "there/n"}]\n'
    )

    assert [fault.partition(": ")[0] for fault in said] == [
        "budgets.b.limit_usd",
        "budgets.b.per",
        "models.x.targets[0][1]",
        "models.x.targets[1]",
        "budgets.b.only",
        "facts.'there/m'",
        "facts.'there/m'.tools",
    ]


@pytest.mark.parametrize("table", ["facts", "prices"])
def test_overrides_made_in_python_are_checked_too(table: str) -> None:
    demo = demo_config()
    arguments = {"providers": demo.providers, "models": demo.models, "assistants": demo.assistants}

    (said,) = faults_of(AppConfig, **arguments, **{table: {"local/m": 3}})

    assert said == f"{table}.'local/m': must be a table, not 3"
    assert faults_of(AppConfig, **arguments, **{table: 3}) == (f"{table}: must be a table, not 3",)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"store": 3}, "store: must be of class StoreConfig, not 3"),
        ({"providers": []}, "providers: must be a table, not a list"),
        ({"budgets": {"b": {}}}, "budgets: b must be of class BudgetConfig, not a table"),
        ({"models": {"m": "a/b"}}, "models: m must be of class ModelConfig, not 'a/b'"),
    ],
)
def test_what_is_no_class_of_the_configuration_is_said_to_be_none(
    arguments: dict[str, Any], sentence: str
) -> None:
    assert faults_of(AppConfig, **arguments) == (sentence,)
