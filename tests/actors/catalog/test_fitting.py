"""A request that was written for one model, as another one takes it."""

from typing import Any

import attrs
from hypothesis import given, strategies as st

from trouper.actors.catalog.facts import ModelFacts, SamplingRule
from trouper.actors.catalog.fitting import EFFORTS, fitted
from trouper.actors.catalog.validation import validate
from trouper.actors.chat import ChatRequest, Message, Sampling, TextPart

HELLO = ChatRequest(model="m", messages=(Message("user", (TextPart("hello"),)),))


def facts(**more: Any) -> ModelFacts:
    return ModelFacts(name="m", known=True, **more)


def request(**more: Any) -> ChatRequest:
    return attrs.evolve(HELLO, **more)


def test_an_answer_is_no_longer_than_the_models_longest() -> None:
    long = request(max_output_tokens=100_000)

    assert fitted(long, facts(max_output_tokens=8_000)) == (
        request(max_output_tokens=8_000),
        ("max_output_tokens",),
    )
    assert fitted(long, facts(max_output_tokens=200_000)) == (long, ())
    assert fitted(long, facts()) == (long, ())
    assert fitted(HELLO, facts(max_output_tokens=8_000)) == (HELLO, ())


def test_an_effort_that_is_not_known_becomes_the_nearest_and_of_two_the_lesser() -> None:
    three = facts(efforts=("low", "medium", "high"))

    def effort(wanted: str, of: ModelFacts = three) -> str | None:
        return fitted(request(reasoning_effort=wanted), of)[0].reasoning_effort

    assert effort("medium") == "medium"
    assert effort("max") == effort("xhigh") == "high"
    assert effort("none") == effort("minimal") == "low"
    assert effort("medium", facts(efforts=("low", "high"))) == "low"
    assert effort("of my own", three) is None
    assert effort("low", facts(efforts=("fast", "slow"))) is None


def test_who_does_not_reason_is_sent_no_effort_and_who_is_unknown_what_was_asked_for() -> None:
    wanted = request(reasoning_effort="high")

    assert fitted(wanted, facts(reasoning=False)) == (HELLO, ("reasoning_effort",))
    assert fitted(wanted, facts()) == (wanted, ())


def test_sampling_is_left_out_where_the_effort_that_came_of_it_forbids_it() -> None:
    reasoner = facts(efforts=("none", "high"), sampling=SamplingRule.WITHOUT_REASONING)
    cold = Sampling(temperature=0.0)

    hot, dropped = fitted(request(sampling=cold, reasoning_effort="max"), reasoner)
    kept, nothing = fitted(request(sampling=cold, reasoning_effort="none"), reasoner)

    assert (hot.reasoning_effort, hot.sampling) == ("high", Sampling())
    assert dropped == ("reasoning_effort", "temperature")
    assert (kept.sampling, nothing) == (cold, ())


def test_parallel_tools_is_left_out_where_the_parameter_is_not_known() -> None:
    assert fitted(request(parallel_tools=False), facts(parallel_tools=False)) == (
        HELLO,
        ("parallel_tools",),
    )


@given(
    st.none() | st.integers(1, 1_000_000),
    st.none() | st.sampled_from((*EFFORTS, "odd")),
    st.none() | st.integers(1, 1_000_000),
    st.lists(st.sampled_from((*EFFORTS, "own")), unique=True).map(tuple),
    st.sampled_from((None, True, False)),
    st.sampled_from(SamplingRule),
)
def test_what_is_fitted_is_taken_and_fits_for_good(
    wanted: int | None,
    effort: str | None,
    most: int | None,
    efforts: tuple[str, ...],
    reasoning: bool | None,
    sampling: SamplingRule,
) -> None:
    model = facts(max_output_tokens=most, efforts=efforts, reasoning=reasoning, sampling=sampling)
    asked = request(
        max_output_tokens=wanted, reasoning_effort=effort, sampling=Sampling(temperature=1.0)
    )
    once, _ = fitted(asked, model)

    assert validate(once, model) == ()
    assert fitted(once, model) == (once, ())
