"""Servers that others wrote, as processes on loopback: software that knows nothing of ours."""

import json
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Generator, Sequence
from contextlib import aclosing, contextmanager
from typing import IO, Any

import attrs

from trouper.actors import ChatRequest, Provider
from trouper.actors.chat import Completion, ToolSpec
from trouper.actors.wire.assembly import Assembly

__all__ = ["WEATHER", "Counterpart", "answer_to", "counterpart"]

WEATHER = ToolSpec(
    "get_weather",
    "The weather of a city",
    {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
)

# Seconds. Starts take half a second on an idle machine.
_START, _CALL, _END = 60.0, 20.0, 10.0

# Between the choice of a port and the server's start another program may take it.
_TRIES = 3

# Not through a proxy that the environment may name.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@attrs.define(eq=False)
class Counterpart:
    """A running server of somebody else's, and short blocking calls to it."""

    url: str

    def call(self, method: str, path: str, body: Any = None) -> str:
        """What the server answers to `method` at `path`; `body` goes as JSON."""
        data = None if body is None else json.dumps(body).encode()
        headers = {} if body is None else {"content-type": "application/json"}
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with _opener.open(request, timeout=_CALL) as response:
                return str(response.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                raise AssertionError(f"{method} {path}: {error.read().decode()}") from None


@contextmanager
def counterpart(command: Callable[[int], Sequence[str]], *, ready: str) -> Generator[Counterpart]:
    """Run what `command` gives for a free port, once `ready`, a path, answers."""
    with tempfile.TemporaryFile() as log:
        for _ in range(_TRIES):
            port = _free_port()
            process = subprocess.Popen(command(port), stdout=log, stderr=subprocess.STDOUT)
            try:
                server = Counterpart(f"http://127.0.0.1:{port}")
                if _is_up(server, ready, process):
                    yield server
                    return
            finally:
                process.terminate()
                try:
                    process.wait(_END)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait(_END)
        raise AssertionError(f"{command(0)} did not start:\n{_text(log)}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _is_up(server: Counterpart, ready: str, process: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + _START
    while process.poll() is None and time.monotonic() < deadline:
        try:
            server.call("GET", ready)
        except OSError:
            time.sleep(0.05)
        else:
            return True
    return False


def _text(log: IO[bytes]) -> str:
    log.seek(0)
    return log.read().decode(errors="replace")[-4000:]


async def answer_to(provider: Provider, asked: ChatRequest, *, streamed: bool) -> Completion:
    """The whole answer, however it comes."""
    if not streamed:
        return await provider.complete(asked)
    assembly = Assembly()
    async with aclosing(provider.stream(asked)) as chunks:
        async for chunk in chunks:
            assembly.extend([chunk])
    return assembly.completion()
