"""What a model is told before a conversation, in each of its turns."""

import datetime

import pytest

from trouper.actors.chat import ToolSpec
from trouper.actors.policy.prompts import PromptError
from trouper.actors.session.prompts import SystemPrompt

TODAY = datetime.date(2026, 11, 21)
OWN = {"assistant": "guide", "model": "default"}


def told(text: str, **known: object) -> str:
    values = {**OWN, **{name: str(known.pop(name)) for name in list(known) if name == "town"}}
    [message] = SystemPrompt.read(text, values).messages(today=TODAY, **known)  # type: ignore[arg-type]
    assert message.role == "system"
    return message.text


def test_what_is_built_in_is_known_when_the_turn_begins() -> None:
    text = "{assistant} on {model}: {user} in {session}, on {weekday}, {date}, in {town}"

    said = told(text, session="s1", user="ann", town="Paris")

    assert said == "guide on default: ann in s1, on Saturday, 2026-11-21, in Paris"


def test_a_model_that_was_chosen_in_the_conversation_is_told() -> None:
    assert told("{model}", model="large") == "large"


def test_the_tools_are_listed_as_they_are_now() -> None:
    clock = ToolSpec("clock", "Tells\n the   time.", {})
    long = ToolSpec("long", "x" * 300, {})

    assert told("You have:\n{tools}", tools=[clock, long]) == (
        f"You have:\n- clock: Tells the time.\n- long: {'x' * 197}..."
    )
    assert told("{tools}") == "none"


def test_without_a_day_it_is_today() -> None:
    [message] = SystemPrompt.read("{date}", {}).messages()

    assert abs(datetime.date.fromisoformat(message.text) - datetime.date.today()) <= (  # noqa: DTZ011 - as people there have it
        datetime.timedelta(days=1)
    )


def test_a_text_that_is_no_template_is_said_as_it_is() -> None:
    [message] = SystemPrompt.of("answer {{}} {date}").messages()

    assert message.text == "answer {{}} {date}"
    assert SystemPrompt.of(SystemPrompt.of("x")) == SystemPrompt.of("x")


def test_without_a_prompt_nothing_is_said() -> None:
    assert SystemPrompt.read("", {}).messages() == ()
    assert not SystemPrompt.of("")


def test_a_variable_without_a_value_is_found_when_the_prompt_is_read() -> None:
    with pytest.raises(PromptError, match=r"\{town\} has no value"):
        SystemPrompt.read("{town}", OWN)
