"""The conversations that are open, as the feed tells them.

A list has numbers and names. One conversation is told turn by turn: who said
something, which tools were called, what it cost; what was said only to an
admin who asks for it, which is written down. How one is followed while it goes
on is following.py's matter.
"""

import re
from typing import Any

from ...runtime.inspector import Inspector
from ..chat import Part, TextPart, ThinkingPart, ToolCallPart, ToolResultPart, Usage
from ..redaction import printable, redact_text
from ..session.messages import Transcript
from ..session.session import Session
from ..session.state import PastTurn

__all__ = [
    "TURNS",
    "parts_of",
    "session_frame",
    "session_head",
    "session_of",
    "session_rows",
    "step_of",
    "turn_head",
]

# Conversations that are told of, the busiest first. (All are in the tree.)
_TOLD = 500
TURNS = 100
"""Turns of one that are told, the last ones."""

# Characters of one part.
_TEXT = 20_000
# Characters of all: to look through so many for secrets takes 6 ms of the loop.
_ALL = 200_000
# The word that a text ends with while more of it comes: it may be the first half of a secret,
# which nobody recognizes. No secret is longer than this.
_WORD = re.compile(r"[!-~]{1,4096}\Z")

_UNDER = "sessions/"

_Growing = TextPart | ThinkingPart


def session_rows(inspector: Inspector) -> list[dict[str, Any]]:
    """Those that have something to do first."""
    paths = [path for path in inspector.paths if path.startswith(_UNDER)]
    rows = sorted(inspector.rows(paths), key=lambda row: (-row.in_hand, -row.depth, -row.handled))
    told: list[dict[str, Any]] = []
    for row in rows[:_TOLD]:
        actor = inspector.actor(row.path)
        told.append(
            {
                "id": row.path.removeprefix(_UNDER),
                "path": row.path,
                "state": row.state,
                "depth": row.depth,
                **(_overview(actor) if isinstance(actor, Session) else {}),
            }
        )
    return told


def _overview(session: Session) -> dict[str, Any]:
    overview = session.overview
    return {
        "owner": overview.owner,
        "assistant": overview.assistant,
        "model": overview.model,
        "turns": overview.turns,
        "running": overview.running,
        "asked": overview.asked,
        "messages": overview.messages,
        "listeners": overview.listeners,
        "usage": _usage(overview.usage),
        "cost": overview.cost,
        "unpriced": overview.unpriced,
    }


def session_of(inspector: Inspector, id: str) -> Session | None:
    """The conversation, if it is open and lives. It is looked at and not asked, so that one whose
    mailbox is full, or which somebody has suspended, can be seen as well."""
    actor = inspector.actor(f"{_UNDER}{id}")
    return actor if isinstance(actor, Session) else None


def session_frame(id: str, transcript: Transcript, *, text: bool) -> dict[str, Any]:
    """One conversation, turn by turn; with `text` also what was said in the last ones."""
    state, room = transcript.state, _ALL if text else 0
    turns: list[dict[str, Any]] = []
    for turn in state.turns[: -TURNS - 1 : -1]:
        steps = [
            step_of(role, part, text=room > 0, whole=whole)
            for role, part, whole in parts_of(turn, transcript)
        ]
        turns.insert(0, {**turn_head(turn), "steps": steps})
        room -= sum(step["chars"] for step in steps)
    return {
        "t": "session",
        "session": id,
        **session_head(transcript, text=text),
        "earlier": max(0, len(state.turns) - TURNS),
        "turns": turns,
    }


def session_head(transcript: Transcript, *, text: bool) -> dict[str, Any]:
    """What is said of all of it."""
    state = transcript.state
    return {
        "owner": state.owner,
        "assistant": state.assistant,
        "model": state.model,
        "title": _shown(state.title) if text else None,
        "running": transcript.running,
        "asked": [{"name": call.name, "call": call.id} for call in transcript.asked],
        "usage": _usage(state.usage),
        "cost": state.cost,
        "unpriced": state.unpriced,
    }


def turn_head(turn: PastTurn) -> dict[str, Any]:
    """What is said of a turn, but for its steps."""
    return {
        "number": turn.number,
        "at": turn.at,
        "stop": turn.stop or None,
        "error": _shown(turn.error) or None,
        "target": turn.target,
        "usage": _usage(turn.usage),
        "cost": turn.cost,
        "unpriced": turn.unpriced,
        "intended": [{"name": each.call.name, "call": each.call.id} for each in turn.intended],
    }


def parts_of(turn: PastTurn, transcript: Transcript) -> list[tuple[str, Part, bool]]:
    """The parts of a turn in order, each with who says it, and whether no more of it comes."""
    found: list[tuple[str, Part, bool]] = [("user", part, True) for part in turn.asked.parts]
    results = {result.call_id: result for result in turn.results}
    for message in turn.said:
        found += [(message.role, part, True) for part in message.parts]
        found += [
            ("tool", results[part.id], True)
            for part in message.parts
            if isinstance(part, ToolCallPart) and part.id in results
        ]
    if turn.number == transcript.running:
        streamed = transcript.streamed.parts
        # What comes behind a text, as a call, comes when the text is whole.
        open = streamed[-1] if streamed and isinstance(streamed[-1], _Growing) else None
        found += [("assistant", part, part is not open) for part in streamed]
    return found


def step_of(role: str, part: Part, *, text: bool, whole: bool = True) -> dict[str, Any]:
    """One part of a message: who, what, how long; what it says only where that is asked for.

    Of one that is not `whole` the last word is not shown yet.
    """
    step: dict[str, Any] = {"role": role, "what": "other", "chars": 0, "text": None}
    said = ""
    match part:
        case TextPart():
            said, step["what"] = part.text, "text"
        case ThinkingPart():
            said, step["what"] = part.text, "thinking"
        case ToolCallPart():
            said = part.args_json
            step |= {"what": "call", "name": part.name, "call": part.id}
        case ToolResultPart():
            said = part.content
            step |= {"what": "result", "call": part.call_id, "is_error": part.is_error}
        case _:
            step["what"] = type(part).__name__.removesuffix("Part").lower()
    step["chars"] = len(said)
    if text:
        step["text"] = _shown(said if whole else _WORD.sub("", said))
    return step


def _shown(text: str) -> str:
    return printable(redact_text(text[: _TEXT * 2]))[:_TEXT]


def _usage(usage: Usage) -> dict[str, int]:
    return {"input": usage.input, "output": usage.output}
