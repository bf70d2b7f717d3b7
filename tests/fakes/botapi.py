"""Telegram's Bot API on loopback, as far as a bot needs it that reads and edits messages."""

import json
import queue
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

__all__ = ["BotApi", "bot_api"]

_ME = {"id": 42, "is_bot": True, "first_name": "Keeper", "username": "keeper_bot"}


class BotApi:
    """What people write to the bot, and what it shows them."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.shown: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()
        """Each message as it is sent or edited: the method's name and the text."""
        self._updates: list[dict[str, Any]] = []
        self._news = threading.Condition()
        self._numbers = iter(range(1, 1_000_000))
        self.closed = False

    def writes(self, user: int, text: str) -> None:
        """A person writes that in a private chat."""
        with self._news:
            number = next(self._numbers)
            person = {"id": user, "is_bot": False, "first_name": "P"}
            command = {"offset": 0, "length": len(text), "type": "bot_command"}
            message = {
                "message_id": number,
                "date": 1,
                "from": person,
                "chat": {"id": user, "type": "private"},
                "text": text,
                "entities": [command] if text.startswith("/") else [],
            }
            self._updates.append({"update_id": number, "message": message})
            self._news.notify_all()

    def until(self, text: str, seconds: float = 30.0) -> list[str]:
        """What is shown until that text is; all of it."""
        shown: list[str] = []
        while not shown or shown[-1] != text:
            try:
                shown.append(self.shown.get(timeout=seconds)[1])
            except queue.Empty:
                raise AssertionError(f"{text!r} was never shown: {shown}") from None
        return shown

    def until_any(self, part: str, seconds: float = 30.0) -> str:
        """The next text that is shown with `part` in it."""
        while True:
            try:
                shown = self.shown.get(timeout=seconds)[1]
            except queue.Empty:
                raise AssertionError(f"nothing with {part!r} was shown") from None
            if part in shown:
                return shown

    def answer(self, method: str, given: dict[str, str]) -> Any:
        """The result of a call."""
        match method:
            case "getMe":
                return _ME
            case "getUpdates":
                return self._updates_from(int(given.get("offset", 0)))
            case "sendMessage" | "editMessageText":
                self.shown.put((method, given["text"]))
                number = int(given.get("message_id", 0)) or next(self._numbers)
                chat = {"id": int(given["chat_id"]), "type": "private"}
                return {
                    "message_id": number,
                    "date": 1,
                    "from": _ME,
                    "chat": chat,
                    "text": given["text"],
                }
            case _:
                return True

    def _updates_from(self, offset: int) -> list[dict[str, Any]]:
        with self._news:
            self._updates = [one for one in self._updates if one["update_id"] >= offset]
            if not self._updates and not self.closed:
                self._news.wait(1.0)
            return self._updates

    def close(self) -> None:
        """Let nobody wait any longer."""
        with self._news:
            self.closed = True
            self._news.notify_all()


@contextmanager
def bot_api() -> Generator[BotApi]:
    """Serve it on a free port. A token is whatever stands behind /bot."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            result = api.answer(self.path.rsplit("/", 1)[-1], self._fields(body))
            said = json.dumps({"ok": True, "result": result}).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(said)))
            self.end_headers()
            with suppress(BrokenPipeError):  # the bot has stopped meanwhile
                self.wfile.write(said)

        def _fields(self, body: bytes) -> dict[str, str]:
            kind = self.headers.get("content-type", "")
            if kind.startswith("application/json"):
                return {name: str(value) for name, value in json.loads(body).items()}
            return {name: values[0] for name, values in parse_qs(body.decode()).items()}

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: what matters is what is shown."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        api = BotApi(f"http://127.0.0.1:{server.server_address[1]}/bot")
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield api
        finally:
            api.close()
            server.shutdown()
            thread.join()
