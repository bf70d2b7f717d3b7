"""What one client is told: the whole picture first, then what changes, as fast as it reads.

A frame is made after the one before it has been sent, and never queued: a
client that reads slowly gets fewer frames and costs no memory. Large pictures
go in slices with a checkpoint between; a first picture that was made while
things moved says `torn`, and the next frame mends it.
"""

import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Protocol

import trio

from ...runtime import System
from ..logs import recent_lines
from .board import Board
from .costs import Costs
from .crashes import CrashBook
from .events import EventLog
from .history import SLICE, History
from .protocol import COLUMNS, Topic
from .requests import RequestBook
from .survey import Survey, Tree
from .tombstones import Tombstones

__all__ = ["FASTEST", "IDLE", "Feed", "Picture", "SessionRows", "slowed"]

FASTEST = 5.0
"""Frames a second at most, whatever is asked for."""

IDLE = 5.0
"""Seconds of silence after which a ping says that the picture is not old but still."""

# A share of its time that one feed may take of the loop.
_SHARE = 0.05
# Seconds: so old a picture may be where its frames take longer than that share.
_SLOWEST = 10.0

# What is asked of other actors, or is read by people only, is told once a second.
_SLOWLY = 1.0
_SLOW: frozenset[Topic] = frozenset({"providers", "sessions", "costs", "attention", "crashes"})

# Dead letters, events and log lines that one frame tells.
_AT_ONCE = 200

Send = Callable[[dict[str, Any]], Awaitable[None]]


class SessionRows(Protocol):
    """Gives the sessions that are open, as the feed tells them."""

    def __call__(self) -> list[dict[str, Any]]: ...


class Picture:
    """All that can be told, and who knows it."""

    def __init__(
        self,
        *,
        system: System,
        survey: Survey,
        board: Board,
        history: History,
        events: EventLog,
        crashes: CrashBook,
        book: RequestBook,
        costs: Costs,
        sessions: SessionRows,
        clients: Callable[[], int],
        began: float,
        ended: Tombstones,
    ) -> None:
        self.system = system
        self.survey = survey
        self.board = board
        self.history = history
        self.events = events
        self.crashes = crashes
        self.book = book
        self.costs = costs
        self.sessions = sessions
        self.clients = clients
        self.began = began
        self.ended = ended

    def totals(self) -> dict[str, Any]:
        """The numbers of the whole program."""
        # Of the last second, and not of this moment: to look at 10,000 actors takes 3 ms.
        latest = {name: values[-1] for name, values in self.history.totals.items()}
        letters = self.system.dead_letter_counts
        return {
            "up_s": round(trio.current_time() - self.began, 1),
            "actors": len(self.survey.inspector.paths),
            "queued": int(latest.get("queued", 0)),
            "msgs_s": int(latest.get("msgs", 0)),
            "in_flight": len(self.book),
            "crashes": self.crashes.count,
            "dead": sum(letters.values()),
            "dead_by": {reason.value: count for reason, count in letters.items()},
            "lag_ms": latest.get("lag_ms", 0.0),
            "cost": self.costs.total.cost,
            "calls": self.costs.total.calls,
            "clients": self.clients(),
            "hist": {name: list(values) for name, values in self.history.totals.items()},
        }

    async def tell(self, topics: Iterable[Topic]) -> dict[str, Any]:
        """The topics that have one value each, by their names in a frame."""
        wanted = set(topics)
        told: dict[str, Any] = {}
        if wanted & {"providers", "attention", "costs", "tree"}:
            await self.board.refresh()
        if "totals" in wanted:
            told["tot"] = self.totals()
        if "attention" in wanted:
            told["attention"] = await self.survey.attention()
        if "providers" in wanted:
            told["providers"] = self.board.providers()
        if "requests" in wanted:
            told["requests"] = self.book.rows()
        if "sessions" in wanted:
            told["sessions"] = self.sessions()
        if "costs" in wanted:
            told["costs"] = {**self.costs.frame(), "budgets": self.board.budgets()}
        if "crashes" in wanted:
            told["crashes"] = [crash.frame(whole=False) for crash in self.crashes.all()[:_AT_ONCE]]
        return told


class Feed:
    """One subscription. `send` sends one frame and returns when it is on its way."""

    def __init__(
        self,
        picture: Picture,
        send: Send,
        *,
        topics: Iterable[Topic],
        under: str = "",
        kinds: Iterable[str] = (),
    ) -> None:
        self._picture = picture
        self._send_frame = send
        self._topics = frozenset(topics)
        self._tree = Tree(picture.survey, under, kinds) if "tree" in self._topics else None
        self._event = 0
        self._letter = 0
        self._resent: set[int] = set()
        self._line = 0
        self._told: dict[str, Any] = {}
        self._seq = 0
        self._slowly_at = 0.0
        self.taken = 0.0
        """Seconds that the last frame took of the loop."""

    async def _send(self, frame: dict[str, Any]) -> None:
        self._seq += 1
        inspector = self._picture.survey.inspector
        stamp = {"seq": self._seq, "mono": round(inspector.now, 3)}
        await self._send_frame({"t": frame.pop("t"), **stamp, **frame})

    async def first(self) -> None:
        """Send the whole picture, in slices where it is large."""
        values = await self._values(self._topics)
        if self._tree is None:
            await self._send({"t": "snap", "ts": _now(), "torn": False, "more": False, **values})
            return
        paths = self._tree.paths()
        slices = [paths[first : first + SLICE] for first in range(0, len(paths), SLICE)] or [[]]
        for number, part in enumerate(slices, 1):
            new, rows = self._tree.changes(part)
            frame: dict[str, Any] = {"t": "snap", "ts": _now(), "torn": len(slices) > 1}
            frame |= {"more": number < len(slices), "cols": COLUMNS, "new": new, "rows": rows}
            await self._send(frame | (values if number == 1 else {}))
            await trio.lowlevel.checkpoint()
        if len(slices) > 1:
            await self.next()

    async def next(self) -> bool:
        """What has changed; whether there was anything to tell."""
        began = trio.current_time()
        topics = self._topics
        if began - self._slowly_at < _SLOWLY:
            topics = topics - _SLOW
        values = await self._values(topics)
        frame: dict[str, Any] = {"t": "delta"}
        changed = {key: value for key, value in values.items() if value != []}
        if self._tree is not None:
            changed |= await self._tree_changes(self._tree)
        if not changed:
            return False
        await self._send(frame | changed)
        return True

    async def _tree_changes(self, tree: Tree) -> dict[str, Any]:
        new: list[dict[str, Any]] = []
        rows: list[list[Any]] = []
        paths = tree.paths()
        for first in range(0, len(paths), SLICE):
            more_new, more_rows = tree.changes(paths[first : first + SLICE])
            new += more_new
            rows += more_rows
            await trio.lowlevel.checkpoint()
        gone = [(id, self._picture.ended.why(path)) for path, id in tree.gone(paths)]
        found = {"new": new, "rows": rows, "gone": gone}
        return {key: value for key, value in found.items() if value}

    async def _values(self, topics: frozenset[Topic]) -> dict[str, Any]:
        """The topics besides the tree that differ from what was told last."""
        if topics & _SLOW:
            self._slowly_at = trio.current_time()
        now = await self._picture.tell(topics)
        # Most of it has clocks in it and changes anyway; what stands still is left out.
        changed = {key: value for key, value in now.items() if self._told.get(key) != value}
        self._told |= changed
        if "events" in topics:
            changed["ev"] = self._events()
        if "dead" in topics:
            changed["dead"] = self._letters()
        if "logs" in topics:
            changed["log"] = self._lines()
        return changed

    def _events(self) -> list[dict[str, Any]]:
        events = list(self._picture.events.since(self._event))
        if not events:
            return []
        self._event = events[-1].n
        # Ten thousand conversations that came and went push out no crash here, either.
        noted = [event for event in events if event.level in ("warning", "error")]
        others = [event for event in events if event.level not in ("warning", "error")]
        told = sorted(noted[-_AT_ONCE:] + others[-_AT_ONCE:], key=lambda event: event.n)
        return [event.frame() for event in told]

    def _lines(self) -> list[dict[str, Any]]:
        lines = recent_lines.since(self._line)[-_AT_ONCE:]
        if lines:
            self._line = lines[-1][0]
        return [{"n": number, "line": line} for number, line in lines]

    def _letters(self) -> list[dict[str, Any]]:
        """Those that are new, and those that have been sent again since they were told."""
        kept = self._picture.system.dead_letters
        resent = {letter.number for letter in kept if letter.resent}
        again, self._resent = resent - self._resent, resent
        letters = [
            letter for letter in kept if letter.number > self._letter or letter.number in again
        ][-_AT_ONCE:]
        if letters:
            self._letter = kept[-1].number
        now = self._picture.survey.inspector.now
        return [
            {
                "n": letter.number,
                "path": letter.path,
                "msg": type(letter.message).__name__,
                "reason": letter.reason.value,
                "ago_ms": round((now - letter.at) * 1e3),
                "resent": letter.resent,
            }
            for letter in letters
        ]

    async def run(self, hz: float) -> None:
        """Tell, `hz` times a second at most, until cancelled."""
        asked = interval = 1.0 / min(hz, FASTEST)
        await self.first()
        quiet_since = trio.current_time()
        while True:
            await trio.sleep(interval)
            began = trio.current_time()
            told = await self.next()
            # Time that its client took is in it as well; either is a reason to be slower.
            self.taken = trio.current_time() - began
            before, interval = interval, slowed(interval, asked, self.taken)
            if interval != before:
                await self._send(_slow(interval, asked, self.taken))
            if told:
                quiet_since = trio.current_time()
            elif trio.current_time() - quiet_since >= IDLE:
                await self._send({"t": "ping"})
                quiet_since = trio.current_time()


def slowed(interval: float, asked: float, taken: float) -> float:
    """Seconds until the next frame, after one that took so many: halved and halved again where it
    takes too large a share of the loop, and back as soon as it does not.

    In such steps, because each is told.
    """
    needed = min(_SLOWEST, taken / _SHARE)
    if interval / 4 < needed <= interval:
        return interval
    slower = asked
    while slower < needed:
        slower *= 2
    return min(slower, max(asked, _SLOWEST))


def _slow(interval: float, asked: float, taken: float) -> dict[str, Any]:
    told = {"hz": round(1 / interval, 3), "asked_hz": round(1 / asked, 3)}
    return {"t": "slow", **told, "took_ms": round(taken * 1e3)}


def _now() -> float:
    return round(time.time(), 3)
