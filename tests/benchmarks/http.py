"""A request over HTTP through our port to the provider's and back, against LiteLLM's proxy.

Ours is `trouper serve` with what is usual at work: a token, limits, two budgets
and a ledger. Both servers run on core 0 and ask the same stub; stub and clients
share core 1. CPU time is the server's own, from the kernel. The proxy is measured
where there is one, since its environment takes a minute and 0.8 GB; without it our
own figures stand alone:

    python -m venv .venv/litellm-proxy
    .venv/litellm-proxy/bin/pip install -r tests/benchmarks/peers/requirements.txt \\
        -r tests/benchmarks/peers/proxy.txt
    .venv/litellm-proxy/bin/pip install --no-deps litellm==1.109.1
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import attrs

from .harness import Row, at_least, at_most, compare, measure, pin
from .transport import stub

__all__ = ["rows"]

_TICKS = os.sysconf("SC_CLK_TCK")
_ROOT = Path(__file__).resolve().parents[2]
_LITELLM = _ROOT / ".venv" / "litellm-proxy" / "bin" / "litellm"
_TOKEN = "sk-0123456789"

_CONFIG = """
[server]
listen = "127.0.0.1:{port}"
tokens = ["env:KEY"]
[store]
path = "{folder}/trouper.db"
durability = "relaxed"
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

_PROXY = """
model_list:
  - model_name: default
    litellm_params:
      model: openai/m
      api_base: {url}
      api_key: {token}
{knobs}
general_settings:
  master_key: {token}
"""


@attrs.frozen
class _Heard:
    answers: int
    first_ms: float


@attrs.frozen
class _Server:
    process: "subprocess.Popen[bytes]"
    port: int

    def cpu(self) -> float:
        """CPU seconds so far, to a hundredth."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def load(self, kind: str, tasks: int, calls: int) -> _Heard:
        """Ask it; what the clients have to say of it."""
        words = [sys.executable, "-m", "tests.benchmarks._http_load", str(self.port), kind]
        with subprocess.Popen(
            [*words, str(tasks), str(calls), _TOKEN], stdout=subprocess.PIPE, cwd=_ROOT
        ) as client:
            pin(1, client.pid)
            out, _ = client.communicate()
        told = json.loads(out)
        return _Heard(told["answers"], told["first_ms"])


def _serve(kind: str, folder: Path, port: int, url: str, knobs: str) -> list[str]:
    """Write the configuration; the command."""
    if kind == "trouper":
        file = folder / "trouper.toml"
        file.write_text(_CONFIG.format(port=port, folder=folder, url=url))
        return [sys.executable, "-m", "tests.benchmarks._http_server", str(file), knobs]
    headers = f'      extra_headers: {{"x-stub": "{knobs}"}}' if knobs else ""
    file = folder / "proxy.yaml"
    file.write_text(_PROXY.format(url=url, token=_TOKEN, knobs=headers))
    return [str(_LITELLM), "--config", str(file), "--host", "127.0.0.1", "--port", str(port)]


@contextmanager
def _server(kind: str, url: str, knobs: str = "") -> Generator[_Server]:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # LiteLLM fetches its table of prices from the network otherwise, and waits for it.
        settings = {"KEY": _TOKEN, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"}
        with subprocess.Popen(
            _serve(kind, folder, port, url, knobs),
            stdout=subprocess.DEVNULL,
            env={**os.environ, **settings},
            cwd=folder if kind != "trouper" else _ROOT,
        ) as process:
            try:
                pin(0, process.pid)
                _wait_until_it_listens(process, port)
                yield _Server(process, port)
            finally:
                process.kill()


def _wait_until_it_listens(process: "subprocess.Popen[bytes]", port: int) -> None:
    for _ in range(1200):
        if process.poll() is not None:
            raise AssertionError(f"the server has ended with {process.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            break
        except OSError:
            time.sleep(0.05)
    else:
        raise AssertionError(f"nobody listens on port {port}")


def _per_request(kind: str, url: str, at_once: int, calls: int) -> float:
    """The server's CPU microseconds a plain request."""
    with _server(kind, url) as server:
        server.load("plain", at_once, 2 * at_once)
        before = server.cpu()
        heard = server.load("plain", at_once, calls)
        return (server.cpu() - before) * 1e6 / heard.answers


def _per_chunk(kind: str, url: str, streams: int, knobs: str, chunks: int) -> float:
    """The server's CPU microseconds a streamed chunk, eight streams at once."""
    with _server(kind, url, f"n={chunks}{knobs}") as server:
        server.load("stream", 8, 8)
        before = server.cpu()
        heard = server.load("stream", 8, streams)
        return (server.cpu() - before) * 1e6 / (heard.answers * chunks)


def _first_word(url: str, port: int) -> float:
    """Milliseconds that our server adds to the first word, one stream at a time."""
    knobs = "n=2"
    with _server("trouper", url, knobs) as server:
        server.load("stream", 1, 20)
        through = server.load("stream", 1, 300).first_ms
        past = _Server(server.process, port).load("stream", 1, 300).first_ms
    return through - past


def rows() -> Iterator[Row]:
    with stub() as address:
        url = address.removesuffix("/chat/completions")
        port = int(address.split(":")[2].partition("/")[0])
        plain = partial(_per_request, "trouper", url, 32, 3200)
        quick = partial(_per_chunk, "trouper", url, 64, "", 400)
        paced = partial(_per_chunk, "trouper", url, 16, ",d=5000", 400)
        if _LITELLM.exists():
            theirs = partial(_per_request, "litellm", url, 32, 320)
            yield compare(
                "plain request, 32 in flight, LiteLLM's proxy : ours",
                plain,
                theirs,
                goal=at_least(15),
                unit="us",
                rounds=3,
                inverse=True,
            )
            theirs = partial(_per_chunk, "litellm", url, 8, "", 400)
            yield compare(
                "streamed chunk, LiteLLM's proxy : ours",
                quick,
                theirs,
                goal=at_least(30),
                unit="us",
                rounds=3,
                inverse=True,
            )
        else:
            yield measure("plain request, 32 in flight", plain, goal=at_most(600), unit="us")
            yield measure(
                "streamed chunk, as quick as they come", quick, goal=at_most(12), unit="us"
            )
        yield measure(
            "streamed chunk, one each 5 ms", paced, goal=at_most(120), unit="us", rounds=3
        )
        yield measure(
            "what the server adds to the first word, p50",
            partial(_first_word, url, port),
            goal=at_most(0.6),
            unit="ms",
            rounds=3,
        )
