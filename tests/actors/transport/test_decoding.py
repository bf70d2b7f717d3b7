"""gzip and deflate come out the same wherever they are cut, and in bounded pieces."""

import gzip
import zlib
from itertools import pairwise

import httpx
import pytest
from hypothesis import given, strategies as st

from trouper.actors.transport.decoding import decompressor

TEXT = b"".join(b"data: %d\n\n" % number for number in range(200))


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


PACKED = {
    "gzip": (b"gzip", gzip.compress(TEXT)),
    "x-gzip": (b"x-gzip", gzip.compress(TEXT)),
    "gzip of two members": (b"gzip", gzip.compress(TEXT[:500]) + gzip.compress(TEXT[500:])),
    "deflate as the standard says": (b"deflate", zlib.compress(TEXT)),
    "deflate as some servers do": (b"deflate", raw_deflate(TEXT)),
}


def unpack(encoding: bytes, pieces: list[bytes]) -> bytes:
    decoder = decompressor(encoding)
    assert decoder is not None
    content = b""
    for piece in pieces:
        decoder.feed(piece)
        while some := decoder.read():
            content += some
    decoder.finish()
    return content


@pytest.mark.parametrize("name", PACKED)
@given(cuts=st.lists(st.integers(0, 700)))
def test_the_same_content_comes_out_wherever_the_bytes_are_cut(name: str, cuts: list[int]) -> None:
    encoding, packed = PACKED[name]
    edges = [0, *sorted(cut for cut in set(cuts) if 0 < cut < len(packed)), len(packed)]

    pieces = [packed[start:stop] for start, stop in pairwise(edges)]

    assert unpack(encoding, pieces) == TEXT


@pytest.mark.parametrize("name", ["gzip", *(name for name in PACKED if "deflate" in name)])
def test_content_cut_short_at_any_byte_is_never_a_success(name: str) -> None:
    encoding, packed = PACKED[name]

    for length in range(1, len(packed)):
        with pytest.raises(httpx.DecodingError):
            unpack(encoding, [packed[:length]])


def test_an_empty_body_is_empty_content() -> None:
    assert unpack(b"gzip", []) == b""


@pytest.mark.parametrize("extra", range(-3, 4))
@pytest.mark.parametrize("encoding", [b"gzip", b"deflate"])
def test_a_bomb_goes_off_in_small_pieces(encoding: bytes, extra: int) -> None:
    size = 8 * 1024 * 1024 + extra
    zeros = bytes(size)
    decoder = decompressor(encoding)
    assert decoder is not None
    decoder.feed(gzip.compress(zeros) if encoding == b"gzip" else raw_deflate(zeros))

    pieces: list[int] = []
    while some := decoder.read():
        pieces.append(len(some))
    decoder.finish()

    assert max(pieces) <= 256 * 1024
    assert sum(pieces) == size


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        (b"gzip", b"<html>"),
        (b"gzip", gzip.compress(TEXT) + b"more"),
        (b"gzip", gzip.compress(TEXT)[:-8] + bytes(8)),
        (b"deflate", b"\xff\xff\xff\xff"),
        (b"deflate", zlib.compress(TEXT) + b"more"),
    ],
)
def test_what_is_not_packed_rightly_is_told(encoding: bytes, packed: bytes) -> None:
    with pytest.raises(httpx.DecodingError):
        unpack(encoding, [packed])


@pytest.mark.parametrize("encoding", [b"br", b"gzip, br", b"identity", b""])
def test_other_codings_are_left_to_httpx(encoding: bytes) -> None:
    assert decompressor(encoding) is None
