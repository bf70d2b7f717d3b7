"""One provider alone: open it, ask it, leave it."""

from contextlib import aclosing
from pathlib import Path

import attrs
import psutil
import pytest
import trio

from tests.fakes.provider import make_request
from tests.fakes.simulator import SimulatorProcess
from trouper.actors import (
    ChatRequest,
    ErrorKind,
    Provider,
    ProviderConfig,
    ProviderError,
    TextDelta,
    open_provider,
)
from trouper.actors.config import LocalConfig, RetryConfig
from trouper.actors.local.errors import ModelFileMissing
from trouper.actors.local.model_file import find_model
from trouper.runtime import StartFailed
from trouper.runtime.events import RuntimeEvent

KEY = "sk-this-is-the-key-0123456789"


def config(simulator: SimulatorProcess) -> ProviderConfig:
    retry = RetryConfig(base_delay=0.01, max_delay=0.02)
    return ProviderConfig(
        name="sim", kind="openai", base_url=simulator.base_url, api_keys=[KEY], retry=retry
    )


def short(text: str) -> ChatRequest:
    return attrs.evolve(make_request(text), max_output_tokens=16)


async def text_of(provider: Provider, text: str = "hello") -> str:
    async with aclosing(provider.stream(short(text))) as chunks:
        return "".join([chunk.text async for chunk in chunks if isinstance(chunk, TextDelta)])


async def test_it_completes_and_streams(simulator: SimulatorProcess) -> None:
    async with open_provider(config(simulator)) as provider:
        assert (await provider.complete(make_request())).text == "You said: hello"
        assert await text_of(provider) == "You said: hello"


async def test_both_get_over_what_is_broken_for_now(simulator: SimulatorProcess) -> None:
    simulator.script(
        {
            "fault": {"kind": "status", "status": 503, "headers": {"retry-after-ms": "10"}},
            "times": 1,
        },
        {"fault": {"kind": "empty_reply"}, "times": 1},
    )
    async with open_provider(config(simulator)) as provider:
        assert await text_of(provider) == "You said: hello"
    assert len(simulator.requests()) == 3


async def test_a_stream_that_is_left_is_left_by_the_provider_too(
    simulator: SimulatorProcess,
) -> None:
    simulator.script({"reply": {"text": "word ", "repeat": 1000, "pace": 0.01}})
    async with open_provider(config(simulator)) as provider:
        async with aclosing(provider.stream(make_request())) as chunks:
            async for chunk in chunks:
                if isinstance(chunk, TextDelta):
                    break
        log = await simulator.wait_requests(lambda log: log[0]["outcome"] != "serving")
    assert log[0]["outcome"] == "client left"


async def test_the_key_goes_to_the_provider_and_nowhere_else(simulator: SimulatorProcess) -> None:
    refusal = {"error": {"message": f"Incorrect API key provided: {KEY}"}}
    simulator.script({"fault": {"kind": "status", "status": 401, "body": refusal}})
    async with open_provider(config(simulator)) as provider:
        with pytest.raises(ProviderError) as caught:
            await provider.complete(make_request())

    assert caught.value.kind is ErrorKind.AUTH
    assert KEY not in f"{caught.value} {caught.value!r}"
    assert simulator.requests()[0]["headers"]["authorization"] == f"...{KEY[-4:]}"


async def test_leaving_the_block_lets_what_is_under_way_come_to_its_end(
    simulator: SimulatorProcess,
) -> None:
    simulator.script({"reply": {"text": "just in time", "delay": 0.2}})
    answers: list[str] = []

    async def ask(provider: Provider) -> None:
        answers.append((await provider.complete(make_request())).text)

    with trio.fail_after(15):
        async with trio.open_nursery() as nursery, open_provider(config(simulator)) as provider:
            nursery.start_soon(ask, provider)
            await simulator.wait_requests(lambda log: log)
    assert answers == ["just in time"]


async def test_its_events_are_told(simulator: SimulatorProcess) -> None:
    events: list[RuntimeEvent] = []
    async with open_provider(config(simulator), observer=events.append):
        pass
    assert any("sim/connection" in str(event) for event in events)


async def test_a_local_model_that_is_not_there_is_told_with_what_to_do(tmp_path: Path) -> None:
    missing = ProviderConfig(
        name="near", kind="local", local=LocalConfig(model_file=tmp_path / "none.gguf")
    )
    with pytest.raises(StartFailed) as caught:
        async with open_provider(missing):
            pass
    assert isinstance(caught.value.__cause__, ModelFileMissing)
    assert "trouper local install" in str(caught.value)


async def test_a_local_model_answers_and_leaves_no_process() -> None:
    try:
        find_model(None)
    except ModelFileMissing as error:
        pytest.skip(str(error))
    before = set(psutil.Process().children(recursive=True))
    near = ProviderConfig(name="near", kind="local", local=LocalConfig(slots=1))
    async with open_provider(near) as provider:
        assert await text_of(provider, "Say hello.")
        completion = await provider.complete(short("Say hello."))
        assert completion.text
        assert completion.usage is not None
    assert set(psutil.Process().children(recursive=True)) <= before
