"""The actor that keeps a model's process running: its start, its crash, its end are the process's."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import structlog
import trio

from trouper.actors.local.errors import ModelFileMissing, ModelServerDied
from trouper.actors.local.server import ModelServer
from trouper.actors.local.settings import ServerSettings
from trouper.actors.provider.messages import GetEndpoint
from trouper.runtime import Backoff, StartFailed, System, child
from trouper.runtime.events import ActorStarted, ChildCrashed, RuntimeEvent

StandIn = Callable[[str], None]

SERVES_HEALTH = """
import http.server, threading
class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
server = http.server.HTTPServer(("127.0.0.1", 0), Health)
self.listening_address = f"http://127.0.0.1:{server.server_port}"
print("loading it", file=sys.stderr, flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
"""


def children() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


def open_server(file: Path, observer: Callable[[RuntimeEvent], None] | None = None) -> System:
    def settings() -> ServerSettings:
        return ServerSettings(model=file, alias="small", start_timeout=20.0)

    spec = child("server", lambda: ModelServer(settings), backoff=Backoff(initial=0.05))
    return System(spec, observer=observer, signals=False, intensity=100)


async def test_it_says_where_the_process_listens(stand_in: StandIn, any_file: Path) -> None:
    stand_in(SERVES_HEALTH)
    before = set(children())
    with structlog.testing.capture_logs() as logs:
        async with open_server(any_file) as system:
            endpoint = await system.ref("server", ModelServer).ask(GetEndpoint())
            (process,) = set(children()) - before
            ports = [connection.laddr.port for connection in process.net_connections("tcp")]
            assert endpoint.base_url in [f"http://127.0.0.1:{port}/v1" for port in ports]

    assert not process.is_running()
    assert "model server is ready" in [line["event"] for line in logs]
    assert "loading it" in [line.get("line") for line in logs]


async def test_a_process_that_dies_is_a_crash_and_comes_back_on_another_port(
    stand_in: StandIn, any_file: Path
) -> None:
    stand_in(SERVES_HEALTH)
    events: list[RuntimeEvent] = []
    again = trio.Event()

    def observe(event: RuntimeEvent) -> None:
        events.append(event)
        if isinstance(event, ActorStarted) and event.life == 2:
            again.set()

    before = set(children())
    async with open_server(any_file, observe) as system:
        server = system.ref("server", ModelServer)
        first = await server.ask(GetEndpoint())
        (process,) = set(children()) - before
        os.kill(process.pid, signal.SIGKILL)
        with trio.fail_after(10):
            await again.wait()
            second = await server.ask(GetEndpoint(), timeout=10)
        assert second != first
        assert len(set(children()) - before) == 1
    assert set(children()) <= before
    (crash,) = [event for event in events if isinstance(event, ChildCrashed)]
    assert isinstance(crash.error, ModelServerDied)
    assert "SIGKILL" in str(crash.error)


async def test_a_start_that_fails_says_what_to_do_and_leaves_nothing(tmp_path: Path) -> None:
    before = set(children())
    with pytest.raises(StartFailed) as caught:
        async with open_server(tmp_path / "none.gguf"):
            pass
    assert isinstance(caught.value.__cause__, ModelFileMissing)
    assert "trouper local install" in str(caught.value)
    assert set(children()) <= before


async def test_a_process_that_dies_while_it_starts_is_a_failed_start(
    stand_in: StandIn, any_file: Path
) -> None:
    stand_in("print('no memory', file=sys.stderr, flush=True); os._exit(3)")
    before = set(children())
    with pytest.raises(StartFailed) as caught:
        async with open_server(any_file):
            pass
    assert isinstance(caught.value.__cause__, ModelServerDied)
    assert "no memory" in str(caught.value.__cause__)
    assert set(children()) <= before
