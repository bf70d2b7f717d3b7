"""The conversations that are open, as the feed tells them.

A list has numbers and names. One conversation is told turn by turn: who said
something, which tools were called, what it cost; what was said only to an
admin who asks for it, which is written down.
"""

from collections.abc import Iterator
from typing import Any

from ...runtime import System
from ...runtime.inspector import Inspector
from ..chat import Message, TextPart, ThinkingPart, ToolCallPart, ToolResultPart, Usage
from ..redaction import printable, redact_text
from ..session.messages import GetTranscript, Transcript
from ..session.session import Session
from ..session.state import PastTurn

__all__ = ["session_frame", "session_rows", "transcript_of"]

# Conversations that are told of, the busiest first. (All are in the tree.)
_TOLD = 500
# Turns of one, the last ones.
_TURNS = 100
# Characters of one part.
_TEXT = 20_000
# Seconds.
_ASK = 3.0

_UNDER = "sessions/"


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


async def transcript_of(system: System, id: str) -> Transcript:
    """What is written down of an open conversation. Raises SpecError and ActorError."""
    return await system.ref(f"{_UNDER}{id}", Session).ask(GetTranscript(), timeout=_ASK)


def session_frame(id: str, transcript: Transcript, *, text: bool) -> dict[str, Any]:
    """One conversation, turn by turn; with `text` also what was said."""
    state = transcript.state
    turns = [_turn(turn, text=text) for turn in state.turns[-_TURNS:]]
    if turns and transcript.running is not None:
        turns[-1]["steps"] += _steps(transcript.streamed, text=text)
    return {
        "t": "session",
        "session": id,
        "owner": state.owner,
        "assistant": state.assistant,
        "model": state.model,
        "title": _shown(state.title) if text else None,
        "running": transcript.running,
        "asked": [{"name": call.name, "call": call.id} for call in transcript.asked],
        "usage": _usage(state.usage),
        "cost": state.cost,
        "unpriced": state.unpriced,
        "earlier": max(0, len(state.turns) - _TURNS),
        "turns": turns,
    }


def _turn(turn: PastTurn, *, text: bool) -> dict[str, Any]:
    steps = list(_steps(turn.asked, text=text))
    results = {result.call_id: result for result in turn.results}
    for message in turn.said:
        steps += _steps(message, text=text)
        for part in message.parts:
            if isinstance(part, ToolCallPart) and part.id in results:
                steps.append(_step("tool", results[part.id], text=text))
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
        "steps": steps,
    }


def _steps(message: Message, *, text: bool) -> Iterator[dict[str, Any]]:
    for part in message.parts:
        yield _step(message.role, part, text=text)


def _step(role: str, part: object, *, text: bool) -> dict[str, Any]:
    """One part of a message: who, what, how long; what it says only where that is asked for."""
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
        step["text"] = _shown(said)
    return step


def _shown(text: str) -> str:
    return printable(redact_text(text[: _TEXT * 2]))[:_TEXT]


def _usage(usage: Usage) -> dict[str, int]:
    return {"input": usage.input, "output": usage.output}
