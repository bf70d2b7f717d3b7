"""`trouper serve`: one line when it serves, an orderly end, and one sentence where it cannot."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.fakes.commands import TROUPER, Server, config, server, trouper

LOCAL = 'kind = "local"'
NOBODY = 'kind = "openai"\nbase_url = "http://127.0.0.1:9/v1"'


def get(url: str) -> tuple[int, str]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=10) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def refused(folder: Path, text: str, *words: str, environ: dict[str, str] | None = None) -> str:
    """What `trouper serve` says of a configuration that it does not serve, with exit code 1."""
    file = folder / "trouper.toml"
    file.write_text(text)
    done = trouper("serve", "--config", str(file), *words, environ=environ)
    assert (done.code, done.out) == (1, ""), done
    return done.err


def test_one_line_says_where_it_serves_and_who_it_is(running: Server) -> None:
    assert running.ready == f"trouper ready url={running.url} pid={running.process.pid}\n"


def test_it_is_alive_and_ready(running: Server) -> None:
    assert get(f"{running.url}/healthz") == (200, "ok")
    status, body = get(f"{running.url}/readyz")
    assert (status, json.loads(body)) == (200, {"ready": True, "reasons": [], "warnings": []})


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order(tmp_path: Path, number: signal.Signals) -> None:
    with server(tmp_path, config(NOBODY)) as running:
        assert running.stop(number) == (0, "")
        assert f"msg=stopped signal={number.name}" in running.log


def test_a_second_signal_does_not_wait_for_a_client_that_does_not_say_goodbye(
    tmp_path: Path,
) -> None:
    with server(tmp_path, config(NOBODY)) as running:
        with socket.create_connection(("127.0.0.1", running.port)) as client:
            client.sendall(
                b"GET /acp HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
            )
            assert client.recv(12) == b"HTTP/1.1 101"
            began = time.monotonic()
            running.process.send_signal(signal.SIGTERM)
            time.sleep(0.3)
            assert running.process.poll() is None

            code, _ = running.stop()

        assert code == -signal.SIGTERM
        assert time.monotonic() - began < 2


def test_listen_outranks_the_configuration(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with server(tmp_path, config(NOBODY), "--listen", f"127.0.0.1:{port}") as running:
        assert running.url == f"http://127.0.0.1:{port}"


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"

        said = refused(tmp_path, config(NOBODY), "--listen", where)

    assert said == (
        f"server.listen: {where} is in use; stop what listens there or choose another port\n"
    )


def test_a_bind_to_a_network_without_tokens_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path, config(NOBODY), "--listen", "0.0.0.0:8700") == (
        "--listen: 0.0.0.0:8700 can be reached from other machines, and no tokens are configured; "
        'add tokens = ["env:TROUPER_TOKEN"], or listen on 127.0.0.1\n'
    )


def test_a_wrong_address_is_told(tmp_path: Path) -> None:
    assert refused(tmp_path, config(NOBODY), "--listen", "8700") == (
        '--listen: must be HOST:PORT, such as "127.0.0.1:8700" (port 0 picks a free one), '
        "not '8700'\n"
    )


def test_a_model_that_is_not_installed_is_one_sentence_with_the_command(tmp_path: Path) -> None:
    environ = {"XDG_CACHE_HOME": str(tmp_path)}

    said = refused(tmp_path, config(LOCAL, model="local/smollm2"), environ=environ)

    assert said == (
        f"trouper: the local model is not installed ({tmp_path}/trouper/models/"
        "SmolLM2-135M-Instruct.Q4_1.gguf); run: trouper local install\n"
    )


def test_a_missing_extra_is_one_sentence_with_the_command(tmp_path: Path) -> None:
    (tmp_path / "xllamacpp.py").write_text("raise ImportError('no such luck')")
    (tmp_path / "any.gguf").write_bytes(b"GGUF")
    text = config(f'{LOCAL}\nlocal = {{ model_file = "any.gguf" }}', model="local/any")

    said = refused(tmp_path, text, environ={"PYTHONPATH": str(tmp_path)})

    assert said.count("\n") == 1
    assert f"which {sys.executable} cannot import" in said
    assert said.endswith("run: pip install 'trouper[local]'\n")


def test_a_traceback_is_shown_to_who_asks(tmp_path: Path) -> None:
    environ = {"XDG_CACHE_HOME": str(tmp_path)}

    said = refused(tmp_path, config(LOCAL, model="local/x"), "--debug", environ=environ)

    assert "Traceback (most recent call last)" in said
    assert "ModelFileMissing" in said


def test_every_fault_of_a_configuration_is_told(tmp_path: Path) -> None:
    text = config(f"{NOBODY}\nmax_conections = 3", server='tokens = ["env:NO_SUCH"]', model="sim/x")
    text = text.replace('model = "default"', 'model = "defualt"')

    faults = refused(tmp_path, text).splitlines()

    assert len(faults) == 3
    assert all(fault.startswith(f"{tmp_path}/trouper.toml: ") for fault in faults)
    assert any("NO_SUCH" in fault and "server.tokens[0]" in fault for fault in faults)
    assert any("max_conections" in fault and "max_connections" in fault for fault in faults)
    assert any("defualt" in fault and "default" in fault for fault in faults)


def test_a_missing_configuration_is_told(tmp_path: Path) -> None:
    done = trouper("serve", "--config", str(tmp_path / "none.toml"))

    assert (done.code, done.err) == (1, f"{tmp_path}/none.toml: there is no such file\n")


def models_of(process: psutil.Process) -> list[psutil.Process]:
    """The children that run a model."""
    found: list[psutil.Process] = []
    for one in process.children():
        with suppress(psutil.NoSuchProcess):
            if "server_main" in str(one.cmdline()):
                found.append(one)
    return found


def test_a_signal_while_it_starts_ends_it_and_its_child(tmp_path: Path) -> None:
    (tmp_path / "xllamacpp.py").write_text("import time; time.sleep(60)")
    (tmp_path / "any.gguf").write_bytes(b"GGUF")
    file = tmp_path / "trouper.toml"
    file.write_text(config(f'{LOCAL}\nlocal = {{ model_file = "any.gguf" }}', model="local/any"))
    environ = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = [*TROUPER, "serve", "--config", str(file)]

    with psutil.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environ) as one:
        deadline = time.monotonic() + 20
        # The model's: what is imported may start others for a moment, before signals are heard.
        while not (children := models_of(one)):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        one.send_signal(signal.SIGTERM)
        out, err = one.communicate(timeout=20)

    assert (one.returncode, out) == (0, b""), err
    assert not children[0].is_running()
