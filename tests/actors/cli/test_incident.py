"""`trouper demo --incident`: four things go wrong, every face names all of them, operators mend them.

One test of many seconds, with real processes: what waits has to grow old before it is worth a word.
"""

import json
import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Awaitable, Callable, Generator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
import trio.testing

from tests.fakes.chromium import MISSING, PATH, Browser, Page, start_browser
from tests.fakes.commands import TROUPER, trouper, trouper_process
from tests.fakes.consoles import short_folder
from tests.fakes.terminal import terminal
from trouper.actors import open_app
from trouper.actors.cli.incident import _ask, _hanging
from trouper.actors.config.incident import incident_config
from trouper.runtime import ActorError

BREAKER = "providers/mistral/gates/breaker-large"
WORDS = {
    BREAKER: "tripped",
    "sessions/ada": "mailbox full",
    "tools/look_up": "stuck",
    "reports": "nearly spent",
}
Look = Callable[[Page], Awaitable[None]]
WITHIN = 10.0
"""Seconds, of the promise."""


@attrs.frozen
class Incident:
    """A demo that runs."""

    process: subprocess.Popen[str]
    url: str
    audit: Path
    sock: Path

    def health(self) -> Mapping[str, str]:
        """What is wrong, by whom."""
        told = json.loads(trouper("health", "-o", "json").out)["attention"]
        return {each["path"] or each["name"]: each["health"] for each in told}

    def readyz(self) -> Mapping[str, Any]:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{self.url}/readyz", timeout=5) as answer:
            told: Mapping[str, Any] = json.load(answer)
        return told

    def plain(self, words: str) -> str:
        """What is answered to who has nothing but `nc -U`."""
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(5)
            line.connect(str(self.sock))
            line.sendall(words.encode() + b"\n")
            line.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: line.recv(65_536), b"")).decode()


@contextmanager
def incident() -> Generator[Incident]:
    with (
        short_folder() as folder,
        subprocess.Popen(
            [*TROUPER, "demo", "--incident"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        try:
            assert process.stdout is not None
            ready = process.stdout.readline()
            assert ready.startswith("trouper ready url="), ready
            said = ""
            while "written to " not in said:
                said = process.stdout.readline()
            audit = Path(said.split("written to ")[1].split(". Ctrl-C")[0])
            sock = folder / "trouper" / f"trouper-{process.pid}.sock"
            yield Incident(process, ready.split("url=")[1].split()[0], audit, sock)
        finally:
            process.terminate()
            _, err = process.communicate(timeout=20)
            assert "Traceback" not in err, err
        assert process.returncode == 0, err
        assert not audit.parent.exists()


def test_an_incident_is_named_by_every_face_within_ten_seconds_and_can_be_mended() -> None:
    with incident() as running, page_of_it() as page:
        until = time.monotonic() + WITHIN
        named = page(named_by_the_page)
        while (found := running.health()) != WORDS:
            assert time.monotonic() < until, found
            time.sleep(0.2)
        named_by_every_face(running)
        named.result()
        assert time.monotonic() < until

        assert trouper("reset", "mistral", "--reason", "it is well again", "--yes").code == 0
        page(mended_on_the_page).result()
        mended_on_the_screen("tools/look_up")
        until = time.monotonic() + WITHIN
        # The budget is a matter of whoever pays: nothing here gives it more.
        while (found := running.health()) != {"reports": "nearly spent"}:
            assert time.monotonic() < until, found
            time.sleep(0.2)
        assert trouper("health").code == 0
        while written(running.audit) != [
            ("unix", "reset", BREAKER, "it is well again"),
            ("unix" if PATH is None else "web", "resume", "sessions/ada", "ada waits"),
            ("unix", "restart", "tools/look_up", ""),
        ]:
            assert time.monotonic() < until, written(running.audit)
            time.sleep(0.05)
        events = trouper("events", "-o", "jsonl").out
        assert events.count('"console action"') == 3
        for what in ("circuit opened", "circuit closed", "budget is nearly spent"):
            assert events.count(f'"{what}"') == 1
    if PATH is None:
        pytest.skip(f"all but the page: {MISSING}")


@contextmanager
def page_of_it() -> Generator[Callable[[Look], Future[None]]]:
    """Has somebody look at the page of the only program that runs, beside all else.

    Without a browser nobody looks, and a command does what would be done there.
    """
    if PATH is None:
        yield by_command
        return
    with start_browser() as browser, ThreadPoolExecutor(1) as beside:
        yield lambda look: beside.submit(trio.run, opened, browser, look)


async def opened(browser: Browser, look: Look) -> None:
    async with browser.page() as page:
        await page.size(1440, 900)
        # In a process of its own: this is another thread than that of the other commands, which
        # take standard output for themselves.
        await page.open(trouper_process("console").out.strip())
        await page.until("document.querySelectorAll('.row').length > 5")
        await look(page)
        assert page.complaints == []


async def named_by_the_page(page: Page) -> None:
    """All four are on its first screen."""
    for where, word in WORDS.items():
        await page.until(
            "[...document.querySelectorAll('.side li')].some((e) => "
            f"e.innerText.includes({where!r}) && e.innerText.includes({word!r}))"
        )
    if folder := os.environ.get("TROUPER_SCREENSHOTS"):
        await page.picture(Path(folder) / "incident.png")


async def mended_on_the_page(page: Page) -> None:
    """By an operator who follows a link of that list."""
    button = (
        "[...document.querySelectorAll('{} button')].find((e) => e.innerText.startsWith('Resume'))"
    )
    await page.run("location.hash = '#/actors/sessions/ada'")
    await page.until(button.format(".panel-top"))
    await page.run(f"{button.format('.panel-top')}.click()")
    await page.until(f"{button.format('dialog')}?.disabled === false")
    await page.run(
        "(() => { const why = document.querySelector('dialog input');"
        "why.value = 'ada waits'; why.dispatchEvent(new Event('input')) })()"
    )
    await page.run(f"{button.format('dialog')}.click()")
    await page.until("!document.querySelector('dialog')")


def by_command(look: Look) -> Future[None]:
    """The same without a browser."""
    if look is mended_on_the_page:
        assert trouper("resume", "sessions/ada", "--reason", "ada waits", "--yes").code == 0
    done = Future[None]()
    done.set_result(None)
    return done


def named_by_every_face(running: Incident) -> None:
    """The command for probes, the one for people, the socket, the screen, and the port."""
    people = trouper("health")
    assert people.code == 6
    tree = trouper("ps").err
    plain = running.plain("problems")
    for where, word in WORDS.items():
        assert any(where in line and word in line for line in people.out.splitlines())
        assert any(where in line and word in line for line in tree.splitlines())
        assert any(where in line and word in line for line in plain.splitlines())
    with terminal([*TROUPER, "top"], columns=80) as screen:
        # In this order, the worst first, above the tree.
        for word in ("tripped", "mailbox full", "nearly spent", "stuck", "ACTOR"):
            screen.wait_for(word)
        screen.type("q")
        assert screen.leave()[1] == 0
    told = running.readyz()
    assert told["ready"] is True
    assert set(told["warnings"]) == {
        "provider mistral: tripped",
        "sessions: mailbox full",
        "tool look_up: stuck",
        "budget reports: nearly spent",
    }


def mended_on_the_screen(path: str) -> None:
    """By an operator who sits before `trouper top`."""
    with terminal([*TROUPER, "top"], columns=80) as screen:
        screen.wait_for("stuck")
        screen.type("/look_up\r")
        screen.wait_for("/look_up")
        screen.type("R")
        screen.wait_for(f"Restart {path}; 1 in hand may be cancelled? [y/N]")
        screen.type("y")
        screen.wait_for(f"done: restart {path}")
        screen.type("q")
        assert screen.leave()[1] == 0


def written(audit: Path) -> list[tuple[str, ...]]:
    """What the record says that was done: over what, the act, to whom, and why."""
    lines = map(json.loads, audit.read_text().splitlines())
    return [
        (each["via"], each["act"], each["path"], each.get("reason", ""))
        for each in lines
        if each["msg"] == "console action"
    ]


async def test_the_incident_goes_on_where_an_operator_holds_up_who_talks(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    config = incident_config("http://127.0.0.1:9/v1", tmp_path, "look_up")
    async with open_app(config, signals=False, tools=[_hanging()]) as app:
        await _ask(app, "edsger", "default", "hello")
        operator = app.system.operator
        operator.suspend("sessions/edsger")
        with pytest.raises(ActorError):
            await (await app.session("edsger", assistant="default")).ask("hello")
        await _ask(app, "edsger", "default", "hello")
        await operator.stop("sessions/edsger")
        await _ask(app, "edsger", "default", "hello")
