"""A provider that says what a test wants, and an application over it in virtual time."""

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterable, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import attrs
import httpx
import trio
from trio.testing import MockClock

from ...runtime.life import lone
from ...runtime.portal import ThreadPortal
from ..app import App, open_app
from ..config import AppConfig, AssistantConfig, ModelConfig, ProviderConfig
from ..config.attempts import RetryConfig
from ..simulator import Record, Script, Simulator, script_from, serve_simulator
from ..simulator.memory import MemoryListener, Stream
from ..tools import FunctionTool, Tool
from ..transport.reader import ResponseReader

__all__ = ["SimulatedProvider", "simulated_app", "simulated_provider", "virtual_clock"]

# Bytes of the head of an answer that a test may script.
_LONGEST_HEAD = 64 * 1024

# Nobody connects to it: connections are made in memory.
_IN_MEMORY = "http://127.0.0.1/v1"

# Nano-dollars are counted with these: a dollar a million tokens read, two a million written.
_PRICE = {"input": 1.0, "output": 2.0}


def virtual_clock() -> MockClock:
    """A clock for `trio.run(..., clock=...)`, or a fixture of pytest-trio, that skips waiting.

    Whenever all tasks wait, time jumps to when the first of them goes on. It jumps over
    the work of threads, too: none is used where nothing is stored and tools are as in
    `simulated_app`.
    """
    return MockClock(autojump_threshold=0.0)


class SimulatedProvider:
    """A provider that speaks OpenAI's wire: what it shall answer, and what it was asked.

    May be used from any thread; each method is one step.
    """

    def __init__(self, simulator: Simulator, base_url: str) -> None:
        self._simulator = simulator
        self.base_url = base_url
        """What an OpenAI client takes as its base_url."""

    @property
    def requests(self) -> tuple[Record, ...]:
        """What it was asked, oldest first: `last` is what the user said, `body` all of it."""
        return self._simulator.records

    def script(self, *rules: str | Mapping[str, Any]) -> None:
        """Answer by these rules from now on.

        A text is an answer that is given once. A table is a rule as in the script of
        `trouper sim`: `{"reply": {"text": ..., "delay": 1.0}, "times": 1}`,
        `{"fault": {"kind": "status", "status": 503}}`. The first that matches answers;
        where none does, "You said: " and what was said. Raises ConfigError.
        """
        self._simulator.use(_script(rules))

    def config(self, *tools: str, **assistant: Any) -> AppConfig:
        """An application over this provider: one model and one assistant, called default.

        The assistant may use the `tools`, and `assistant` are further keys of it. An
        attempt that fails is not repeated.
        """
        provider = ProviderConfig(
            name="simulated", kind="openai", base_url=self.base_url, retry=RetryConfig(attempts=1)
        )
        return AppConfig(
            providers={provider.name: provider},
            models={"default": ModelConfig(targets=["simulated/sim"])},
            assistants={"default": AssistantConfig(model="default", tools=tools, **assistant)},
            prices={"simulated/*": _PRICE},
        )

    def in_place_of(self, config: AppConfig) -> AppConfig:
        """`config` with this provider in the place of all of its own; nothing is stored.

        Limits, retries, circuits and timeouts stay as they are; what has no price costs
        a dollar a million tokens read and two a million written.
        """
        return attrs.evolve(
            config,
            providers={name: self._instead(one) for name, one in config.providers.items()},
            prices={**{f"{name}/*": _PRICE for name in config.providers}, **config.prices},
            store=attrs.evolve(config.store, path=":memory:"),
        )

    def _instead(self, config: ProviderConfig) -> ProviderConfig:
        return ProviderConfig(
            name=config.name,
            kind="openai",
            base_url=self.base_url,
            requests_per_minute=config.requests_per_minute,
            tokens_per_minute=config.tokens_per_minute,
            max_connections=config.max_connections,
            retry=config.retry,
            breaker=config.breaker,
            timeouts=config.timeouts,
        )


@contextmanager
def simulated_provider(*rules: str | Mapping[str, Any]) -> Generator[SimulatedProvider]:
    """Run a provider on loopback, in a thread of its own, for the length of the block.

    `rules` are as in `SimulatedProvider.script`. The block is entered outside of event
    loops, as fixtures are.
    """
    script = _script(rules)

    @asynccontextmanager
    async def opened() -> AsyncGenerator[SimulatedProvider]:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        port = listeners[0].socket.getsockname()[1]
        async with _serving(listeners, script) as simulator:
            yield SimulatedProvider(simulator, f"http://127.0.0.1:{port}/v1")

    with ThreadPortal(opened, name="simulated provider") as portal:
        yield portal.value


@asynccontextmanager
async def simulated_app(
    *rules: str | Mapping[str, Any],
    config: AppConfig | None = None,
    tools: Iterable[Tool] = (),
    store: str | Path = ":memory:",
) -> AsyncGenerator[tuple[App, SimulatedProvider]]:
    """Run an application on trio whose providers are simulated, without a socket.

    `rules` are as in `SimulatedProvider.script`. Without a `config` it is
    `SimulatedProvider.config` with the `tools`; else `in_place_of` of it. Tools that are
    plain functions run in the loop, and not in threads: no virtual time passes meanwhile.
    With a file as `store`, conversations outlive their crashes, and the block.
    """
    listener = MemoryListener()
    tools = [tool.in_loop() if isinstance(tool, FunctionTool) else tool for tool in tools]
    async with _serving([listener], _script(rules)) as simulator:
        provider = SimulatedProvider(simulator, _IN_MEMORY)
        if config is None:
            config = provider.config(*(tool.name for tool in tools))
        else:
            config = provider.in_place_of(config)
        config = attrs.evolve(config, store=attrs.evolve(config.store, path=str(store)))

        def transport(_: ProviderConfig) -> httpx.AsyncBaseTransport:
            return _InMemory(listener)

        async with open_app(config, signals=False, tools=tools, transport=transport) as app:
            yield app, provider


def _script(rules: Iterable[str | Mapping[str, Any]]) -> Script:
    tables = (_once(rule) if isinstance(rule, str) else rule for rule in rules)
    return script_from({"rules": list(tables)})


def _once(text: str) -> Mapping[str, Any]:
    return {"times": 1, "reply": {"text": text}}


@asynccontextmanager
async def _serving(listeners: Any, script: Script) -> AsyncGenerator[Simulator]:
    error: BaseException | None = None
    try:
        async with trio.open_nursery() as nursery:
            simulator: Simulator = await nursery.start(serve_simulator, listeners, script)
            yield simulator
            nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        # What a test raises comes out as it is, and not as a group of one.
        error = lone(group)
    if error is not None:
        raise error


class _InMemory(httpx.AsyncBaseTransport):
    """HTTP/1.1 to the simulator of the same loop, a connection a request."""

    def __init__(self, listener: MemoryListener) -> None:
        self._listener = listener

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        stream = self._listener.connect()
        reader = ResponseReader(bodiless=False, head_limit=_LONGEST_HEAD)
        body = _Body(stream, reader)
        try:
            await stream.send_all(_written(request))
            while not reader.headers_complete:
                await body.read()
        except BaseException:
            await body.aclose()
            raise
        return httpx.Response(reader.status, headers=reader.headers, stream=body)


class _Body(httpx.AsyncByteStream):
    def __init__(self, stream: Stream, reader: ResponseReader) -> None:
        self._stream = stream
        self._reader = reader

    async def read(self) -> None:
        try:
            data = await self._stream.receive_some()
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise httpx.ReadError("the simulated provider has hung up") from error
        if data:
            self._reader.feed(data)
        else:
            self._reader.end_of_stream()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            data = self._reader.take()
            if data:
                yield data
            elif self._reader.complete:
                return
            else:
                await self.read()

    async def aclose(self) -> None:
        await trio.aclose_forcefully(self._stream)


def _written(request: httpx.Request) -> bytes:
    head = [f"{request.method} {request.url.raw_path.decode()} HTTP/1.1".encode()]
    head += [name + b": " + value for name, value in request.headers.raw]
    return b"\r\n".join([*head, b"", request.content])
