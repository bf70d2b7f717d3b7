"""A real browser, driven over its DevTools protocol: Chromium without a window.

Where it is missing `MISSING` says how to get it. A browser is a process of its own with a
profile of its own, and ends with its block; one is enough for the tests of a module, since each
page that is opened in it knows nothing of the others.
"""

import base64
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import attrs
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, connect_websocket_url

__all__ = ["MISSING", "PATH", "Browser", "Page", "start_browser"]

PATH: Final = shutil.which("chromium") or shutil.which("chromium-browser")
MISSING: Final = (
    "no chromium on the PATH, so the page is not looked at; on Debian: apt-get install -y chromium"
)

_START, _CALL = 30.0, 15.0


@attrs.define(eq=False)
class Page:
    """One page. `requests` are the addresses that it asked for, `complaints` what it logged as wrong."""

    ws: WebSocketConnection
    requests: list[str] = attrs.field(factory=list)
    complaints: list[str] = attrs.field(factory=list)
    _answers: dict[int, trio.MemorySendChannel[dict[str, Any]]] = attrs.field(factory=dict)
    _last: int = 0

    async def listen(self) -> None:
        """Take what the browser says, until it is gone."""
        with suppress(ConnectionClosed):
            while True:
                told = json.loads(await self.ws.get_message())
                if "id" in told:
                    self._answers.pop(told["id"]).send_nowait(told)
                else:
                    self._heard(told["method"], told["params"])

    def _heard(self, method: str, params: dict[str, Any]) -> None:
        if method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif method == "Network.webSocketCreated":
            self.requests.append(params["url"])
        elif method == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            said = details.get("exception", {}).get("description", details["text"])
            self.complaints.append(said)
        elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.complaints.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """One command of the protocol."""
        self._last += 1
        sender, answers = trio.open_memory_channel[dict[str, Any]](1)
        self._answers[self._last] = sender
        await self.ws.send_message(
            json.dumps({"id": self._last, "method": method, "params": params})
        )
        with trio.fail_after(_CALL):
            told = await answers.receive()
        assert "error" not in told, told
        result: dict[str, Any] = told["result"]
        return result

    async def run(self, script: str) -> Any:
        """The value of an expression in the page; promises are waited for."""
        told = await self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    async def until(self, script: str, seconds: float = 10.0) -> Any:
        """The value of an expression, once it is one that counts as true."""
        with trio.move_on_after(seconds):
            while not (value := await self.run(script)):  # noqa: ASYNC110 - a page tells nobody
                await trio.sleep(0.05)
            return value
        text = await self.run("document.body.innerText")
        raise AssertionError(f"never true: {script}; the page says:\n{text}\n{self.complaints}")

    async def open(self, url: str) -> None:
        """Go there."""
        await self.call("Page.navigate", url=url)

    async def key(self, *keys: str) -> None:
        """Press keys, one after the other."""
        for key in keys:
            text = {"text": key} if len(key) == 1 else {}
            await self.call("Input.dispatchKeyEvent", type="keyDown", key=key, **text)
            await self.call("Input.dispatchKeyEvent", type="keyUp", key=key)

    async def size(self, wide: int, high: int) -> None:
        """Be a window of that size."""
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=wide,
            height=high,
            deviceScaleFactor=1,
            mobile=wide < 600,
        )

    async def colours(self, scheme: str) -> None:
        """Prefer `light` or `dark`, as a system says it."""
        feature = {"name": "prefers-color-scheme", "value": scheme}
        await self.call("Emulation.setEmulatedMedia", features=[feature])

    async def picture(self, path: Path) -> None:
        """A picture of what is in the window, as PNG."""
        told = await self.call("Page.captureScreenshot", format="png")
        await trio.Path(path).write_bytes(base64.b64decode(told["data"]))

    async def busy(self) -> float:
        """Seconds that the page's main thread has worked so far."""
        told = await self.call("Performance.getMetrics")
        values = {each["name"]: each["value"] for each in told["metrics"]}
        return float(values["TaskDuration"])


@attrs.frozen
class Browser:
    """A browser that runs; `address` is that of its own websocket, without the page's part."""

    address: str
    path: str

    @asynccontextmanager
    async def page(self) -> AsyncGenerator[Page]:
        """A page of nobody's: with no cookie and no storage but its own."""
        async with trio.open_nursery() as nursery:
            whole = await _spoken_to(nursery, f"{self.address}{self.path}")
            context = (await whole.call("Target.createBrowserContext"))["browserContextId"]
            made = await whole.call(
                "Target.createTarget", url="about:blank", browserContextId=context
            )
            page = await _spoken_to(nursery, f"{self.address}/devtools/page/{made['targetId']}")
            for domain in ("Page", "Runtime", "Network", "Log", "Performance"):
                await page.call(f"{domain}.enable")
            try:
                yield page
            finally:
                with trio.CancelScope(shield=True):
                    await whole.call("Target.disposeBrowserContext", browserContextId=context)
                    for each in (page, whole):
                        await trio.aclose_forcefully(each.ws._stream)
            nursery.cancel_scope.cancel()


@contextmanager
def start_browser() -> Generator[Browser]:
    """A browser without a page. Under the name rebind.test it finds this machine."""
    assert PATH is not None
    with tempfile.TemporaryDirectory(prefix="chromium", ignore_cleanup_errors=True) as folder:
        # No sandbox: tests may run as root, and the only page is ours.
        command = [
            PATH,
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-background-networking",
            "--no-first-run",
            "--hide-scrollbars",
            "--host-resolver-rules=MAP rebind.test 127.0.0.1",
            "--remote-debugging-port=0",
            f"--user-data-dir={folder}",
        ]
        quiet = subprocess.DEVNULL
        with subprocess.Popen(command, stdout=quiet, stderr=quiet) as process:
            try:
                yield _started(Path(folder) / "DevToolsActivePort", process)
            finally:
                process.kill()


def _started(file: Path, process: "subprocess.Popen[bytes]") -> Browser:
    until = time.monotonic() + _START
    while not file.exists() or (text := file.read_text()).count("\n") < 1:
        assert process.poll() is None, "chromium has ended"
        assert time.monotonic() < until, "chromium does not start"
        time.sleep(0.02)
    port, path = text.splitlines()[:2]
    return Browser(f"ws://127.0.0.1:{port}", path)


async def _spoken_to(nursery: trio.Nursery, url: str) -> Page:
    with trio.fail_after(_START):
        ws = await connect_websocket_url(nursery, url, max_message_size=64 * 1024 * 1024)
    page = Page(ws)
    nursery.start_soon(page.listen)
    return page
