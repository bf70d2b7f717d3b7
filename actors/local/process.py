"""The parent's side of the model's process: start it, watch it, end it.

Nothing here knows of actors. An owner calls `start`, then keeps `wait` running
in a task, and calls `aclose` at its end:

    process = ModelProcess(ServerSettings(model=find_model(None), alias="smollm2"))
    await process.start()
    nursery.start_soon(watch)       # await process.wait(); raise process.died()
    ...
    await process.aclose()

`wait` is what empties the child's log. While nobody runs it the log waits in
the kernel's pipe (64 KiB), and llama.cpp stops once that is full.
"""

import json
import subprocess
from collections import deque
from collections.abc import Callable
from contextlib import suppress

import httpx
import trio

from . import server_main
from .errors import LocalExtraMissing, ModelServerDied, ModelServerSlow
from .model_file import find_model
from .settings import HOST, ServerSettings

__all__ = ["ModelProcess"]

LOG_LINES = 100
"""How many lines of the child's log are kept for error messages."""
LINE_LIMIT = 2_000
"""Longer lines of the log are cut into pieces of this many characters."""
HEALTH_EVERY = 0.05
DRAIN_SECONDS = 0.5
"""How long the rest of a dead child's log may take to read. It is in the pipe
already; only a stranger who inherited the pipe could keep it open longer."""


def _ignore(line: str) -> None:
    """The log of a process that nobody listens to."""


class _Lines:
    """Cuts the log's bytes into lines, keeps the last ones, hands each on."""

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self.kept: deque[str] = deque(maxlen=LOG_LINES)
        self._on_line = on_line
        self._partial = b""

    def feed(self, data: bytes) -> None:
        *whole, self._partial = (self._partial + data).split(b"\n")
        for line in whole:
            self._take(line)
        if len(self._partial) > LINE_LIMIT:
            self.flush()

    def flush(self) -> None:
        self._take(self._partial)
        self._partial = b""

    def _take(self, line: bytes) -> None:
        text = line.decode("utf-8", "replace").strip()
        for start in range(0, len(text), LINE_LIMIT):
            piece = text[start : start + LINE_LIMIT]
            self.kept.append(piece)
            self._on_line(piece)


class ModelProcess:
    """One life of the model's process. It is started once, and closed once.

    `on_log` is called with each line of the child's log, from `start` and
    `wait`; it must not block, and what it raises comes out of them in an
    ExceptionGroup.
    """

    def __init__(
        self, settings: ServerSettings, *, on_log: Callable[[str], None] = _ignore
    ) -> None:
        self.settings = settings
        self._log = _Lines(on_log)
        self._log_lock = trio.Lock()
        self._process: trio.Process | None = None
        self._port: int | None = None

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._started.pid

    @property
    def port(self) -> int:
        """The loopback port that the child answers on."""
        if self._port is None:
            raise RuntimeError("the model's process is not ready; await start() first")
        return self._port

    @property
    def base_url(self) -> str:
        """What an OpenAI client takes for its base_url."""
        return f"http://{HOST}:{self.port}/v1"

    @property
    def log(self) -> tuple[str, ...]:
        """The last lines that the child wrote, at most `LOG_LINES`."""
        return tuple(self._log.kept)

    @property
    def _started(self) -> trio.Process:
        if self._process is None:
            raise RuntimeError("the model's process has not been started")
        return self._process

    async def start(self) -> None:
        """Start the child and return when it answers.

        Raises ModelFileMissing, LocalExtraMissing, ModelServerDied where it
        ended before it was ready (a damaged file, no memory), ModelServerSlow
        after `start_timeout`. Whatever it raises, also when it is cancelled,
        no child is left.
        """
        if self._process is not None:
            raise RuntimeError("a ModelProcess is started once; make a new one")
        find_model(self.settings.model)
        try:
            await self._spawn()
            with trio.move_on_after(self.settings.start_timeout):
                await self._until_ready()
                return
            raise ModelServerSlow(self.pid, self.settings.start_timeout, self.log)
        except BaseException:
            await self.aclose()
            raise

    async def wait(self) -> int:
        """Read the child's log until the child ends; return its exit status.

        Negative is the number of a signal. May be cancelled and called again.
        """
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._read_log)
            status = await self._started.wait()
            # What it wrote last says why; it is in the pipe, so EOF comes at once.
            nursery.cancel_scope.deadline = trio.current_time() + DRAIN_SECONDS
        return status

    def died(self) -> ModelServerDied:
        """The error for a child that has ended, with the end of its log."""
        status = self._started.returncode
        if status is None:
            raise RuntimeError(f"the model's process {self.pid} is running; await wait() first")
        return ModelServerDied(self.pid, status, self.log)

    async def aclose(self) -> None:
        """End the child: ask, wait `grace` seconds, kill. It is always reaped.

        Takes at most that long, also when it is cancelled. Closing what never
        started, or again, does nothing.
        """
        process = self._process
        if process is None:
            return
        with trio.CancelScope(shield=True):
            if process.returncode is None:
                process.terminate()
                with trio.move_on_after(self.settings.grace):
                    await process.wait()
                if process.returncode is None:
                    process.kill()
                await process.wait()
            for stream in filter(None, (process.stdin, process.stdout, process.stderr)):
                await stream.aclose()

    async def _spawn(self) -> None:
        self._process = await trio.lowlevel.open_process(
            # -P: the script's folder is no place to import from.
            [
                self.settings.python,
                "-P",
                server_main.__file__,
                json.dumps(self.settings.options()),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # A Ctrl-C in the terminal goes to the terminal's process group.
            process_group=0,
        )

    async def _until_ready(self) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._read_log)
            port = await self._announced_port()
            if port is not None and await self._healthy(port):
                self._port = port
            nursery.cancel_scope.cancel()
        if self._port is None:
            status = await self.wait()
            if status == server_main.EXIT_NO_XLLAMACPP:
                raise LocalExtraMissing(self.settings.python, " ".join(self.log[-1:]))
            raise self.died()

    async def _announced_port(self) -> int | None:
        """The port of the ready line; None where the child ended without one."""
        stdout = self._started.stdout
        assert stdout is not None
        line = b""
        while not line.endswith(b"\n"):
            data = await stdout.receive_some(1024)
            if not data:
                return None
            line += data
        return int(json.loads(line)["port"])

    async def _healthy(self, port: int) -> bool:
        """Wait for a 200 of /health; False where the child ended meanwhile."""
        # trust_env=False: no proxy stands between us and a loopback port.
        async with httpx.AsyncClient(trust_env=False, verify=False) as client:
            while self._started.returncode is None:
                with suppress(httpx.TransportError):
                    response = await client.get(f"http://{HOST}:{port}/health")
                    if response.is_success:
                        return True
                await trio.sleep(HEALTH_EVERY)
        return False

    async def _read_log(self) -> None:
        stderr = self._started.stderr
        assert stderr is not None
        async with self._log_lock:
            try:
                while data := await stderr.receive_some(16 * 1024):
                    self._log.feed(bytes(data))
            except trio.ClosedResourceError:
                pass  # aclose was quicker
            self._log.flush()
