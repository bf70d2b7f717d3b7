"""The supervision tree, as data: what runs under whom.

system
├── pace                       lets busy streams read in step
├── providers
│   └── NAME                   rest_for_one: a connection builds on its server
│       ├── server             (kind local) the model's process
│       └── connection         the pool, the codec, the requests under way
├── sessions                   one actor a conversation
├── idle-sessions              ends those that nobody needs
└── gateway                    (only where it serves) the port: started last, stopped first
"""

from collections.abc import Iterable
from functools import partial

import attrs

from ..runtime import Backoff, ChildSpec, child, dynamic, supervisor
from .config import AppConfig, ProviderConfig
from .local.model_file import find_model
from .local.server import ModelServer
from .local.settings import ServerSettings
from .provider.connection import Connection
from .provider.pace import Pace
from .session.session import Session

__all__ = ["connection_path", "provider_spec", "providers_spec", "server_path", "tree"]

# A provider that is down must not take the conversations with it: with this
# backoff no child can crash so often in a minute, and it comes back within 5 s.
_BACKOFF = Backoff(initial=0.2, maximum=5.0, reset_after=30.0)
_CRASHES, _PERIOD = 30, 60.0

# Nearly all that a connection handles is one type of message, so three equal
# crashes say nothing about that type: one bad request must not end a provider.
_NO_POISON = 0


def connection_path(provider: str) -> str:
    """Where the connection of a provider stands."""
    return f"providers/{provider}/connection"


def server_path(provider: str) -> str:
    """Where the server of a local provider stands."""
    return f"providers/{provider}/server"


def provider_spec(config: ProviderConfig, pace: Pace) -> ChildSpec:
    """One provider."""
    if config.kind != "local":
        connection = child(
            "connection",
            partial(Connection, config, pace),
            backoff=_BACKOFF,
            poison=_NO_POISON,
        )
        return supervisor(config.name, connection, intensity=_CRASHES, period=_PERIOD)
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
        server,
        connection,
        strategy="rest_for_one",
        intensity=_CRASHES,
        period=_PERIOD,
    )


def providers_spec(configs: Iterable[ProviderConfig], pace: Pace) -> ChildSpec:
    """The supervisor of all providers."""
    return supervisor(
        "providers",
        *(provider_spec(config, pace) for config in configs),
        intensity=_CRASHES,
        period=_PERIOD,
    )


def tree(config: AppConfig, pace: Pace) -> tuple[ChildSpec, ...]:
    """The providers and the sessions; app.py adds what needs the running system."""
    return (
        child("pace", pace.run),
        providers_spec(config.providers.values(), pace),
        # A conversation whose actor has crashed is lost with its history: better
        # its client is told so than to talk to one that has forgotten all.
        dynamic("sessions", Session, max_children=config.server.max_sessions, shutdown=2.0),
    )


def _settings(config: ProviderConfig) -> ServerSettings:
    local = config.local
    settings = ServerSettings(
        model=find_model(local.model_file),
        alias=config.name,
        slots=local.slots,
        context=local.context_tokens,
        start_timeout=local.start_timeout,
    )
    return settings if local.threads is None else attrs.evolve(settings, threads=local.threads)
