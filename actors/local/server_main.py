"""The child process that runs llama.cpp's server on one model file.

It is started by its path, not as `-m trouper...`, and imports nothing of this
project: the parent's packages would cost it start time and memory, and it has
no use for them. So this file stands alone: the standard library and xllamacpp.

One argument, a JSON object with the fields of `Options`. Standard output gets
one line when the model is loaded and the port is bound, a JSON object
{"port": 43217}; all that llama.cpp and Python write goes to standard error.

It must never outlive its parent, who may be killed without a word:
- Standard input is a pipe whose other end the parent holds. When that end
  closes, a thread that reads it ends this process. The thread cannot run while
  llama.cpp loads a model, for the loader keeps the interpreter's lock (0.58 s
  for 98 MB, minutes for a large file). So on Linux the kernel is asked to send
  SIGKILL on that event, with no thread at all.
- A sibling that the parent forked may hold that other end open, too. So the
  main thread looks once a second whether its parent is still the same.
- PR_SET_PDEATHSIG is not used, on purpose. It fires when the *thread* that
  forked ends; trio forks in a worker thread, which ends after 10 idle seconds.
"""

import importlib
import json
import os
import select
import signal
import sys
import threading
import time
from typing import Any, TypedDict

if sys.platform == "linux":
    import fcntl

__all__ = ["EXIT_NO_XLLAMACPP", "Options", "common_params", "main"]

EXIT_NO_XLLAMACPP = 69
"""Exit status where xllamacpp cannot be imported; EX_UNAVAILABLE of sysexits.h."""

VERBOSITY = 2
"""Errors and warnings. At 3 llama.cpp writes eleven lines for each request."""

PROMPT_CACHE_MIB = 256
"""llama.cpp keeps the computed prompts of conversations that lost their slot,
and would use up to 8 GiB for it."""

F_SETSIG = 10
"""From Linux's asm-generic/fcntl.h; Python has no name for it."""


class Options(TypedDict):
    """What the parent wants to be served; see `ServerSettings` in settings.py."""

    parent: int
    model: str
    alias: str
    host: str
    port: int
    slots: int
    context: int
    max_tokens: int
    threads: int
    chat_template: str | None


def common_params(xllamacpp: Any, options: Options) -> Any:
    """Return llama.cpp's own parameters for `options`."""
    params = xllamacpp.CommonParams()
    params.model.path = options["model"]
    params.model_alias = {options["alias"]}
    params.hostname = options["host"]
    params.port = options["port"]
    params.n_parallel = options["slots"]
    # llama.cpp divides its context among the slots.
    params.n_ctx = options["context"] * options["slots"]
    params.n_predict = options["max_tokens"]
    params.cpuparams.n_threads = options["threads"]
    params.cpuparams_batch.n_threads = options["threads"]
    params.use_jinja = True
    if options["chat_template"] is not None:
        params.chat_template = options["chat_template"]
    params.verbosity = VERBOSITY
    params.cache_ram_mib = PROMPT_CACHE_MIB
    # What is not needed is not offered: any process of this machine can connect.
    params.webui = False
    params.endpoint_slots = False
    return params


def die_with(parent: int) -> None:
    """Arrange that this process ends when `parent` does, or lets go of our stdin."""
    if sys.platform == "linux":
        fcntl.fcntl(0, F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(0, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(0, fcntl.F_SETFL, fcntl.fcntl(0, fcntl.F_GETFL) | os.O_ASYNC)
    # The signal tells of later events only, and the thread may come too late to
    # be heard: where the end has happened already, nothing is begun. (On Windows
    # `select` knows no pipes.)
    gone = sys.platform != "win32" and bool(select.select([0], [], [], 0)[0])
    if gone or os.getppid() != parent:
        os._exit(0)
    threading.Thread(target=_exit_at_eof, name="parent-watch", daemon=True).start()


def _exit_at_eof() -> None:
    # The parent never writes, so whatever ends this read is the end.
    os.read(0, 1)
    os._exit(0)


def _own_signals() -> None:
    """Before and after llama.cpp starts: it sets handlers that end only its own loop."""
    # A Ctrl-C in the terminal is the parent's to decide about.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # There is nothing to save, so an asked-for end may be an abrupt one.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _claim_stdout() -> int:
    """Keep standard output for the ready line; what else is printed goes to stderr."""
    ready = os.dup(1)
    os.dup2(2, 1)
    return ready


def main(options: Options) -> int:
    """Serve until the parent ends us, or is gone. Returns an exit status."""
    _own_signals()
    die_with(options["parent"])
    ready = _claim_stdout()
    try:
        # Here and not above: its absence has an exit status of its own, and
        # nothing may come before die_with.
        xllamacpp: Any = importlib.import_module("xllamacpp")
    except ImportError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_NO_XLLAMACPP
    try:
        server = xllamacpp.Server(common_params(xllamacpp, options))
    except RuntimeError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    _own_signals()
    port = int(server.listening_address.rpartition(":")[2])
    os.write(ready, json.dumps({"port": port}).encode() + b"\n")
    os.close(ready)
    while os.getppid() == options["parent"]:
        time.sleep(1)
    # Not sys.exit: llama.cpp's threads would be waited for.
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
