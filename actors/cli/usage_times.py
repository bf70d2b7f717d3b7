"""Times as people type them: a day, a moment, or how long ago."""

import argparse
import re
from datetime import UTC, date, datetime, timedelta
from typing import Final

__all__ = ["moment"]

_AGO = re.compile(r"(\d{1,6})([mhdw])")
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def moment(text: str, *, now: float, end: bool = False) -> float:
    """Seconds since 1970 of a day ("2026-11-21"), an ISO time, or a time ago ("7d", "24h").

    A day begins at midnight in UTC, and is whole: `end` makes it the end of that
    day. A time without a zone is UTC. Raises ArgumentTypeError.
    """
    ago = _AGO.fullmatch(text)
    try:
        if ago is not None:
            return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])}).total_seconds()
        found = datetime.fromisoformat(text)
        if found.tzinfo is None:
            found = found.replace(tzinfo=UTC)
        if end and _is_day(text):
            found += timedelta(days=1)
        return found.timestamp()
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(
            f"must be a day (2026-11-21), a time (2026-11-21T08:30Z) or how long ago it was "
            f'(7d, 24h, 30m), not "{text}"'
        ) from None


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
