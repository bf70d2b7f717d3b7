"""`trouper` as its users start it: what it prints, and how it ends."""

import io
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from unittest.mock import patch

import attrs
import structlog

from trouper.actors.cli.main import main

__all__ = ["TROUPER", "Done", "Server", "config", "server", "trouper", "trouper_process"]

TROUPER = (sys.executable, "-m", "trouper.actors.cli")

_PATIENCE = 30.0  # seconds: a command that takes longer has failed


@attrs.frozen
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str


def _environment(environ: Mapping[str, str] | None) -> dict[str, str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("TROUPER_")}
    return {**inherited, **(environ or {})}


def trouper(*words: str, environ: Mapping[str, str] | None = None, stdin: str = "") -> Done:
    """Run `trouper WORDS` to its end: here, which a fresh interpreter takes a second longer for."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    with (
        patch.dict(os.environ, _environment(environ), clear=True),
        patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode()), "utf-8")),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            code = main(words)
        except SystemExit as exit:
            code = exit.code if isinstance(exit.code, int) else 1
        finally:
            # As the command has set it up, for its own standard error.
            structlog.reset_defaults()
    return Done(code, _text(out), _text(err))


def _text(stream: io.TextIOWrapper) -> str:
    raw = stream.detach()
    assert isinstance(raw, io.BytesIO)
    return raw.getvalue().decode()


def trouper_process(*words: str, environ: Mapping[str, str] | None = None, stdin: str = "") -> Done:
    """The same in a process of its own: where trio runs already, or the process is what is tested."""
    done = subprocess.run(
        [*TROUPER, *words],
        input=stdin.encode(),
        capture_output=True,
        env=_environment(environ),
        timeout=_PATIENCE,
        check=False,
    )
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


def config(
    provider: str, *, server: str = "", model: str = "sim/sim", options: str = "", more: str = ""
) -> str:
    """A configuration with one provider, whose table begins with `provider`; `options` are
    the model's."""
    name = model.partition("/")[0]
    return f"""
[server]
listen = "127.0.0.1:0"
{server}
[providers.{name}]
{provider}
[models.default]
targets = ["{model}"]
{options}
[assistants.default]
model = "default"
{more}
"""


@attrs.define(eq=False)
class Server:
    """A `trouper serve` that serves."""

    process: subprocess.Popen[str]
    url: str
    ready: str
    """The line that it printed."""
    _log: Path

    @property
    def acp(self) -> str:
        return self.url.replace("http", "ws") + "/acp"

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def log(self) -> str:
        """What is on its standard error by now."""
        return self._log.read_text()

    @property
    def model_pids(self) -> list[int]:
        """The processes of the local model so far, the last one last."""
        return [int(pid) for pid in re.findall(r"model server is ready.* pid=(\d+)", self.log)]

    def wait_log(self, words: str, seconds: float = 15.0) -> None:
        """Wait until `words` are on its standard error."""
        deadline = time.monotonic() + seconds
        while words not in self.log:
            assert time.monotonic() < deadline, f"{words!r} is not logged, but: {self.log}"
            time.sleep(0.02)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """Send a signal; the exit code, and what it printed since the ready line."""
        self.process.send_signal(number)
        out, _ = self.process.communicate(timeout=_PATIENCE)
        return self.process.returncode, out


@contextmanager
def server(
    folder: Path, text: str, *words: str, environ: Mapping[str, str] | None = None
) -> Generator[Server]:
    """Run `trouper serve` on the configuration `text`, until the end of the block."""
    file, log = folder / "trouper.toml", folder / "stderr.log"
    file.write_text(text)
    with (
        log.open("w") as stderr,
        subprocess.Popen(
            [*TROUPER, "serve", "--config", str(file), *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            env=_environment(environ),
        ) as process,
    ):
        try:
            assert process.stdout is not None
            ready = process.stdout.readline()
            assert ready, log.read_text()
            yield Server(process, ready.split()[2].removeprefix("url="), ready, log)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
