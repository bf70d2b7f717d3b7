"""What waits to be written to one websocket. It is bounded and never makes anybody wait.

Deltas that follow each other in one session merge while the writer is busy:
a slow reader gets fewer and larger frames, and the numbers that they carry
tell how far they reach. The pieces of text are joined when the frame is made,
so that an event costs the same however far behind the reader is. Everything
else is kept as it is, in order.
"""

from collections import deque
from collections.abc import Callable

import trio
from trio.lowlevel import (
    Abort,
    RaiseCancelT,
    Task,
    current_task,
    reschedule,
    wait_task_rescheduled,
)

from ..session.events import TextAdded, ThoughtAdded
from ..wire.session_updates import Updates

__all__ = ["Lane", "Outbox"]

# What an entry takes beside its text: the frame around it and Python's objects.
_OVERHEAD = 256
# Pieces are joined beyond so many, as a one-letter string takes 50 bytes.
_MOST_PIECES = 128


class _Delta:
    """Text that waits; it grows until the writer takes it."""

    __slots__ = ("closed", "pieces", "seq", "size", "thought", "turn", "updates")

    def __init__(self, updates: Updates, thought: bool, event: TextAdded | ThoughtAdded) -> None:
        self.updates = updates
        self.thought = thought
        self.turn = event.turn
        self.seq = event.seq
        self.pieces = [event.text]
        self.size = _OVERHEAD + _bytes(event.text)
        self.closed = False

    def frame(self) -> str:
        text = self.pieces[0] if len(self.pieces) == 1 else "".join(self.pieces)
        if self.thought:
            return self.updates.thought_chunk(self.seq, text)
        return self.updates.message_chunk(self.seq, text)


def _bytes(text: str) -> int:
    # isascii() is a look at a flag; only other text must be counted.
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


class Outbox:
    """The queue between sessions and one websocket's writer.

    `overflow` is called once, without arguments, when more than `max_bytes` or
    `max_events` wait; everything that waited is dropped then. One frame or event counts
    for half of `max_bytes` at most.
    """

    __slots__ = (
        "_bytes",
        "_entries",
        "_max_bytes",
        "_max_events",
        "_overflow",
        "_parked",
        "_room",
        "goodbye",
        "patient",
        "shut",
    )

    def __init__(self, max_bytes: int, max_events: int, overflow: Callable[[], None]) -> None:
        self._entries: deque[str | _Delta] = deque()
        self._bytes = 0
        self._max_bytes = max_bytes
        self._max_events = max_events
        self._overflow = overflow
        # The writer, while it has nothing to do. trio's own reschedule instead of
        # an Event: it is woken for every frame.
        self._parked: Task | None = None
        # Who tells more than may wait at once waits for it.
        self._room: trio.Event | None = None
        self.patient = False
        """Whether all who tell anything wait for room, so that nothing is ever too much."""
        self.shut = False
        self.goodbye: tuple[int, str] | None = None
        """Close code and reason that the writer sends last; None where there is nobody to send to."""

    @property
    def waiting(self) -> tuple[int, int]:
        """How many entries wait, and about how many bytes they count for."""
        return len(self._entries), self._bytes

    def lane(self, session_id: str) -> "Lane":
        """A session's way into this outbox."""
        return Lane(self, Updates(session_id))

    def frame(self, frame: str) -> None:
        """Queue a finished frame."""
        self.add(frame, self._weight(frame))

    def _weight(self, frame: str) -> int:
        return self.counted(_OVERHEAD + _bytes(frame))

    def counted(self, size: int) -> int:
        """What one frame or one piece of text of so many bytes counts for."""
        # There is room for any one, as for a picture or a long word of a model, which is all that
        # waits beyond `max_bytes`: two of them are full, and nothing may be beside them.
        return min(size, self._max_bytes // 2)

    def add(self, entry: str | _Delta, size: int) -> None:
        """Queue an entry that takes `size` bytes."""
        if self.shut:
            return
        self._entries.append(entry)
        self.grew(size)
        self._wake()

    def _wake(self) -> None:
        if self._parked is not None:
            reschedule(self._parked)
            self._parked = None

    def grew(self, size: int) -> None:
        """Count `size` bytes more that wait."""
        self._bytes += size
        full = self._bytes > self._max_bytes or len(self._entries) > self._max_events
        if full and not self.patient:
            self._entries.clear()
            self._bytes = 0
            self._overflow()

    def shut_down(self, goodbye: tuple[int, str] | None = None) -> None:
        """Take no more; the writer ends when the rest is sent, `goodbye` being the last."""
        if not self.shut:
            self.shut = True
            self.goodbye = goodbye
        self._let_in()
        self._wake()

    def hang_up(self) -> None:
        """Take no more and drop what waits: there is nobody to send it to."""
        self.shut = True
        self.goodbye = None
        self._entries.clear()
        self._bytes = 0
        self.shut_down()

    def take(self) -> str | None:
        """The next frame, or None where nothing waits."""
        if not self._entries:
            return None
        entry = self._entries.popleft()
        if isinstance(entry, str):
            frame, size = entry, self._weight(entry)
        else:
            entry.closed = True
            frame, size = entry.frame(), entry.size
        self._bytes -= size
        if self._room is not None and self._has_room:
            self._let_in()
        return frame

    def take_some(self, characters: int) -> list[str]:
        """The next frames: at least one where any waits, and no more behind so many characters."""
        taken: list[str] = []
        while characters > 0 and (frame := self.take()) is not None:
            taken.append(frame)
            characters -= len(frame)
        return taken

    def _let_in(self) -> None:
        if self._room is not None:
            self._room.set()
            self._room = None

    async def wait(self) -> None:
        """Wait until there is something to take or the outbox is shut."""
        if not self._entries and not self.shut:
            self._parked = current_task()
            await wait_task_rescheduled(self._abort)

    @property
    def _has_room(self) -> bool:
        return 4 * self._bytes < self._max_bytes and 4 * len(self._entries) < self._max_events

    async def wait_for_room(self) -> None:
        """Wait until three quarters of what may wait are free; for ever, where nobody reads: then
        the watchdog ends the connection, and with it whoever waits here."""
        while not self._has_room and not self.shut:
            if self._room is None:
                self._room = trio.Event()
            await self._room.wait()

    def _abort(self, _raise_cancel: RaiseCancelT) -> Abort:
        self._parked = None
        return Abort.SUCCEEDED


class Lane:
    """One session's way into an outbox: where its deltas find the last one that waits.

    `updates` makes the frames that tell of that session.
    """

    __slots__ = ("_outbox", "_tail", "updates")

    def __init__(self, outbox: Outbox, updates: Updates) -> None:
        self._outbox = outbox
        self.updates = updates
        self._tail: _Delta | None = None

    def delta(self, event: TextAdded | ThoughtAdded, *, thought: bool) -> None:
        """Queue more text, or add it to what waits already."""
        outbox = self._outbox
        if outbox.shut:
            return
        tail = self._tail
        if tail is None or tail.closed or tail.thought is not thought or tail.turn != event.turn:
            self._tail = tail = _Delta(self.updates, thought, event)
            tail.size = outbox.counted(tail.size)
            outbox.add(tail, tail.size)
            return
        pieces = tail.pieces
        pieces.append(event.text)
        tail.seq = event.seq
        if len(pieces) > _MOST_PIECES:
            tail.pieces = ["".join(pieces)]
        size = outbox.counted(_bytes(event.text))
        tail.size += size
        outbox.grew(size)

    async def wait_for_room(self) -> None:
        """Wait until there is room for more than is said at once (`Outbox.wait_for_room`)."""
        await self._outbox.wait_for_room()

    def frame(self, frame: str) -> None:
        """Queue a finished frame behind all deltas so far; later ones come after it."""
        self._tail = None
        self._outbox.frame(frame)
