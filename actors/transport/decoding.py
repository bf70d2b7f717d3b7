"""Content codings: gzip and deflate, in pieces of bounded size.

The sizes are bounded because 64 KiB from a hostile server can be 64 MiB unpacked:
what is not yet unpacked waits in its small form until the reader asks again.
"""

import zlib
from typing import Protocol

import httpx

__all__ = ["Decompressor", "decompressor"]

# As much as one read of the socket may hold, four times over: JSON packs about so well.
_MOST_AT_ONCE = 256 * 1024


class Decompressor:
    """Unpacks one body: `feed` what came, then `read` until it is empty; at the end, `finish`.

    All raise `httpx.DecodingError`.
    """

    def __init__(self, coding: str) -> None:
        self._coding = coding
        self._inflate: _Inflate | None = _gzip() if coding == "gzip" else None
        self._packed = b""
        self._begun = False
        self._more = False

    def feed(self, data: bytes) -> None:
        self._packed += data
        self._begun = True

    def read(self) -> bytes:
        """The next piece, at most 256 KiB; empty when more must be fed."""
        while self._packed or self._more:
            inflate = self._inflate
            if inflate is None:
                if len(self._packed) < 2:
                    break
                inflate = self._inflate = _deflate(self._packed)
            try:
                content = inflate.decompress(self._packed, _MOST_AT_ONCE)
            except zlib.error as error:
                raise httpx.DecodingError(
                    f"the response is no valid {self._coding}: {error}"
                ) from error
            self._packed = inflate.unconsumed_tail
            # A full piece may have left zlib with output in hand and no input.
            self._more = len(content) == _MOST_AT_ONCE
            if inflate.eof:
                self._next_member(inflate.unused_data)
            if content:
                return content
        return b""

    def finish(self) -> None:
        """The body has ended; has what was packed in it?"""
        ended = self._inflate is not None and self._inflate.eof
        if self._begun and (self._packed or not ended):
            raise httpx.DecodingError(f"the response ends within its {self._coding}")

    def _next_member(self, rest: bytes) -> None:
        # A gzip file may have several members (RFC 1952, 2.2); they read as one.
        self._packed, self._more = rest, False
        if rest and self._coding == "gzip":
            self._inflate = _gzip()
        elif rest:
            raise httpx.DecodingError(f"the response goes on behind the end of its {self._coding}")


class _Inflate(Protocol):
    """zlib's decompression object, whose own class has no public name."""

    @property
    def eof(self) -> bool: ...
    @property
    def unconsumed_tail(self) -> bytes: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


def decompressor(encoding: bytes) -> Decompressor | None:
    """What unpacks a body of this Content-Encoding; None where we cannot."""
    if encoding in (b"gzip", b"x-gzip"):
        return Decompressor("gzip")
    if encoding == b"deflate":
        return Decompressor("deflate")
    return None


def _gzip() -> _Inflate:
    return zlib.decompressobj(zlib.MAX_WBITS | 16)


def _deflate(start: bytes) -> _Inflate:
    # "deflate" means the zlib format (RFC 9110, 8.4.1.2), but some servers send
    # it without zlib's two bytes in front (RFC 1950, 2.2), by which we tell.
    zlib_format = start[0] & 0x0F == 8 and (start[0] << 8 | start[1]) % 31 == 0
    return zlib.decompressobj(zlib.MAX_WBITS if zlib_format else -zlib.MAX_WBITS)
