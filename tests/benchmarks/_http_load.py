"""HTTP clients that do next to nothing, beside the stub on core 1: run as a process of their own.

On asyncio and raw bytes. `python -m tests.benchmarks._http_load PORT KIND TASKS
CALLS [TOKEN]` makes CALLS requests with TASKS in flight and prints as JSON how many
answers came and the median milliseconds to the first word of the streams.
"""

import asyncio
import json
import statistics
import sys
import time

import attrs

__all__ = ["main"]

_MESSAGES = [
    {"role": "assistant" if number % 2 else "user", "content": f"message number {number}"}
    for number in range(7)
]
# The first that the stub says.
_WORD = b'" the'


@attrs.define
class _Heard:
    answers: int = 0
    first: list[float] = attrs.field(factory=list)


def _request(kind: str, token: str) -> bytes:
    body = json.dumps({"model": "default", "messages": _MESSAGES, "stream": kind == "stream"})
    return (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}"
        f"\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


async def _client(port: int, kind: str, request: bytes, calls: int, heard: _Heard) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(calls):
        began = time.perf_counter()
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        if b" 200 " not in head[:20]:
            raise SystemExit(head.decode() + (await reader.read(2000)).decode())
        # The stub sends its head, and who speaks, before it has anything to say.
        await reader.readuntil(_WORD if kind == "stream" else b"{")
        heard.first.append(time.perf_counter() - began)
        if kind == "plain" and b"content-length: " in head:
            length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
            await reader.readexactly(length - 1)
        else:
            await _until(reader, b"0\r\n\r\n")
        heard.answers += 1
    writer.close()


async def _until(reader: asyncio.StreamReader, end: bytes) -> None:
    last = b""
    while not last.endswith(b"\r\n" + end) and last != end:
        data = await reader.read(1 << 18)
        if not data:
            raise SystemExit("the answer broke off")
        last = (last + data)[-16:]


async def _load(port: int, kind: str, tasks: int, calls: int, token: str) -> _Heard:
    heard = _Heard()
    request = _request(kind, token)
    each = calls // tasks
    await asyncio.gather(*(_client(port, kind, request, each, heard) for _ in range(tasks)))
    return heard


def main() -> None:
    port, kind, tasks, calls, token = sys.argv[1:]
    heard = asyncio.run(_load(int(port), kind, int(tasks), int(calls), token))
    first = statistics.median(heard.first) * 1000
    print(json.dumps({"answers": heard.answers, "first_ms": first}))


if __name__ == "__main__":
    main()
