"""The last log lines are kept, so many and so long, and asked for by number."""

import io

import structlog

from trouper.actors.log_lines import LogLines
from trouper.actors.logs import configure_logging, recent_lines


def test_lines_are_numbered_and_the_oldest_are_forgotten() -> None:
    lines = LogLines()
    for number in range(1, 1_001):
        lines.add(f"line {number}")

    assert len(lines.since(0)) == 500
    assert lines.since(998) == [(999, "line 999"), (1_000, "line 1000")]
    assert lines.since(1_000) == []


def test_a_long_line_is_cut() -> None:
    lines = LogLines()
    lines.add("x" * 10_000)

    assert len(lines.since(0)[0][1]) == 4_096


def test_what_is_logged_is_there_also_where_the_stream_is_broken() -> None:
    last = max((number for number, _ in recent_lines.since(0)), default=0)
    stream = io.StringIO()
    configure_logging("info", stream)
    try:
        stream.close()
        structlog.get_logger().info("said to nobody", api_key="sk-12345678")
    finally:
        structlog.reset_defaults()

    ((_, line),) = recent_lines.since(last)
    assert 'msg="said to nobody" api_key=[redacted]' in line
