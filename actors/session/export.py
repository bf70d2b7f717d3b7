"""A stored session as a document for other programs: plain values, with names that stay.

`VERSION` counts the changes of its shape that a reader must know of.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

from ..store.journal import Snapshot, StoredEvent, StoredSession
from .record_codec import plain, read_record, read_state
from .state import PastTurn, State, messages_of, replayed

__all__ = ["VERSION", "exported", "moment", "stored_state"]

VERSION: Final = 1


def stored_state(sid: str, snapshot: Snapshot | None, events: Iterable[StoredEvent]) -> State:
    """What the journal's events of a session come to, on top of its snapshot.

    Raises SessionUnreadable.
    """
    records = ((read_record(sid, event), event.at) for event in events)
    return replayed(records, read_state(sid, snapshot))


def exported(session: StoredSession, state: State) -> dict[str, Any]:
    """The whole session. Money is in whole nano-dollars, times are ISO 8601 in UTC."""
    return {
        "trouper_session": VERSION,
        "id": session.sid,
        "owner": session.owner,
        "assistant": state.assistant or session.assistant,
        "model": state.model,
        "title": session.title,
        "created": moment(session.created),
        "used": moment(session.touched),
        "usage": plain(state.usage),
        "cost_nano_usd": state.cost,
        "answers_of_unknown_cost": state.unpriced,
        "summary": None if state.summary is None else plain(state.summary),
        "turns": [_turn(turn) for turn in state.turns],
    }


def _turn(turn: PastTurn) -> dict[str, Any]:
    return {
        "turn": turn.number,
        "at": moment(turn.at),
        "asked": plain(turn.asked)["parts"],
        "messages": [plain(message) for message in list(messages_of(turn))[1:]],
        "stop": turn.stop or None,
        "error": turn.error,
        "target": turn.target,
        "usage": plain(turn.usage),
        "cost_nano_usd": turn.cost,
        "tools_of_unknown_outcome": [one.call.id for one in turn.unknown],
    }


def moment(at: float) -> str:
    """A time in seconds since 1970, as ISO 8601 with whole seconds."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
