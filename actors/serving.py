"""The gateway of an application that serves, made of its configuration and its parts.

app.py imports it only where the application serves: websockets, the server's side of
HTTP and the wires of clients are a tenth of all that is imported.
"""

from collections.abc import Awaitable, Callable
from importlib.metadata import version

from .assistants import Assistants
from .config import AppConfig, ConsoleConfig, ServerConfig
from .config.addresses import is_loopback
from .console.console import Console
from .gateway.auth import Access, Credential
from .gateway.console_access import ConsoleAccess
from .gateway.console_page import ConsolePage
from .gateway.front import Gateway
from .gateway.limits import Limits
from .gateway.listening import Listening
from .gateway.readiness import Readiness
from .served_models import ServedModels
from .session.directory import Directory
from .store.responses import ResponseStore
from .watching import Scrape
from .wire.session_results import Choices

__all__ = ["make_gateway", "tell_address"]


def make_gateway(
    config: AppConfig,
    port: int,
    *,
    sessions: Directory,
    assistants: Assistants,
    responses: ResponseStore,
    console: Console,
    ready: Callable[[], Awaitable[Readiness]],
    metrics: Scrape | None,
) -> Gateway:
    """What serves the application; `port` may be another one than is configured."""
    access = _access(config.server)
    page = _page(config.console, console, access)
    return Gateway(
        config.server.host,
        port,
        sessions,
        version=version("trouper"),
        models=ServedModels(tuple(config.models), assistants.resolve),
        choices=_choices(config, assistants),
        responses=responses,
        access=access,
        limits=_limits(config.server),
        ready=ready,
        metrics=metrics,
        routes=None if page is None else page.routes,
        sockets=None if page is None else page.sockets,
    )


def tell_address(config: ConsoleConfig, console: Console, listening: Listening) -> None:
    """That is where everything is served: links to the console's page lead there."""
    if config.web:
        own = is_loopback(listening.host) or not config.origins
        console.entry.address = listening.url if own else config.origins[0].rstrip("/")


def _page(config: ConsoleConfig, console: Console, access: Access) -> ConsolePage | None:
    """The console's page, where it is wanted; its tokens are those of `access`."""
    if not config.web:
        return None
    return ConsolePage(ConsoleAccess(console.entry, access, config.origins), console.converse)


def _choices(config: AppConfig, assistants: Assistants) -> Choices:
    """Whom one can talk with."""
    return Choices(
        assistants={name: assistant.model for name, assistant in config.assistants.items()},
        about={name: one.description for name, one in config.assistants.items()},
        models=tuple(config.models),
        default=config.default_assistant,
        images=frozenset(name for name in config.models if assistants.may_see(name)),
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
