"""What headers and bodies of refusals say, on every wire."""

import time
from email.utils import formatdate

import httpx
import pytest

from trouper.actors.wire.http import excerpt, request_id, retry_after, should_retry

SENT = "Wed, 21 Oct 2026 07:28:00 GMT"
WAITS: list[tuple[dict[str, str], float | None]] = [
    ({}, None),
    ({"retry-after": "7"}, 7.0),
    ({"retry-after": "0"}, 0.0),
    ({"retry-after": "1.5"}, 1.5),
    ({"Retry-After": "7"}, 7.0),
    ({"retry-after-ms": "250"}, 0.25),
    ({"retry-after": "9", "retry-after-ms": "250"}, 0.25),
    ({"retry-after": "9", "retry-after-ms": "soon"}, 9.0),
    ({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT", "date": SENT}, 30.0),
    ({"retry-after": "Wed, 21 Oct 2026 07:27:00 GMT", "date": SENT}, 0.0),
    ({"retry-after": "-1"}, None),
    ({"retry-after": "nan"}, None),
    ({"retry-after": "inf"}, None),
    ({"retry-after": "later"}, None),
    ({"retry-after": ""}, None),
    ({"retry-after": "Wed, 99 Oct 99999 07:28:30 GMT"}, None),
]


@pytest.mark.parametrize(("headers", "seconds"), WAITS)
def test_the_time_to_wait_is_read_from_every_form_of_it(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert retry_after(headers) == seconds
    assert retry_after(httpx.Headers(headers)) == seconds


@pytest.mark.parametrize("sent", [{}, {"date": "yesterday"}])
def test_a_date_counts_from_now_where_the_answer_has_none(sent: dict[str, str]) -> None:
    seconds = retry_after({"retry-after": formatdate(time.time() + 60, usegmt=True)} | sent)

    assert seconds is not None
    assert 50 < seconds <= 60


@pytest.mark.parametrize(
    ("value", "word"), [("true", True), ("False ", False), ("maybe", None), ("", None)]
)
def test_the_servers_word_on_retries(value: str, word: bool | None) -> None:
    assert should_retry({"X-Should-Retry": value}) is word
    assert should_retry({}) is None


def test_the_request_id_is_found_under_each_of_its_names() -> None:
    assert request_id({"X-Request-Id": "a", "request-id": "b"}) == "a"
    assert request_id({"request-id": "b"}) == "b"
    assert request_id({"x-request-id": "", "apim-request-id": "c"}) == "c"
    assert request_id({}) is None


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"  plain\n text ", "plain text"),
        (b"<html><script>if (a<b) {}</script><!-- x --><p>Sorry</p>", "Sorry"),
        (b"<p>cut <a href=", "cut"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"", ""),
    ],
)
def test_an_excerpt_is_one_line_of_plain_text(body: bytes, text: str) -> None:
    assert excerpt(body) == text


def test_an_excerpt_of_a_hostile_body_is_short_and_quick() -> None:
    began = time.process_time()

    shown = excerpt(b"<script" * 1_000_000)
    assert len(shown) <= 200
    assert len(excerpt(b"word " * 1_000_000)) == 200

    assert time.process_time() - began < 1.0
