"""A whole call, through router, breaker, limiter, budget and ledger, against the peers.

Ours is the application as `trouper serve` runs it, without its gateway: a
request goes to a configured model and comes back as typed values. The peers are
the official SDK of OpenAI (the client alone: it has no gates) and LiteLLM's
Router. All ask the same stub with the same short conversation; each peer is a
process of its own in an environment of its own, `.venv/peers`, which is made at
the first run and takes some minutes. CPU time of the client only.

What the gates add to a lone call is measured for each kind of store, because
most of it is a reservation's wait for the disk: `full` waits for one sync,
`relaxed` for a write, memory for nothing.
"""

import gc
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path

import attrs
import trio

from trouper.actors.app import App, open_app
from trouper.actors.chat import ChatRequest, Message, TextDelta, TextPart
from trouper.actors.cli.serve import collect_rarely
from trouper.actors.config import parse_config
from trouper.actors.logs import configure_logging
from trouper.actors.provider import connection
from trouper.actors.provider.connection import Connection
from trouper.actors.provider.messages import Complete
from trouper.actors.transport import TrioTransport
from trouper.actors.tree import connection_path

from ._servers import KnobbedTransport
from .harness import Row, Unavailable, at_least, at_most, compare, cpu, measure
from .transport import stub

__all__ = ["rows"]

_HERE = Path(__file__).parent / "peers"
_ENVIRONMENT = Path(__file__).resolve().parents[2] / ".venv" / "peers"
_LITELLM = "litellm==1.109.1"

_REQUEST = ChatRequest(
    model="",
    messages=tuple(
        Message("assistant" if number % 2 else "user", (TextPart(f"message number {number}"),))
        for number in range(7)
    ),
)

_CONFIG = """
[store]
{store}
[providers.stub]
kind = "openai"
base_url = "{url}"
api_keys = ["env:KEY"]
max_connections = 256
requests_per_minute = 100_000_000
tokens_per_minute = 100_000_000_000
[models.default]
targets = ["stub/m"]
max_output_tokens = 256
[assistants.default]
model = "default"
[prices."stub/m"]
input = 0.15
output = 0.6
[budgets.all]
limit_usd = 1_000_000
per = "day"
[budgets.each]
limit_usd = 1_000_000
per = "month"
scope = "user"
"""


class _Peer:
    """A peer's process, which measures itself as it is told."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def figure(self, *order: object) -> float:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(*order, file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        if not line:
            raise Unavailable("the peer's process has ended")
        return float(line)


@contextmanager
def _peer(name: str, url: str) -> Generator[_Peer]:
    command = [str(_environment()), str(_HERE / "worker.py"), name, url]
    # LiteLLM fetches its table of prices from the network otherwise, and waits for it.
    variables = {"PATH": "/usr/bin:/bin", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=variables,
    ) as process:
        try:
            assert process.stdout is not None
            if process.stdout.readline() != "ready\n":
                raise Unavailable(f"{name} does not start")
            yield _Peer(process)
        finally:
            process.kill()


def _environment() -> Path:
    """The peers' Python; makes its environment where there is none."""
    python = _ENVIRONMENT / "bin" / "python"
    made = _ENVIRONMENT / ".made"
    if not made.exists():
        print("  installing the peers into .venv/peers", file=sys.stderr, flush=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        for command in (
            [sys.executable, "-m", "venv", "--clear", str(_ENVIRONMENT)],
            [*install, "--requirement", str(_HERE / "requirements.txt")],
            [*install, "--no-deps", _LITELLM],
        ):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                why = done.stderr.strip().splitlines() or ["no reason given"]
                raise Unavailable(f"the peers cannot be installed here: {why[-1]}")
        made.touch()
    return python


_FULL = 'path = "{folder}/trouper.db"'
_STORES = {
    "full": _FULL,
    "relaxed": _FULL + '\ndurability = "relaxed"',
    "memory": 'path = ":memory:"',
}


@asynccontextmanager
async def _app(url: str, store: str = _FULL) -> AsyncGenerator[App]:
    with tempfile.TemporaryDirectory() as folder:
        text = _CONFIG.format(store=store.format(folder=folder), url=url)
        config = parse_config(text, environ={"KEY": "sk-0123456789"})
        async with open_app(config, signals=False) as app:
            yield app


def _plain(url: str, at_once: int, calls: int) -> float:
    """CPU microseconds a plain call, `at_once` of them in flight."""

    async def main() -> float:
        async with _app(url) as app:

            async def many(count: int) -> None:
                for _ in range(count):
                    completion = await app.complete(_REQUEST, user="alice")
                    assert completion.text

            await _all_at_once(at_once, many, max(2, 64 // at_once))
            with cpu() as spent:
                await _all_at_once(at_once, many, calls // at_once)
        return spent.microseconds / calls

    return trio.run(main)


def _stream(url: str, at_once: int, streams: int, chunks: int) -> float:
    """CPU microseconds a chunk, as quick as they come."""

    async def main() -> float:
        KnobbedTransport.knobs = f"n={chunks}"
        async with _app(url) as app:

            async def many(count: int) -> None:
                for _ in range(count):
                    length = 0
                    async with aclosing(app.stream(_REQUEST, user="alice")) as events:
                        async for event in events:
                            if type(event) is TextDelta:
                                length += len(event.text)
                    assert length

            await _all_at_once(at_once, many, 1)
            with cpu() as spent:
                await _all_at_once(at_once, many, streams // at_once)
        return spent.microseconds / (streams * chunks)

    try:
        return trio.run(main)
    finally:
        KnobbedTransport.knobs = ""


async def _all_at_once(tasks: int, work: Callable[[int], Awaitable[None]], count: int) -> None:
    async with trio.open_nursery() as nursery:
        for _ in range(tasks):
            nursery.start_soon(work, count)


def _latency(url: str, store: str, calls: int = 300) -> tuple[float, float]:
    """Median milliseconds of a call one at a time: through all gates, and past them."""

    async def main() -> tuple[float, float]:
        async with _app(url, store) as app:
            connection = app.system.ref(connection_path("stub"), Connection)
            bare = attrs.evolve(_REQUEST, model="m", max_output_tokens=256)
            gated: list[float] = []
            past: list[float] = []
            for _ in range(calls):
                began = time.perf_counter()
                await app.complete(_REQUEST, user="alice")
                between = time.perf_counter()
                await connection.ask(Complete(bare))
                gated.append(between - began)
                past.append(time.perf_counter() - between)
        return statistics.median(gated[20:]) * 1e3, statistics.median(past[20:]) * 1e3

    return trio.run(main)


def _added(url: str, store: str) -> float:
    gated, past = _latency(url, store)
    return gated - past


def _rows(url: str, openai: _Peer, litellm: _Peer) -> Iterator[Row]:
    ours = partial(_plain, url, 32, 1600)
    theirs = partial(litellm.figure, "plain", 32, 320)
    yield compare(
        "plain call, 32 in flight, LiteLLM's Router : ours",
        ours,
        theirs,
        goal=at_least(12),
        unit="us",
        inverse=True,
    )
    theirs = partial(openai.figure, "plain", 32, 320)
    yield compare(
        "plain call, 32 in flight, openai SDK : ours",
        ours,
        theirs,
        goal=at_least(6),
        unit="us",
        inverse=True,
    )
    ours = partial(_stream, url, 8, 32, 400)
    theirs = partial(litellm.figure, "stream", 8, 16, 400)
    yield compare(
        "streamed chunk, LiteLLM's Router : ours",
        ours,
        theirs,
        goal=at_least(30),
        unit="us",
        inverse=True,
    )
    theirs = partial(openai.figure, "stream", 8, 16, 400)
    yield compare(
        "streamed chunk, openai SDK : ours",
        ours,
        theirs,
        goal=at_least(15),
        unit="us",
        inverse=True,
    )


def _own_rows(url: str) -> Iterator[Row]:
    yield compare(
        "plain call, 256 in flight, to itself at 1",
        partial(_plain, url, 256, 2560),
        partial(_plain, url, 1, 800),
        goal=at_most(1.15),
        unit="us",
    )
    for name, store in _STORES.items():
        yield measure(
            f"what the gates add to a call, p50, ledger: {name}",
            partial(_added, url, store),
            goal=at_most(0.3),
            unit="ms",
        )


def rows() -> Iterator[Row]:
    configure_logging("error", sys.stderr)
    with stub() as address, _knobs(), _as_served():
        url = address.removesuffix("/chat/completions")
        yield from _own_rows(url)
        with _peer("openai", url) as openai, _peer("litellm", url) as litellm:
            yield from _rows(url, openai, litellm)


@contextmanager
def _as_served() -> Generator[None]:
    """Collect garbage as `trouper serve` does."""
    usual = gc.get_threshold()
    collect_rarely()
    try:
        yield
    finally:
        gc.unfreeze()
        gc.set_threshold(*usual)


@contextmanager
def _knobs() -> Generator[None]:
    """Send the stub's knobs with every request of ours."""
    setattr(connection, "TrioTransport", KnobbedTransport)  # noqa: B010 - not for type checkers
    try:
        yield
    finally:
        setattr(connection, "TrioTransport", TrioTransport)  # noqa: B010 - likewise
