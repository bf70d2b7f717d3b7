"""Server-sent events read as the WHATWG standard says, however the bytes are cut."""

import re
from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from trouper.actors.wire.sse import EventTooLarge, ServerSentEvent, SseDecoder

Read = list[tuple[str, str, str]]


def by_the_standard(stream: bytes) -> Read:
    """Section 9.2.6, sentence by sentence, on the whole stream as text."""
    text = stream.decode("utf-8", "replace").removeprefix("\ufeff")
    lines = re.split("\r\n|\r|\n", text)[:-1]  # what has no line end is discarded
    events: Read = []
    data = kind = last_id = ""
    for line in lines:
        if line == "":
            if data:
                events.append((kind or "message", data.removesuffix("\n"), last_id))
            data = kind = ""
            continue
        name, colon, value = line.partition(":")
        if colon and not name:
            continue
        value = value.removeprefix(" ")
        if name == "data":
            data += value + "\n"
        elif name == "event":
            kind = value
        elif name == "id" and "\0" not in value:
            last_id = value
    return events


def pieces(stream: bytes, cuts: list[int]) -> list[bytes]:
    places = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    return [stream[begin:end] for begin, end in pairwise(places)]


def read(parts: list[bytes]) -> Read:
    decoder = SseDecoder()
    events = [event for part in parts for event in decoder.feed(part)]
    decoder.eof()
    return [(event.type, event.text, event.id) for event in events]


SYLLABLES = st.sampled_from(
    [
        *(b"data", b"data:", b"data: ", b"event: x", b"id: 7", b"id: a\0b", b"retry: 10"),
        *(b": comment", b"\n", b"\n\n", b"\r", b"\r\n", b"\r\r", b" ", b":", b"{}", b"\0"),
        *("é\u2028\u0085".encode(), b"\xef\xbb\xbf", b"\xff", b"\xe2\x82", b"field: y"),
    ]
)


@given(st.lists(SYLLABLES, max_size=30).map(b"".join), st.lists(st.integers(0, 10**6)))
def test_any_stream_reads_as_the_standard_says_wherever_it_is_cut(
    stream: bytes, cuts: list[int]
) -> None:
    assert read(pieces(stream, cuts)) == by_the_standard(stream)


@given(st.lists(SYLLABLES, max_size=30).map(b"".join))
def test_byte_by_byte_gives_the_same_events_as_all_at_once(stream: bytes) -> None:
    assert read([stream[i : i + 1] for i in range(len(stream))]) == read([stream])


@given(st.lists(SYLLABLES, max_size=30).map(b"".join), st.lists(st.integers(0, 10**6)))
def test_asking_for_only_the_data_first_gives_the_same_data(stream: bytes, cuts: list[int]) -> None:
    decoder = SseDecoder()
    data: list[bytes] = []
    for part in [*pieces(stream, cuts), b"\n\n", b"data: a\n\n", b"data: b\n\n"]:
        only = decoder.only_data(part)
        data += [event.data for event in decoder.feed(part)] if only is None else [only]

    ended = stream + b"\n\ndata: a\n\ndata: b\n\n"
    assert data == [event.data for event in SseDecoder().feed(ended)]


@pytest.mark.parametrize(
    ("read", "data"),
    [
        (b"data: a\n\n", b"a"),
        (b"data: \n\n", b""),
        (b"data: a\n", None),
        (b"data: a\n\n\n", None),
        (b"data: a\ndata: b\n\n", None),
        (b"data: a\r\n\n", None),
        (b"data: " + b"x" * 64 + b"\n\n", None),
        (b": a\n\n", None),
    ],
)
def test_only_one_whole_plain_event_is_only_data(read: bytes, data: bytes | None) -> None:
    decoder = SseDecoder(max_event=64)
    assert decoder.only_data(read) is None  # a mark may stand at the beginning
    decoder.feed(b"data: first\n\n")

    assert decoder.only_data(read) == data


def bounded(parts: list[bytes]) -> tuple[list[bytes], bool]:
    decoder = SseDecoder(max_event=24)
    events: list[bytes] = []
    try:
        for part in parts:
            events += [event.data for event in decoder.feed(part)]
        decoder.eof()
    except EventTooLarge:
        return events, True
    return events, False


@given(st.lists(SYLLABLES, max_size=30).map(b"".join), st.lists(st.integers(0, 10**6)))
def test_the_bound_is_the_same_wherever_the_bytes_are_cut(stream: bytes, cuts: list[int]) -> None:
    assert bounded(pieces(stream, cuts)) == bounded([stream])


def test_a_paced_stream_of_whole_events_keeps_type_and_id_where_they_belong() -> None:
    decoder = SseDecoder()

    assert decoder.feed(b"id: 1\nevent: hello\ndata: a\n\n") == [
        ServerSentEvent("hello", b"a", "1")
    ]
    assert decoder.feed(b"data: b\n\n") == [ServerSentEvent("message", b"b", "1")]
    assert decoder.feed(b"event: late\n") == []
    assert decoder.feed(b"data: c\n\n") == [ServerSentEvent("late", b"c", "1")]


def test_line_separators_of_unicode_end_no_line() -> None:
    data = 'data: {"text": "a\u2028b\u0085c\u000bd"}\n\n'.encode()

    assert [event.data for event in SseDecoder().feed(data)] == [data[6:-2]]


def test_the_reconnection_time_is_kept_and_nonsense_in_its_place_is_not() -> None:
    decoder = SseDecoder()

    decoder.feed(b"retry: 1500\nretry: soon\nretry: -1\n")

    assert decoder.retry == 1500


def test_a_retry_of_a_million_digits_is_no_work() -> None:
    decoder = SseDecoder()

    decoder.feed(b"retry: " + b"9" * 1_000_000 + b"\n")

    assert decoder.retry is not None


LARGE = {
    "a line that does not end": b"data: " + b"x" * 100,
    "a line that ends": b"data: " + b"x" * 100 + b"\n\n",
    "a comment": b": " + b"x" * 100 + b"\n",
    "many lines of one event": b"data: xxxx\n" * 10 + b"\n",
    "many empty lines of one event": b"data:\n" * 14 + b"\n",
}


@pytest.mark.parametrize("large", LARGE.values(), ids=LARGE.keys())
@pytest.mark.parametrize("step", [1, 7, 1000])
def test_an_event_over_the_bound_is_an_error_after_the_events_before_it(
    large: bytes, step: int
) -> None:
    stream = b"data: one\n\ndata: two\n\n" + large + b"data: never\n\n"
    decoder = SseDecoder(max_event=64)
    events: list[bytes] = []

    with pytest.raises(EventTooLarge, match="more than 64 bytes"):
        for i in range(0, len(stream), step):
            events += [event.data for event in decoder.feed(stream[i : i + step])]
        decoder.eof()

    assert events == [b"one", b"two"]
    with pytest.raises(EventTooLarge):
        decoder.feed(b"data: later\n\n")


def test_many_small_events_in_one_read_are_not_one_large_event() -> None:
    decoder = SseDecoder(max_event=64)

    assert len(decoder.feed(b"data: small\n\n" * 100)) == 100


def test_the_bound_holds_for_a_line_that_was_begun_in_an_earlier_read() -> None:
    decoder = SseDecoder(max_event=64)
    decoder.feed(b"data: " + b"x" * 40)

    assert decoder.feed(b"y" * 40 + b"\n\n") == []
    assert decoder.error is not None


@pytest.mark.parametrize("size", [200_000])
def test_an_event_that_comes_byte_by_byte_costs_no_more_than_its_size(size: int) -> None:
    decoder = SseDecoder()
    for _ in range(size):
        decoder.feed(b"x")
    assert decoder.feed(b"\n") == []
    assert decoder.feed(b"data: y\n\n") == [ServerSentEvent("message", b"y")]
