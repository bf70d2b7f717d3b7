"""Chains of targets: what may stand in `targets`, and what becomes of it."""

from typing import Any

import attrs
import pytest

from trouper.actors.config import LinkConfig, ModelConfig, Target, TargetConfig
from trouper.actors.errors import ConfigError, ErrorKind
from trouper.actors.policy.routing import Candidate, Link

WINDOW = frozenset({ErrorKind.CONTEXT_WINDOW_EXCEEDED})


def faults_of(*targets: object, **arguments: Any) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        ModelConfig(targets=targets, **arguments)
    return caught.value.faults


def test_a_chain_has_targets_equals_and_targets_for_one_failure_only() -> None:
    model = ModelConfig(
        targets=[
            "openai/gpt-x",
            ["a/m", {"target": "b/m", "weight": 2.0}],
            {"target": "c/big", "on": ["context_window_exceeded"]},
        ]
    )

    assert model.chain == (
        Link((Candidate("openai/gpt-x"),)),
        Link((Candidate("a/m"), Candidate("b/m", 2.0))),
        Link((Candidate("c/big"),), WINDOW),
    )
    assert model.targets == (
        Target("openai", "gpt-x"),
        Target("a", "m"),
        Target("b", "m"),
        Target("c", "big"),
    )
    assert [str(link) for link in model.links] == [
        "openai/gpt-x",
        "a/m or b/m",
        "c/big (on context_window_exceeded)",
    ]


def test_a_chain_may_be_made_of_values() -> None:
    big = TargetConfig(target=Target("c", "big"), on=[ErrorKind.CONTEXT_WINDOW_EXCEEDED])
    made = ModelConfig(targets=[Target("a", "m"), [Target("b", "m"), big]])

    assert made.links[1].on == WINDOW
    assert made.targets == (Target("a", "m"), Target("b", "m"), Target("c", "big"))
    assert ModelConfig(targets=made.links) == made
    assert ModelConfig(targets=[{"target": Target("a", "m")}]) == ModelConfig(targets=["a/m"])


def test_a_change_of_another_key_leaves_the_chain() -> None:
    model = ModelConfig(targets=["a/m", ["b/m", "c/m"]])

    changed = attrs.evolve(model, hedge=True)

    assert (changed.links, changed.hedge) == (model.links, True)


def test_what_equals_are_asked_for_is_said_in_any_of_them() -> None:
    link = LinkConfig.of(["a/m", {"target": "b/m", "on": ["overloaded"]}])

    assert link.on == frozenset({ErrorKind.OVERLOADED})


@pytest.mark.parametrize(
    ("targets", "sentence"),
    [
        (["a/b", 3], 'targets[1]: must be "provider/model", not 3'),
        ([[]], "targets[0]: is an empty list; equals are two targets or more"),
        ([["a/m", "b"]], "targets[0][1]: must be \"provider/model\", not 'b'"),
        ([["a/m", ["b/m"]]], 'targets[0][1]: must be "provider/model", not a list'),
        ([{"weight": 2}], "targets[0].target: is missing"),
        ([{"target": "b"}], "targets[0].target: must be \"provider/model\", not 'b'"),
        (
            [{"target": "a/b", "weigth": 2}],
            (
                "targets[0].weigth: this version of trouper does not know this key; "
                'did you mean "weight"?'
            ),
        ),
        (
            [["a/m", {"target": "b/m", "weight": 0}]],
            "targets[0][1].weight: must be a number from 0.001 to 1000, not 0",
        ),
        (
            ["a/m", {"target": "b/m", "on": ["context_window"]}],
            (
                "targets[1].on: 'context_window' is no kind of error; "
                'did you mean "context_window_exceeded"?'
            ),
        ),
        (
            ["a/m", {"target": "b/m", "on": "overloaded"}],
            "targets[1].on: must be a list of kinds of error, not 'overloaded'",
        ),
        (
            ["a/m", {"target": "b/m", "on": []}],
            "targets[1].on: names no kind of error; leave it out to mean all",
        ),
        (
            [{"target": "a/m", "on": ["overloaded"]}],
            "targets[0].on: the first link is asked in any case; leave it out",
        ),
        (
            [[{"target": "a/m", "on": ["auth"]}, {"target": "b/m", "on": ["timeout"]}]],
            "targets[0]: its targets are equals and share one `on`; say it in one of them",
        ),
        (["a/m", ["b/m", "a/m"]], 'targets[1][1]: "a/m" is in this chain already'),
    ],
)
def test_what_is_no_chain_is_said_with_its_place(targets: list[object], sentence: str) -> None:
    assert faults_of(*targets) == (sentence,)


def test_all_places_that_are_wrong_are_named_at_once() -> None:
    assert len(faults_of("a", ["b", "c/m", "d"], {})) == 4


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            {"on_midstream": "resume"},
            (
                "on_midstream: this version of trouper knows no way to go on 'resume'; "
                "known: buffer, raise, restart"
            ),
        ),
        (
            {"context": "drop_newest"},
            (
                "context: this version of trouper knows no context policy 'drop_newest'; "
                'did you mean "drop_oldest"?'
            ),
        ),
        (
            {"reasoning_effort": "hard"},
            (
                "reasoning_effort: this version of trouper knows no reasoning effort 'hard'; "
                "known: high, low, max, medium, minimal, none, xhigh"
            ),
        ),
        ({"hedge": 1}, "hedge: must be true or false, not 1"),
        ({"cache": 0}, "cache: must be a number of seconds above 0 and up to 2678400, not 0"),
        (
            {"first_event": -1},
            "first_event: must be a number of seconds above 0 and up to 86400, not -1",
        ),
        ({"idle": "5"}, "idle: must be a number of seconds above 0 and up to 86400, not '5'"),
    ],
)
def test_how_an_answer_is_had_is_checked(arguments: dict[str, Any], sentence: str) -> None:
    assert faults_of("a/m", **arguments) == (sentence,)


def test_a_target_of_which_more_is_said_is_checked_when_it_is_made() -> None:
    assert TargetConfig(target="a/m", on=["overloaded"]).on == frozenset({ErrorKind.OVERLOADED})
    assert _faults(target="a") == ("target: must be \"provider/model\", not 'a'",)
    assert _faults(target="a/m", on=["overload"]) == (
        "on: 'overload' is no kind of error; did you mean \"overloaded\"?",
    )


def _faults(**arguments: Any) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        TargetConfig(**arguments)
    return caught.value.faults
