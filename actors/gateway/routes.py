"""What the front serves at a path: a plain answer, a websocket, or calls that answer by themselves."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

import attrs

from ..config.tokens import Scope
from .auth import Principal
from .http import HttpConnection, Request, Response
from .websocket import Websocket, WebsocketHandler

__all__ = ["Admit", "Calls", "Metrics", "PlainRoute", "Route", "SocketRoute"]

Route = Callable[[Request, bytes], Awaitable[Response]]
"""Answers a request; gets its head and its body."""

Admit = Callable[[Request, tuple[str, ...]], Principal]
"""Says who opens a websocket."""

Metrics = Callable[[str], Awaitable[tuple[str, bytes]]]
"""Gives the metrics to who sends this Accept header: their content type and their text."""


@attrs.frozen
class PlainRoute:
    """A path that is answered at once. Who asks needs `scope`; without one, nothing."""

    methods: Mapping[str, Route]
    scope: Scope | None = None


@attrs.frozen(kw_only=True)
class SocketRoute:
    """A path that speaks websocket, to those who have `scope`.

    `begin` is called when one is open. `subprotocols` are those that a client
    may offer, the usual one first. `frame_chars` is the longest message,
    by default as `Limits` says. `own_pages` says whether pages of this server may
    connect, which are under a name of this machine. `admit` decides who may come in
    instead of the server's admission; it gets the subprotocols too, and raises HttpFault.
    """

    begin: Callable[[Websocket, Principal], WebsocketHandler]
    scope: Scope
    subprotocols: tuple[str, ...] = ("trouper.v1",)
    frame_chars: int | None = None
    own_pages: bool = False
    admit: Admit | None = None


class Calls(Protocol):
    """Paths whose requests are answered in the connection's task, as long as that takes."""

    @property
    def paths(self) -> tuple[str, ...]:
        """Some of them, for who asks for one that does not exist."""
        ...

    def takes(self, path: str) -> bool:
        """Whether requests for `path` are answered here."""
        ...

    async def serve(self, request: Request, http: HttpConnection) -> bool:
        """Answer `request`; whether the connection may be used again."""
        ...

    async def run(self) -> None:
        """Look after all requests, for ever."""
        ...

    async def stop(self) -> None:
        """Take no more requests, and wait until those under way have ended."""
        ...
