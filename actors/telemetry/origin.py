"""Where a span stands: below the one of who asks, or beside the one of who has only told.

Each message carries the context of its sender, and its handler runs in it. Who
asks waits, so what is done for the answer is part of what it does: a child.
Who tells has gone on, maybe long ago: what comes of it is a trace of its own,
with a link to where it came from.
"""

from collections.abc import Callable

from opentelemetry import context, trace

__all__ = ["Told", "never", "origin"]

Told = Callable[[], bool]


def never() -> bool:
    """For programs without actors."""
    return False


def origin(told: Told) -> tuple[context.Context | None, tuple[trace.Link, ...]]:
    """The context to begin a span in (None: the current one), and its links."""
    above = trace.get_current_span().get_span_context()
    if not above.is_valid or not told():
        return None, ()
    return context.Context(), (trace.Link(above),)
