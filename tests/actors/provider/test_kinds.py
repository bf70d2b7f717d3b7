"""Each kind of provider speaks its wire and shows its key as that wire wants it."""

import json
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, asynccontextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest

from tests.fakes.model_process import open_model_process
from tests.fakes.packages import install
from trouper.actors import ChatRequest, Message, ProviderConfig, TextPart, open_provider
from trouper.actors.catalog.models import ModelCatalog
from trouper.actors.chat import Chunk, Finish, Finished, TextDelta
from trouper.actors.config import Secret
from trouper.actors.errors import ConfigError, ProviderError, StreamGarbled, StreamTruncated
from trouper.actors.local.errors import LocalModelError
from trouper.actors.local.model_file import find_model
from trouper.actors.local.settings import ServerSettings
from trouper.actors.policy.key_verdict import key_id
from trouper.actors.provider.connection import Connection
from trouper.actors.provider.kinds import (
    BUILT_IN,
    authorization,
    authorizations,
    codec_for,
    find_kind,
)
from trouper.actors.provider.pace import Pace
from trouper.actors.provider.request import complete
from trouper.actors.provider.route import make_route
from trouper.actors.provider.target import make_target
from trouper.actors.wire.anthropic import AnthropicCodec
from trouper.actors.wire.openai import OpenAICodec
from trouper.actors.wire.plugins import BUILT_IN_KINDS, GROUP
from trouper.runtime import System, child

HELLO = ChatRequest(
    model="m", messages=(Message("user", (TextPart("hello"),)),), max_output_tokens=16
)


def config(kind: str, base_url: str = "http://127.0.0.1:1", **more: object) -> ProviderConfig:
    return ProviderConfig(name="p", kind=kind, base_url=base_url, api_keys=["sk-key"], **more)  # type: ignore[arg-type]


@asynccontextmanager
async def connected(
    settings: ProviderConfig, handler: Callable[[httpx.Request], httpx.Response]
) -> AsyncGenerator[System]:
    start = partial(Connection, settings, Pace(), transport=lambda: httpx.MockTransport(handler))
    async with System(child("connection", start), signals=False) as system:
        yield system


async def asked(settings: ProviderConfig, answer: dict[str, object]) -> tuple[httpx.Request, str]:
    """The request that a provider of these settings gets, and what is read of its answer."""
    seen: list[httpx.Request] = []

    def answers(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json=answer)

    async with connected(settings, answers) as system:
        target = make_target(settings, system.ref("connection", Connection))
        completion = await complete(make_route([target]), HELLO)
    return seen[0], completion.text


ANTHROPIC_ANSWER: dict[str, object] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [{"type": "text", "text": "hi"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 1, "output_tokens": 1},
}


async def test_anthropic_is_asked_for_messages_and_shown_its_own_header() -> None:
    request, text = await asked(config("anthropic", "https://a.example"), ANTHROPIC_ANSWER)

    assert str(request.url) == "https://a.example/v1/messages"
    assert request.headers["x-api-key"] == "sk-key"
    assert request.headers["anthropic-version"] == "2023-06-01"
    assert "authorization" not in request.headers
    assert text == "hi"


async def test_anthropics_later_version_is_shown_a_bearer_token() -> None:
    settings = config("anthropic", "https://a.example/v1/", api_version="2026-10-21")

    request, text = await asked(settings, ANTHROPIC_ANSWER)

    assert str(request.url) == "https://a.example/v1/messages"
    assert request.headers["authorization"] == "Bearer sk-key"
    assert request.headers["anthropic-version"] == "2026-10-21"
    assert text == "hi"


async def test_ollama_is_asked_by_its_own_wire_for_the_window_that_is_configured() -> None:
    answer = {
        "model": "m",
        "message": {"role": "assistant", "content": "hi"},
        "done": True,
        "done_reason": "stop",
        "prompt_eval_count": 1,
        "eval_count": 1,
    }

    request, text = await asked(config("ollama", num_ctx=4096), dict(answer))

    assert request.url.path == "/api/chat"
    assert b'"num_ctx":4096' in request.content
    assert text == "hi"


@pytest.mark.parametrize(
    ("base_url", "field"),
    [
        ("https://api.openai.com/v1", "max_completion_tokens"),
        ("https://mine.openai.azure.com/openai", "max_completion_tokens"),
        ("http://127.0.0.1:8000/v1", "max_tokens"),
        ("https://notopenai.com/v1", "max_tokens"),
    ],
)
def test_only_openai_itself_is_told_the_limit_by_its_later_name(base_url: str, field: str) -> None:
    codec = codec_for(config("openai", base_url))

    assert isinstance(codec, OpenAICodec)
    assert codec.max_tokens_field == field


@pytest.mark.parametrize(
    ("model", "asked"), [("gpt-4o", False), ("gpt-5", True), ("gpt-99-of-tomorrow", True)]
)
def test_only_a_model_that_reasons_is_asked_for_its_reasoning(model: str, asked: bool) -> None:
    codec = codec_for(config("openai-responses", "https://api.openai.com/v1"))
    request = codec.encode(ChatRequest(model=model, messages=HELLO.messages), stream=True)

    assert request.path == "/responses"
    assert (b"reasoning.encrypted_content" in request.body) is asked


@pytest.mark.parametrize("base_url", ["http://127.0.0.1:8000/v1", "https://api.openai.com/v1"])
@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
def test_what_is_known_of_a_model_says_the_name_of_its_limit_wherever_the_server_is(
    base_url: str, field: str
) -> None:
    models = ModelCatalog({"p/odd": {"max_tokens_field": field}})
    codec = codec_for(config("openai", base_url), models)
    request = ChatRequest(model="odd", messages=HELLO.messages, max_output_tokens=7)

    body = json.loads(codec.encode(request, stream=True).body)

    assert {key: body[key] for key in body if key.startswith("max_")} == {field: 7}


@pytest.mark.parametrize("reasons", [True, False])
def test_an_override_decides_whether_a_model_is_asked_for_its_reasoning(reasons: bool) -> None:
    models = ModelCatalog({"p/gpt-4o": {"reasoning": reasons}})
    codec = codec_for(config("openai-responses", "https://api.openai.com/v1"), models)
    request = ChatRequest(model="gpt-4o", messages=HELLO.messages)

    body = codec.encode(request, stream=True).body

    assert (b"reasoning.encrypted_content" in body) is reasons


def test_who_has_no_key_shows_none() -> None:
    settings = ProviderConfig(name="p", kind="openai", base_url="http://127.0.0.1:1/v1")

    assert authorization(settings) == []
    assert authorizations(settings) == {"": []}


def test_each_of_several_keys_is_shown_as_its_kind_wants_it() -> None:
    keys = [Secret("sk-first"), Secret("sk-second")]
    settings = ProviderConfig(
        name="p", kind="anthropic", base_url="https://a.example", api_keys=keys
    )

    assert authorization(settings, keys[1]) == [("x-api-key", "sk-second")]
    assert authorization(settings) == [("x-api-key", "sk-first")]
    assert authorizations(settings) == {
        "": [("x-api-key", "sk-first")],
        key_id("sk-first"): [("x-api-key", "sk-first")],
        key_id("sk-second"): [("x-api-key", "sk-second")],
    }


def test_the_kinds_that_are_named_are_the_kinds_that_are_there() -> None:
    assert tuple(sorted(BUILT_IN)) == BUILT_IN_KINDS
    assert find_kind("ollama") is BUILT_IN["ollama"]
    with pytest.raises(ConfigError, match="no kind of provider 'olama'"):
        find_kind("olama")


def test_ollama_is_told_how_long_to_keep_the_model() -> None:
    codec = codec_for(config("ollama", keep_alive="10m"))

    assert b'"keep_alive":"10m"' in codec.encode(HELLO, stream=False).body


SAID = b'data: {"choices": [{"index": 0, "delta": {"content": "hi"}}]}\n\n'
DONE = b"data: [DONE]\n\n"
FINISHED = b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\n'
NOISE = b"data: processing...\n\n"


def read(settings: ProviderConfig, *pieces: bytes) -> list[Chunk]:
    """What the codec of a provider makes of a stream of these pieces."""
    decoder = codec_for(settings).stream()
    return [*(chunk for piece in pieces for chunk in decoder.feed(piece)), *decoder.eof()]


def test_a_server_that_never_says_why_it_ends_is_believed_where_its_operator_says_so() -> None:
    """Row 6: "Opt-out flag for servers that never send finish_reason"."""
    with pytest.raises(StreamTruncated):
        read(config("openai"), SAID, DONE)
    assert isinstance(read(config("openai", lenient_finish=True), SAID, DONE)[-1], Finished)
    with pytest.raises(StreamTruncated):
        read(config("openai", lenient_finish=True), SAID)


def test_as_many_garbled_events_are_passed_over_as_its_operator_says() -> None:
    """Row 11: "policy strict (default) or skip-n"."""
    with pytest.raises(StreamGarbled):
        read(config("openai"), SAID, NOISE, FINISHED)
    patient = config("openai", skip_malformed=2)
    assert isinstance(read(patient, NOISE, SAID, NOISE, FINISHED)[-1], Finished)
    with pytest.raises(StreamGarbled):
        read(patient, SAID, NOISE, NOISE, NOISE, FINISHED)


def test_the_responses_of_openai_have_their_number_of_garbled_events_too() -> None:
    with pytest.raises(ProviderError, match="is no JSON"):
        read(config("openai-responses"), NOISE)
    with pytest.raises(StreamTruncated):
        read(config("openai-responses", skip_malformed=1), NOISE)


HOME = """
import attrs
from trouper.actors.wire import HttpRequest, OpenAICodec, ProviderKind

@attrs.frozen(kw_only=True)
class Options:
    port: int

class Codec(OpenAICodec):
    def __init__(self, port):
        super().__init__()
        object.__setattr__(self, "port", port)

    def encode(self, request, *, stream):
        plain = super().encode(request, stream=stream)
        return HttpRequest("POST", f"http://127.0.0.1:{self.port}/chat", plain.headers, plain.body)

KIND = ProviderKind(name="home", codec=lambda it: Codec(it.options.port), options=Options)
"""


async def test_a_kind_that_needs_no_address_names_it_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, "home-kind", {"home_kind": HOME}, {GROUP: {"home": "home_kind:KIND"}})
    monkeypatch.syspath_prepend(tmp_path)
    answer = {"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]}

    request, text = await asked(config("home", "", options={"port": 8123}), dict(answer))

    assert str(request.url) == "http://127.0.0.1:8123/chat"
    assert request.headers["authorization"] == "Bearer sk-key"
    assert text == "hi"


def test_anthropic_gets_a_limit_also_where_nobody_names_one() -> None:
    codec = codec_for(config("anthropic"))

    assert isinstance(codec, AnthropicCodec)
    assert (
        b'"max_tokens":'
        in codec.encode(ChatRequest(model="m", messages=HELLO.messages), stream=False).body
    )


async def test_a_real_model_answers_on_anthropics_wire() -> None:
    try:
        model = find_model(None)
    except LocalModelError:
        pytest.skip("the small model is not installed: `trouper local install`")
    settings = ServerSettings(model=model, alias="smollm2", slots=1, max_tokens=16)

    async with (
        open_model_process(settings, on_log=lambda _line: None) as process,
        open_provider(config("anthropic", process.base_url)) as provider,
    ):
        completion = await provider.complete(HELLO)
        async with aclosing(provider.stream(HELLO)) as stream:
            chunks = [chunk async for chunk in stream]

    assert completion.text
    assert completion.usage is not None
    assert completion.usage.output > 0
    assert any(isinstance(chunk, TextDelta) for chunk in chunks)
    last = chunks[-1]
    assert isinstance(last, Finished)
    assert last.finish in (Finish.STOP, Finish.LENGTH)
