"""What the bytes of a response mean, wherever they are cut."""

from itertools import pairwise

import httpx
import pytest
from hypothesis import given, settings, strategies as st

from trouper.actors.transport.reader import ResponseReader

LIMIT = 4096

WITH_LENGTH = b"HTTP/1.1 200 OK\r\nX-Empty:\r\nContent-Length: 11\r\n\r\nhello world"
CHUNKED = (
    b"HTTP/1.1 200 Fine\r\nTransfer-Encoding: Chunked\r\n\r\n"
    b"5;note=1\r\nhello\r\n6\r\n world\r\n0\r\nX-Trailer: 1\r\n\r\n"
)
INTERIM = (
    b"HTTP/1.1 100 Continue\r\n\r\n"
    b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world"
)
UNTIL_THE_END = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello world"


def reader(*, head: bool = False, limit: int = LIMIT) -> ResponseReader:
    return ResponseReader(bodiless=head, head_limit=limit)


def read(data: bytes, cuts: list[int], *, head: bool = False) -> tuple[ResponseReader, bytes]:
    """Feed the bytes in pieces and close the stream behind them."""
    response = reader(head=head)
    edges = [0, *sorted(cut for cut in set(cuts) if 0 < cut < len(data)), len(data)]
    content = b""
    for start, stop in pairwise(edges):
        response.feed(data[start:stop])
        content += response.take()
    response.take()
    if not response.complete:
        response.end_of_stream()
    return response, content


@pytest.mark.parametrize("data", [WITH_LENGTH, CHUNKED, INTERIM, UNTIL_THE_END])
@given(cuts=st.lists(st.integers(0, len(INTERIM))))
def test_the_same_content_comes_out_wherever_the_bytes_are_cut(
    data: bytes, cuts: list[int]
) -> None:
    response, content = read(data, cuts)

    assert content == b"hello world"
    assert (response.status, response.complete) == (200, True)
    assert response.reason in (b"OK", b"Fine")


@pytest.mark.parametrize("data", [WITH_LENGTH, CHUNKED, INTERIM])
def test_a_response_cut_short_at_any_byte_is_never_a_success(data: bytes) -> None:
    for length in range(1, len(data)):
        response = reader()
        response.feed(data[:length])

        assert not response.complete
        with pytest.raises(httpx.RemoteProtocolError, match="closed the connection within"):
            response.end_of_stream()


def test_an_end_before_the_first_byte_is_no_answer() -> None:
    with pytest.raises(httpx.RemoteProtocolError, match="without an answer"):
        reader().end_of_stream()


def test_a_body_without_a_length_ends_with_the_connection() -> None:
    response, content = read(UNTIL_THE_END, [])

    assert content == b"hello world"
    assert response.complete
    assert not response.reusable


def test_interim_answers_leave_no_trace() -> None:
    response, _ = read(INTERIM, [])

    assert response.headers == [(b"Content-Length", b"11")]
    assert response.reusable


def test_trailers_are_not_headers() -> None:
    response, _ = read(CHUNKED, [])

    assert response.headers == [(b"Transfer-Encoding", b"Chunked")]


def test_an_end_after_the_end_changes_nothing_but_reuse() -> None:
    response, _ = read(WITH_LENGTH, [])
    assert response.reusable

    response.end_of_stream()

    assert response.complete
    assert not response.reusable


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)
def test_an_answer_to_head_has_no_body_whatever_its_headers_say(data: bytes) -> None:
    response, content = read(data, [], head=True)

    assert content == b""
    assert response.reusable


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
def test_a_status_without_a_body_is_complete_with_its_headers(status: bytes) -> None:
    response = reader()
    response.feed(b"HTTP/1.1 " + status + b"\r\nX: 1\r\n\r\n")

    assert response.complete
    assert response.reusable


@pytest.mark.parametrize(
    "surplus", [b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", b"<html>", b"\0"]
)
@given(cuts=st.lists(st.integers(0, 120)))
def test_bytes_behind_the_end_are_nobodys_answer(surplus: bytes, cuts: list[int]) -> None:
    response, content = read(WITH_LENGTH + surplus, cuts)

    assert content == b"hello world"
    assert not response.reusable


def test_a_body_that_head_did_not_ask_for_is_dropped() -> None:
    response, content = read(WITH_LENGTH, [], head=True)

    assert content == b""
    assert not response.reusable


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    ],
)
def test_a_server_may_say_that_it_will_close(head: bytes) -> None:
    response, _ = read(head, [])

    assert not response.reusable


HEAD = b"HTTP/1.1 200 OK\r\n"
MALFORMED = {
    "another protocol": b"SSH-2.0-OpenSSH_9.6\r\n",
    "html": b"<html>",
    "rtsp": b"RTSP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "HTTP/2": b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "status of two digits": b"HTTP/1.1 20 OK\r\n\r\n",
    "status of letters": b"HTTP/1.1 abc OK\r\n\r\n",
    "lines without CR": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "folded header": HEAD + b"X: a\r\n b\r\nContent-Length: 0\r\n\r\n",
    "zero byte in a header": HEAD + b"X: a\0b\r\nContent-Length: 0\r\n\r\n",
    "space in a header's name": HEAD + b"X y: a\r\nContent-Length: 0\r\n\r\n",
    "length of letters": HEAD + b"Content-Length: 5x\r\n\r\nhello",
    "negative length": HEAD + b"Content-Length: -5\r\n\r\nhello",
    "endless length": HEAD + b"Content-Length: 99999999999999999999\r\n\r\n",
    "two lengths": HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    "length and chunks": HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "unknown transfer coding": HEAD + b"Transfer-Encoding: gzip\r\n\r\nhello",
    "two transfer codings": HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunk size of letters": HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    "negative chunk size": HEAD + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n",
    "endless chunk size": HEAD + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
    "chunk longer than its size": HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nabcd\r\n",
    "switched protocols": b"HTTP/1.1 101 S\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
}


@pytest.mark.parametrize("name", MALFORMED)
@settings(max_examples=20)
@given(cuts=st.lists(st.integers(0, 100)))
def test_a_malformed_response_is_told_as_one(name: str, cuts: list[int]) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        read(MALFORMED[name], cuts)


@given(cuts=st.lists(st.integers(0, 100)))
def test_content_before_a_fault_is_handed_out_wherever_the_bytes_are_cut(cuts: list[int]) -> None:
    data = HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n worldzz"
    edges = [0, *sorted(cut for cut in set(cuts) if 0 < cut < len(data)), len(data)]
    response = reader()
    content = b""

    with pytest.raises(httpx.RemoteProtocolError):
        for start, stop in pairwise(edges):
            response.feed(data[start:stop])
            while piece := response.take():
                content += piece

    assert content == b"hello world"


@pytest.mark.parametrize("size", [LIMIT - 1, LIMIT, LIMIT + 1, 3 * LIMIT])
@pytest.mark.parametrize("piece", [1, 100, LIMIT])
def test_a_head_over_its_limit_is_refused_however_it_comes(size: int, piece: int) -> None:
    head = HEAD + b"X: " + b"a" * (size - len(HEAD) - 26) + b"\r\nContent-Length: 0\r\n\r\n"
    assert len(head) == size
    response = reader()

    def feed_all() -> None:
        rest = head
        while rest and not response.headers_complete:
            wanted = min(piece, response.wanted)
            response.feed(rest[:wanted])
            rest = rest[wanted:]

    if size <= LIMIT:
        feed_all()
        assert response.complete
    else:
        with pytest.raises(httpx.RemoteProtocolError, match=f"larger than {LIMIT} bytes"):
            feed_all()


def test_endless_interim_answers_are_refused() -> None:
    response = reader()

    with pytest.raises(httpx.RemoteProtocolError, match="headers"):
        for _ in range(LIMIT):
            response.feed(b"HTTP/1.1 102 Processing\r\n\r\n")


@pytest.mark.parametrize("endless", [b"5;" + b"x" * LIMIT, b"0\r\nX: " + b"x" * LIMIT])
def test_endless_framing_without_content_is_refused(endless: bytes) -> None:
    response = reader()
    response.feed(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")

    with pytest.raises(httpx.RemoteProtocolError, match="without content"):
        for start in range(0, len(endless), 16):
            response.feed(endless[start : start + 16])


@pytest.mark.parametrize(
    ("lines", "encoding"),
    [
        (b"Content-Encoding: GZIP\r\n", b"gzip"),
        (b"content-encoding: gzip\r\nContent-Encoding: br\r\n", b"gzip, br"),
        (b"Content-Encodinx: gzip\r\n", None),
        (b"", None),
    ],
)
def test_the_content_encoding_is_noted(lines: bytes, encoding: bytes | None) -> None:
    response, _ = read(HEAD + lines + b"Content-Length: 0\r\n\r\n", [])

    assert response.encoding == encoding
