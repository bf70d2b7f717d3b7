"""Rate limits out of headers: OpenAI's durations, Anthropic's moments, and what others send."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from trouper.actors.wire.rate_limits import Allowance, RateSnapshot, go_duration, left, limits

ROOT = Path(__file__).resolve().parents[4] / "shared" / "cassettes"

NOW = datetime(2026, 1, 20, 5, 29, 47, tzinfo=UTC)


def read(headers: Mapping[str, str]) -> RateSnapshot:
    return limits(headers, NOW.timestamp())


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        *(("1s", 1), ("6m0s", 360), ("12ms", 0.012), ("1m30.951s", 90.951), ("0s", 0)),
        *(("17ms", 0.017), ("23h47m36.648s", 85656.648), ("120ms", 0.12), ("1h0m0s", 3600)),
        *(("3µs", 3e-6), ("3μs", 3e-6), ("1.5us", 1.5e-6), ("20ns", 2e-8)),
        *(("7", 7), ("0.25", 0.25), (" 1s ", 1)),
    ],
)
def test_durations_are_read_as_go_prints_them(text: str, seconds: float) -> None:
    """Resets were misread (bounty-challenge#5370: "17ms", "23h47m36.648s"): they are
    durations as Go prints them."""
    assert go_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text",
    [
        *("", "s", "-1", "-1s", "1 s", "1s2", "s1", "1d", "1e3s", "inf", "nan", "1m-2s"),
        *("6m 0s", ".5s", "9" * 19, "9" * 400 + "h", "1s" * 100, "٣s", "2026-01-20T05:29:49Z"),
    ],
)
def test_what_is_no_duration_is_none(text: str) -> None:
    assert go_duration(text) is None


def as_go_prints(nanoseconds: int) -> str:
    """Go's Duration.String, in integers."""
    if nanoseconds < 10**9:
        for unit, size in (("ms", 10**6), ("µs", 10**3)):
            if nanoseconds >= size:
                return f"{in_decimals(nanoseconds, size)}{unit}"
        return f"{nanoseconds}ns" if nanoseconds else "0s"
    hours, rest = divmod(nanoseconds, 3600 * 10**9)
    minutes, rest = divmod(rest, 60 * 10**9)
    seconds = f"{in_decimals(rest, 10**9)}s"
    if hours:
        return f"{hours}h{minutes}m{seconds}"
    return f"{minutes}m{seconds}" if minutes else seconds


def in_decimals(value: int, unit: int) -> str:
    whole, rest = divmod(value, unit)
    return f"{whole}.{rest:0{len(str(unit)) - 1}d}".rstrip("0").rstrip(".")


@given(st.integers(0, 2**63 - 1))
def test_every_duration_of_go_is_read_back(nanoseconds: int) -> None:
    assert go_duration(as_go_prints(nanoseconds)) == pytest.approx(nanoseconds / 1e9)


@given(st.integers(0, 10**6), st.integers(-14 * 60, 14 * 60))
def test_every_moment_is_so_many_seconds_away_whatever_its_zone(away: int, zone: int) -> None:
    moment = (NOW + timedelta(seconds=away)).astimezone(timezone(timedelta(minutes=zone)))

    told = read({"anthropic-ratelimit-tokens-reset": moment.isoformat()})

    assert told.tokens == Allowance(reset=away)


@given(
    st.dictionaries(
        st.one_of(
            st.text(max_size=40),
            st.builds(
                "{}-{}-{}".format,
                st.sampled_from(["x-ratelimit", "anthropic-ratelimit", "X-RateLimit"]),
                st.sampled_from(["limit", "reset", "requests", "tokens", "input-tokens", "?"]),
                st.sampled_from(["limit", "remaining", "reset", "requests", "tokens", ""]),
            ),
            st.just("date"),
        ),
        st.one_of(
            st.text(max_size=40),
            st.integers().map(str),
            st.datetimes().map(datetime.isoformat),
            st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat),
        ),
    )
)
def test_no_header_breaks_an_answer_and_no_number_is_negative(headers: dict[str, str]) -> None:
    told = read(headers)

    for at in (told.requests, told.tokens, told.input_tokens, told.output_tokens):
        if at is not None:
            assert at != Allowance()
            assert all(value is None or value >= 0 for value in (at.limit, at.remaining, at.reset))
    assert told.pause is None or told.pause >= 0


OPENAI = {
    "X-RateLimit-Limit-Requests": "5000",
    "x-ratelimit-remaining-requests": "4999",
    "x-ratelimit-reset-requests": "12ms",
    "x-ratelimit-limit-tokens": "800000",
    "x-ratelimit-remaining-tokens": "799937",
    "x-ratelimit-reset-tokens": "4ms",
    "x-ratelimit-limit-input-images": "50000",
    "x-ratelimit-remaining-input-images": "49999",
}
ANTHROPIC = {
    "anthropic-ratelimit-input-tokens-limit": "2000000",
    "anthropic-ratelimit-input-tokens-remaining": "1999000",
    "anthropic-ratelimit-input-tokens-reset": "2026-01-20T05:29:49Z",
    "anthropic-ratelimit-output-tokens-limit": "400000",
    "anthropic-ratelimit-output-tokens-remaining": "0",
    "anthropic-ratelimit-output-tokens-reset": "2026-01-20T05:29:52Z",
    "anthropic-ratelimit-requests-limit": "4000",
    "anthropic-ratelimit-requests-remaining": "3999",
    "anthropic-ratelimit-requests-reset": "2026-01-20T05:30:48Z",
    "anthropic-ratelimit-unified-reset": "1768886989",
}


def test_openai_tells_requests_and_tokens() -> None:
    assert read(OPENAI) == RateSnapshot(
        requests=Allowance(5000, 4999, 0.012), tokens=Allowance(800_000, 799_937, 0.004)
    )


def test_anthropic_tells_both_directions_apart() -> None:
    assert read(ANTHROPIC) == RateSnapshot(
        requests=Allowance(4000, 3999, 61),
        input_tokens=Allowance(2_000_000, 1_999_000, 2),
        output_tokens=Allowance(400_000, 0, 5),
    )


def test_a_moment_counts_from_the_date_of_the_answer_and_never_into_the_past() -> None:
    later = {**ANTHROPIC, "Date": format_datetime(NOW + timedelta(seconds=4))}

    told = read(later)

    assert told.input_tokens == Allowance(2_000_000, 1_999_000, 0)
    assert told.output_tokens == Allowance(400_000, 0, 1)
    assert read({**ANTHROPIC, "date": "yesterday"}) == read(ANTHROPIC)


def test_the_pause_is_that_of_the_limit_that_is_exhausted() -> None:
    """The reset of the requests hid that of the tokens (AutoGPT PR 14087): it is that of the
    limit of which nothing remains which counts."""
    told = read(ANTHROPIC)

    assert told.exhausted == ("output_tokens",)
    assert told.pause == 5


def test_the_pause_is_the_longest_where_no_limit_is_known_to_be_exhausted() -> None:
    assert read(OPENAI).exhausted == ()
    assert read(OPENAI).pause == 0.012


def test_several_exhausted_limits_are_all_waited_for() -> None:
    empty = {name: "0" if "remaining" in name.lower() else at for name, at in OPENAI.items()}

    assert read(empty).exhausted == ("requests", "tokens")
    assert read(empty).pause == 0.012


def test_no_headers_tell_nothing() -> None:
    assert read({"retry-after": "3", "x-ratelimit-limit": "7"}) == RateSnapshot()
    assert RateSnapshot().pause is None
    assert RateSnapshot().exhausted == ()


def test_a_limit_that_azure_does_not_know_is_none() -> None:
    told = read(
        {
            "x-ratelimit-limit-requests": "-1",
            "x-ratelimit-remaining-requests": "-1",
            "x-ratelimit-limit-tokens": "0",
            "x-ratelimit-remaining-tokens": "0",
        }
    )

    assert told == RateSnapshot()


def test_a_reset_in_another_unit_is_no_reset() -> None:
    told = read(
        {
            "x-ratelimit-limit-requests": "120",
            "x-ratelimit-reset-requests": "500",
            "x-ratelimit-renewalperiod-requests": "60",
        }
    )

    assert told.requests == Allowance(limit=120)


def test_a_moment_without_a_zone_is_no_reset() -> None:
    assert read({"anthropic-ratelimit-tokens-reset": "2026-01-20T05:29:49"}) == RateSnapshot()


def test_mistral_names_the_minute() -> None:
    told = read(
        {
            "x-ratelimit-limit-req-minute": "100",
            "x-ratelimit-remaining-req-minute": "98",
            "x-ratelimit-limit-tokens-minute": "100000",
            "x-ratelimit-remaining-tokens-minute": "93621",
            "x-ratelimit-tokens-query-cost": "55",
        }
    )

    assert told == RateSnapshot(requests=Allowance(100, 98), tokens=Allowance(100_000, 93_621))


@pytest.mark.skipif(not ROOT.is_dir(), reason=f"no recorded exchanges at {ROOT}")
def test_the_headers_of_recorded_answers_are_all_understood() -> None:
    read_of: dict[str, int] = {}
    for row in map(json.loads, (ROOT / "index.jsonl").read_text().splitlines()):
        headers = json.loads((ROOT / row["path"]).read_text())["response"]["headers"]
        moment = headers.get("anthropic-ratelimit-requests-reset")
        now = datetime.fromisoformat(moment) if moment else NOW
        told = limits(headers, now.timestamp())
        named = {name.lower() for name in headers}
        for resource in ("requests", "tokens", "input_tokens", "output_tokens"):
            their = resource.replace("_", "-")
            at: Allowance | None = getattr(told, resource)
            if {f"x-ratelimit-limit-{their}", f"anthropic-ratelimit-{their}-limit"} & named:
                assert at is not None
                assert at.limit is not None
                assert at.remaining is not None
                assert at.limit >= at.remaining > 0
                # After a long answer its tokens' moment is minutes behind its request's.
                assert at.reset is None or at.reset < 600
                read_of[row["provider"]] = read_of.get(row["provider"], 0) + 1

    assert read_of["openai"] >= 50
    assert read_of["anthropic"] >= 150
    assert read_of["azure"] >= 10


def test_what_is_left_is_read_alone() -> None:
    told = [
        (b"X-RateLimit-Remaining-Requests", b"99"),
        (b"x-ratelimit-limit-requests", b"100"),
        (b"anthropic-ratelimit-input-tokens-remaining", b"7"),
        (b"x-ratelimit-remaining-images", b"5"),
        (b"date", b"Sat, 01 Jan 2000 00:00:00 GMT"),
    ]
    assert left(told) == {"requests": 99, "input_tokens": 7}


@pytest.mark.parametrize("value", [b"many", b"-1", b"", b"9" * 19, b"\xb2"])
def test_what_cannot_be_read_is_taken_for_nothing_left(value: bytes) -> None:
    assert left([(b"x-ratelimit-remaining-tokens", value)]) == {"tokens": 0}
