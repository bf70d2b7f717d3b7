"""The model's process never outlives its parent, and tells llama.cpp what was asked."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import psutil
import pytest
import trio

from trouper.actors.local import server_main
from trouper.actors.local.settings import ServerSettings

StandIn = Callable[[str], None]

PARENT = """
import os, sys, trio
from pathlib import Path
from trouper.actors.local.process import ModelProcess
from trouper.actors.local.settings import ServerSettings

async def main():
    process = ModelProcess(ServerSettings(model=Path(sys.argv[1]), alias="small", slots=1))
    await process.start()
    print(process.pid, flush=True)
    if "fork" in sys.argv:
        sibling = os.fork()
        if sibling:
            print(sibling, flush=True)
    await trio.sleep_forever()

trio.run(main)
"""


@pytest.fixture
def parent() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start a program that owns a model's process."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*args: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen([sys.executable, "-c", PARENT, *args], stdout=subprocess.PIPE)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def read_pid(stream: IO[bytes] | None) -> int:
    assert stream is not None
    return int(stream.readline())


def lives(pid: int) -> bool:
    # In a container nobody may be there to reap an orphan.
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


async def wait_gone(pid: int, seconds: float) -> None:
    with trio.fail_after(seconds):
        while lives(pid):  # noqa: ASYNC110 - nobody else's child tells us of its end
            await trio.sleep(0.01)


async def test_a_parent_that_is_killed_leaves_no_model_behind(
    parent: Callable[..., subprocess.Popen[bytes]], model: Path
) -> None:
    program = parent(str(model))
    child = read_pid(program.stdout)

    assert lives(child)
    os.kill(program.pid, signal.SIGKILL)
    await wait_gone(child, 2.0)


async def test_not_even_while_llama_cpp_holds_the_interpreter_lock(
    parent: Callable[..., subprocess.Popen[bytes]],
    stand_in: StandIn,
    any_file: Path,
    tmp_path: Path,
) -> None:
    pid_file = tmp_path / "pid"
    os.mkfifo(pid_file)
    stand_in(f"open({str(pid_file)!r}, 'w').write(str(os.getpid())); ctypes.PyDLL(None).sleep(30)")
    program = parent(str(any_file))
    child = int(await trio.to_thread.run_sync(pid_file.read_text))

    assert lives(child)
    os.kill(program.pid, signal.SIGKILL)
    await wait_gone(child, 2.0 if sys.platform == "linux" else 31.0)


async def test_not_even_if_a_sibling_holds_the_pipe_open(
    parent: Callable[..., subprocess.Popen[bytes]], model: Path
) -> None:
    program = parent(str(model), "fork")
    child, sibling = read_pid(program.stdout), read_pid(program.stdout)

    assert lives(child)
    os.kill(program.pid, signal.SIGKILL)
    try:
        await wait_gone(child, 3.0)
    finally:
        os.kill(sibling, signal.SIGKILL)


def test_a_child_whose_parent_is_gone_already_does_not_begin(any_file: Path) -> None:
    options = ServerSettings(model=any_file, alias="small").options()
    stranger = {**options, "parent": 1}

    for stdin, told in ((subprocess.DEVNULL, options), (subprocess.PIPE, stranger)):
        child = subprocess.Popen(
            [sys.executable, "-P", server_main.__file__, json.dumps(told)],
            stdin=stdin,
            stdout=subprocess.PIPE,
        )
        with child:
            assert child.stdout is not None
            assert child.stdout.read() == b""
        assert child.returncode == 0


def test_llama_cpp_is_told_what_was_asked_for_and_offers_nothing_else(any_file: Path) -> None:
    xllamacpp = pytest.importorskip("xllamacpp", reason="needs the [local] extra")
    settings = ServerSettings(
        model=any_file, alias="small", slots=3, context=1024, max_tokens=99, threads=2
    )

    params = server_main.common_params(xllamacpp, settings.options())

    assert params.model.path == str(any_file)
    assert params.model_alias == {"small"}
    assert (params.hostname, params.port) == ("127.0.0.1", 0)
    assert (params.n_parallel, params.n_ctx, params.n_predict) == (3, 3 * 1024, 99)
    assert (params.cpuparams.n_threads, params.cpuparams_batch.n_threads) == (2, 2)
    assert (params.webui, params.endpoint_slots, params.endpoint_props) == (False,) * 3
    assert params.chat_template == ""


def test_a_chat_template_replaces_the_models_own(any_file: Path) -> None:
    xllamacpp = pytest.importorskip("xllamacpp", reason="needs the [local] extra")
    settings = ServerSettings(model=any_file, alias="small", chat_template="{{ messages }}")

    params = server_main.common_params(xllamacpp, settings.options())

    assert params.chat_template == "{{ messages }}"
