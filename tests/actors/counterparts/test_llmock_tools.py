"""Tools before PyPI's llmock: a call that goes round, and those that cannot be run."""

import json

import pytest

from tests.fakes.counterparts import WEATHER, Counterpart, answer_to
from tests.fakes.llmock import PATHS, config, inject, passes, request
from trouper.actors import ChatRequest, Message, Provider, open_provider
from trouper.actors.chat import Finish, ToolCallPart, ToolResultPart

BOTH = pytest.mark.parametrize("kind", PATHS)


async def call_of(provider: Provider, asked: ChatRequest, *, streamed: bool) -> ToolCallPart:
    answer = await answer_to(provider, asked, streamed=streamed)
    assert answer.finish is Finish.TOOL_CALLS
    (call,) = [part for part in answer.message.parts if isinstance(part, ToolCallPart)]
    return call


@BOTH
@pytest.mark.parametrize("streamed", [False, True])
async def test_a_tool_call_goes_round(llmock: Counterpart, kind: str, streamed: bool) -> None:
    asked = request("agent", tools=(WEATHER,))

    async with open_provider(config(llmock, kind)) as provider:
        call = await call_of(provider, asked, streamed=streamed)
        said = (Message("assistant", (call,)), Message("tool", (ToolResultPart(call.id, "rain"),)))
        last = await answer_to(
            provider, request("agent", *said, tools=(WEATHER,)), streamed=streamed
        )

    assert (call.name, call.fault) == ("get_weather", None)
    assert list(json.loads(call.args_json)) == ["city"]
    assert (last.finish, last.text != "") == (Finish.STOP, True)
    await passes(llmock, 2)


@pytest.mark.parametrize(
    ("kind", "streamed"),
    # A whole answer of Anthropic's holds arguments as an object, which breaks with the answer.
    [("openai", False), ("openai", True), ("anthropic", True)],
)
async def test_broken_arguments_are_kept_as_they_came_and_can_be_answered(
    llmock: Counterpart, kind: str, streamed: bool
) -> None:
    inject(llmock, "agent", {"type": "tool_fault", "kind": "malformed_arguments"})
    asked = request("agent", tools=(WEATHER,))

    async with open_provider(config(llmock, kind)) as provider:
        call = await call_of(provider, asked, streamed=streamed)
        fault = ToolResultPart(call.id, call.fault or "", is_error=True)
        said = (Message("assistant", (call,)), Message("tool", (fault,)))
        last = await answer_to(
            provider, request("agent", *said, tools=(WEATHER,)), streamed=streamed
        )

    assert (call.name, "not valid JSON" in fault.content) == ("get_weather", True)
    assert (last.finish, last.text != "") == (Finish.STOP, True)
    await passes(llmock, 2)


@BOTH
@pytest.mark.parametrize("streamed", [False, True])
async def test_a_call_of_a_tool_that_was_never_offered_is_told_by_its_name(
    llmock: Counterpart, kind: str, streamed: bool
) -> None:
    inject(llmock, "agent", {"type": "tool_fault", "kind": "unknown_tool"})

    async with open_provider(config(llmock, kind)) as provider:
        call = await call_of(provider, request("agent", tools=(WEATHER,)), streamed=streamed)

    assert (call.name != "get_weather", call.fault) == (True, None)
    await passes(llmock, 1)
