"""HTTP written and read by hand, for requests that no client library would send."""

import json

import trio

from tests.fakes.gateway import PATIENCE, Running

KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
VERSION = "Sec-WebSocket-Version: 13"
UPGRADE = ("Upgrade: websocket", "Connection: keep-alive, Upgrade")
GOOD_HANDSHAKE = (*UPGRADE, VERSION, KEY)


async def everything(stream: trio.abc.ReceiveStream) -> bytes:
    """All that comes until the end, a reset included."""
    taken = b""
    with trio.fail_after(PATIENCE):
        try:
            async for data in stream:
                taken += data
        except trio.BrokenResourceError:
            pass
    return taken


async def exchange(running: Running, sent: bytes, *, half_close: bool = False) -> bytes:
    async with await running.connect() as stream:
        await stream.send_all(sent)
        if half_close:
            await stream.send_eof()
        return await everything(stream)


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer else 0


def words(answer: bytes) -> str:
    message: str = json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["message"]
    return message


def get(path: str, *lines: str) -> bytes:
    return "\r\n".join((f"GET {path} HTTP/1.1", "Host: x", *lines, "", "")).encode()


LAST = "Connection: close"
