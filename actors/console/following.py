"""One conversation while it goes on: what one client has been told of it, and what is new.

Nothing is queued, and the conversation does not know that it is looked at: each
frame is the difference between what was told last and what there is now. So a
client that reads slowly misses nothing, costs no memory, and holds nobody up.
"""

from collections.abc import Callable
from typing import Any, Protocol

import attrs

from ..chat import Part
from ..session.messages import Transcript
from ..session.state import PastTurn
from .sessions import TURNS, parts_of, session_frame, session_head, step_of, turn_head

__all__ = ["Followed", "FollowedSession"]

# Turns that are told as news; where there are more since the last frame, all is told again.
_MOST = 8


class FollowedSession(Protocol):
    """What is followed: a session (session/session.py)."""

    @property
    def now(self) -> Transcript:
        """All of it as it is at this moment."""
        ...


@attrs.frozen
class _Told:
    """A step of the last turn, as it was told."""

    part: Part
    whole: bool
    step: dict[str, Any]


class Followed:
    """Tells one conversation to one client; with `text` also what is said.

    `find` gives the conversation as it is now, and raises where there is none.
    """

    def __init__(self, id: str, find: Callable[[], FollowedSession], *, text: bool) -> None:
        self._id = id
        self._find = find
        self._text = text
        self._seen: tuple[FollowedSession, int, int | None] | None = None
        self._turn = 0
        self._steps: list[_Told] = []

    def next(self) -> dict[str, Any] | None:
        """What there is to tell: all of it first, then what is new, None where nothing is."""
        session = self._find()
        transcript = session.now
        # Every event has a number; what else changes is told with the next one.
        seen = (session, transcript.seq, transcript.running)
        if seen == self._seen:
            return None
        begun, self._seen = self._seen is not None, seen
        turns = transcript.state.turns[-TURNS:]
        known = begun and (not self._turn or any(each.number == self._turn for each in turns))
        fresh = [turn for turn in turns if turn.number >= self._turn] if known else turns[-1:]
        news = [self._news(turn, transcript) for turn in fresh[-_MOST:]]
        if not known or len(fresh) > _MOST:
            return session_frame(self._id, transcript, text=self._text)
        head = session_head(transcript, text=self._text)
        return {"t": "said", "session": self._id, **head, "turns": news}

    def _news(self, turn: PastTurn, transcript: Transcript) -> dict[str, Any]:
        """A turn, and those of its steps that have changed; it is then the last that was told."""
        before = self._steps if turn.number == self._turn else []
        now: list[_Told] = []
        steps: list[dict[str, Any]] = []
        for at, (role, part, whole) in enumerate(parts_of(turn, transcript)):
            told = before[at] if at < len(before) else None
            if told is None or told.part is not part or told.whole != whole:
                new = _Told(part, whole, step_of(role, part, text=self._text, whole=whole))
                if told is None or told.step != new.step:
                    steps.append({"at": at, **_grown(told, new)})
                told = new
            now.append(told)
        self._turn, self._steps = turn.number, now
        return {**turn_head(turn), "count": len(now), "steps": steps}


def _grown(told: _Told | None, new: _Told) -> dict[str, Any]:
    """The step, or only what has come, where it is one that has grown."""
    if told is None:
        return new.step
    (before, was), (step, said) = (_and_text(each.step) for each in (told, new))
    if before != step or not said.startswith(was):
        return new.step
    return {"chars": new.step["chars"], "more": said[len(was) :]}


def _and_text(step: dict[str, Any]) -> tuple[dict[str, Any], str]:
    rest = {key: value for key, value in step.items() if key not in ("chars", "text")}
    return rest, step["text"] or ""
