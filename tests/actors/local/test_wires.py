"""A real model on both wires that llama.cpp speaks: whole answers, streams, tools, sessions.

It is the one judge of a request that is not made for tests: what it cannot
read, it does not answer.
"""

import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import psutil
import pytest
import trio

from tests.fakes.counterparts import WEATHER, answer_to
from tests.fakes.model_process import open_model_process
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
from trouper.actors.chat import Finish, Sampling, ToolCallPart, ToolResultPart
from trouper.actors.config import AssistantConfig, LocalConfig, ModelConfig
from trouper.actors.local.process import ModelProcess
from trouper.actors.local.server import ModelServer
from trouper.actors.local.settings import ServerSettings
from trouper.actors.provider.messages import GetEndpoint

# The model's own template has no place for tools, and llama.cpp then says nothing of
# them to the model. This one puts them where models of the Hermes family look for them.
TEMPLATE = """
{%- if tools %}<|im_start|>system
You may call these functions: <tools>
{%- for tool in tools %}{{ tool | tojson }}
{% endfor %}</tools>
A call is a JSON object: <tool_call>{"name": ..., "arguments": ...}</tool_call><|im_end|>
{% endif %}
{%- for message in messages %}<|im_start|>{{ message.role }}
{{ message.content }}
{%- for call in message.tool_calls or [] %}<tool_call>{{ call.function | tojson }}</tool_call>
{%- endfor %}<|im_end|>
{% endfor %}
{%- if add_generation_prompt %}<|im_start|>assistant
{% endif %}
"""

WIRES = pytest.mark.parametrize("kind", ["openai", "anthropic"])
EITHER_WAY = pytest.mark.parametrize("streamed", [False, True], ids=["plain", "stream"])


@pytest.fixture
async def process(model: Path) -> AsyncGenerator[ModelProcess]:
    settings = ServerSettings(model=model, alias="small", slots=2, chat_template=TEMPLATE)
    async with open_model_process(settings) as running:
        yield running


def provider(base_url: str, kind: str) -> ProviderConfig:
    """The server at `base_url`, which ends in /v1, on the wire of `kind`."""
    root = base_url if kind == "openai" else base_url.removesuffix("/v1")
    return ProviderConfig(name=kind, kind=kind, base_url=root)


def request(*messages: Message, **more: Any) -> ChatRequest:
    asked = (Message("system", (TextPart("Be brief."),)), *messages)
    values: dict[str, Any] = {"max_output_tokens": 24, "sampling": Sampling(temperature=0.0)}
    return ChatRequest(model="small", messages=asked, **{**values, **more})


def user(text: str) -> Message:
    return Message("user", (TextPart(text),))


@WIRES
@EITHER_WAY
async def test_it_answers(process: ModelProcess, kind: str, streamed: bool) -> None:
    async with open_provider(provider(process.base_url, kind)) as opened:
        with trio.fail_after(60):
            answer = await answer_to(opened, request(user("Say hello.")), streamed=streamed)

    assert answer.text
    assert answer.finish in (Finish.STOP, Finish.LENGTH)
    assert answer.usage is not None
    assert answer.usage.input > 0
    assert 0 < answer.usage.output <= 24


@WIRES
async def test_it_stops_where_it_was_told_to(process: ModelProcess, kind: str) -> None:
    asked = request(user("Tell me a long story."), max_output_tokens=3)
    async with open_provider(provider(process.base_url, kind)) as opened:
        with trio.fail_after(60):
            answer = await answer_to(opened, asked, streamed=True)

    assert answer.finish is Finish.LENGTH
    assert answer.usage is not None
    assert answer.usage.output == 3


@WIRES
@EITHER_WAY
async def test_it_calls_a_tool_and_reads_the_result(
    process: ModelProcess, kind: str, streamed: bool
) -> None:
    asked = user("What is the weather in Paris?")
    tools: dict[str, Any] = {"tools": (WEATHER,), "max_output_tokens": 64}
    async with open_provider(provider(process.base_url, kind)) as opened:
        with trio.fail_after(90):
            first = await answer_to(
                opened, request(asked, tool_choice="required", **tools), streamed=streamed
            )
            (call,) = [part for part in first.message.parts if isinstance(part, ToolCallPart)]
            result = Message("tool", (ToolResultPart(call.id, "It rains."),))
            said = (asked, Message("assistant", first.message.parts), result)
            last = await answer_to(
                opened, request(*said, tool_choice="none", **tools), streamed=streamed
            )

    assert first.finish is Finish.TOOL_CALLS
    assert (call.name, call.fault) == ("get_weather", None)
    assert list(json.loads(call.args_json)) == ["city"]
    assert last.text


@WIRES
async def test_a_prompt_that_is_too_long_for_it_is_said_to_be_too_long(
    process: ModelProcess, kind: str
) -> None:
    async with open_provider(provider(process.base_url, kind)) as opened:
        with trio.fail_after(60), pytest.raises(ProviderError) as caught:
            await answer_to(opened, request(user("word " * 4000)), streamed=True)

    assert caught.value.kind is ErrorKind.CONTEXT_WINDOW_EXCEEDED
    assert not caught.value.retryable


async def test_sessions_talk_with_one_model_on_both_wires(model: Path) -> None:
    """The process is that of a provider of kind `local`, whose own wire is OpenAI's."""
    before = set(psutil.Process().children(recursive=True))
    near = ProviderConfig(name="near", kind="local", local=LocalConfig(model_file=model, slots=2))
    async with open_app(talking(near), signals=False) as house:
        server = house.system.ref("providers/near/server", ModelServer)
        url = (await server.ask(GetEndpoint())).base_url
        answers = [await (await house.session("a")).ask("Say hello.")]
        for kind in ("openai", "anthropic"):
            async with open_app(talking(provider(url, kind)), signals=False) as app:
                session = await app.session("a")
                with trio.fail_after(60):
                    answers += [await session.ask("Say hello."), await session.ask("Say bye.")]

    assert len(answers) == 5
    assert all(answers)
    assert set(psutil.Process().children(recursive=True)) <= before


async def test_a_configured_template_tells_the_model_of_tools(model: Path, tmp_path: Path) -> None:
    """Its own has no place for them, so with it the prompt is as long as without any."""
    template = tmp_path / "tools.jinja"
    template.write_text(TEMPLATE)
    told: dict[str, int] = {}
    for name, local in {
        "its own": LocalConfig(model_file=model, slots=1),
        "configured": LocalConfig(model_file=model, slots=1, chat_template=template),
    }.items():
        near = ProviderConfig(name="near", kind="local", local=local)
        async with open_provider(near) as provider:
            with trio.fail_after(60):
                answer = await provider.complete(
                    request(Message("user", (TextPart("Weather?"),)), tools=(WEATHER,))
                )
        assert answer.usage is not None
        told[name] = answer.usage.input

    assert told["configured"] > told["its own"] + 50


def talking(one: ProviderConfig) -> AppConfig:
    return AppConfig(
        providers={one.name: one},
        models={"any": ModelConfig(targets=[f"{one.name}/small"], max_output_tokens=16)},
        assistants={"default": AssistantConfig(model="any", prompt="Be brief.")},
    )
