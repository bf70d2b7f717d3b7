"""A request that the model would refuse is refused before it is sent, with what is allowed."""

import math
from typing import Any

import attrs
import pytest
from hypothesis import given, strategies as st

from trouper.actors.catalog.facts import ModelFacts, ModelRef, SamplingRule
from trouper.actors.catalog.models import ModelCatalog
from trouper.actors.catalog.validation import validate, without_refused_sampling
from trouper.actors.chat import (
    MOST_TOKENS,
    ChatRequest,
    ImagePart,
    Message,
    Sampling,
    TextPart,
    ToolSpec,
)

MODELS = ModelCatalog()
GPT_4O = MODELS.find(ModelRef("openai", "gpt-4o", "openai"))
GPT_51 = MODELS.find(ModelRef("openai", "gpt-5.1", "openai"))
O3 = MODELS.find(ModelRef("openai", "o3", "openai"))
O3_MINI = MODELS.find(ModelRef("openai", "o3-mini", "openai"))
HAIKU = MODELS.find(ModelRef("anthropic", "claude-haiku-4-5", "anthropic"))
OPUS = MODELS.find(ModelRef("anthropic", "claude-opus-5-5", "anthropic"))
UNKNOWN = ModelFacts(name="mystery")
BARE = ModelFacts(name="bare", tools=False, response_schema=False)

HELLO = Message("user", (TextPart("hello"),))
LOOK = Message("user", (ImagePart("https://example.org/cat.png"),))
BEGUN = Message("assistant", (TextPart("Once upon"),))
WEATHER = ToolSpec("weather", "The weather.", {"type": "object"})


def request(**fields: Any) -> ChatRequest:
    return attrs.evolve(ChatRequest(model="m", messages=(HELLO,)), **fields)


@pytest.mark.parametrize(
    ("facts", "fields", "fault"),
    [
        (
            GPT_4O,
            {"sampling": Sampling(temperature=2.5)},
            "temperature: 2.5 is out of range; gpt-4o takes 0 to 2",
        ),
        (
            HAIKU,
            {"sampling": Sampling(temperature=1.5)},
            "temperature: 1.5 is out of range; claude-haiku-4-5 takes 0 to 1",
        ),
        (
            UNKNOWN,
            {"sampling": Sampling(top_p=-0.1)},
            "top_p: -0.1 is out of range; mystery takes 0 to 1",
        ),
        (
            UNKNOWN,
            {"sampling": Sampling(presence_penalty=math.nan)},
            "presence_penalty: nan is out of range; mystery takes -2 to 2",
        ),
        (
            GPT_4O,
            {"max_output_tokens": 16_385},
            "max_output_tokens: 16385 is out of range; gpt-4o takes 1 to 16384",
        ),
        (
            UNKNOWN,
            {"max_output_tokens": 0},
            "max_output_tokens: 0 is out of range; mystery takes 1 or more",
        ),
        (GPT_4O, {"stop": ("a", "b", "c", "d", "e")}, "stop: 5 sequences; gpt-4o takes 0 to 4"),
        (O3, {"stop": ("a",)}, "stop: 1 sequences; o3 takes none"),
        (
            GPT_51,
            {"reasoning_effort": "xhigh"},
            "reasoning_effort: 'xhigh' is not known; gpt-5.1 takes none, low, medium, high",
        ),
        (
            GPT_4O,
            {"reasoning_effort": "low"},
            "reasoning_effort: gpt-4o does not reason; leave it out, or ask another model",
        ),
        (
            BARE,
            {"tools": (WEATHER,)},
            "tools: bare takes none; leave it out, or ask another model",
        ),
        (
            UNKNOWN,
            {"tools": (ToolSpec("the weather", "", {}),)},
            (
                "tools: the name 'the weather' will be refused; "
                "1 to 64 letters, digits, underscores and hyphens are taken"
            ),
        ),
        (
            UNKNOWN,
            {"tools": (WEATHER,), "tool_choice": "wether"},
            "tool_choice: no tool 'wether'; auto, none, required or weather",
        ),
        (
            OPUS,
            {"tools": (WEATHER,), "tool_choice": "weather"},
            "tool_choice: claude-opus-5-5 cannot be made to use a tool; auto or none",
        ),
        (
            O3,
            {"tools": (WEATHER,), "parallel_tools": False},
            "parallel_tools: o3 knows no such parameter; leave it out, or ask another model",
        ),
        (
            O3_MINI,
            {"messages": (LOOK,)},
            "messages: o3-mini takes no images; leave it out, or ask another model",
        ),
        (
            BARE,
            {"response_schema": {}},
            "response_schema: bare takes none; leave it out, or ask another model",
        ),
        (
            OPUS,
            {"messages": (HELLO, BEGUN)},
            (
                "messages: the last one is the assistant's, and claude-opus-5-5 does not go on from "
                "an answer that was begun for it; end with a message of the user or a tool"
            ),
        ),
    ],
)
def test_a_fault_names_the_field_and_says_what_is_allowed(
    facts: ModelFacts, fields: dict[str, Any], fault: str
) -> None:
    assert validate(request(**fields), facts) == (fault,)


@pytest.mark.parametrize(
    ("facts", "fields"),
    [
        (GPT_4O, {"sampling": Sampling(0.0, 1.0, 7, -2.0, 2.0), "max_output_tokens": 16_384}),
        (HAIKU, {"messages": (HELLO, BEGUN)}),
        (OPUS, {"tools": (WEATHER,), "tool_choice": "none"}),
        (HAIKU, {"tools": (WEATHER,), "tool_choice": "required"}),
        (GPT_4O, {"tools": (WEATHER,), "parallel_tools": True, "messages": (LOOK,)}),
        (O3, {"reasoning_effort": "high"}),
        (O3, {"messages": ()}),
        # Without tools a choice and a wish are never sent.
        (O3, {"tool_choice": "weather", "parallel_tools": True}),
    ],
)
def test_what_a_model_takes_passes(facts: ModelFacts, fields: dict[str, Any]) -> None:
    assert validate(request(**fields), facts) == ()


def test_every_fault_is_told_at_once() -> None:
    wrong = request(sampling=Sampling(temperature=9, top_p=9), max_output_tokens=-1)

    assert [fault.split(":")[0] for fault in validate(wrong, UNKNOWN)] == [
        "temperature",
        "top_p",
        "max_output_tokens",
    ]


def test_no_model_is_asked_for_more_tokens_than_any_has() -> None:
    (fault,) = validate(request(max_output_tokens=MOST_TOKENS + 1), UNKNOWN)

    assert fault.startswith(f"max_output_tokens: {MOST_TOKENS + 1} is out of range")
    assert f"1 to {MOST_TOKENS}" in fault


@given(
    st.builds(
        Sampling,
        temperature=st.none() | st.floats(0, 2),
        top_p=st.none() | st.floats(0, 1),
        seed=st.none() | st.integers(),
        frequency_penalty=st.none() | st.floats(-2, 2),
        presence_penalty=st.none() | st.floats(-2, 2),
    ),
    st.sampled_from([None, "none", "high", "whatever"]),
    st.none() | st.integers(1, MOST_TOKENS),
)
def test_of_an_unknown_model_nothing_is_refused_that_some_model_takes(
    sampling: Sampling, effort: str | None, most: int | None
) -> None:
    asked = request(
        sampling=sampling,
        reasoning_effort=effort,
        max_output_tokens=most,
        tools=(WEATHER,),
        tool_choice="weather",
        parallel_tools=True,
        messages=(LOOK, BEGUN),
        response_schema={},
        stop=tuple("abcdefgh"),
    )

    assert validate(asked, UNKNOWN) == ()
    assert without_refused_sampling(asked, UNKNOWN) == (asked, ())


def test_sampling_that_a_model_never_takes_is_left_out_and_named() -> None:
    asked = request(sampling=Sampling(temperature=0.2, seed=7, presence_penalty=1.0))

    sent, dropped = without_refused_sampling(asked, O3)

    assert dropped == ("temperature", "presence_penalty")
    assert sent.sampling == Sampling(seed=7)
    assert sent.messages is asked.messages


@pytest.mark.parametrize(
    ("effort", "dropped"), [("low", ("temperature",)), ("none", ()), (None, ())]
)
def test_a_model_that_samples_only_without_reasoning_loses_it_only_when_it_reasons(
    effort: str | None, dropped: tuple[str, ...]
) -> None:
    assert GPT_51.sampling is SamplingRule.WITHOUT_REASONING
    asked = request(sampling=Sampling(temperature=0.2), reasoning_effort=effort)

    assert without_refused_sampling(asked, GPT_51)[1] == dropped


def test_penalties_that_a_family_does_not_know_are_left_out() -> None:
    asked = request(sampling=Sampling(temperature=0.2, frequency_penalty=1.0))

    sent, dropped = without_refused_sampling(asked, HAIKU)

    assert dropped == ("frequency_penalty",)
    assert sent.sampling == Sampling(temperature=0.2)
