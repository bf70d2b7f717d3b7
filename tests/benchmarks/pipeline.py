"""A streamed turn from the provider's socket to the client's: cost, lateness, memory.

The server runs on core 0; the stub and the clients share core 1. CPU time is
the server's own, from the kernel, while its clients read.
"""

import asyncio
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

from ._load import Heard, Load, open_clients
from .harness import Goal, Row, at_most, compare, measure, pin
from .transport import stub

__all__ = ["rows"]

_TICKS = os.sysconf("SC_CLK_TCK")


class Server:
    """One of the two servers, as a process."""

    def __init__(self, process: "subprocess.Popen[str]", port: int) -> None:
        self.process = process
        self.port = port

    def cpu(self) -> float:
        """CPU seconds so far, to a hundredth."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def resident(self) -> float:
        """KiB of memory."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1024


@contextmanager
def server(kind: str, stub_url: str, knobs: str) -> Generator[Server]:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks._servers", kind, stub_url, str(port), knobs],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        pin(0, process.pid)
        for _ in range(500):
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.02)
        yield Server(process, port)
    finally:
        process.kill()
        process.wait()


def per_chunk(kind: str, url: str, knobs: str, load: Load) -> float:
    """The server's CPU microseconds a chunk."""
    with server(kind, url, knobs) as running:
        heard, spent = load.run(running.port, running.cpu)
    _no_errors(heard)
    return spent * 1e6 / heard.chunks


def _no_errors(heard: Heard) -> None:
    if heard.errors:
        raise AssertionError(f"{len(heard.errors)} errors; the first: {heard.errors[0]}")


def late(url: str, sessions: int, chunks: int, goal: Goal) -> Iterator[Row]:
    """Lateness against the stub's schedule, with one turn a session."""
    interval = 0.05
    load = Load(sessions, interval=interval, spread=2.0)
    with server("trouper", url, f"n={chunks},d={int(interval * 1e6)}") as running:
        heard, spent = load.run(running.port, running.cpu)
    _no_errors(heard)
    heard.lateness.sort()
    median = statistics.median(heard.lateness) * 1000
    p99 = heard.lateness[int(len(heard.lateness) * 0.99)] * 1000
    share = 100 * spent / (chunks * interval + load.spread)
    name = f"{sessions} x 20/s: p99 lateness, {share:.0f} % of a core"
    yield Row(name, "ms", p99, None, None, goal, goal.met(p99), (median, heard.lateness[-1] * 1000))


def idle_kib(url: str, count: int, attached: bool) -> float:
    """Memory of an idle session, with or without its websocket."""
    with server("trouper", url, "n=2") as running:

        async def main() -> float:
            heard = Heard()
            warm = await open_clients(running.port, 50, heard, 0)
            await asyncio.gather(*(client.turn() for client in warm))
            before = running.resident()
            if attached:
                await open_clients(running.port, count, heard, 0)
            else:
                for number in range(count):
                    # A few sockets, each with its share of the sessions.
                    await warm[number % len(warm)].open_session()
            await asyncio.sleep(0.5)
            return (running.resident() - before) / count

        return asyncio.run(main())


def rows() -> Iterator[Row]:
    with stub() as address:
        url = address.removesuffix("/chat/completions")
        pin(1)
        try:
            yield from _rows(url)
        finally:
            pin(0)


def _rows(url: str) -> Iterator[Row]:
    paced, paced_load = "n=200,d=50000", Load(200, interval=0.05, spread=1.0)
    yield compare(
        "a streamed chunk, 200 x 20/s, against no actor",
        lambda: per_chunk("trouper", url, paced, paced_load),
        lambda: per_chunk("bare", url, paced, paced_load),
        goal=at_most(1.25),
        unit="us",
    )
    yield compare(
        "a chunk of 5,000 against one of 500",
        lambda: per_chunk("trouper", url, "n=5000,d=200", Load(4)),
        lambda: per_chunk("trouper", url, "n=500,d=200", Load(4, turns=10)),
        goal=at_most(1.2),
        unit="us",
    )
    yield from late(url, 500, 200, at_most(150))
    yield from late(url, 1000, 200, at_most(1000))
    yield measure(
        "an idle session with its websocket",
        lambda: idle_kib(url, 1000, attached=True),
        goal=at_most(45),
        unit="KiB",
        rounds=1,
    )
    yield measure(
        "an idle session without one",
        lambda: idle_kib(url, 1000, attached=False),
        goal=at_most(12),
        unit="KiB",
        rounds=1,
    )
