"""The simulated provider as a real process on loopback, and the controls that tests need."""

import json
import select
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import attrs
import trio

__all__ = ["SimulatorProcess", "simulator_process"]

# Seconds. A start takes about 0.5 s on an idle machine.
_START, _CALL, _END = 30.0, 10.0, 10.0


@attrs.define(eq=False)
class SimulatorProcess:
    """A running simulator: where it is, what it shall answer, what it was asked.

    The controls are short blocking calls to another process; they may be made
    from trio tests, too, whatever the clock.
    """

    process: subprocess.Popen[str]
    url: str

    @property
    def base_url(self) -> str:
        """What an OpenAI client takes as its base_url."""
        return f"{self.url}/v1"

    def script(self, *rules: Mapping[str, Any], models: Sequence[str] = ("sim",)) -> None:
        """Play these rules from now on; see trouper.actors.simulator.script for their keys."""
        self._control("POST", "/sim/script", {"rules": list(rules), "models": list(models)})

    def requests(self) -> list[dict[str, Any]]:
        """The last requests, oldest first."""
        return list(self._control("GET", "/sim/requests")["requests"])

    async def wait_requests(
        self, condition: Callable[[list[dict[str, Any]]], object], seconds: float = 5.0
    ) -> list[dict[str, Any]]:
        """The log, once it meets `condition`; fails after `seconds` of real time."""
        deadline = time.monotonic() + seconds
        while not condition(log := self.requests()):
            assert time.monotonic() < deadline, f"the simulator's log never got there: {log}"
            await trio.sleep(0.01)
        return log

    def reset(self) -> None:
        """Echo again, and forget all requests."""
        self._control("POST", "/sim/reset")

    def _control(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, method=method)
        # Not through a proxy that the environment may name.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=_CALL) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                raise AssertionError(error.read().decode()) from None


@contextmanager
def simulator_process(*arguments: str) -> Generator[SimulatorProcess]:
    """Run `trouper sim` with `arguments` on a free loopback port."""
    command = [sys.executable, "-m", "trouper.actors.cli", "sim", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            ready, _, _ = select.select([process.stdout], [], [], _START)
            line = process.stdout.readline() if ready else ""
            assert line.startswith("trouper sim ready url="), f"no ready line: {line!r}"
            yield SimulatorProcess(process, line.split()[3].removeprefix("url="))
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(_END)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
