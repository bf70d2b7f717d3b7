"""What is known of models, and how a name finds it."""

import datetime
import subprocess
import sys

import pytest
from hypothesis import given, strategies as st

from trouper.actors.catalog.facts import ModelRef, SamplingRule
from trouper.actors.catalog.models import NEAR, ModelCatalog, family_of, warnings
from trouper.actors.errors import ConfigError

TODAY = datetime.date(2026, 11, 21)
MODELS = ModelCatalog()


def openai(model: str) -> ModelRef:
    return ModelRef("main", model, "openai")


def anthropic(model: str) -> ModelRef:
    return ModelRef("main", model, "anthropic")


def test_the_table_states_limits_and_what_a_model_takes() -> None:
    facts = MODELS.find(openai("gpt-4o-mini"))

    assert facts.known
    assert (facts.max_input_tokens, facts.max_output_tokens) == (128_000, 16_384)
    assert facts.tools is facts.images is True
    assert facts.reasoning is False
    assert facts.sampling is SamplingRule.ALWAYS


def test_a_family_has_its_own_ranges() -> None:
    claude = MODELS.find(anthropic("claude-sonnet-5-5"))

    assert claude.max_temperature == 1.0
    assert claude.sampling is SamplingRule.NEVER
    assert claude.prefill is False
    assert claude.apis == ("messages",)


@pytest.mark.parametrize(
    ("ref", "same_as"),
    [
        (anthropic("claude-sonnet-5-5-20270101"), anthropic("claude-sonnet-5-5")),
        (anthropic("claude-sonnet-5-5@20270101"), anthropic("claude-sonnet-5-5")),
        (openai("gpt-6-astra-2027-01-01"), openai("gpt-6-astra")),
        (openai("ft:gpt-4o-mini-2024-07-18:acme::abc123"), openai("gpt-4o-mini-2024-07-18")),
        (openai("ft:gpt-6-astra-2027-01-01:acme::x"), openai("gpt-6-astra")),
        (ModelRef("main", "gpt-4o", "azure"), openai("gpt-4o")),
    ],
)
def test_a_name_is_found_without_its_date_and_its_fine_tuning(
    ref: ModelRef, same_as: ModelRef
) -> None:
    found, expected = MODELS.find(ref), MODELS.find(same_as)

    assert found.known
    assert found.name == ref.model
    assert found.max_input_tokens == expected.max_input_tokens
    assert found.shutdown == expected.shutdown


def test_a_snapshot_in_the_table_is_not_taken_for_its_alias() -> None:
    assert MODELS.find(openai("gpt-4o-2024-05-13")).max_output_tokens == 4_096
    assert MODELS.find(openai("gpt-4o")).max_output_tokens == 16_384


@given(st.text(max_size=40), st.sampled_from(["openai", "anthropic", "local", "groq", ""]))
def test_no_name_makes_a_look_up_fail(name: str, family: str) -> None:
    facts = MODELS.find(ModelRef("main", name, family))

    assert facts.name == name
    assert facts.known or facts.max_input_tokens is None


def test_the_same_name_elsewhere_is_another_model() -> None:
    assert not MODELS.find(ModelRef("lan", "gpt-4o", "")).known
    assert MODELS.known("groq") == ()


def test_every_model_of_the_table_can_be_listed() -> None:
    listed = [*MODELS.known("openai"), *MODELS.known("anthropic")]

    assert len(listed) >= 100
    assert all(facts.known and facts.apis for facts in listed)
    # One preview has nothing but its name.
    assert sum(facts.max_input_tokens is None for facts in listed) <= 1


def test_an_override_says_only_what_differs() -> None:
    models = ModelCatalog(
        {
            "main/gpt-4o": {"max_output_tokens": 9, "shutdown": datetime.date(2030, 1, 1)},
            "lan/qwen": {"max_input_tokens": 32_768, "images": False, "shutdown": "2031-02-03"},
        }
    )

    changed = models.find(openai("gpt-4o"))
    assert (changed.max_input_tokens, changed.max_output_tokens) == (128_000, 9)
    assert changed.shutdown == datetime.date(2030, 1, 1)
    added = models.find(ModelRef("lan", "qwen"))
    assert added.known
    assert (added.max_input_tokens, added.images) == (32_768, False)
    assert added.shutdown == datetime.date(2031, 2, 3)
    assert models.find(ModelRef("other", "gpt-4o", "openai")).max_output_tokens == 16_384


def test_wrong_overrides_are_refused_all_at_once_with_their_keys() -> None:
    wrong = {
        "sampling": "often",
        "max_input": 3,
        "tools": "yes",
        "apis": "chat",
        "shutdown": "soon",
        "max_output_tokens": 0,
        "max_tokens_field": "num_predict",
    }

    with pytest.raises(ConfigError) as caught:
        ModelCatalog({"a/b": wrong, "c/d": {"name": "other"}, "e/f": 7})  # type: ignore[dict-item]

    said = str(caught.value)
    assert said.count("\n") == len(wrong) + 1
    for key in wrong:
        assert f"models: 'a/b'.{key}: " in said
    assert 'did you mean "max_input_tokens"?' in said
    assert "'c/d'.name: is said by the name of the table" in said
    assert "'e/f': must be a table, not 7" in said


def test_many_names_do_not_fill_the_memory() -> None:
    models = ModelCatalog()
    for number in range(3_000):
        models.find(openai(f"nobody-{number}"))

    assert len(models._found) <= 1_024


@pytest.mark.parametrize("model", ["gpt-4o-mini", "gpt-4o", "gpt-4.1", "gpt-4.1-mini"])
def test_an_alias_ends_with_the_last_of_its_snapshots(model: str) -> None:
    assert MODELS.find(openai(model)).shutdown == datetime.date(2027, 1, 14)


def test_a_snapshot_of_which_nothing_is_said_ends_with_its_alias() -> None:
    assert MODELS.find(openai("gpt-5.1-2025-11-13")).shutdown == datetime.date(2027, 4, 1)


def test_a_model_that_is_gone_or_goes_soon_is_warned_of() -> None:
    (gone,) = warnings(MODELS.find(openai("gpt-4")), TODAY)
    (soon,) = warnings(MODELS.find(openai("gpt-5")), TODAY)

    assert gone == (
        "gpt-4 was shut down on 2026-10-23 (29 days ago); "
        "requests to it will fail, name another model"
    )
    assert soon == "gpt-5 will be shut down on 2026-12-11, in 20 days; choose its successor"
    assert warnings(MODELS.find(openai("gpt-6-astra")), TODAY) == ()


def test_the_warning_begins_when_the_date_is_near_and_is_another_on_the_day() -> None:
    facts = MODELS.find(openai("gpt-5"))
    day = datetime.date(2026, 12, 11)

    assert warnings(facts, day - NEAR - datetime.timedelta(days=1)) == ()
    assert "in 60 days" in warnings(facts, day - NEAR)[0]
    assert "(today)" in warnings(facts, day)[0]


@pytest.mark.parametrize(
    ("kind", "base_url", "family"),
    [
        ("local", "", "local"),
        ("ollama", "http://10.0.0.7:11434", "local"),
        ("ollama", "https://ollama.com", ""),
        ("openai", "https://api.openai.com/v1", "openai"),
        ("anthropic", "https://API.anthropic.com", "anthropic"),
        ("openai", "https://acme.openai.azure.com/openai/v1", "azure"),
        ("openai", "http://127.0.0.1:8000/v1", ""),
        ("openai", "https://api.openai.com.example.net/v1", ""),
    ],
)
def test_whose_models_a_provider_serves_is_read_off_its_address(
    kind: str, base_url: str, family: str
) -> None:
    assert family_of(kind, base_url) == family


def test_importing_the_catalog_loads_no_tokenizer_and_no_prices() -> None:
    script = """
import sys
from trouper.actors.catalog import encodings, models, overrides, prices, rates, tokens, validation
print([name for name in ("tiktoken", "genai_prices", "pydantic", "httpx2") if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )

    assert done.stdout.strip() == "[]"
