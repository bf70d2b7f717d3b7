"""Crash reports: what, where, with which message in hand, and what had happened before.

Made once, when it happens, without local variables, which hold prompts and
keys. The last ones of each actor are in memory; all go to a file beside the store.
"""

import platform
import time
import traceback
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from importlib.metadata import version
from typing import Any

import attrs
import trio

from ...runtime.events import ChildCrashed, RuntimeEvent
from ...runtime.inspection import ActorSnapshot
from ...runtime.inspector import Inspector
from ..redaction import printable, redact_text
from .events import EventLog, shown_error
from .files import Lines
from .stacks import own_frames

__all__ = ["CrashBook", "CrashReport"]

# Of one actor, and actors.
_EACH = 5
_ACTORS = 200
# Characters: some forty frames.
_TRACEBACK = 16_384
_ERROR = 1_000
# Frames of each error; the last ones say where.
_FRAMES = 32
# Reports with a traceback in a second. One takes 0.2 ms, and a storm has one cause.
_A_SECOND = 20
# Events before the crash.
_BEFORE = 20
# Siblings that are told, each with where it was.
_SIBLINGS = 20
_SIBLING = 300


@attrs.frozen
class CrashReport:
    """One crash. `at` is in seconds since 1970; `message` is the type of the message in hand.

    `supervisor` says who was to restart it, and how many restarts were used up before this one;
    `siblings` what each of the others under it did.
    """

    id: str
    at: float
    path: str
    kind: str
    life: int
    error: str
    message: str | None
    traceback: str
    before: tuple[str, ...] = ()
    versions: str = ""
    supervisor: dict[str, Any] | None = None
    siblings: tuple[str, ...] = ()

    def frame(self, *, whole: bool) -> dict[str, Any]:
        """As the feed tells it; in a list without its traceback."""
        told = attrs.asdict(self)
        if not whole:
            for key in ("traceback", "before", "versions", "supervisor", "siblings"):
                del told[key]
        return told


class CrashBook:
    """Remembers crashes. `inspector` looks at who was there; None before there is a system."""

    def __init__(
        self,
        events: EventLog,
        lines: Lines,
        inspector: Callable[[], Inspector | None],
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._events = events
        self._lines = lines
        self._inspector = inspector
        self._wall = wall
        self._by_path: OrderedDict[str, deque[CrashReport]] = OrderedDict()
        self._count = 0
        self._second = 0
        self._made = 0
        self._versions = _versions()

    @property
    def count(self) -> int:
        """How many there have been."""
        return self._count

    def observe(self, event: RuntimeEvent) -> None:
        """Take an event of the runtime: an Observer of a System."""
        if isinstance(event, ChildCrashed):
            self._add(event)

    def _add(self, event: ChildCrashed) -> None:
        self._count += 1
        now = self._wall()
        if int(now) != self._second:
            self._second, self._made = int(now), 0
        self._made += 1
        inspector = self._inspector()
        shape = inspector.shape(event.path) if inspector is not None else None
        whole = self._made <= _A_SECOND
        around = _around(inspector, event.path) if whole and inspector is not None else {}
        crash = CrashReport(
            id=f"c{self._count}",
            at=now,
            path=event.path,
            kind=shape.kind if shape is not None else "",
            life=event.life,
            error=_clean(shown_error(event.error), _ERROR),
            message=event.message,
            traceback=_traceback(event.error) if whole else "",
            before=tuple(self._before()) if whole else (),
            versions=self._versions,
            **around,
        )
        self._by_path.setdefault(event.path, deque(maxlen=_EACH)).append(crash)
        self._by_path.move_to_end(event.path)
        while len(self._by_path) > _ACTORS:
            self._by_path.popitem(last=False)
        self._lines.add(attrs.asdict(crash))

    def _before(self) -> Iterator[str]:
        for event in list(self._events.since(self._events.count - _BEFORE)):
            yield f"{event.msg} {event.path} {event.detail}".strip()

    def all(self) -> list[CrashReport]:
        """Those in memory, the last one first."""
        found = [crash for crashes in self._by_path.values() for crash in crashes]
        return sorted(found, key=lambda crash: -crash.at)

    def of(self, path: str) -> list[CrashReport]:
        """Those of one actor, the last one first."""
        return list(reversed(self._by_path.get(path, ())))

    def find(self, id: str) -> CrashReport | None:
        """The crash of that id."""
        return next((crash for crash in self.all() if crash.id == id), None)


def _around(inspector: Inspector, path: str) -> dict[str, Any]:
    """Who was to restart it, and what its siblings did."""
    supervision = inspector.supervision(path)
    if supervision is None:
        return {}
    told = attrs.asdict(supervision)
    siblings = told.pop("siblings")[:_SIBLINGS]
    seen = filter(None, (inspector.snapshot(each) for each in siblings))
    return {"supervisor": told, "siblings": tuple(_sibling(inspector, each) for each in seen)}


def _sibling(inspector: Inspector, snapshot: ActorSnapshot) -> str:
    said = f"{snapshot.path} {snapshot.state}"
    for hand in snapshot.in_hand[:1]:
        said += f", {hand.message} in hand for {hand.seconds:.1f} s"
    own = own_frames(inspector.stack(snapshot.path))
    return _clean(f"{said}, at {own[-1]}" if own else said, _SIBLING)


def _traceback(error: BaseException) -> str:
    # With its causes, and never with what its frames hold.
    summary = traceback.TracebackException.from_exception(error, limit=-_FRAMES, compact=True)
    return _clean("".join(summary.format()), _TRACEBACK, keep_end=True)


def _clean(text: str, most: int, *, keep_end: bool = False) -> str:
    # Redacted before it is cut: half a key is still half a key.
    text = printable(redact_text(text[-most * 4 :] if keep_end else text[: most * 4]))
    return text[-most:] if keep_end else text[:most]


def _versions() -> str:
    parts = [f"python {platform.python_version()}", f"trio {trio.__version__}"]
    parts.append(f"trouper {version('trouper')}")
    return ", ".join(parts)
