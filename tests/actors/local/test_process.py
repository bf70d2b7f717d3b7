"""A model's process starts, answers, dies loudly, and is always reaped."""

import os
import signal
import venv
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil
import pytest
import trio

from tests.fakes.model_process import open_model_process
from trouper.actors.local.errors import (
    LocalExtraMissing,
    ModelFileMissing,
    ModelServerDied,
    ModelServerSlow,
)
from trouper.actors.local.process import ModelProcess
from trouper.actors.local.settings import ServerSettings

StandIn = Callable[[str], None]

# Not healthy when it is asked first: llama.cpp answers 503 while it loads.
SERVES_HEALTH = """
import http.server, threading
statuses = [503, 200]
class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(statuses.pop(0))
        self.end_headers()
server = http.server.HTTPServer(("127.0.0.1", 0), Health)
self.listening_address = f"http://127.0.0.1:{server.server_port}"
threading.Thread(target=server.serve_forever, daemon=True).start()
"""


def settings(model: Path, **more: object) -> ServerSettings:
    return ServerSettings(**{"model": model, "alias": "small", "start_timeout": 20.0, **more})  # type: ignore[arg-type]


def children() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


@pytest.fixture(autouse=True)
def no_child_is_left() -> object:
    before = set(children())
    yield
    assert set(children()) <= before


async def test_a_model_answers_and_its_violent_death_is_seen_at_once(model: Path) -> None:
    heard: list[str] = []
    async with open_model_process(settings(model, slots=1), on_log=heard.append) as process:
        async with httpx.AsyncClient(timeout=30.0) as client:
            answer = await client.post(
                f"{process.base_url}/chat/completions",
                json={
                    "model": "small",
                    "messages": [{"role": "user", "content": "Say hello."}],
                    "max_tokens": 4,
                },
            )
            slots = await client.get(f"http://127.0.0.1:{process.port}/slots")
        os.kill(process.pid, signal.SIGKILL)
        with trio.fail_after(2):
            status = await process.wait()

        assert answer.json()["model"] == "small"
        assert answer.json()["choices"][0]["message"]["content"]
        assert slots.status_code == httpx.codes.NOT_IMPLEMENTED
        assert status == -signal.SIGKILL
        assert "killed by signal SIGKILL" in str(process.died())
        assert tuple(heard) == process.log
        assert process.log


async def test_a_damaged_model_file_is_an_error_that_repeats_what_llama_cpp_said(
    tmp_path: Path,
) -> None:
    pytest.importorskip("xllamacpp", reason="needs the [local] extra")
    damaged = tmp_path / "damaged.gguf"
    damaged.write_bytes(bytes(1000))

    with pytest.raises(ModelServerDied, match="invalid magic characters") as caught:
        await ModelProcess(settings(damaged)).start()

    assert caught.value.status == 1


async def test_without_a_model_file_the_error_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(ModelFileMissing, match="trouper local install"):
        await ModelProcess(settings(tmp_path / "none.gguf")).start()


async def test_without_the_extra_the_error_names_the_command(
    tmp_path: Path, any_file: Path
) -> None:
    bare = tmp_path / "bare"
    venv.create(bare, symlinks=True)

    with pytest.raises(LocalExtraMissing) as caught:
        await ModelProcess(settings(any_file, python=str(bare / "bin" / "python"))).start()

    assert "pip install 'trouper[local]'" in str(caught.value)
    assert "No module named 'xllamacpp'" in str(caught.value)


async def test_a_child_that_ends_while_it_starts_is_an_error_with_its_log(
    stand_in: StandIn, any_file: Path
) -> None:
    stand_in("print('out of luck', flush=True); os._exit(7)")

    with pytest.raises(ModelServerDied, match="exited with status 7") as caught:
        await ModelProcess(settings(any_file)).start()

    assert caught.value.log == ("out of luck",)


async def test_a_child_that_ends_after_it_announced_its_port_is_an_error(
    stand_in: StandIn, any_file: Path
) -> None:
    stand_in("import threading; threading.Timer(0.2, os.abort).start()")

    with pytest.raises(ModelServerDied, match="killed by signal SIGABRT"):
        await ModelProcess(settings(any_file)).start()


async def test_a_child_that_takes_too_long_is_ended(stand_in: StandIn, any_file: Path) -> None:
    stand_in("print('loading', flush=True); time.sleep(60)")

    with pytest.raises(ModelServerSlow, match=r"not ready within 1 s") as caught:
        await ModelProcess(settings(any_file, start_timeout=1.0)).start()

    assert caught.value.log == ("loading",)


async def test_a_cancelled_start_leaves_no_child(stand_in: StandIn, any_file: Path) -> None:
    stand_in("time.sleep(60)")
    process = ModelProcess(settings(any_file))

    # Other tests' fixtures have children, too.
    others = set(children())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(process.start)
        while not (started := set(children()) - others):  # noqa: ASYNC110 - it sends no event
            await trio.sleep(0.01)
        nursery.cancel_scope.cancel()

    # By the child's own word: the cancel may come before `start` has its pid.
    assert not any(psutil.pid_exists(child.pid) for child in started)


async def test_a_child_that_ignores_the_request_to_end_is_killed(
    stand_in: StandIn, any_file: Path
) -> None:
    stand_in(
        f"""{SERVES_HEALTH}
real = signal.signal
real(signal.SIGTERM, signal.SIG_IGN)
signal.signal = lambda *args: None"""
    )
    process = ModelProcess(settings(any_file, grace=0.1))
    await process.start()

    await process.aclose()

    assert await process.wait() == -signal.SIGKILL


async def test_a_child_that_is_asked_to_end_ends_without_being_killed(
    stand_in: StandIn, any_file: Path
) -> None:
    stand_in(SERVES_HEALTH)
    process = ModelProcess(settings(any_file))
    await process.start()

    with trio.fail_after(2):
        await process.aclose()
        await process.aclose()

    assert await process.wait() == -signal.SIGTERM


async def test_wait_may_be_cancelled_and_taken_up_again(stand_in: StandIn, any_file: Path) -> None:
    stand_in(SERVES_HEALTH)
    async with open_model_process(settings(any_file)) as process:
        with trio.move_on_after(0.05) as scope:
            await process.wait()
        os.kill(process.pid, signal.SIGTERM)

        assert scope.cancelled_caught
        assert await process.wait() == -signal.SIGTERM


async def test_a_flood_of_log_stops_nobody_and_only_its_end_is_kept(
    stand_in: StandIn, any_file: Path
) -> None:
    stand_in("print('x' * 500_000); print('last words', flush=True); os._exit(1)")

    with pytest.raises(ModelServerDied) as caught:
        await ModelProcess(settings(any_file)).start()

    assert len(caught.value.log) <= 100
    assert max(map(len, caught.value.log)) <= 2_000
    assert caught.value.log[-1] == "last words"


async def test_a_stranger_who_keeps_the_log_open_does_not_hide_the_death(
    stand_in: StandIn, any_file: Path
) -> None:
    stand_in(
        f"""{SERVES_HEALTH}
import subprocess
subprocess.Popen(["sleep", "30"], stdout=sys.stderr)"""
    )
    async with open_model_process(settings(any_file)) as process:
        (stranger,) = psutil.Process(process.pid).children()
        os.kill(process.pid, signal.SIGKILL)
        with trio.fail_after(5):
            status = await process.wait()
        stranger.kill()

        assert status == -signal.SIGKILL


async def test_using_a_process_out_of_order_says_what_is_missing(
    stand_in: StandIn, any_file: Path
) -> None:
    stand_in(SERVES_HEALTH)
    process = ModelProcess(settings(any_file))
    with pytest.raises(RuntimeError, match="has not been started"):
        _ = process.pid
    with pytest.raises(RuntimeError, match=r"await start\(\) first"):
        _ = process.port
    await process.aclose()

    async with open_model_process(settings(any_file)) as running:
        with pytest.raises(RuntimeError, match="make a new one"):
            await running.start()
        with pytest.raises(RuntimeError, match=r"await wait\(\) first"):
            running.died()


@pytest.mark.parametrize("wrong", [{"slots": 0}, {"context": 1}, {"max_tokens": 0}, {"threads": 0}])
def test_settings_that_llama_cpp_would_misread_are_refused(
    any_file: Path, wrong: dict[str, int]
) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        settings(any_file, **wrong)


def test_one_core_is_left_for_the_rest_of_the_program(any_file: Path) -> None:
    assert 1 <= settings(any_file).threads <= max(1, (os.cpu_count() or 1) - 1)
