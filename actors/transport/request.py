"""A request as bytes: its head, and a body that is a stream in chunks or of the length it said."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

import httpx

__all__ = ["body_frames", "request_head", "whole_body"]


def request_head(request: httpx.Request, target: bytes, extra: bytes = b"") -> bytes:
    """Request line and headers, up to and with the empty line.

    `target` is what stands behind the method; `extra` are whole header lines
    that are sent too. Raises `httpx.LocalProtocolError` where a header, the
    method or the target would smuggle in another line (CWE-113): httpx itself
    does not look.
    """
    lines = [request.method.encode("ascii") + b" " + target + b" HTTP/1.1"]
    lines += [name + b": " + value for name, value in request.headers.raw]
    head = b"\r\n".join(lines)
    breaks = len(lines) - 1
    if head.count(b"\n") != breaks or head.count(b"\r") != breaks or b"\0" in head:
        raise httpx.LocalProtocolError(
            "the request has a line break or a zero byte in its method, address or headers",
            request=request,
        )
    return head + b"\r\n" + extra + b"\r\n"


def whole_body(request: httpx.Request) -> bytes | None:
    """The body, if it lies in memory and can be sent again; None where it is a stream."""
    if isinstance(request.stream, httpx.ByteStream):
        return request.read()
    return None


async def body_frames(request: httpx.Request) -> AsyncGenerator[bytes, None]:
    """A streamed body as it goes over the wire.

    Raises `httpx.LocalProtocolError` where it is not as long as its
    Content-Length says, since the server would read the next request wrongly.
    """
    stream = request.stream
    if not isinstance(stream, httpx.AsyncByteStream):
        raise httpx.LocalProtocolError(
            "the body of the request is a synchronous stream; an asynchronous one is needed",
            request=request,
        )
    parts = aiter(stream)
    try:
        length = request.headers.get("content-length")
        frames = _chunks(parts) if length is None else _measured(parts, int(length), request)
        async with aclosing(frames):
            async for frame in frames:
                yield frame
    finally:
        if isinstance(parts, AsyncGenerator):
            await parts.aclose()


async def _chunks(parts: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    async for data in parts:
        if data:
            yield b"%x\r\n%b\r\n" % (len(data), data)
    yield b"0\r\n\r\n"


async def _measured(
    parts: AsyncIterator[bytes], length: int, request: httpx.Request
) -> AsyncGenerator[bytes, None]:
    left = length
    async for data in parts:
        left -= len(data)
        if left < 0:
            break
        yield data
    if left:
        raise httpx.LocalProtocolError(
            f"the body of the request is {'longer' if left < 0 else 'shorter'} than its "
            f"content-length, {length}",
            request=request,
        )
