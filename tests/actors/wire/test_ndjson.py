"""Lines of newline-delimited JSON, however the bytes are cut."""

from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from trouper.actors.wire.ndjson import LineTooLarge, NdjsonDecoder

SYLLABLES = st.sampled_from(
    [
        *(b"\n", b"\r\n", b"\r", b"\n\n", b"{}", b" ", b'{"a": "', b'"}', b"\t", b"\0"),
        *("é\u2028\u2029\u0085\x0b\x0c\x1c".encode(), b"\xef\xbb\xbf", b"\xff", b"\xe2\x82"),
    ]
)
BODIES = st.lists(SYLLABLES, max_size=30).map(b"".join)
CUTS = st.lists(st.integers(0, 10**6))


def pieces(body: bytes, cuts: list[int]) -> list[bytes]:
    places = [0, *sorted(cut % (len(body) + 1) for cut in cuts), len(body)]
    return [body[begin:end] for begin, end in pairwise(places)]


def by_the_book(body: bytes) -> tuple[list[bytes], bytes]:
    *lines, tail = (line.removesuffix(b"\r") for line in body.split(b"\n"))
    if lines:
        lines[0] = lines[0].removeprefix(b"\xef\xbb\xbf")
    else:
        tail = tail.removeprefix(b"\xef\xbb\xbf")
    return [line for line in lines if line.strip()], tail if tail.strip() else b""


def read(parts: list[bytes], max_line: int = 10**6) -> tuple[list[bytes], bytes | None]:
    """The lines and the tail; None for a tail that is beyond the bound."""
    decoder = NdjsonDecoder(max_line)
    lines: list[bytes] = []
    try:
        for part in parts:
            lines += decoder.feed(part)
        return lines, decoder.eof()
    except LineTooLarge:
        return lines, None


@given(BODIES, CUTS)
def test_lines_end_at_lf_and_nowhere_else_wherever_they_are_cut(
    body: bytes, cuts: list[int]
) -> None:
    assert read(pieces(body, cuts)) == by_the_book(body)


@given(BODIES, CUTS)
def test_the_bound_is_the_same_wherever_the_bytes_are_cut(body: bytes, cuts: list[int]) -> None:
    assert read(pieces(body, cuts), max_line=8) == read([body], max_line=8)


def test_a_line_separator_within_a_text_ends_no_line() -> None:
    line = '{"content": "a\u2028b\u0085c\x0bd"}'.encode()

    assert NdjsonDecoder().feed(line + b"\n") == [line]


def test_a_line_as_large_as_the_bound_passes_and_one_larger_does_not() -> None:
    decoder = NdjsonDecoder(max_line=4)

    assert decoder.feed(b"1234\n12345\n12\n") == [b"1234"]
    with pytest.raises(LineTooLarge, match="more than 4 bytes; raise max_line"):
        decoder.feed(b"")
    with pytest.raises(LineTooLarge):
        decoder.eof()


def test_a_line_that_never_ends_is_given_up_at_the_bound() -> None:
    decoder = NdjsonDecoder(max_line=100)
    fed = 0
    while decoder.error is None:
        assert decoder.feed(b"x" * 7) == []
        fed += 7

    assert fed == 105


def test_the_tail_is_given_once() -> None:
    decoder = NdjsonDecoder()
    decoder.feed(b"1\n2")

    assert decoder.eof() == b"2"
    assert decoder.eof() == b""
