"""The console of one program: what it remembers, its socket, its watchdog.

Before you edit: it is a guest. It is a child of its own with its own restarts,
so that its faults end nothing but itself; what it hears of in the loop it only
writes down.
"""

from collections.abc import Iterator
from contextlib import nullcontext
from functools import partial
from math import inf
from pathlib import Path
from typing import Any

import structlog
import trio

from ...runtime import ChildSpec, System, child, supervisor
from ...runtime.events import RuntimeEvent
from ...runtime.inspector import Inspector
from ..config import AppConfig
from ..config.store import MEMORY
from ..gate.budget import ALERTS, Alert
from ..policy.budget import AlertKind
from ..policy.money import dollars
from .actions import CONSOLE, Actions
from .audit import Audit
from .board import Board, Standings
from .client import Receive, SendLine, converse
from .costs import Costs
from .crashes import CrashBook
from .entry import Entry
from .events import EventLog, Level
from .feed import Picture
from .files import Lines
from .history import History
from .peer import Peer
from .requests import RequestBook
from .service import ConsoleService
from .sessions import session_rows
from .socket import listen, serve, socket_path
from .stalls import LoopWatchdog
from .survey import Stall, Survey
from .tombstones import Tombstones
from .tracing import Taps
from .use import Use

__all__ = ["Console"]

_log = structlog.get_logger("trouper.console")

# A fault of the console itself: it may fall so often, and is then gone until the next start.
_CRASHES, _PERIOD = 10, 60.0

# Seconds for which a look at all actors is good enough for those who ask without a token.
_FRESH = 1.0


class Console:
    """Hears of everything from the start; serves while `run` runs.

    With `watchdog` a thread looks whether the event loop runs, and SIGUSR1
    writes stacks and tree to the log.
    """

    def __init__(self, config: AppConfig, *, watchdog: bool = False) -> None:
        self._config = config
        self._watchdog = watchdog
        self._system: System | None = None
        self._began = 0.0
        self._history: History | None = None
        self._standings: Standings | None = None
        self._events = EventLog()
        self._ended = Tombstones()
        self._costs = Costs()
        self.book = RequestBook(self._costs.add)
        """To be told of all requests."""
        self._crash_lines = self._lines("crashes")
        self._audit_lines = self._lines("audit")
        self._refused_lines = self._lines("refused")
        self._crashes = CrashBook(self._events, self._crash_lines, self._inspector)
        self._service: ConsoleService | None = None
        self._looking = trio.Lock()
        self._looked = -inf
        self._found: list[dict[str, Any]] = []
        self.use = Use()
        """Who is there, and what they have done; for metrics."""
        self.path: Path | None = None
        """Where the socket lies, while there is one."""
        self.entry = Entry(config.console.web_role)
        """Who may open the page; who serves it says where it is."""

    def observe(self, event: RuntimeEvent) -> None:
        """Take an event of the runtime: an Observer of a System."""
        self._crashes.observe(event)
        self._events.observe(event)
        self._ended.observe(event)

    def alerted(self, alert: Alert) -> None:
        """Take what a budget warns of."""
        level: Level = "error" if alert.kind is AlertKind.SPENT else "warning"
        of = f"{dollars(alert.spent)} of {dollars(alert.limit.most)} dollars"
        said = f"{alert.budget.name}, {alert.limit.scope}, {alert.limit.window}: {of}"
        self._events.note(level, ALERTS[alert.kind], "", said)

    def begin(self, system: System, standings: Standings) -> None:
        """This is whom to look at; `standings` says how the budgets stand."""
        self._system, self._standings = system, standings
        self._began = trio.current_time()

    def children(self) -> tuple[ChildSpec, ...]:
        """What must run beside the others. It never comes back to crash the rest."""
        if not (self._config.console.socket or self._config.console.web):
            return ()
        feed = child("feed", self.run)
        return (supervisor(CONSOLE, feed, intensity=_CRASHES, period=_PERIOD, restart="temporary"),)

    async def converse(self, peer: Peer, receive: Receive, send: SendLine) -> None:
        """Serve one client of the web; it is told nothing where the console does not run."""
        if self._service is not None:
            await converse(self._service, peer, receive, send)

    async def attention(self) -> list[dict[str, Any]]:
        """What needs a person, as all faces say it; nothing where the console does not run."""
        service = self._service
        if service is None:
            return []
        async with self._looking:
            if trio.current_time() - self._looked >= _FRESH:
                await service.picture.board.refresh()
                self._found = await service.picture.survey.attention()
                self._looked = trio.current_time()
            return self._found

    async def run(self) -> None:
        """Serve until cancelled."""
        assert self._system is not None
        assert self._standings is not None
        system = self._system
        if self._history is None:
            # Kept when the console restarts: a page that was open does not begin blank.
            self._history = History(system.inspector, self._seconds)
        history = self._history
        board = Board(system, self._config, self.book, self._standings)
        survey = Survey(system, board, history)
        picture = Picture(
            system=system,
            survey=survey,
            board=board,
            history=history,
            events=self._events,
            crashes=self._crashes,
            book=self.book,
            costs=self._costs,
            sessions=lambda: session_rows(system.inspector),
            clients=lambda: 0 if self._service is None else self._service.clients,
            began=self._began,
            ended=self._ended,
        )
        taps = Taps(system.inspector)
        audit = Audit(self._events, self._audit_lines, self._refused_lines, self.use)
        try:
            watchdog = LoopWatchdog(partial(self._stalled, survey), partial(_tree, system))
            with watchdog.watch(signals=True) if self._watchdog else nullcontext():
                async with trio.open_nursery() as nursery:
                    actions = Actions(
                        system,
                        self._config,
                        audit,
                        nursery,
                        inject=self._config.console.inject,
                    )
                    self._service = ConsoleService(
                        picture,
                        actions,
                        taps,
                        self._config.console.name,
                        self.entry,
                        self.use,
                    )
                    nursery.start_soon(history.run)
                    nursery.start_soon(self._crash_lines.run)
                    nursery.start_soon(self._audit_lines.run)
                    nursery.start_soon(self._refused_lines.run)
                    nursery.start_soon(audit.run)
                    nursery.start_soon(actions.log_level.run)
                    if self._config.console.socket:
                        nursery.start_soon(self._listen, self._service)
        finally:
            self._service = None
            taps.end()
            # What was still being done writes down that it was, after all others have ended.
            await self._audit_lines.flush()
            await self._refused_lines.flush()

    async def _listen(self, service: ConsoleService) -> None:
        try:
            listener, path = listen(socket_path(self._config.console.name))
        except OSError as error:
            # A read-only container may have no place for it; the program is worth more.
            _log.warning("console has no socket", error=str(error))
            return
        self.path = path
        try:
            await serve(service, listener, path, lambda: self._config.console.role)
        finally:
            self.path = None

    def _lines(self, what: str) -> Lines:
        on_lost = partial(self._events.note, "error", "console file has a gap", "")
        return Lines(_beside(self._config, what), on_lost=on_lost)

    def _seconds(self) -> dict[str, float]:
        assert self._system is not None
        return {
            "in_flight": len(self.book),
            "crashes": self._crashes.count,
            "dead": sum(self._system.dead_letter_counts.values()),
            "cost": self._costs.total.cost,
        }

    def _stalled(self, survey: Survey, stall: Stall) -> None:
        survey.stall = stall
        said = f"{stall.seconds:.1f} s at {stall.line}"
        self._events.note("error", "event loop stalled", "", said)

    def _inspector(self) -> Inspector | None:
        return None if self._system is None else self._system.inspector


def _tree(system: System) -> Iterator[str]:
    inspector = system.inspector
    for row in inspector.rows(inspector.paths):
        hand = f", {row.in_hand} in hand" if row.in_hand else ""
        yield f"{row.path} {row.state}, {row.depth} wait{hand}"


def _beside(config: AppConfig, what: str) -> Path | None:
    """A file beside the store; none where the store is in memory."""
    if config.store.path == MEMORY:
        return None
    store = Path(config.store.path)
    return store.with_name(f"{store.stem}-{what}.jsonl")
