"""The conversations that are open, as the feed tells them: never what was said in them."""

from typing import Any

from ...runtime.inspector import Inspector

__all__ = ["session_rows"]

# Conversations that are told of, the busiest first. (All are in the tree.)
_TOLD = 500

_UNDER = "sessions/"


def session_rows(inspector: Inspector) -> list[dict[str, Any]]:
    """Those that have something to do first."""
    paths = [path for path in inspector.paths if path.startswith(_UNDER)]
    rows = sorted(inspector.rows(paths), key=lambda row: (-row.in_hand, -row.depth, -row.handled))
    told: list[dict[str, Any]] = []
    for row in rows[:_TOLD]:
        facts: dict[str, Any] = {}
        told.append(
            {
                "id": row.path.removeprefix(_UNDER),
                "path": row.path,
                "state": row.state,
                "depth": row.depth,
                **facts,
            }
        )
    return told
