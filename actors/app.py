"""The whole application: `open_app(config)` runs its tree for the length of a block."""

import datetime
import functools
import importlib
import os
import secrets
import socket
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING

import structlog
import trio

from ..runtime import ActorSnapshot, Children, System, child
from ..runtime.events import Observer
from .assistants import Assistants
from .batch.batches import Batches
from .batch.rows import BatchRow
from .chat import ChatRequest, Chunk, Completion
from .config import AppConfig
from .config.advice import warnings_of
from .errors import ConfigError, ErrorKind, ProviderError, SessionError, UnknownSession
from .gate.budget import Alert, Budgets, log_alert, log_standing
from .gate.limiter_messages import Priority
from .gateway.listening import Listening
from .gateway.readiness import Readiness
from .loading import load_knowledge
from .logs import log_by_default
from .provider import request as provider_request
from .provider.call import Call
from .provider.knowledge import Knowledge
from .provider.pace import Pace
from .readiness import readiness_of
from .redaction import redact_text
from .response_cache_setup import ResponseCacheSetup
from .session.directory import Directory
from .session.messages import SessionMessage
from .session.owners import owner_of
from .session.reader import SessionHandle
from .session.session import Session
from .session.whole_text import name_fault, whole_name
from .store.journal import Journal
from .store.ledger import Ledger
from .store.store import Store
from .store.writer import Writer
from .tooling import Tools
from .tools import Tool
from .tree import MakeTransport, tree
from .watching import Watching

if TYPE_CHECKING:
    from .batch.house import House

__all__ = ["App", "load_knowledge", "open_app"]

_log = structlog.get_logger("trouper.app")

# Seconds for the gateway to say goodbye to its clients: its closing handshake and one more.
_GOODBYE = 7.0


class App:
    """A running application. Made by `open_app`, which says what the options are.

    `config` is what it was made of, `system` the tree of its actors, and `sessions`
    finds the conversations that are open.
    """

    def __init__(
        self,
        config: AppConfig,
        *,
        serve: bool,
        observer: Observer | None,
        signals: bool,
        knowledge: Knowledge,
        tools: Iterable[Tool] = (),
        transport: MakeTransport | None = None,
    ) -> None:
        self.config = config
        self.knowledge = knowledge
        """Facts, prices and what was learned of the models."""
        self.listening: Listening | None = None
        """Where it serves, once it does."""
        self._opening = trio.Lock()
        self._store = Store(config.store.path, durability=config.store.durability)
        self._response_cache = ResponseCacheSetup(config)
        self._tools = Tools(config, tools)
        self.batches = Batches(config)
        """Requests by the thousand, which nobody waits for."""
        self._watching = Watching(config, observer, serve=serve)
        children = [
            *self._response_cache.children(),
            *tree(config, Pace(), self._store, self._tools.children(), transport),
            *self._watching.children(),
            child("idle-sessions", self._retirement),
        ]
        if self.batches.kept:
            # 9 ms, for those only who keep batches.
            from .batch.driver import driver_spec  # noqa: PLC0415

            children.append(driver_spec(self._batch_house))
        if serve:
            children.append(child("gateway", self._gateway, shutdown=_GOODBYE))
        self.system = System(
            *children,
            observer=self._watching.observer,
            signals=signals,
            name="trouper",
            redact=redact_text,
        )
        self._watching.begin(self.system, lambda: self.budgets)
        self.assistants = Assistants(
            config,
            system=self.system,
            knowledge=knowledge,
            response_cache=self._response_cache,
            tools=self._tools,
            budgets=lambda: self.budgets,
            ledger=lambda: self.ledger,
            observer=self._watching.requests,
            steps=self._watching.steps,
        )
        """The configured assistants, with their models and tools."""
        self.sessions = Directory(
            self._session_children,
            self.system.registry,
            self.assistants.assistant,
            config.server.session_idle_seconds,
            journal=self._journal if self._store.database.is_file else None,
            company=self.assistants.company,
            node=f"{socket.gethostname()}.{os.getpid()}.{secrets.token_hex(4)}",
            # Without tokens no client is told from another.
            most_per_owner=config.server.max_sessions_per_client if config.server.tokens else None,
        )

    @functools.cached_property
    def ledger(self) -> Ledger:
        """What every call has cost; while it runs."""
        return self._store.ledger(self.system.ref(Store.writer_path(), Writer))

    def _journal(self) -> Journal:
        return self._store.journal(self.system.ref(Store.writer_path(), Writer))

    @functools.cached_property
    def budgets(self) -> Budgets:
        """What may be spent, over the ledger; while it runs."""
        return Budgets(self.ledger, self.config.limits, on_alert=self._alerted)

    def _alerted(self, alert: Alert) -> None:
        log_alert(alert)
        self._watching.console.alerted(alert)

    async def session(
        self, id: str, *, assistant: str = "", user: str = "", kept: bool = True
    ) -> SessionHandle:
        """The session called `id`; it is opened if there is none, and kept until `end_session`.

        `assistant` answers in one that is opened, "" being the configured default.
        `user` is whose it is, for budgets, the ledger and the prompt: nobody else
        finds it, or may have one of the same id. Without one it is the program's own.
        One that is not to be `kept` is let go where it is idle, so ask for it anew before each prompt.
        Where the store is a file, a conversation of that id goes on which an
        earlier run of the program has begun, with the assistant that it has.
        Raises UnknownAssistant, TooManySessions, SessionTaken where the id is another
        user's, NotKept, SessionUnreadable, SpecError for an id with a slash, and
        SessionError for an empty one, and for one or a user that is no text, or has half
        a character (a lone surrogate) in it.
        """
        owner = owner_of(whole_name("user", user))
        if not whole_name("session", id):
            raise SessionError('the session has no id; give it one, as "alice" or "irc.#channel"')
        # Two tasks that ask for the same one at once get the same one.
        async with self._opening:
            try:
                ref = self.sessions.find(id, owner=owner)
            except UnknownSession:
                _, ref = await self.sessions.open(
                    assistant=assistant, owner=owner, id=id, kept=kept
                )
        return SessionHandle(id, ref)

    async def complete(
        self,
        request: ChatRequest,
        *,
        session: str = "",
        user: str = "",
        priority: Priority = Priority.NORMAL,
    ) -> Completion:
        """The whole answer to `request`, whose `model` is the name of a configured one.

        "" is the model of the default assistant. What the request leaves open is
        as the model is configured. `session` and `user` are whose budgets it falls
        under, and what the ledger calls them. `priority` says who goes first where the
        limits of a key make calls wait. Raises ProviderError: where the first target
        fails, the chain of the model is asked in turn before that.
        """
        call = _call(session, user, priority)
        route, request = self.assistants.resolve(request)
        return await provider_request.complete(route, request, call)

    async def stream(
        self,
        request: ChatRequest,
        *,
        session: str = "",
        user: str = "",
        priority: Priority = Priority.NORMAL,
    ) -> AsyncGenerator[Chunk]:
        """The answer to `request` as it comes, chunk by chunk; the rest is as in `App.complete`.

        Raises ProviderError.
        Close it (`contextlib.aclosing`) where it is left early, so that the
        provider stops at once.
        """
        call = _call(session, user, priority)
        route, request = self.assistants.resolve(request)
        async with aclosing(provider_request.stream(route, request, call)) as batches:
            async for batch in batches:
                for chunk in batch:
                    yield chunk

    async def end_session(self, id: str, *, user: str = "") -> None:
        """End the session called `id` of that `user`, and forget its history, also where it is stored.

        A turn of it that runs is cancelled. Raises UnknownSession.
        """
        if name_fault("session", id) is not None:
            # No store can be asked for it.
            raise UnknownSession(id)
        await self.sessions.end(id, owner=owner_of(user))

    def snapshot(self) -> tuple[ActorSnapshot, ...]:
        """All actors at this moment, parents before children."""
        return self.system.snapshot()

    async def readiness(self) -> Readiness:
        """Whether each configured model has a target that can be asked, and what else is ill."""
        attention = await self._watching.console.attention()
        return await readiness_of(self.system, self.config, attention)

    # What the tree's children need of the running system.

    def _session_children(self) -> Children[SessionMessage]:
        return self.system.children("sessions", Session)

    async def _retirement(self) -> None:
        await self.sessions.retire_idle()

    async def _gateway(self, task_status: trio.TaskStatus[Listening]) -> None:
        # 33 ms of 420, for those only who serve.
        from .serving import make_gateway, tell_address  # noqa: PLC0415

        gateway = self._watching.gateway = make_gateway(
            self.config,
            self.config.server.port if self.listening is None else self.listening.port,
            sessions=self.sessions,
            assistants=self.assistants,
            responses=self._store.responses(self.system.ref(Store.writer_path(), Writer)),
            console=self._watching.console,
            ready=self.readiness,
            metrics=self._watching.scrape,
        )
        async with trio.open_nursery() as nursery:
            listening: Listening = await nursery.start(gateway.run)
            self.listening = listening
            tell_address(self.config.console, self._watching.console, listening)
            task_status.started(listening)

    def _batch_house(self) -> "House":
        from .batch.house import House  # noqa: PLC0415 - imported by now

        return House(
            config=self.config,
            path=self.batches.path,
            writer=self.system.ref(Store.writer_path(), Writer),
            knowledge=self.knowledge,
            budgets=self.budgets,
            settled=self._watching.settled,
            ask=self._ask_for_batch,
            fit=lambda request: self.assistants.resolve(request)[1],
            one_by_one=self.batches.one_by_one,
        )

    async def _ask_for_batch(self, request: ChatRequest, batch: BatchRow) -> Completion:
        return await self.complete(
            request, session=batch.session, user=batch.user, priority=Priority.BATCH
        )


def _call(session: str, user: str, priority: Priority) -> Call:
    fault = name_fault("session", session) or name_fault("user", user)
    if fault is not None:
        raise ProviderError(kind=ErrorKind.INVALID_REQUEST, message=fault)
    return Call(session=session, user=user, priority=priority)


@asynccontextmanager
async def open_app(
    config: AppConfig,
    *,
    serve: bool = False,
    observer: Observer | None = None,
    signals: bool = True,
    tools: Iterable[Tool] = (),
    transport: MakeTransport | None = None,
) -> AsyncGenerator[App]:
    """Run the application that `config` describes, for the length of the block.

    Entering returns when every provider is ready (and, with `serve`, the port
    is open), and raises StartFailed, whose cause says why, if one is not.
    Signals are handled as System does; `observer` is called with every event
    of the runtime. `tools` are functions of the program (`@tool`) that assistants
    may use whose configuration names them; ConfigError says where one names a
    tool that nobody has, and where `config` is no AppConfig. `transport` makes the pools
    of connections to providers, in place of our own, as `httpx.MockTransport` does.
    Warnings of Trouper's go to stderr unless the program has set up structlog: among them
    what `trouper check` warns of.
    """
    if not isinstance(config, AppConfig):  # pyright: ignore[reportUnnecessaryIsInstance]
        wrong = f"of type {type(config).__name__}; load_config(PATH) makes an AppConfig of a file"
        raise ConfigError("open_app", [f"config: is {wrong}"])
    log_by_default()
    if serve:
        # Before anybody watches whether the loop stands still: from a cold disk it takes a while.
        importlib.import_module(".serving", __package__)
    knowledge = await load_knowledge(config)
    tools, today = tuple(tools), datetime.datetime.now(datetime.UTC).date()
    app = App(
        config,
        serve=serve,
        observer=observer,
        signals=signals,
        knowledge=knowledge,
        tools=tools,
        transport=transport,
    )
    own = [tool.name for tool in tools]
    for warning in warnings_of(config, today, knowledge.prices, own_tools=own):
        _log.warning(warning)
    async with app.system:
        for standing in await app.budgets.standings():
            log_standing(standing)
        yield app
