"""A real browser, driven over its DevTools protocol: Chromium without a window.

Where it is missing `MISSING` says how to get it. The browser is a process of its own with a
profile of its own, and ends with the block.
"""

import base64
import json
import shutil
import subprocess
import tempfile
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

import attrs
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, connect_websocket_url

__all__ = ["MISSING", "PATH", "Page", "open_browser"]

PATH: Final = shutil.which("chromium") or shutil.which("chromium-browser")
MISSING: Final = "no chromium; on Debian: apt-get install -y chromium"

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


@asynccontextmanager
async def open_browser(*arguments: str) -> AsyncGenerator[Page]:
    """A browser with one page."""
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
            "--remote-debugging-port=0",
            f"--user-data-dir={folder}",
            *arguments,
            "about:blank",
        ]
        quiet = subprocess.DEVNULL
        process = await trio.lowlevel.open_process(command, stdout=quiet, stderr=quiet)
        try:
            port = await _port(Path(folder), lambda: process.poll() is None)
            async with trio.open_nursery() as nursery:
                ws = await connect_websocket_url(
                    nursery, await _page_of(port), max_message_size=64 * 1024 * 1024
                )
                page = Page(ws)
                nursery.start_soon(page.listen)
                for domain in ("Page", "Runtime", "Network", "Log", "Performance"):
                    await page.call(f"{domain}.enable")
                try:
                    yield page
                finally:
                    await trio.aclose_forcefully(ws._stream)
                nursery.cancel_scope.cancel()
        finally:
            process.kill()
            with trio.CancelScope(shield=True):
                await process.wait()


async def _port(folder: Path, alive: Callable[[], bool]) -> int:
    file = trio.Path(folder / "DevToolsActivePort")
    with trio.fail_after(_START):
        while not await file.exists() or not (text := await file.read_text()).count("\n"):
            assert alive(), "chromium has ended"
            await trio.sleep(0.05)
    return int(text.splitlines()[0])


async def _page_of(port: int) -> str:
    """The address of the first page's websocket, asked for by hand: one short answer."""
    with trio.fail_after(_START):
        stream = await trio.open_tcp_stream("127.0.0.1", port)
        async with stream:
            await stream.send_all(
                f"GET /json/list HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode()
            )
            answer = b""
            while not answer.rstrip().endswith(b"]"):
                data = await stream.receive_some()
                if not data:
                    break
                answer += data
    pages = json.loads(answer.partition(b"\r\n\r\n")[2])
    url: str = next(page["webSocketDebuggerUrl"] for page in pages if page["type"] == "page")
    return url
