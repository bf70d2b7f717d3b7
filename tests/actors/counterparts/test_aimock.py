"""npm's aimock on three wires: answers, thoughts, tools, refusals for now, answers cut off.

It has been written from the providers' documentation by others; its streams
begin, end and break off in their own ways.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.fakes.aimock import PATHS, install_aimock, run_aimock
from tests.fakes.counterparts import WEATHER, Counterpart, answer_to
from trouper.actors import (
    AppConfig,
    ChatRequest,
    ErrorKind,
    Message,
    ProviderConfig,
    ProviderError,
    TextPart,
    open_app,
    open_provider,
)
from trouper.actors.chat import (
    Finish,
    ThinkingPart,
    ToolCallPart,
    ToolResultPart,
    Usage,
)
from trouper.actors.config import AssistantConfig, ModelConfig, RetryConfig

TEXT = "It rains in Paris, as it does on most days of November."
THOUGHT = "November, so rain."
ANSWER = {"content": TEXT}
CALLS = [
    {"name": "get_weather", "arguments": f'{{"city":"{city}"}}', "id": f"call_{city}"}
    for city in ("Paris", "Oslo")
]
TOTALS = {
    "openai": {"prompt_tokens": 12, "completion_tokens": 7},
    "anthropic": {"input_tokens": 12, "output_tokens": 7},
    "ollama": {},
}

# For each wire models of its own: what comes first comes once.
ONCE: dict[str, dict[str, Any]] = {
    "429": {"response": {"error": {"message": "slow down"}, "status": 429, "retryAfter": 0.3}},
    "529": {"response": {"error": {"message": "overloaded"}, "status": 529}},
    "500": {"response": {"error": {"message": "a fault"}, "status": 500}},
    # Closed before a byte of the answer was sent.
    "empty": {"response": ANSWER, "truncateAfterChunks": 2},
}


def fixtures() -> Iterator[dict[str, Any]]:
    for kind in PATHS:
        totals = {"usage": TOTALS[kind]} if TOTALS[kind] else {}
        said = {**ANSWER, "reasoning": THOUGHT, **totals}
        yield {"match": {"model": f"text-{kind}"}, "response": said, "chunkSize": 5}
        for after, response in ((False, {"toolCalls": CALLS}), (True, ANSWER)):
            match = {"model": f"tools-{kind}", "hasToolResult": after}
            yield {"match": match, "response": response, "chunkSize": 5}
        for name, fault in ONCE.items():
            for streamed in ("stream", "plain"):
                model = f"{name}-{streamed}-{kind}"
                yield {"match": {"model": model, "sequenceIndex": 0}, **fault}
                yield {"match": {"model": model}, "response": ANSWER}
        cut = {"latency": 60, "disconnectAfterMs": 300, "chunkSize": 5}
        yield {"match": {"model": f"cut-{kind}"}, "response": ANSWER, **cut}
        yield {
            "match": {"model": f"down-{kind}"},
            "response": {"error": {"message": "a fault"}, "status": 500},
        }


@pytest.fixture(scope="module")
def aimock() -> Iterator[Counterpart]:
    home = install_aimock(Path(__file__).parent / "aimock")
    with run_aimock(home, list(fixtures())) as server:
        yield server


ALL = pytest.mark.parametrize("kind", PATHS)
EITHER_WAY = pytest.mark.parametrize("streamed", [False, True], ids=["plain", "stream"])


def config(aimock: Counterpart, kind: str) -> ProviderConfig:
    return ProviderConfig(
        name=kind,
        kind=kind,
        base_url=aimock.url + PATHS[kind],
        retry=RetryConfig(attempts=4, base_delay=0.1),
    )


def request(model: str, *messages: Message, **more: Any) -> ChatRequest:
    asked = Message("user", (TextPart("What is the weather in Paris and in Oslo?"),))
    return ChatRequest(model=model, messages=(asked, *messages), max_output_tokens=64, **more)


@ALL
@EITHER_WAY
async def test_an_answer_comes_with_its_thoughts_and_its_totals(
    aimock: Counterpart, kind: str, streamed: bool
) -> None:
    async with open_provider(config(aimock, kind)) as provider:
        answer = await answer_to(provider, request(f"text-{kind}"), streamed=streamed)

    assert (answer.text, answer.finish, answer.model) == (TEXT, Finish.STOP, f"text-{kind}")
    thoughts = [part.text for part in answer.message.parts if isinstance(part, ThinkingPart)]
    # To Ollama's wire it gives thoughts a name that Ollama has not.
    assert thoughts == ([] if kind == "ollama" else [THOUGHT])
    if kind == "ollama":  # which tells none, so they are counted here
        assert answer.usage is None
    else:
        assert answer.usage == Usage(12, 7)


async def test_tokens_that_nobody_tells_are_counted(aimock: Counterpart) -> None:
    async with open_provider(config(aimock, "ollama")) as provider:
        answer = await provider.complete(request("text-ollama"))

    (attempt,) = answer.trail
    assert (attempt.estimated, attempt.cost) == (True, 0)
    assert attempt.output_tokens is not None
    assert 8 <= attempt.output_tokens <= 24


@ALL
@EITHER_WAY
async def test_parallel_calls_of_tools_go_round(
    aimock: Counterpart, kind: str, streamed: bool
) -> None:
    model = f"tools-{kind}"
    async with open_provider(config(aimock, kind)) as provider:
        first = await answer_to(provider, request(model, tools=(WEATHER,)), streamed=streamed)
        calls = [part for part in first.message.parts if isinstance(part, ToolCallPart)]
        results = tuple(ToolResultPart(call.id, "rain") for call in calls)
        said = (Message("assistant", first.message.parts), Message("tool", results))
        last = await answer_to(provider, request(model, *said, tools=(WEATHER,)), streamed=streamed)

    assert first.finish is Finish.TOOL_CALLS
    assert [call.name for call in calls] == ["get_weather"] * 2
    assert [call.args_json for call in calls] == ['{"city":"Paris"}', '{"city":"Oslo"}']
    assert len({call.id for call in calls}) == 2
    assert (last.text, last.finish) == (TEXT, Finish.STOP)


@ALL
@EITHER_WAY
@pytest.mark.parametrize("fault", [name for name in ONCE if name != "empty"])
async def test_a_refusal_for_now_is_not_noticed(
    aimock: Counterpart, kind: str, fault: str, streamed: bool
) -> None:
    model = f"{fault}-{'stream' if streamed else 'plain'}-{kind}"
    async with open_provider(config(aimock, kind)) as provider:
        with trio.fail_after(20):
            answer = await answer_to(provider, request(model), streamed=streamed)

    assert (answer.text, answer.finish) == (TEXT, Finish.STOP)


@ALL
async def test_a_stream_that_ends_before_its_first_byte_is_begun_again(
    aimock: Counterpart, kind: str
) -> None:
    async with open_provider(config(aimock, kind)) as provider:
        answer = await answer_to(provider, request(f"empty-stream-{kind}"), streamed=True)

    assert answer.text == TEXT


@ALL
async def test_an_answer_that_is_cut_off_is_never_taken_for_a_whole_one(
    aimock: Counterpart, kind: str
) -> None:
    async with open_provider(config(aimock, kind)) as provider:
        with pytest.raises(ProviderError) as caught:
            await answer_to(provider, request(f"cut-{kind}"), streamed=True)

    error = caught.value
    assert (error.kind, error.committed) == (ErrorKind.STREAM_TRUNCATED, True)
    assert error.partial is not None
    assert TEXT.startswith(error.partial.text)
    assert 0 < len(error.partial.text) < len(TEXT)


async def test_a_session_finds_the_one_wire_of_three_that_answers(aimock: Counterpart) -> None:
    """One provider is down, another breaks off in its answer, and the last one is asked."""
    application = AppConfig(
        providers={kind: config(aimock, kind) for kind in PATHS},
        models={
            "any": ModelConfig(
                targets=["openai/down-openai", "anthropic/cut-anthropic", "ollama/text-ollama"],
                on_midstream="restart",
            )
        },
        assistants={"default": AssistantConfig(model="any", prompt="Be brief.")},
    )
    async with open_app(application, signals=False) as app:
        session = await app.session("alice")
        with trio.fail_after(30):
            assert await session.ask("hello") == TEXT
