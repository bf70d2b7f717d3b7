"""The time, for models, which have none of their own."""

import datetime as dt
import zoneinfo

from .errors import ToolFailed
from .function import tool

__all__ = ["clock"]


@tool(idempotent=True, timeout=5.0)
def clock(timezone: str = "UTC") -> str:
    """Tell the date, the time and the day of the week, now.

    Args:
        timezone: An IANA name such as Europe/Oslo, or UTC.
    """
    # The reading of a zone's file is why this runs in a thread.
    try:
        zone = dt.UTC if timezone == "UTC" else zoneinfo.ZoneInfo(timezone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise ToolFailed(
            f"there is no time zone {timezone[:64]!r}; use an IANA name such as Europe/Oslo"
        ) from None
    now = dt.datetime.now(zone)
    return f"{now.isoformat(timespec='seconds')} ({now:%A}, {timezone})"
