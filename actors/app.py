"""The whole application: `open_app(config)` runs its tree for the length of a block."""

import datetime
import functools
import os
import secrets
import socket
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, asynccontextmanager
from importlib.metadata import version
from typing import Any

import attrs
import structlog
import trio

from ..runtime import ActorSnapshot, Children, System, child
from ..runtime.events import Observer
from .answers import Answers
from .batch.batches import Batches
from .batch.driver import driver_spec
from .batch.house import House
from .batch.rows import BatchRow
from .catalog.facts import ModelRef
from .catalog.models import Models, family_of
from .catalog.prices import PriceBook, load_price_book
from .chat import ChatRequest, Chunk, Completion, Sampling
from .config import AppConfig, ModelConfig, ServerConfig, Target as ConfiguredTarget
from .config.advice import warnings_of
from .errors import ErrorKind, ProviderError, UnknownAssistant, UnknownSession
from .gate.budget import Budgets, log_standing
from .gate.limiter_messages import Priority
from .gate.router import Router
from .gateway.auth import Access, Credential
from .gateway.front import Gateway, Listening
from .gateway.limits import Limits
from .gateway.readiness import Readiness
from .logs import log_by_default
from .provider import request as provider_request
from .provider.call import Call
from .provider.knowledge import Knowledge
from .provider.pace import Pace
from .provider.route import Route, make_route
from .provider.target import Target
from .readiness import readiness_of
from .redaction import redact_text
from .served_models import ServedModels
from .session.directory import Directory
from .session.messages import SessionMessage
from .session.reader import SessionHandle
from .session.session import Assistant, Session
from .store.journal import Journal
from .store.ledger import Ledger
from .store.store import Store
from .store.writer import Writer
from .tree import ROUTER, find_target, tree
from .watching import Watching

__all__ = ["App", "load_knowledge", "open_app"]

_log = structlog.get_logger("trouper.app")

# Whose sessions those are that the embedding program opens itself.
_EMBEDDED = "embedded"

# Seconds for the gateway to say goodbye to its clients: its closing handshake and one more.
_GOODBYE = 7.0


class App:
    """A running application. Made by `open_app`."""

    def __init__(
        self,
        config: AppConfig,
        *,
        serve: bool,
        observer: Observer | None,
        signals: bool,
        knowledge: Knowledge,
    ) -> None:
        self.config = config
        self.knowledge = knowledge
        """Facts, prices and what was learned of the models."""
        self.listening: Listening | None = None
        """Where it serves, once it does."""
        self._assistants: dict[str, Assistant] = {}
        self._routes: dict[str, Route] = {}
        self._opening = trio.Lock()
        self._store = Store(config.store.path, durability=config.store.durability)
        self._answers = Answers(config)
        self.batches = Batches(config)
        """Requests by the thousand, which nobody waits for."""
        self._watching = Watching(config, observer, serve=serve)
        children = [
            *self._answers.children(),
            *tree(config, Pace(), self._store),
            *self._watching.children(),
            child("idle-sessions", self._retire_idle),
        ]
        if self.batches.kept:
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
        self.sessions = Directory(
            self._session_children,
            self.system.registry,
            self._assistant,
            config.server.session_idle_seconds,
            journal=self._journal if self._store.database.is_file else None,
            node=f"{socket.gethostname()}.{os.getpid()}.{secrets.token_hex(4)}",
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
        return Budgets(self.ledger, self.config.limits)

    async def session(self, id: str, *, assistant: str = "") -> SessionHandle:
        """The session called `id`; it is opened if there is none, and kept until `end_session`.

        Where the store is a file, a conversation of that id goes on which an
        earlier run of the program has begun, with the assistant that it has.
        Raises UnknownAssistant, TooManySessions, NotKept, SessionUnreadable, and
        SpecError for an id with a slash.
        """
        # Two tasks that ask for the same one at once get the same one.
        async with self._opening:
            try:
                ref = self.sessions.find(id, owner=_EMBEDDED)
            except UnknownSession:
                _, ref = await self.sessions.open(
                    assistant=assistant, owner=_EMBEDDED, id=id, kept=True
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
        under, and what the ledger calls them. Raises ProviderError.
        """
        call = Call(session=session, user=user, priority=priority)
        route, request = self._resolve(request)
        return await provider_request.complete(route, request, call)

    async def stream(
        self,
        request: ChatRequest,
        *,
        session: str = "",
        user: str = "",
        priority: Priority = Priority.NORMAL,
    ) -> AsyncGenerator[Chunk]:
        """The answer to `request` as it comes, chunk by chunk; the rest is as in `complete`.

        Close it (`contextlib.aclosing`) where it is left early, so that the
        provider stops at once.
        """
        call = Call(session=session, user=user, priority=priority)
        route, request = self._resolve(request)
        async with aclosing(provider_request.stream(route, request, call)) as batches:
            async for batch in batches:
                for chunk in batch:
                    yield chunk

    async def end_session(self, id: str) -> None:
        """End the session called `id`, and forget its history. Raises UnknownSession."""
        await self.sessions.end(id, owner=_EMBEDDED)

    def snapshot(self) -> tuple[ActorSnapshot, ...]:
        """All actors at this moment."""
        return self.system.snapshot()

    async def readiness(self) -> Readiness:
        """Whether each configured model has a target that can be asked, and what else is ill."""
        return await readiness_of(self.system, self.config)

    # What the tree's children need of the running system.

    def _session_children(self) -> Children[SessionMessage]:
        return self.system.children("sessions", Session)

    async def _retire_idle(self) -> None:
        await self.sessions.retire_idle()

    async def _gateway(self, task_status: trio.TaskStatus[Listening]) -> None:
        server = self.config.server
        gateway = Gateway(
            server.host,
            server.port if self.listening is None else self.listening.port,
            self.sessions,
            version=version("trouper"),
            models=ServedModels(tuple(self.config.models), self._resolve),
            access=_access(server),
            limits=_limits(server),
            ready=self.readiness,
            metrics=self._watching.scrape,
        )
        self._watching.gateway = gateway
        async with trio.open_nursery() as nursery:
            listening: Listening = await nursery.start(gateway.run)
            self.listening = listening
            task_status.started(listening)

    def _batch_house(self) -> House:
        return House(
            config=self.config,
            path=self.batches.path,
            writer=self.system.ref(Store.writer_path(), Writer),
            knowledge=self.knowledge,
            budgets=self.budgets.budgets,
            ask=self._ask_for_batch,
            fit=lambda request: self._resolve(request)[1],
            one_by_one=self.batches.one_by_one,
        )

    async def _ask_for_batch(self, request: ChatRequest, batch: BatchRow) -> Completion:
        return await self.complete(
            request, session=batch.session, user=batch.user, priority=Priority.BATCH
        )

    def _assistant(self, name: str) -> Assistant:
        name = name or self.config.default_assistant
        known = self._assistants.get(name)
        if known is None:
            if name not in self.config.assistants:
                raise UnknownAssistant(name, self.config.assistants)
            known = self._assistants[name] = self._make_assistant(name)
        return known

    def _make_assistant(self, name: str) -> Assistant:
        assistant = self.config.assistants[name]
        model = self.config.models[assistant.model]
        return Assistant(
            name=name,
            prompt=assistant.prompt,
            sampling=Sampling(temperature=model.temperature),
            max_output_tokens=model.max_output_tokens,
            reasoning_effort=model.reasoning_effort,
            context=model.context,
            route=self._route(assistant.model),
        )

    def _resolve(self, request: ChatRequest) -> tuple[Route, ChatRequest]:
        """The route of the model that is asked for, and the request with the model's defaults."""
        name = request.model or self.config.assistants[self.config.default_assistant].model
        model = self.config.models.get(name)
        if model is None:
            raise ProviderError(
                kind=ErrorKind.MODEL_NOT_FOUND,
                message=f"no model {name[:80]!r} is configured; "
                f"configured are: {', '.join(self.config.models)}",
                model=name[:80],
            )
        sampling = request.sampling
        if sampling.temperature is None:
            sampling = attrs.evolve(sampling, temperature=model.temperature)
        return self._route(name), attrs.evolve(
            request,
            sampling=sampling,
            max_output_tokens=request.max_output_tokens or model.max_output_tokens,
            reasoning_effort=request.reasoning_effort or model.reasoning_effort,
        )

    def _route(self, name: str) -> Route:
        """The route of a configured model, one for all who use it."""
        known = self._routes.get(name)
        if known is None:
            model = self.config.models[name]
            router = self.system.ref(ROUTER, Router)
            known = self._routes[name] = make_route(
                [self._target(target, model) for target in model.targets],
                model.chain,
                name=name,
                router=router,
                on_midstream=model.on_midstream,
                hedge=model.hedge,
                observer=self._watching.requests,
                caching=self._answers.caching(self.system, name, self.ledger),
            )
        return known

    def _target(self, target: ConfiguredTarget, model: ModelConfig) -> Target:
        return find_target(
            self.system,
            self.config.providers[target.provider],
            target.model,
            self.knowledge,
            budgets=self.budgets,
            first_event=model.first_event,
            idle=model.idle,
        )


def _access(server: ServerConfig) -> Access:
    tokens = (
        Credential(token.secret.reveal(), token.name, token.scopes) for token in server.tokens
    )
    return Access(tokens, server.allowed_origins)


def _limits(server: ServerConfig) -> Limits:
    return Limits(
        connections=server.max_connections,
        connections_per_client=server.max_connections_per_client,
        requests_per_client=server.max_requests_per_client,
        connection_seconds=server.max_connection_seconds,
        frame_chars=server.max_message_bytes,
    )


def _facts(config: AppConfig) -> dict[str, Mapping[str, Any]]:
    """What the configuration says of models: also of local ones, with what window they run."""
    facts = dict(config.facts)
    for model in config.models.values():
        for target in model.targets:
            provider = config.providers[target.provider]
            if provider.kind == "local":
                window = {"max_input_tokens": provider.local.context_tokens}
                facts[str(target)] = {**window, **config.facts.get(str(target), {})}
    return facts


async def load_knowledge(config: AppConfig) -> Knowledge:
    """What is known of the configured models, with all that takes long to load."""
    providers = config.providers.values()
    # A quarter of a second and 27 MiB, which nobody needs who pays for nothing.
    free = all(family_of(each.kind, each.base_url) == "local" for each in providers)
    prices = await load_price_book(config.prices) if config.prices or not free else PriceBook()
    knowledge = Knowledge(Models(_facts(config)), prices)
    targets = {target for model in config.models.values() for target in model.targets}
    for target in sorted(targets, key=str):
        provider = config.providers[target.provider]
        family = knowledge.family(provider.kind, provider.base_url)
        await knowledge.prepare(ModelRef(provider.name, target.model, family))
    return knowledge


@asynccontextmanager
async def open_app(
    config: AppConfig,
    *,
    serve: bool = False,
    observer: Observer | None = None,
    signals: bool = True,
) -> AsyncGenerator[App]:
    """Run the application that `config` describes, for the length of the block.

    Entering returns when every provider is ready (and, with `serve`, the port
    is open), and raises StartFailed, whose cause says why, if one is not.
    Signals are handled as System does; `observer` is called with every event
    of the runtime. Warnings go to stderr unless the program has set up structlog:
    among them what `trouper check` warns of.
    """
    log_by_default()
    knowledge = await load_knowledge(config)
    for warning in warnings_of(
        config, datetime.datetime.now(datetime.UTC).date(), knowledge.prices
    ):
        _log.warning(warning)
    app = App(config, serve=serve, observer=observer, signals=signals, knowledge=knowledge)
    async with app.system:
        for standing in await app.budgets.standings():
            log_standing(standing)
        yield app
