"""What all wires on HTTP have in common: a request as a value, and what the headers
of a refusal say.

Headers are any mapping of names to values; the case of names does not matter.
"""

import math
import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

import attrs

__all__ = ["HttpRequest", "excerpt", "request_id", "retry_after", "should_retry"]

# The names that providers give to the id of a request, most specific first.
_REQUEST_IDS = ("x-request-id", "request-id", "apim-request-id")

_EXCERPT = 200  # characters: enough for the title and first sentence of an error page
_LOOKED_AT = 4096  # bytes of a body that can make it into an excerpt

_NOT_TEXT = re.compile(
    r"<(script|style)\b.*?</\1\s*>|<!--.*?-->|<[^>]*>?", re.DOTALL | re.IGNORECASE
)


@attrs.frozen
class HttpRequest:
    """A request as a codec writes it. `path` is relative to the provider's
    base_url; the connection adds what authorizes it to the `headers`, which are pairs
    of name and value. `method` is POST mostly, and `body` are the bytes to send."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = attrs.field(repr=False)


def _lowered(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds after which to try again, or None where the server does not say.

    `retry-after-ms` outranks `retry-after`, which holds seconds or a date. A
    date counts from the answer's own Date, so that a clock that is wrong, ours
    or theirs, does no harm. Read it on error statuses only: some providers
    send it with every answer.
    """
    known = _lowered(headers)
    milliseconds = _seconds(known.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    value = known.get("retry-after")
    seconds = _seconds(value)
    if seconds is not None or value is None:
        return seconds
    moment = _timestamp(value)
    if moment is None:
        return None
    sent = _timestamp(known.get("date", ""))
    return max(0.0, moment - (time.time() if sent is None else sent))


def _seconds(value: str | None) -> float | None:
    try:
        number = float(value or "")
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _timestamp(value: str) -> float | None:
    try:
        return parsedate_to_datetime(value).timestamp()
    except (ValueError, OverflowError):
        return None


def should_retry(headers: Mapping[str, str]) -> bool | None:
    """The server's own word on whether to try again: `x-should-retry`."""
    return {"true": True, "false": False}.get(
        _lowered(headers).get("x-should-retry", "").strip().lower()
    )


def request_id(headers: Mapping[str, str]) -> str | None:
    """The id under which the provider's support finds this request."""
    known = _lowered(headers)
    return next((known[name] for name in _REQUEST_IDS if known.get(name)), None)


def excerpt(body: bytes) -> str:
    """The beginning of a body in one line of plain text, without HTML's tags."""
    text = body[:_LOOKED_AT].decode("utf-8", "replace")
    words = " ".join(_NOT_TEXT.sub(" ", text).split())
    return words if len(words) <= _EXCERPT else words[: _EXCERPT - 1] + "…"
