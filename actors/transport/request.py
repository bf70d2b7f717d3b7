"""A request as bytes: its head, and its body whole, in chunks, or of the length that was said."""

import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

import attrs
import httpx

__all__ = ["Outgoing", "outgoing"]

_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)


@attrs.frozen
class Outgoing:
    """A request ready to be sent. `body` is None where it is a stream, which goes only once."""

    head: bytes
    body: bytes | None
    stream: httpx.AsyncByteStream | None

    async def frames(self) -> AsyncGenerator[bytes, None]:
        """The streamed body, as it goes over the wire.

        Raises `httpx.LocalProtocolError` where it is not as long as its
        Content-Length says, since the server would read the next request wrongly.
        """
        assert self.stream is not None
        parts = aiter(self.stream)
        length = _LENGTH.search(self.head)
        frames = _chunks(parts) if length is None else _measured(parts, int(length[1]))
        try:
            async with aclosing(frames):
                async for frame in frames:
                    yield frame
        finally:
            if isinstance(parts, AsyncGenerator):
                await parts.aclose()


def outgoing(request: httpx.Request, target: bytes, extra: bytes = b"") -> Outgoing:
    """Write a request: `target` is what stands behind the method, `extra` whole header lines.

    Raises `httpx.LocalProtocolError` for what would make the server see other
    requests than this one (CWE-113, CWE-444); httpx itself does not look.
    """
    lines = [request.method.encode("ascii") + b" " + target + b" HTTP/1.1"]
    lines += [name + b": " + value for name, value in request.headers.raw]
    head = b"\r\n".join(lines)
    breaks = len(lines) - 1
    if head.count(b"\n") != breaks or head.count(b"\r") != breaks or b"\0" in head:
        raise httpx.LocalProtocolError(
            "the request has a line break or a zero byte in its method, address or headers"
        )
    head += b"\r\n"
    body, stream = _body(request)
    if not _is_framed(head.lower(), body):
        raise httpx.LocalProtocolError(
            "the request's content-length or transfer-encoding does not say how long its body is"
        )
    return Outgoing(head + extra + b"\r\n", body, stream)


def _body(request: httpx.Request) -> tuple[bytes | None, httpx.AsyncByteStream | None]:
    stream = request.stream
    if isinstance(stream, httpx.ByteStream):
        return request.read(), None
    if isinstance(stream, httpx.AsyncByteStream):
        return None, stream
    raise httpx.LocalProtocolError(
        "the body of the request is a synchronous stream; an asynchronous one is needed"
    )


def _is_framed(head: bytes, body: bytes | None) -> bool:
    lengths = head.count(b"\r\ncontent-length:")
    codings = head.count(b"\r\ntransfer-encoding:")
    if codings:
        return body is None and not lengths and b"\r\ntransfer-encoding: chunked\r\n" in head
    if body is None:
        return lengths == 1 and _LENGTH.search(head) is not None
    if not lengths:
        return not body
    return lengths == 1 and b"\r\ncontent-length: %d\r\n" % len(body) in head


async def _chunks(parts: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    async for data in parts:
        if data:
            yield b"%x\r\n%b\r\n" % (len(data), data)
    yield b"0\r\n\r\n"


async def _measured(parts: AsyncIterator[bytes], length: int) -> AsyncGenerator[bytes, None]:
    left = length
    async for data in parts:
        left -= len(data)
        if left < 0:
            break
        yield data
    if left:
        raise httpx.LocalProtocolError(
            f"the body of the request is {'longer' if left < 0 else 'shorter'} than its "
            f"content-length, {length}"
        )
