"""A provider behind a fake transport, for tests in virtual time: what comes when, and who left."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx
import orjson
import trio

from trouper.actors.chat import ChatRequest, Message, TextDelta, TextPart
from trouper.actors.config import ProviderConfig
from trouper.actors.policy.backoff import RetryPolicy
from trouper.actors.provider.connection import Connection
from trouper.actors.provider.messages import Batch
from trouper.actors.provider.pace import Pace
from trouper.actors.provider.target import Target
from trouper.runtime import System, child

__all__ = [
    "CONFIG",
    "DONE",
    "FINISH",
    "ROLE",
    "Answers",
    "Body",
    "config",
    "delta",
    "frame",
    "make_request",
    "open_target",
    "sse",
    "text_of",
]

Step = bytes | float | Exception | Callable[[], Awaitable[object]]
Answer = Callable[[httpx.Request], Awaitable[httpx.Response]]


def frame(delta: Any, finish: str | None = None) -> bytes:
    """One event of a chat completion's stream."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: %b\n\n" % orjson.dumps({"id": "r1", "model": "fake", "choices": [choice]})


def delta(text: str) -> bytes:
    """An event with more text."""
    return frame({"content": text})


ROLE = frame({"role": "assistant", "content": ""})
FINISH = frame({}, "stop")
DONE = b"data: [DONE]\n\n"


class Body(httpx.AsyncByteStream):
    """What a socket gives: bytes are a read, numbers seconds of silence, errors are raised."""

    def __init__(self, *steps: Step) -> None:
        self.steps = steps
        self.reads = 0
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for step in self.steps:
            await trio.lowlevel.checkpoint()
            if isinstance(step, bytes):
                self.reads += 1
                yield step
            elif isinstance(step, Exception):
                raise step
            elif isinstance(step, float | int):
                await trio.sleep(step)
            else:
                await step()

    async def aclose(self) -> None:
        self.closed = True


def sse(*texts: str) -> Body:
    """A whole answer, a read a delta."""
    return Body(ROLE, *map(delta, texts), FINISH, DONE)


class Answers(httpx.AsyncBaseTransport):
    """Answers the requests in turn: with a body, an error, or what a function makes of it."""

    def __init__(self, *answers: Body | httpx.Response | Exception | Answer) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []
        self.times: list[float] = []
        self.closed = 0

    def __call__(self) -> "Answers":
        """The pool of the connection's next life."""
        return self

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        self.times.append(trio.current_time())
        answer = self.answers.pop(0)
        await trio.lowlevel.checkpoint()
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, Body):
            return httpx.Response(200, stream=answer)
        if isinstance(answer, httpx.Response):
            return answer
        return await answer(request)

    async def aclose(self) -> None:
        self.closed += 1


CONFIG: dict[str, Any] = {"name": "fake", "kind": "openai", "base_url": "http://fake.test/v1"}


def config(**more: Any) -> ProviderConfig:
    """The fake provider's configuration, with `more`."""
    return ProviderConfig(**{**CONFIG, **more})


def make_request(text: str = "hello", model: str = "m") -> ChatRequest:
    """A request of one message."""
    return ChatRequest(model=model, messages=(Message("user", (TextPart(text),)),))


@asynccontextmanager
async def open_target(
    transport: Callable[[], httpx.AsyncBaseTransport] | None = None,
    provider: ProviderConfig | None = None,
    *,
    pace: Pace | None = None,
    retry: RetryPolicy | None = None,
    chance: float = 1.0,
) -> AsyncGenerator[tuple[Target, System]]:
    """A target whose connection runs alone in a system, with `chance` for its jitter."""
    provider = provider or config()
    pace = pace or Pace()

    def connection() -> Connection:
        return Connection(provider, pace, transport=transport)

    spec = child("connection", connection, poison=0)
    async with System(spec, signals=False, intensity=100) as system:
        yield (
            Target(
                provider=provider.name,
                model="",
                connection=system.ref("connection", Connection),
                retry=retry or RetryPolicy(),
                total=provider.timeouts.total,
                patience=provider.timeouts.first_event,
                chance=lambda: chance,
            ),
            system,
        )


def text_of(batches: Sequence[Batch]) -> str:
    """The text in some batches."""
    chunks = (chunk for batch in batches for chunk in batch)
    return "".join(chunk.text for chunk in chunks if isinstance(chunk, TextDelta))
