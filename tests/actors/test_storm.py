"""200 clients that connect, prompt, cancel and vanish at random, before a provider with faults.

`TROUPER_STORM_SECONDS` sets how long they rage: some seconds in the suite, a
minute before a release.
"""

import gc
import os
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import trio

from tests.fakes.history import history_of
from trouper.actors import AppConfig, ProviderConfig, TextPart, open_app
from trouper.actors.app import App
from trouper.actors.config import AssistantConfig, ModelConfig, ServerConfig
from trouper.actors.config.attempts import BreakerConfig, RetryConfig, TimeoutConfig

from ..fakes import storm_clients
from ..fakes.simulator import SimulatorProcess

SECONDS = float(os.environ.get("TROUPER_STORM_SECONDS", "6"))
CLIENTS = 200
# Of the process, beyond which memory has not come back.
MOST_KEPT_MIB = 10

# Seconds until idle sessions are gone, stalled turns over and clients given up, on a busy machine.
_LONGEST_SETTLING = 40.0

PACED = {"text": "one two three four five six seven eight nine ten", "pace": 0.02}
RULES: tuple[dict[str, Any], ...] = (
    {"contains": "cut", "reply": PACED, "fault": {"kind": "cut", "after": 700}},
    {"contains": "reset", "reply": PACED, "fault": {"kind": "reset", "after": 300}},
    {"contains": "stall", "reply": PACED, "fault": {"kind": "stall", "after": 500}},
    {"contains": "status", "reply": PACED, "fault": {"kind": "status", "status": 503}},
    {"contains": "malformed", "reply": PACED, "fault": {"kind": "malformed", "frame": 3}},
    {"contains": "unmarked", "reply": PACED, "fault": {"kind": "unmarked", "frames": 4}},
    {"contains": "html", "reply": PACED, "fault": {"kind": "html"}},
    {"contains": "drip", "reply": PACED, "fault": {"kind": "drip", "bytes": 40, "seconds": 0.01}},
    {"reply": PACED},
)


def resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024 / 1024


def descriptors(provider_port: int) -> tuple[int, int]:
    """Open files and sockets, without and of those to the provider: these are the pool's."""
    pooled = sum(
        1
        for connection in psutil.Process().net_connections("tcp")
        if connection.raddr and connection.raddr.port == provider_port
    )
    return len(os.listdir("/proc/self/fd")) - pooled, pooled


def tasks() -> int:
    return trio.lowlevel.current_statistics().tasks_living


def config(base_url: str) -> AppConfig:
    return AppConfig(
        server=ServerConfig(listen="127.0.0.1:0", session_idle_seconds=1.0),
        providers={
            "sim": ProviderConfig(
                name="sim",
                kind="openai",
                base_url=base_url,
                retry=RetryConfig(attempts=2, base_delay=0.05, max_delay=0.1),
                # Half of all calls fail here, and behind an open circuit there is no storm.
                breaker=BreakerConfig(min_calls=10_000),
                timeouts=TimeoutConfig(first_event=2.0, idle=1.0, total=10.0),
            )
        },
        models={"default": ModelConfig(targets=("sim/sim",))},
        assistants={"default": AssistantConfig(model="default", prompt="Be brief.")},
    )


async def rage(port: int, seconds: float, seed: int) -> str:
    """Let the clients loose; what they say they did."""
    command = [
        sys.executable,
        "-W",
        "ignore",
        storm_clients.__file__,
        str(port),
        str(seconds),
        str(CLIENTS),
        str(seed),
    ]
    done = await trio.run_process(command, capture_stdout=True, stderr=subprocess.DEVNULL)
    return str(done.stdout.decode())


async def settle(seconds: float, quiet: Callable[[], bool]) -> None:
    with trio.move_on_after(seconds):
        # A condition of the whole process: there is no event for it.
        while not quiet():  # noqa: ASYNC110
            await trio.sleep(0.1)
    gc.collect()


@asynccontextmanager
async def storming(simulator: SimulatorProcess) -> AsyncGenerator[App]:
    simulator.script(*RULES)
    async with open_app(config(simulator.base_url), serve=True, signals=False) as app:
        yield app


async def test_a_storm_of_vanishing_clients_leaves_nothing_behind(
    simulator: SimulatorProcess,
) -> None:
    async with storming(simulator) as app:
        assert app.listening is not None
        port = app.listening.port

        provider_port = int(simulator.url.rpartition(":")[2])

        def held() -> tuple[int, int, int]:
            """Sessions, tasks and files."""
            sessions = len(app.system.snapshot("sessions")) - 1
            return sessions, tasks(), descriptors(provider_port)[0]

        def quiet() -> bool:
            return all(now <= then for now, then in zip(held(), before, strict=True))

        before = held()
        # The first storm warms what is kept for good: pools, caches, the allocator.
        await rage(port, min(SECONDS, 4.0), seed=1)
        await settle(_LONGEST_SETTLING, quiet)
        assert quiet(), (held(), before)
        memory_before = resident_mib()
        life_before = {actor.path: actor.life for actor in app.snapshot()}

        report = await rage(port, SECONDS, seed=2)
        await settle(_LONGEST_SETTLING, quiet)

        assert '"answered"' in report
        assert quiet(), (held(), before)
        _, pooled = descriptors(provider_port)
        assert pooled <= app.config.providers["sim"].max_connections
        assert resident_mib() <= memory_before + MOST_KEPT_MIB
        assert {actor.path: actor.life for actor in app.snapshot()} == life_before
        readiness = await app.readiness()
        # (This machine may have held the loop up for half a second.)
        ill = [words for words in readiness.warnings if not words.startswith("event loop")]
        assert (readiness.reasons, ill) == ((), [])
        session = await app.session("afterwards")
        assert "one two" in await session.ask("plain")
        assert len(await history_of(session._ref)) == 2
        assert TextPart("plain") in (await history_of(session._ref))[0].parts
