"""What a provider's headers say of its rate limits.

OpenAI and those who speak its wire send `x-ratelimit-{limit,remaining,reset}-
{requests,tokens}`, with a duration as Go prints it for the reset; Anthropic
sends `anthropic-ratelimit-{requests,tokens,input-tokens,output-tokens}-
{limit,remaining,reset}`, with a moment by RFC 3339. A reset is when the limit
is whole again, and not how long one must wait for a little of it. Limits of
other units (a day, images) and of other meaning are passed over, as is every
value that cannot be read: a hint that is wrong is worse than none.
"""

import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Literal

import attrs

__all__ = ["Allowance", "RateSnapshot", "Resource", "go_duration", "left", "limits", "limits_of"]

Resource = Literal["requests", "tokens", "input_tokens", "output_tokens"]

_RESOURCES: dict[str, Resource] = {
    "requests": "requests",
    "req-minute": "requests",  # Mistral
    "tokens": "tokens",
    "tokens-minute": "tokens",  # Mistral, Cerebras
    "input-tokens": "input_tokens",
    "output-tokens": "output_tokens",
}

_NAME = re.compile(
    r"x-ratelimit-(?P<what>limit|remaining|reset|renewalperiod)-(?P<of>[a-z-]+)"
    r"|anthropic-ratelimit-(?P<their_of>[a-z-]+)-(?P<their_what>limit|remaining|reset)"
)

# Go's time.Duration, printed: no sign, as no limit is whole in the past.
_DURATION = re.compile(r"(\d{1,18}(?:\.\d{0,18})?)(h|ms|m|s|us|µs|μs|ns)", re.ASCII)
_SECONDS = {
    "h": 3600.0,
    "m": 60.0,
    "s": 1.0,
    "ms": 1e-3,
    "us": 1e-6,
    "µs": 1e-6,  # the micro sign
    "μs": 1e-6,  # the Greek letter
    "ns": 1e-9,
}
_LONGEST = 128  # characters of a header that are looked at


@attrs.frozen
class Allowance:
    """One limit: how much it is, how much is left, seconds until it is whole; None is unknown."""

    limit: int | None = None
    remaining: int | None = None
    reset: float | None = None


@attrs.frozen(kw_only=True)
class RateSnapshot:
    """The limits as one answer told them; None for those of which it said nothing.

    `tokens` counts both directions. A snapshot ages: others spend from the same limits.
    """

    requests: Allowance | None = None
    tokens: Allowance | None = None
    input_tokens: Allowance | None = None
    output_tokens: Allowance | None = None

    @property
    def exhausted(self) -> tuple[Resource, ...]:
        """The limits of which nothing is left."""
        return tuple(name for name, at in self._told() if at.remaining == 0)

    @property
    def pause(self) -> float | None:
        """Seconds to wait after a refusal (429) that names no time itself, or None.

        That is the longest reset of the limits that are exhausted. Where none
        is, the refusal does not say which limit it was, and the longest reset
        of all is the safe answer.
        """
        exhausted = self.exhausted
        resets = (at.reset for name, at in self._told() if not exhausted or name in exhausted)
        return max((reset for reset in resets if reset is not None), default=None)

    def _told(self) -> list[tuple[Resource, Allowance]]:
        each: tuple[tuple[Resource, Allowance | None], ...] = (
            ("requests", self.requests),
            ("tokens", self.tokens),
            ("input_tokens", self.input_tokens),
            ("output_tokens", self.output_tokens),
        )
        return [(name, at) for name, at in each if at is not None]


def limits(headers: Mapping[str, str], now: float, *, resets: bool = True) -> RateSnapshot:
    """The limits that the headers of an answer tell; the case of names does not matter.

    `now` is the wall clock (Unix time), against which moments are held where
    the answer has no Date of its own; with one, a wrong clock does no harm.
    Without `resets` it is not read when limits are whole again, which is most
    of the work, and what only a refusal makes interesting.
    """
    told: dict[Resource, dict[str, str]] = {}
    sent = now
    for given, value in headers.items():
        name = given.lower()
        if name == "date":
            sent = _sent(value, now) if resets else now
        elif "-ratelimit-" in name and (meaning := _meaning(name)) is not None:
            resource, what = meaning
            if resets or what != "reset":
                told.setdefault(resource, {})[what] = value
    return RateSnapshot(**{resource: _allowance(values, sent) for resource, values in told.items()})


# Each provider sends the same names with every answer.
@functools.lru_cache(maxsize=256)
def _meaning(name: str) -> tuple[Resource, str] | None:
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    resource = _RESOURCES.get(match["of"] or match["their_of"])
    return None if resource is None else (resource, match["what"] or match["their_what"])


def left(headers: Iterable[tuple[bytes, bytes]]) -> dict[Resource, int]:
    """What an answer says is left of each limit, and no more: a tenth of the work of `limits`.

    `headers` are as they came (`httpx.Headers.raw`). What cannot be read counts as 0.
    """
    found: dict[Resource, int] = {}
    for name, value in headers:
        meaning = _meaning_of(name)
        if meaning is not None and meaning[1] == "remaining":
            found[meaning[0]] = int(value) if value.isdigit() and len(value) <= 18 else 0
    return found


def limits_of(headers: Sequence[tuple[bytes, bytes]], now: float) -> RateSnapshot:
    """`limits` of headers as they came (`httpx.Headers.raw`). When limits are whole again is
    read only where it is a time of day, as Anthropic's: it is most of the work."""
    told: dict[Resource, dict[str, str]] = {}
    for name, value in headers:
        meaning = _meaning_of(name)
        if meaning is None:
            continue
        if meaning[1] != "reset":
            told.setdefault(meaning[0], {})[meaning[1]] = value.decode("latin-1")
        elif name[:9].lower() == b"anthropic":
            return limits({k.decode("latin-1"): v.decode("latin-1") for k, v in headers}, now)
    return RateSnapshot(**{resource: _allowance(values, now) for resource, values in told.items()})


# Of all headers of all answers; those of one provider are the same ones always.
@functools.lru_cache(maxsize=1024)
def _meaning_of(raw: bytes) -> tuple[Resource, str] | None:
    return _meaning(raw.decode("latin-1").lower())


def go_duration(text: str) -> float | None:
    """Seconds of a duration as Go prints it ("1m30.951s", "17ms"), or of a bare number.

    None for anything else.
    """
    text = text.strip()
    if len(text) > _LONGEST:
        return None
    if re.fullmatch(r"\d{1,18}(\.\d{0,18})?", text, re.ASCII):
        return float(text)
    pieces = _DURATION.findall(text)
    if not pieces or "".join(number + unit for number, unit in pieces) != text:
        return None
    return float(sum(float(number) * _SECONDS[unit] for number, unit in pieces))


def _allowance(values: Mapping[str, str], sent: float) -> Allowance | None:
    limit = _count(values.get("limit"))
    if limit == 0:
        return None  # Azure, for what it does not limit
    reset = _reset(values["reset"], sent) if "reset" in values else None
    period = _count(values.get("renewalperiod"))
    if reset is not None and period is not None and reset > period:
        reset = None  # Azure writes milliseconds at times: nothing takes longer than its period
    remaining = _count(values.get("remaining"))
    if limit is None and remaining is None and reset is None:
        return None
    return Allowance(limit, remaining, reset)


def _count(value: str | None) -> int | None:
    """A whole number of zero or more. Azure says -1 for what it does not know."""
    text = (value or "").strip()
    return int(text) if len(text) <= 18 and text.isascii() and text.isdecimal() else None


def _reset(value: str, sent: float) -> float | None:
    duration = go_duration(value)
    if duration is not None:
        return duration
    try:
        moment = datetime.fromisoformat(value.strip()[:_LONGEST])
    except ValueError:
        return None
    if moment.tzinfo is None:
        return None  # of which place's clock?
    return max(0.0, moment.timestamp() - sent)


def _sent(value: str, now: float) -> float:
    try:
        return parsedate_to_datetime(value).timestamp()
    except (ValueError, OverflowError):
        return now
