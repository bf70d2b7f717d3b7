"""Our transport against httpx's own, asked of the same stub; CPU time of the client only.

Ours is a ready `httpx.Request` given to `handle_async_request`, which is how the
provider calls it; the reference is `httpx.AsyncClient` as people use it, with
its stock transport. Both read the whole answer.
"""

import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from functools import partial
from importlib import util
from pathlib import Path
from typing import Any

import httpx
import trio

from trouper.actors.transport import TrioTransport

from .harness import Row, Unavailable, at_most, compare, cpu, interleave, measure, pin, shared

__all__ = ["rows", "stub"]

Call = Callable[[bytes, dict[str, str]], Awaitable[int]]
Opener = Callable[[str, int], AbstractAsyncContextManager[Call]]
FirstToken = Callable[[bytes, dict[str, str]], Awaitable[float]]
FirstTokenOpener = Callable[[str], AbstractAsyncContextManager[FirstToken]]

_PLAIN = b'{"model":"m","messages":[{"role":"user","content":"hello"}]}'
_STREAM = b'{"model":"m","stream":true,"messages":[{"role":"user","content":"hello"}]}'


@contextmanager
def stub() -> Generator[str, None, None]:
    """The upstream, on core 1; gives the address to post to."""
    source = shared("stub.c")
    if shutil.which("gcc") is None:
        raise Unavailable("there is no gcc to compile the stub")
    with tempfile.TemporaryDirectory() as folder:
        binary = Path(folder) / "stub"
        command = ["gcc", "-O2", "-o", str(binary), str(source), "-lssl", "-lcrypto"]
        built = subprocess.run(command, capture_output=True, text=True, check=False)
        if built.returncode:
            raise Unavailable(f"the stub does not compile: {built.stderr.splitlines()[0]}")
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        process = subprocess.Popen([binary, str(port)])
        try:
            pin(1, process.pid)
            _wait_until_it_listens(port)
            yield f"http://127.0.0.1:{port}/v1/chat/completions"
        finally:
            process.kill()
            process.wait()


def _wait_until_it_listens(port: int) -> None:
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.01)
        else:
            return
    raise Unavailable("the stub does not listen")


@asynccontextmanager
async def our_call(url: str, connections: int) -> AsyncGenerator[Call, None]:
    transport = TrioTransport(max_connections=connections, trust_env=False)
    address = httpx.URL(url)

    async def call(body: bytes, headers: dict[str, str]) -> int:
        request = httpx.Request("POST", address, headers=headers, content=body)
        response = await transport.handle_async_request(request)
        assert isinstance(response.stream, httpx.AsyncByteStream)
        read = 0
        async for data in response.stream:
            read += len(data)
        return read

    yield call
    await transport.aclose()


@asynccontextmanager
async def stock_call(url: str, connections: int) -> AsyncGenerator[Call, None]:
    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
    async with httpx.AsyncClient(limits=limits, trust_env=False, timeout=60) as client:

        async def call(body: bytes, headers: dict[str, str]) -> int:
            read = 0
            async with client.stream("POST", url, content=body, headers=headers) as response:
                async for data in response.aiter_bytes():
                    read += len(data)
            return read

        yield call


def _headers(**knobs: int) -> dict[str, str]:
    return {
        "content-type": "application/json",
        "authorization": "Bearer sk-0123456789",
        "x-stub": ",".join(f"{name}={value}" for name, value in knobs.items()),
    }


def plain_call(opener: Opener, url: str, at_once: int, requests: int) -> float:
    """CPU microseconds a plain call, `at_once` of them in flight."""

    async def main() -> float:
        async with opener(url, at_once) as call:
            headers = _headers()

            async def many(count: int) -> None:
                for _ in range(count):
                    await call(_PLAIN, headers)

            await _all_at_once(at_once, many, max(1, 64 // at_once))
            with cpu() as spent:
                await _all_at_once(at_once, many, requests // at_once)
        return spent.microseconds / requests

    return trio.run(main)


def bulk_stream(opener: Opener, url: str) -> float:
    """CPU microseconds a chunk, eight streams of 400 as quick as they come."""

    async def main() -> float:
        async with opener(url, 8) as call:

            async def one(count: int) -> None:
                for _ in range(count):
                    await call(_STREAM, _headers(n=400))

            await _all_at_once(8, one, 1)
            with cpu() as spent:
                await _all_at_once(8, one, 4)
        return spent.microseconds / (8 * 4 * 400)

    return trio.run(main)


def paced_streams(opener: Opener, url: str, streams: int = 400) -> float:
    """CPU microseconds a chunk, 400 streams of 20 chunks a second, once all are under way."""

    async def main() -> float:
        chunks, every = 80, 0.05
        async with opener(url, streams) as call, trio.open_nursery() as nursery:
            for _ in range(streams):
                headers = _headers(n=chunks, d=int(every * 1e6))
                nursery.start_soon(call, _STREAM, headers)
                await trio.sleep(every / streams)
            await trio.sleep(0.6)
            with cpu() as spent:
                await trio.sleep(2.0)
            nursery.cancel_scope.cancel()
        return spent.microseconds / (streams * 2.0 / every)

    return trio.run(main)


async def _all_at_once(tasks: int, work: Callable[[int], Awaitable[None]], count: int) -> None:
    async with trio.open_nursery() as nursery:
        for _ in range(tasks):
            nursery.start_soon(work, count)


def first_token(opener: FirstTokenOpener, url: str, requests: int = 200) -> float:
    """Median milliseconds from the request to the first content, one at a time."""

    async def main() -> float:
        async with opener(url) as call:
            waits = [await call(_STREAM, _headers(n=2)) for _ in range(requests)]
        return statistics.median(waits[20:]) * 1e3

    return trio.run(main)


@asynccontextmanager
async def our_first_token(url: str) -> AsyncGenerator[FirstToken, None]:
    transport = TrioTransport(trust_env=False)
    address = httpx.URL(url)

    async def call(body: bytes, headers: dict[str, str]) -> float:
        began = time.perf_counter()
        request = httpx.Request("POST", address, headers=headers, content=body)
        response = await transport.handle_async_request(request)
        assert isinstance(response.stream, httpx.AsyncByteStream)
        waited = None
        async for _ in response.stream:
            waited = waited or time.perf_counter() - began
        return waited or 0.0

    yield call
    await transport.aclose()


@asynccontextmanager
async def raw_first_token(url: str) -> AsyncGenerator[FirstToken, None]:
    raw = _raw_clients()
    pool = raw.Pool(raw.ToolsConn, "127.0.0.1", httpx.URL(url).port)

    async def call(body: bytes, headers: dict[str, str]) -> float:
        began = time.perf_counter()
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        connection = await pool.get()
        line = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n{head}"
        await connection.send(f"{line}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        await connection.head()
        waited = None
        async for _ in connection.chunks():
            waited = waited or time.perf_counter() - began
        pool.put(connection)
        return waited or 0.0

    yield call
    await pool.aclose()


def _raw_clients() -> Any:
    spec = util.spec_from_file_location("rawhttp", shared("rawhttp.py"))
    if spec is None or spec.loader is None:
        raise Unavailable("rawhttp.py cannot be loaded")
    module = util.module_from_spec(spec)
    sys.modules["rawhttp"] = module
    spec.loader.exec_module(module)
    return module


def _added_first_token(url: str) -> Iterator[Row]:
    ours, raw = interleave(
        (partial(first_token, our_first_token, url), partial(first_token, raw_first_token, url))
    )
    added = iter([a - b for a, b in zip(ours, raw, strict=True)])
    yield measure(
        "first token, added to a raw client, p50",
        lambda: next(added),
        goal=at_most(0.3),
        unit="ms",
        rounds=len(ours),
    )


def rows() -> Iterator[Row]:
    with stub() as url:
        for at_once, requests, bound in ((1, 400, 0.5), (32, 640, 0.2), (256, 768, 0.2)):
            yield compare(
                f"plain call, {at_once} in flight, to httpx",
                partial(plain_call, our_call, url, at_once, requests * 4),
                partial(plain_call, stock_call, url, at_once, requests),
                goal=at_most(bound),
                unit="us",
            )
        yield compare(
            "plain call, 256 in flight, to itself at 1",
            partial(plain_call, our_call, url, 256, 5120),
            partial(plain_call, our_call, url, 1, 2000),
            goal=at_most(1.15),
            unit="us",
        )
        yield compare(
            "bulk stream, a chunk, to httpx",
            partial(bulk_stream, our_call, url),
            partial(bulk_stream, stock_call, url),
            goal=at_most(0.35),
            unit="us",
        )
        yield compare(
            "400 streams x 20/s, a chunk, to httpx",
            partial(paced_streams, our_call, url),
            partial(paced_streams, stock_call, url),
            goal=at_most(0.65),
            unit="us",
        )
        yield from _added_first_token(url)
