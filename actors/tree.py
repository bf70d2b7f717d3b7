"""The supervision tree, as data: what runs under whom.

system
├── answers                    (where answers are kept in a file) the writer of that file
├── response-cache             (where a model keeps its answers) gives them again
├── store                      the writer of what is kept
├── retention                  (only with a store in a file) forgets what is too old
├── pace                       lets busy streams read in step
├── router                     whom of a chain to ask; counts calls, retries and hedges
├── providers
│   └── NAME
│       ├── gates              what a call passes; they outlive what is behind them
│       │   ├── keys           (where it has some) which key a call shows
│       │   ├── limiter[-KEY]  the limits of each key, by its id
│       │   └── breaker[-MODEL]    the circuit of each model that is configured
│       ├── server             (kind local) the model's process
│       └── connection         the pool, the codec, the requests under way
├── tools                      (where an assistant may use some)
│   ├── NAME                   runs the calls of one tool
│   └── mcp:NAME               keeps an MCP server, and runs the calls of its tools
├── sessions                   one actor a conversation
├── loop-lag                   (only where it serves) how late the event loop is
├── batches                    (only with a store in a file) carries them on
├── idle-sessions              ends those that nobody needs
└── gateway                    (only where it serves) the port: started last, stopped first
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial

import attrs
import httpx

from ..runtime import Backoff, ChildSpec, Mailbox, System, child, dynamic, supervisor
from .catalog.models import ModelCatalog
from .config import AppConfig, ProviderConfig
from .gate.budget import Budgets
from .gate.circuit import Circuit
from .gate.keys import Keys
from .gate.limiter import Limiter
from .gate.router import Router
from .local.model_file import find_model
from .local.server import ModelServer
from .local.settings import ServerSettings
from .local.template import read_template
from .provider.connection import Connection
from .provider.knowledge import Knowledge
from .provider.pace import Pace
from .provider.target import Gates, Target, key_ids, make_target
from .session.session import Session
from .store.responses import KEPT_DAYS
from .store.retention import Keep, Retention
from .store.store import Store

__all__ = [
    "ROUTER",
    "MakeTransport",
    "breaker_path",
    "connection_path",
    "find_target",
    "keys_path",
    "limiter_path",
    "provider_spec",
    "providers_spec",
    "router_spec",
    "server_path",
    "sessions_spec",
    "tree",
]

MakeTransport = Callable[[ProviderConfig], httpx.AsyncBaseTransport]
"""Makes the pool of connections to a provider, at each of its starts."""

# A provider that is down must not take the conversations with it: with this
# backoff no child can crash so often in a minute, and it comes back within 5 s.
_BACKOFF = Backoff(initial=0.2, maximum=5.0, reset_after=30.0)
_CRASHES, _PERIOD = 30, 60.0

# Nearly all that a connection handles is one type of message, so three equal
# crashes say nothing about that type: one bad request must not end a provider.
_NO_POISON = 0


ROUTER = "router"
"""Where the router stands."""

# A thousand calls at once ask it, and tell it that they have ended.
_ROUTER_MAILBOX = 4096


def connection_path(provider: str) -> str:
    """Where the connection of a provider stands."""
    return f"providers/{provider}/connection"


def server_path(provider: str) -> str:
    """Where the server of a local provider stands."""
    return f"providers/{provider}/server"


def keys_path(provider: str) -> str:
    """Where stands what chooses among the keys of a provider that has some."""
    return f"providers/{provider}/gates/keys"


def limiter_path(provider: str, key: str = "") -> str:
    """Where the limiter of a key stands, by the key's id; "" where the provider has none."""
    return f"providers/{provider}/gates/{_named('limiter', key)}"


def breaker_path(provider: str, model: str = "") -> str:
    """Where the circuit of a model stands; "" is one for all of a provider that stands alone."""
    return f"providers/{provider}/gates/{_named('breaker', model)}"


def _named(what: str, name: str) -> str:
    # A path has its own use for slashes, which names of models may have.
    return f"{what}-{name.replace('/', '|')}" if name else what


def provider_spec(
    config: ProviderConfig,
    pace: Pace,
    models: Iterable[str] = ("",),
    *,
    known: ModelCatalog | None = None,
    transport: MakeTransport | None = None,
) -> ChildSpec:
    """One provider, with a circuit for each of `models`; `known` is what is known of models.

    `transport` makes the pool of a provider that is no process of our own.
    """
    gates = supervisor(
        "gates",
        *_gates(config, models),
        intensity=_CRASHES,
        period=_PERIOD,
        backoff=_BACKOFF,
    )
    if config.kind != "local":
        connection = child(
            "connection",
            partial(
                Connection,
                config,
                pace,
                models=known,
                transport=None if transport is None else partial(transport, config),
            ),
            backoff=_BACKOFF,
            poison=_NO_POISON,
        )
        return supervisor(config.name, gates, connection, intensity=_CRASHES, period=_PERIOD)
    server = child(
        "server",
        partial(ModelServer, partial(_settings, config)),
        backoff=_BACKOFF,
        start_timeout=config.local.start_timeout + 5,
    )
    connection = child(
        "connection",
        partial(Connection, config, pace, (server_path(config.name), ModelServer)),
        backoff=_BACKOFF,
        # What it was told by a process that is dead is of no use to anybody.
        shutdown=0.1,
        poison=_NO_POISON,
    )
    return supervisor(
        config.name,
        gates,
        server,
        connection,
        strategy="rest_for_one",
        intensity=_CRASHES,
        period=_PERIOD,
    )


def _gates(config: ProviderConfig, models: Iterable[str]) -> Iterator[ChildSpec]:
    """What stands before the connection: the keys, a limiter each, a circuit for each model."""
    name, keys = config.name, key_ids(config)
    if keys:
        yield child("keys", partial(Keys, name, keys), backoff=_BACKOFF, poison=_NO_POISON)
    for key in keys or ("",):
        yield child(
            _named("limiter", key),
            partial(Limiter, name, config.limits, max_in_flight=config.in_flight),
            backoff=_BACKOFF,
            poison=_NO_POISON,
        )
    for model in dict.fromkeys(models):
        yield child(
            _named("breaker", model),
            partial(Circuit, name, model, config.breaker.policy),
            backoff=_BACKOFF,
            poison=_NO_POISON,
        )


def providers_spec(
    configs: Iterable[ProviderConfig],
    pace: Pace,
    models: Mapping[str, Iterable[str]] | None = None,
    *,
    known: ModelCatalog | None = None,
    transport: MakeTransport | None = None,
) -> ChildSpec:
    """The supervisor of all providers; `models` has those of each one, by its name.

    Without it, each provider has one circuit for whatever model is asked for.
    """
    return supervisor(
        "providers",
        *(
            provider_spec(
                config,
                pace,
                ("",) if models is None else models.get(config.name, ()),
                known=known,
                transport=transport,
            )
            for config in configs
        ),
        intensity=_CRASHES,
        period=_PERIOD,
    )


def router_spec() -> ChildSpec:
    """The router, one for all requests of a program."""
    mailbox = Mailbox(_ROUTER_MAILBOX)
    return child(ROUTER, Router, backoff=_BACKOFF, mailbox=mailbox, poison=_NO_POISON)


def find_target(
    system: System,
    config: ProviderConfig,
    model: str,
    knowledge: Knowledge,
    *,
    budgets: Budgets | None = None,
    alone: bool = False,
    first_event: float | None = None,
    idle: float | None = None,
) -> Target:
    """The target of a model that runs in this tree; `alone` where its provider has one circuit
    for all models. The rest is as in `make_target`. Raises SpecError where it is not there."""
    name, keys = config.name, key_ids(config)
    circuit = system.ref(breaker_path(name, "" if alone else model), Circuit)
    chooser = system.ref(keys_path(name), Keys) if keys else None
    limiters = {key: system.ref(limiter_path(name, key), Limiter) for key in keys or ("",)}
    gates = Gates(
        circuit=circuit,
        keys=chooser,
        limiters=limiters,
        limits=config.limits,
        budgets=budgets,
    )
    connection = system.ref(connection_path(name), Connection)
    return make_target(
        config,
        connection,
        model,
        gates=gates,
        knowledge=knowledge,
        first_event=first_event,
        idle=idle,
    )


def _models(config: AppConfig) -> dict[str, list[str]]:
    """The models of each provider that somebody may ask for."""
    found: dict[str, list[str]] = {}
    for model in config.models.values():
        for target in model.targets:
            found.setdefault(target.provider, []).append(target.model)
    return found


def tree(
    config: AppConfig,
    pace: Pace,
    store: Store,
    tools: Iterable[ChildSpec] = (),
    transport: MakeTransport | None = None,
) -> tuple[ChildSpec, ...]:
    """The store, the providers, the tools and the sessions; app.py adds what needs the running
    system."""
    return (
        store.spec(),
        *_retention(config, store),
        child("pace", pace.run),
        router_spec(),
        providers_spec(
            config.providers.values(),
            pace,
            _models(config),
            known=ModelCatalog(config.facts),
            transport=transport,
        ),
        *tools,
        sessions_spec(config.server.max_sessions, journalled=store.database.is_file),
    )


def _retention(config: AppConfig, store: Store) -> Iterator[ChildSpec]:
    if store.database.is_file:
        keep = Keep(
            usage=config.store.keep_usage_days,
            sessions=config.store.keep_sessions_days,
            batches=config.store.keep_batches_days,
            responses=KEPT_DAYS,
            sums=frozenset(
                each.scope if each.only is None else f"{each.scope}:{each.only}"
                for each in config.limits
                if each.per == "total"
            ),
        )
        start = partial(Retention, keep, store.writer_path())
        yield child("retention", start, backoff=_BACKOFF, poison=_NO_POISON)


def sessions_spec(most: int, *, journalled: bool) -> ChildSpec:
    """The supervisor of at most so many sessions.

    One that is in a journal goes on after a crash. Without one it is lost with
    its history: better its client is told so than to talk to one that has
    forgotten all.
    """
    if not journalled:
        return dynamic("sessions", Session, max_children=most, shutdown=2.0)
    return dynamic(
        "sessions",
        Session,
        restart="transient",
        max_children=most,
        shutdown=2.0,
        backoff=_BACKOFF,
        # A thousand sessions must not end with the one that crashes at every turn.
        intensity=most,
        period=_PERIOD,
        # Nearly all that a session handles is prompts.
        poison=_NO_POISON,
    )


def _settings(config: ProviderConfig) -> ServerSettings:
    local = config.local
    settings = ServerSettings(
        model=find_model(local.model_file),
        alias=config.name,
        slots=local.slots,
        context=local.context_tokens,
        start_timeout=local.start_timeout,
        chat_template=None if local.chat_template is None else read_template(local.chat_template),
    )
    return settings if local.threads is None else attrs.evolve(settings, threads=local.threads)
