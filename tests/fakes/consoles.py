"""A console over a tree of a test's own, and a client of its socket."""

import os
import socket
import tempfile
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import attrs
import orjson
import trio

from trouper.actors.config import (
    AppConfig,
    AssistantConfig,
    ConsoleConfig,
    ModelConfig,
    ProviderConfig,
)
from trouper.actors.console.console import Console
from trouper.actors.gate.budget import Standing
from trouper.actors.provider.pace import Pace
from trouper.actors.tree import providers_spec
from trouper.runtime import ChildSpec, System

__all__ = [
    "ConsoleClient",
    "Opened",
    "config",
    "connect",
    "no_budgets",
    "open_console",
    "short_folder",
]


@contextmanager
def short_folder() -> Generator[Path]:
    """A folder whose path leaves room for the name of a socket."""
    with tempfile.TemporaryDirectory(prefix="tc") as folder:
        before = os.environ.get("XDG_RUNTIME_DIR")
        os.environ["XDG_RUNTIME_DIR"] = folder
        try:
            yield Path(folder)
        finally:
            if before is None:
                del os.environ["XDG_RUNTIME_DIR"]
            else:
                os.environ["XDG_RUNTIME_DIR"] = before


def config(**console: Any) -> AppConfig:
    """A program with one provider, at which nobody listens."""
    provider = ProviderConfig(
        name="sim", kind="openai", base_url="http://127.0.0.1:9/v1", requests_per_minute=60
    )
    return AppConfig(
        providers={"sim": provider},
        models={"default": ModelConfig(targets=["sim/small"])},
        assistants={"default": AssistantConfig(model="default")},
        console=ConsoleConfig(**console),
    )


@attrs.define(eq=False)
class ConsoleClient:
    """The other end of a console's socket."""

    stream: trio.SocketStream
    rest: bytes = b""

    async def say(self, line: str) -> None:
        await self.stream.send_all(line.encode() + b"\n")

    async def line(self) -> str:
        while b"\n" not in self.rest:
            data = await self.stream.receive_some(65_536)
            assert data, "the console has hung up"
            self.rest += data
        line, _, self.rest = self.rest.partition(b"\n")
        return line.decode()

    async def hangs_up(self) -> bool:
        return not await self.stream.receive_some(65_536)

    async def frame(self) -> dict[str, Any]:
        told: dict[str, Any] = orjson.loads(await self.line())
        return told

    async def ask(self, op: str, **values: Any) -> dict[str, Any]:
        """A request that is answered by one frame."""
        await self.say(orjson.dumps({"op": op, "id": 1, **values}).decode())
        return await self.frame()

    async def get(self, *topics: str, **values: Any) -> dict[str, Any]:
        """These topics, all slices in one."""
        frame = await self.ask("get", topics=topics, **values)
        whole: dict[str, Any] = {"new": [], "rows": []}
        while frame["t"] != "done":
            for key, value in frame.items():
                whole[key] = whole[key] + value if key in ("new", "rows") else value
            frame = await self.frame()
        return whole

    async def until(self, kind: str) -> dict[str, Any]:
        """The next frame of that type."""
        while (frame := await self.frame())["t"] != kind:
            pass
        return frame


@attrs.define(eq=False)
class Opened:
    """A system with its console, and a client."""

    system: System
    console: Console
    client: ConsoleClient


async def connect(console: Console) -> ConsoleClient:
    """One more client."""
    with trio.fail_after(5):
        while console.path is None:  # noqa: ASYNC110 - a child that starts is no Event
            await trio.sleep(0.001)
    connected = trio.socket.socket(socket.AF_UNIX)
    await connected.connect(str(console.path))
    return ConsoleClient(trio.SocketStream(connected))


async def no_budgets() -> Sequence[Standing]:
    """How the budgets of a program without any stand."""
    return ()


@asynccontextmanager
async def open_console(
    *children: ChildSpec, settings: AppConfig | None = None, **options: Any
) -> AsyncGenerator[Opened]:
    """Run a system of `children` with its console."""
    with short_folder():
        settings = settings or config(**options)
        console = Console(settings)
        gates = providers_spec(settings.providers.values(), Pace(), {"sim": ["small"]})
        system = System(
            *children, gates, *console.children(), observer=console.observe, signals=False
        )
        console.begin(system, no_budgets)
        async with system:
            client = await connect(console)
            async with client.stream:
                yield Opened(system, console, client)
