"""A streamed turn from the provider's socket to the client's: cost, lateness, memory.

The server runs on core 0; the stub and the clients share core 1. CPU time is
the server's own, from the kernel, while its clients read.
"""

import asyncio
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs

from trouper.actors.store.database import MEMORY

from ._load import Heard, Load, open_clients
from .harness import Goal, Row, at_most, compare, measure, pin
from .transport import stub

__all__ = ["rows"]

_TICKS = os.sysconf("SC_CLK_TCK")

# Sessions that speak once before a server is measured.
WARM = 64


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
def server(
    kind: str, stub_url: str, knobs: str, *, warm: int = 0, store: str = MEMORY
) -> Generator[Server]:
    """`warm` requests come first, which are answered at once."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "tests.benchmarks._servers"),
            *(kind, stub_url, str(port), knobs, "--warm", str(warm), "--store", store),
        ],
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


@attrs.frozen
class Busy:
    """Sessions that stream, and what is asked of the server meanwhile."""

    sessions: int
    rate: int
    seconds: int
    core: Goal
    late: Goal

    def rows(self, url: str) -> Iterator[Row]:
        """Of a server that has served before, so that what it learns once is nobody's."""
        chunks, interval = self.rate * self.seconds, 1 / self.rate
        load = Load(self.sessions, interval=interval, spread=2.0)
        knobs = f"n={chunks},d={int(interval * 1e6)}"
        with server("trouper", url, knobs, warm=WARM) as running:
            _no_errors(Load(WARM).run(running.port, running.cpu)[0])
            with watched(running) as memory:
                heard, spent = load.run(running.port, running.cpu)
        _no_errors(heard)
        name = f"{self.sessions:,} x {self.rate}/s"
        lateness = sorted(1e3 * each for each in heard.lateness)
        # The stub's last chunk has no text.
        lost = self.sessions * (chunks - 1) - heard.chunks
        merged = f"{heard.chunks / heard.frames:.1f} chunks a frame"
        yield _row(f"{name}: {merged}", "% core", 100 * spent / self.seconds, self.core)
        p50, p99 = lateness[len(lateness) // 2], lateness[len(lateness) * 99 // 100]
        yield _row(f"{name}: p99 lateness", "ms", p99, self.late, (p50, lateness[-1]))
        yield _row(f"{name}: chunks lost", "", lost, at_most(0))
        kib = (max(memory) - memory[0]) / self.sessions
        yield _row(f"{name}: a streaming session", "KiB", kib, at_most(120))


def _row(
    name: str, unit: str, value: float, goal: Goal, spread: tuple[float, float] | None = None
) -> Row:
    return Row(name, unit, value, None, None, goal, goal.met(value), spread or (value, value))


@contextmanager
def watched(running: Server) -> Generator[list[float]]:
    """KiB of memory: before, and now and then meanwhile."""
    memory = [running.resident()]
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.1):
            memory.append(running.resident())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield memory
    finally:
        over.set()
        watcher.join()


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
    yield from Busy(200, 100, 10, core=at_most(50), late=at_most(150)).rows(url)
    yield from Busy(500, 20, 10, core=at_most(90), late=at_most(250)).rows(url)
    yield from Busy(1000, 20, 15, core=at_most(75), late=at_most(1000)).rows(url)
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
