"""The simulator as its users start it: a process with one ready line and an orderly end."""

import argparse
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes.raw_client import chat_request, connect, converse
from tests.fakes.simulator import SimulatorProcess, simulator_process
from trouper.actors.cli import sim


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_in_order_with_all_its_connections(end: signal.Signals) -> None:
    with simulator_process() as simulator:
        async with await connect(simulator.url) as idle, await connect(simulator.url) as busy:
            await busy.send_all(chat_request(sim={"fault": {"kind": "stall", "after": 0}}))
            await busy.receive_some()

            simulator.process.send_signal(end)

            assert simulator.process.wait(10) == 0
            assert await idle.receive_some() == b""
            assert await busy.receive_some() == b""


async def test_a_file_gives_it_its_script(tmp_path: Path) -> None:
    path = tmp_path / "script.toml"
    path.write_text('[[rules]]\nreply = { text = "from a file" }\n')
    with simulator_process("--script", str(path)) as simulator:
        answer = await converse(simulator.url, chat_request(headers={"Connection": "close"}))
        simulator.script({"reply": {"text": "from a test"}})
        simulator.reset()
        again = await converse(simulator.url, chat_request(headers={"Connection": "close"}))

    assert b"from a file" in answer.body
    assert b"from a file" in again.body


async def test_a_reset_forgets_the_requests(simulator: SimulatorProcess) -> None:
    await converse(simulator.url, chat_request(headers={"Connection": "close"}))
    simulator.reset()

    assert simulator.requests() == []


def test_a_wrong_script_from_a_test_names_its_key(simulator: SimulatorProcess) -> None:
    with pytest.raises(AssertionError, match=r"rules\[0\]: unknown key modle"):
        simulator.script({"modle": "m"})


def run(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    sim.add_arguments(parser)
    return sim.run(parser.parse_args(arguments))


def test_a_wrong_script_is_told_before_anything_is_served(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "script.toml"
    path.write_text("rulez = []\n")

    assert run("--script", str(path)) == 2
    assert "script.toml: unknown key rulez" in capsys.readouterr().err


@pytest.mark.parametrize(
    "listen", ["8701", ":8701", "localhost:", "localhost:x", "localhost:70000"]
)
def test_a_wrong_address_is_told(listen: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--listen", listen) == 2
    assert f"must be HOST:PORT, as 127.0.0.1:8701, not {listen!r}" in capsys.readouterr().err


def test_a_port_in_use_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        assert run("--listen", f"127.0.0.1:{port}") == 2
    assert f"cannot listen on 127.0.0.1:{port}: " in capsys.readouterr().err


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
async def test_it_listens_on_ipv6() -> None:
    with simulator_process("--listen", "[::1]:0") as simulator:
        assert simulator.url.startswith("http://[::1]:")
        answer = await converse(simulator.url, chat_request("hi", headers={"Connection": "close"}))

    assert b"You said: hi" in answer.body


def test_the_ready_line_is_all_that_it_prints() -> None:
    command = [sys.executable, "-m", "trouper.actors.cli", "sim"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=10)

    words = line.split()
    assert words[:3] == ["trouper", "sim", "ready"]
    assert words[3].startswith("url=http://127.0.0.1:")
    assert words[4:] == [f"pid={process.pid}"]
    assert (out, err) == ("", "")
