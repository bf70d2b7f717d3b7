"""Who listens to a session, and the events that it has told of late.

It outlives the lives of the session's actor: who listens to one that crashes
hears it go on. And who has left and comes back with the number of the last
event that it saw is told the rest.
"""

from array import array
from collections.abc import Iterable
from typing import Final

import attrs
import structlog

from ..errors import EventsGone
from .events import Attachment, SessionEvent, TextAdded, ThoughtAdded, weight
from .text_run import TextRun

__all__ = ["Broadcast"]

_log = structlog.get_logger("trouper.session")

# What is at hand for who comes back: some ten seconds of a fast model, and some
# 30 KiB of the 120 that a session may have which streams.
_MOST_EVENTS: Final = 1_000
_MOST_CHARACTERS: Final = 24 * 1024

# The texts of tools are those of the conversation, which it has in any case, but
# for what of it was forgotten meanwhile.
_SHARED: Final = 8

# Deltas that are kept as one: 64 strings of a few letters are 4 KiB, joined 300 bytes.
_MOST_IN_RUN: Final = 64


class _Run(TextRun):
    """Deltas that are kept, and where each of them ends."""

    __slots__ = ("cuts",)

    joined_at = _MOST_IN_RUN

    def __init__(self, event: TextAdded | ThoughtAdded) -> None:
        super().__init__(event)
        # Of one that has more than one number nobody knows where each of them ends.
        self.cuts = array("I", [len(event.text)] if event.first == event.seq else ())

    def takes(self, event: SessionEvent) -> bool:
        """Take it in, if it goes on with this run and there is room."""
        if not 0 < len(self.cuts) < _MOST_IN_RUN or event.first != event.seq:
            return False
        if not super().takes(event):
            return False
        self.cuts.append(weight(event))
        return True

    def behind(self, after: int) -> TextAdded | ThoughtAdded | None:
        """All of it behind number `after`, as one event; None where nobody knows what that is."""
        whole = self.event()
        if after < self.first:
            return whole
        if not self.cuts:
            return None
        before = sum(self.cuts[: after + 1 - self.first])
        return attrs.evolve(whole, first=after + 1, text=whole.text[before:])


class Broadcast:
    """Hands events to all who are attached, at once and in order; `seq` is the last one's number."""

    __slots__ = ("_attachments", "_characters", "_count", "_id", "_kept", "seq")

    def __init__(self, id: str = "") -> None:
        self._id = id
        self._attachments: list[Attachment] = []
        # Of a thousand entries at most. A deque takes half a KiB while it is empty.
        self._kept: list[SessionEvent | _Run] = []
        self._count = 0
        self._characters = 0
        self.seq = 0

    def __len__(self) -> int:
        return len(self._attachments)

    def tell(self, event: SessionEvent) -> None:
        """Hand it to all, and keep it for those who come back."""
        self.seq = event.seq
        self._keep(event)
        for attachment in self._attachments:
            self._hand(attachment, event)

    def remember(self, events: Iterable[SessionEvent], seq: int) -> None:
        """Take in what was told before this program began, up to number `seq`.

        Where anything was told since, that is known better.
        """
        if not self._kept:
            for event in events:
                self._keep(event)
        self.seq = max(self.seq, seq)

    def join(self, attachment: Attachment, after: int | None = None) -> None:
        """Hand events to one more; first those behind number `after`, if that is not None.

        Who is attached has heard them, and is told nothing again. Raises EventsGone
        where they are not all at hand.
        """
        if any(one is attachment for one in self._attachments):
            return
        missed = [] if after is None else self._behind(after)
        self._attachments.append(attachment)
        for event in missed:
            if not self._hand(attachment, event):
                break

    def leave(self, attachment: Attachment) -> None:
        """Hand it no more events."""
        self._attachments = [one for one in self._attachments if one is not attachment]

    def _hand(self, attachment: Attachment, event: SessionEvent) -> bool:
        """Hand it an event; whether it took it. Who fails is told no more, and harms no other."""
        try:
            attachment.deliver(event)
        except Exception:  # noqa: BLE001 - it would be the session's fault, and all others'
            _log.exception("a listener failed, and is told no more", session=self._id)
            self.leave(attachment)
            return False
        return True

    def _keep(self, event: SessionEvent) -> None:
        self._count += 1
        if isinstance(event, TextAdded | ThoughtAdded):
            self._characters += len(event.text)
            last = self._kept[-1] if self._kept else None
            if not isinstance(last, _Run) or not last.takes(event):
                self._kept.append(_Run(event))
        else:
            self._characters += weight(event) // _SHARED
            self._kept.append(event)
        while self._count > _MOST_EVENTS or self._characters > _MOST_CHARACTERS:
            gone = self._kept.pop(0)
            if isinstance(gone, _Run):
                self._count -= max(1, len(gone.cuts))
                self._characters -= sum(map(len, gone.pieces))
            else:
                self._count -= 1
                self._characters -= weight(gone) // _SHARED

    def _behind(self, after: int) -> list[SessionEvent]:
        oldest = self._kept[0].first if self._kept else self.seq + 1
        if after > self.seq or after < oldest - 1:
            raise EventsGone(self._id, after, oldest)
        missed: list[SessionEvent] = []
        for kept in self._kept:
            if kept.seq <= after:
                continue
            if isinstance(kept, _Run):
                event: SessionEvent | None = kept.behind(after)
            else:
                event = attrs.evolve(kept, first=max(kept.first, after + 1))
            if event is None:
                raise EventsGone(self._id, after, kept.seq + 1)
            missed.append(event)
        return missed
