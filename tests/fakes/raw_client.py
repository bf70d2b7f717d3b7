"""An HTTP client without opinions: it shows the bytes that came, and how they ended."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import attrs
import trio

__all__ = ["RawAnswer", "chat_request", "connect", "converse"]


@attrs.frozen
class RawAnswer:
    """All that came after a request. `ended` is eof, reset, or open where we stopped reading."""

    wire: bytes
    ended: str

    @property
    def head(self) -> bytes:
        return self.wire.partition(b"\r\n\r\n")[0].lower()

    @property
    def status(self) -> int:
        return int(self.wire.split(b" ", 2)[1])

    @property
    def body(self) -> bytes:
        """The body as far as it came, without the framing of chunks."""
        rest = self.wire.partition(b"\r\n\r\n")[2]
        if b"transfer-encoding: chunked" not in self.head:
            return rest
        parts: list[bytes] = []
        while b"\r\n" in rest:
            size, _, rest = rest.partition(b"\r\n")
            parts.append(rest[: int(size, 16)])
            rest = rest[int(size, 16) + 2 :]
        return b"".join(parts)

    @property
    def complete(self) -> bool:
        """Whether a chunked body has its end, or the length of another is as announced."""
        if b"transfer-encoding: chunked" in self.head:
            return self.wire.endswith(b"\r\n0\r\n\r\n")
        length = self.head.partition(b"content-length: ")[2].partition(b"\r\n")[0]
        return len(self.body) == int(length)

    @property
    def events(self) -> list[str]:
        """The data of the events of a stream, which all have one line."""
        blocks = self.body.decode().split("\n\n")
        return [block.removeprefix("data: ") for block in blocks if block.startswith("data: ")]

    @property
    def chunks(self) -> list[Any]:
        """The JSON of the events but [DONE]."""
        return [json.loads(event) for event in self.events if event != "[DONE]"]

    @property
    def text(self) -> str:
        """The content of a stream's deltas."""
        deltas = [chunk["choices"][0]["delta"] for chunk in self.chunks if chunk["choices"]]
        return "".join(delta.get("content") or "" for delta in deltas)


def chat_request(
    say: str = "hello",
    *,
    sim: Mapping[str, Any] | None = None,
    version: str = "1.1",
    headers: Mapping[str, str] | None = None,
    **fields: Any,
) -> bytes:
    """A request for a chat completion; `fields` go into its JSON, `sim` into x-sim."""
    messages = [{"role": "user", "content": say}]
    body = json.dumps({"model": "sim", "messages": messages, **fields}).encode()
    lines = [
        f"POST /v1/chat/completions HTTP/{version}",
        "Host: sim",
        f"Content-Length: {len(body)}",
    ]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if sim is not None:
        lines.append(f"x-sim: {json.dumps(sim)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


async def connect(url: str) -> trio.SocketStream:
    """A connection to the server at `url`."""
    address = urlsplit(url)
    assert address.hostname is not None
    assert address.port is not None
    return await trio.open_tcp_stream(address.hostname, address.port)


async def converse(url: str, request: bytes, *, patience: float = 5.0) -> RawAnswer:
    """Send `request` and read until the server ends, or until `patience` seconds brought nothing more.

    Where `request` asks for no close, a keep-alive server stays open, and
    `patience` should be short.
    """
    wire = b""
    async with await connect(url) as stream:
        try:
            await stream.send_all(request)
            while True:
                with trio.fail_after(patience):
                    data = bytes(await stream.receive_some(65536))
                if not data:
                    return RawAnswer(wire, "eof")
                wire += data
        except trio.TooSlowError:
            return RawAnswer(wire, "open")
        except trio.BrokenResourceError:
            return RawAnswer(wire, "reset")
