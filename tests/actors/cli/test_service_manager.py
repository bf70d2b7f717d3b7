"""What a service manager is told: over a real socket, of which it reads datagrams."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
from structlog.testing import capture_logs

from tests.fakes.commands import config, server
from trouper.actors.cli.service_manager import ServiceManager

NOBODY = 'kind = "openai"\nbase_url = "http://127.0.0.1:9/v1"'


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[socket.socket]:
    """The socket of a service manager."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(20)
        yield listener


def test_it_is_told_when_it_serves_that_it_lives_and_when_it_stops(
    listener: socket.socket, tmp_path: Path
) -> None:
    environ = {"NOTIFY_SOCKET": listener.getsockname(), "WATCHDOG_USEC": "100000"}
    with server(tmp_path, config(NOBODY), environ=environ) as running:
        said = [listener.recv(100).decode() for _ in range(3)]
        assert running.stop() == (0, "")
        while "STOPPING=1" not in said:
            said.append(listener.recv(100).decode())

    assert sorted(said[:2]) == ["READY=1", "WATCHDOG=1"]
    assert set(said[2:-1]) == {"WATCHDOG=1"}


async def test_without_one_nothing_is_said_and_nothing_waits() -> None:
    manager = ServiceManager()

    manager.ready()
    manager.stopping()
    with trio.fail_after(1):
        await manager.keep_telling()


async def test_life_is_told_twice_in_the_time_that_is_asked_for(
    listener: socket.socket,
    monkeypatch: pytest.MonkeyPatch,
    autojump_clock: trio.testing.MockClock,
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", listener.getsockname())
    monkeypatch.setenv("WATCHDOG_USEC", "10000000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    manager = ServiceManager()

    with trio.move_on_after(19):
        await manager.keep_telling()

    assert [listener.recv(100) for _ in range(4)] == [b"WATCHDOG=1"] * 4
    listener.setblocking(False)
    with pytest.raises(BlockingIOError):
        listener.recv(100)


async def test_what_is_asked_of_another_process_is_not_done(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", listener.getsockname())
    monkeypatch.setenv("WATCHDOG_USEC", "10")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid() + 1))

    with trio.fail_after(1):
        await ServiceManager().keep_telling()


def test_a_program_that_it_starts_cannot_speak_for_it(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", listener.getsockname())
    monkeypatch.setenv("WATCHDOG_USEC", "10")
    ServiceManager()

    assert not {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} & os.environ.keys()


def test_a_name_that_is_no_path_begins_with_an_at_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"trouper-of-tests-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(f"\0{name}")
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}")

        ServiceManager().ready()

        listener.setblocking(False)
        assert listener.recv(100) == b"READY=1"


def test_one_that_is_gone_is_a_line_in_the_log_and_no_end(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))

    with capture_logs() as logs:
        ServiceManager().ready()

    assert [(line["event"], line["state"]) for line in logs] == [
        ("the service manager cannot be told", "READY=1")
    ]
