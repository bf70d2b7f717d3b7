"""What all clients of a console share: the picture, the actions, the taps, and who is there."""

import os
import secrets
from collections import Counter
from collections.abc import AsyncGenerator
from importlib.metadata import version
from math import inf
from typing import Any

import attrs
import trio

from ..policy.attention import THRESHOLDS
from ..redaction import printable, redact_text
from ..session.session import Session
from .actions import Actions
from .entry import CODE_SECONDS, Entry
from .feed import FASTEST, Feed, Picture
from .fields import fields_of
from .following import Followed
from .peer import Peer
from .protocol import (
    ACTIONS,
    ROLES,
    TOPICS,
    VERSION,
    ConsoleFault,
    Follow,
    Inspect,
    MakeLink,
    OneSession,
    Role,
    Trace,
    allows,
)
from .sessions import session_frame, session_of
from .tracing import Taps, heard_frame
from .use import Use

__all__ = ["ConsoleService"]

# Clients at once by each way: an operator or two, each with some terminals and pages. Those of
# the web take no seat of the socket, and those who only read leave some to who can mend.
_SEATS = 8
_READERS = 6

# Stacks of so many actors go into a dump.
_STACKS = 2_000
_FRAME = 500


class ConsoleService:
    """Where clients come to."""

    def __init__(
        self,
        picture: Picture,
        actions: Actions,
        taps: Taps,
        app: str,
        entry: Entry,
        use: Use,
    ) -> None:
        self.picture = picture
        self.actions = actions
        self.taps = taps
        self.app = app
        self.entry = entry
        self.boot = secrets.token_hex(8)
        """Another one after each start: who sees a new one begins anew."""
        self._seated: Counter[tuple[str, Role]] = Counter()
        self._use = use

    @property
    def clients(self) -> int:
        """How many are there."""
        return self._seated.total()

    def enter(self, peer: Peer) -> bool:
        """One more comes; whether it may."""
        seated = {role: self._seated[peer.via, role] for role in ROLES}
        readers_are_many = peer.via == "web" and peer.role == "read" and seated["read"] >= _READERS
        if readers_are_many or sum(seated.values()) >= _SEATS:
            return False
        self._seated[peer.via, peer.role] += 1
        self._use.came(peer)
        return True

    def leave(self, peer: Peer) -> None:
        """Give back the seat of a client that has gone."""
        self._seated[peer.via, peer.role] -= 1
        self._use.went(peer)

    def hello(self, peer: Peer) -> dict[str, Any]:
        """The first frame for a client: the version, its role, the program, and what it may ask for."""
        return {
            "t": "hello",
            "v": VERSION,
            "role": peer.role,
            "pid": os.getpid(),
            "app": self.app,
            "version": version("trouper"),
            "trio": trio.__version__,
            "boot": self.boot,
            "up_s": round(trio.current_time() - self.picture.began, 1),
            "mono": round(trio.current_time(), 3),
            "thresholds": attrs.asdict(THRESHOLDS),
            "caps": self.actions.allowed(peer),
            "acts": list(ACTIONS),
            "topics": list(TOPICS),
            "max_hz": FASTEST,
        }

    async def inspected(self, request: Inspect) -> dict[str, Any]:
        """All of one actor. Raises ConsoleFault where nobody is."""
        path, want = request.path, request.want
        picture = self.picture
        inspector = picture.survey.inspector
        await picture.board.refresh()
        seen = next(picture.survey.seen([path]), None)
        snapshot = inspector.snapshot(path)
        if seen is None or snapshot is None:
            raise ConsoleFault("not_found", picture.ended.nobody_at(path), request.id)
        told: dict[str, Any] = {
            "t": "actor",
            "id": request.id,
            "path": path,
            "kind": seen.shape.kind,
            "state": seen.row.state,
            "gen": seen.row.life,
            "health": seen.attention.health,
            "detail": seen.attention.detail,
            "strategy": seen.shape.strategy,
            "cap": seen.shape.capacity,
            "overflow": seen.shape.overflow,
            "depth": seen.row.depth,
            "n": seen.row.handled,
            "err": seen.row.failed,
            "restarts": seen.row.restarts,
            "busy_ms": round(seen.row.busy * 1e3),
            "oldest_ms": _ms(inspector.now - seen.row.oldest),
            "retry_ms": None if snapshot.retry_in is None else _ms(snapshot.retry_in),
            "stopped": redact_text(snapshot.stopped_because or "") or None,
            "in_hand": [
                {"msg": each.message, "ms": _ms(each.seconds)} for each in snapshot.in_hand[:20]
            ],
            "hist": picture.history.of(path),
        }
        return told | self._more(path, want)

    def _more(self, path: str, want: tuple[str, ...]) -> dict[str, Any]:
        inspector = self.picture.survey.inspector
        told: dict[str, Any] = {}
        if "fields" in want:
            actor = inspector.actor(path)
            told["fields"] = [] if actor is None else fields_of(actor)
        if "stack" in want:
            told["stack"] = [_clean(frame) for frame in inspector.stack(path)]
        if "mailbox" in want:
            told["mailbox"] = [
                {"msg": each.message, "ms": _ms(each.seconds)} for each in inspector.waiting(path)
            ]
        if "recent" in want:
            # From now on, if nobody has looked before: nothing is remembered of all actors.
            tap, now = self.taps.look(path), inspector.now
            told["recent"] = [heard_frame(each, now) for each in tap.heard] if tap else []
        if "crashes" in want:
            told["crashes"] = [each.frame(whole=True) for each in self.picture.crashes.of(path)]
        return told

    def session(self, request: OneSession, peer: Peer) -> dict[str, Any]:
        """One conversation. Raises ConsoleFault where there is none, or its text is not for this one."""
        self._check_reading(request, peer)
        transcript = self._open_session(request).now
        self._reading_begins(request, peer)
        frame = session_frame(request.session, transcript, text=request.text)
        return {**frame, "id": request.id}

    def follow(self, request: Follow, peer: Peer) -> Followed:
        """One conversation while it goes on. Raises ConsoleFault, as `session`, also later on."""
        self._check_reading(request, peer)
        self._open_session(request)
        self._reading_begins(request, peer)
        return Followed(request.session, lambda: self._open_session(request), text=request.text)

    def _check_reading(self, request: OneSession | Follow, peer: Peer) -> None:
        if request.text and not allows(peer.role, "admin"):
            self._audit_reading(request.session, peer, "denied")
            raise ConsoleFault("denied", "what was said is for the role admin", request.id)

    def _reading_begins(self, request: OneSession | Follow, peer: Peer) -> None:
        if request.text:
            self._audit_reading(request.session, peer, "done")

    def _open_session(self, request: OneSession | Follow) -> Session:
        inspector, id = self.picture.survey.inspector, request.session
        session = session_of(inspector, id)
        if session is None:
            if inspector.shape(f"sessions/{id}") is None:
                raise ConsoleFault("not_found", f"no conversation {id!r} is open", request.id)
            said = f"conversation {id!r} is between two lives; the tree says why"
            raise ConsoleFault("refused", said, request.id)
        return session

    def check_bodies(self, request: Trace, peer: Peer) -> None:
        """Raise ConsoleFault where a trace would show what is said, and that is not for this one."""
        if request.bodies and not allows(peer.role, "admin"):
            self._audit_bodies(request, peer, "denied")
            raise ConsoleFault("denied", "what is in messages is for the role admin", request.id)

    def bodies_are_shown(self, request: Trace, peer: Peer) -> None:
        """Write down that a trace begins, if it shows what is said."""
        if request.bodies:
            self._audit_bodies(request, peer, "done")

    def link(self, request: MakeLink, peer: Peer) -> dict[str, Any]:
        """A link that opens the page once. Raises ConsoleFault where there is no page, or on it."""
        if peer.via != "unix":
            raise ConsoleFault("denied", "a link is made over the socket alone", request.id)
        if not self.entry.address:
            said = "this program serves no page; [console] web = true and a server allow it"
            raise ConsoleFault("refused", said, request.id)
        role = self.entry.role
        self.actions.audit.write("console link", {"by": peer.by, "via": peer.via, "role": role})
        url = self.entry.link(trio.current_time())
        return {"t": "link", "id": request.id, "url": url, "role": role, "seconds": CODE_SECONDS}

    def _audit_reading(self, session: str, peer: Peer, result: str) -> None:
        fields = {"session": session, "by": peer.by, "via": peer.via, "result": result}
        self.actions.audit.write("console transcript", fields)

    def _audit_bodies(self, request: Trace, peer: Peer, result: str) -> None:
        path = printable(request.path[:200])
        fields = {"path": path, "by": peer.by, "via": peer.via, "result": result}
        self.actions.audit.write("console bodies", fields)

    async def dump(self, peer: Peer) -> AsyncGenerator[dict[str, Any]]:
        """Everything, for a look after the fact: frames with a `part` each."""
        picture = self.picture
        yield {"t": "dump", "part": "hello", "value": self.hello(peer)}
        frames: list[dict[str, Any]] = []

        async def keep(frame: dict[str, Any]) -> None:
            frames.append(frame)

        await Feed(picture, keep, topics=TOPICS).first()
        for frame in frames:
            yield {"t": "dump", "part": "picture", "value": frame}
        for crash in picture.crashes.all():
            yield {"t": "dump", "part": "crash", "value": crash.frame(whole=True)}
        inspector = picture.survey.inspector
        for number, path in enumerate(inspector.paths[:_STACKS]):
            stack = [_clean(frame) for frame in inspector.stack(path)]
            yield {"t": "dump", "part": "stack", "value": {"path": path, "stack": stack}}
            if number % 100 == 99:
                await trio.lowlevel.checkpoint()


def _clean(text: str) -> str:
    return printable(redact_text(text))[:_FRAME]


def _ms(seconds: float) -> int:
    return 0 if abs(seconds) == inf else round(seconds * 1e3)
