"""Admission: who comes in, and how much each of them may have at once.

Clients are told apart by their principal; before one is known, by the machine
that they come from, which by IPv6 is the /64 of its address. Where there are no
tokens everybody is one principal, and only the bounds of the whole server apply
to it; the same is true of whatever comes over this machine's own loopback, such
as a proxy in front.
"""

from collections import Counter
from ipaddress import ip_address
from math import ceil
from typing import Self

import structlog
import trio

from ..config.tokens import Scope
from .auth import Access, Principal, Refused
from .guesses import home_of
from .http import HttpFault, Request
from .limits import Limits

__all__ = ["Admission", "Slot"]

log = structlog.get_logger("trouper.gateway")

# Seconds after which a slot may be free; the clients that wait so long are few.
_AGAIN = "1"


class Slot:
    """One of those that a client may have at once; given back once, by `leave` or after a block."""

    __slots__ = ("_counter", "_key")

    def __init__(self, counter: "Counter[str]", key: str) -> None:
        self._counter = counter
        self._key = key
        counter[key] += 1

    def leave(self) -> None:
        """Give it back."""
        self._counter[self._key] -= 1
        if not self._counter[self._key]:
            del self._counter[self._key]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()


class Admission:
    """Lets clients in, by `access`, and counts what they have, by `limits`."""

    def __init__(self, access: Access, limits: Limits) -> None:
        self._access = access
        self._limits = limits
        self._machines: Counter[str] = Counter()
        self._websockets: Counter[str] = Counter()
        self._requests: Counter[str] = Counter()

    def check_bind(self, host: str) -> None:
        """As `Access.check_bind`."""
        self._access.check_bind(host)

    def admit(
        self,
        request: Request,
        scope: Scope,
        subprotocols: tuple[str, ...] = (),
        *,
        own_pages: bool = False,
    ) -> Principal:
        """The principal of `request`, who may do what `scope` is about.

        With `own_pages` it may come from a page of this server, too.
        Raises HttpFault: 401 where no token that is known was shown, 403 where
        the token or the page may not do this, 429 where too many were wrong.
        """
        try:
            principal = self._access.admit(
                request.headers,
                subprotocols,
                address=request.address,
                now=trio.current_time(),
                own_pages=own_pages,
            )
            principal.check(scope)
        except Refused as refused:
            if refused.guess:  # of which there are few a minute, by `Guesses`
                log.warning("wrong token", address=request.address, path=request.path)
            headers: tuple[tuple[str, str], ...] = ()
            if refused.status == 401:
                headers = (("WWW-Authenticate", "Bearer"),)
            elif refused.wait > 0:
                headers = (("Retry-After", str(ceil(refused.wait))),)
            raise HttpFault(refused.status, refused.message, headers) from None
        return principal

    def has_room(self, address: str) -> bool:
        """Whether one more connection from `address` may be served."""
        most = self._limits.connections_per_client
        return _is_here(address) or self._machines[home_of(address)] < most

    def connection(self, address: str) -> Slot:
        """A slot for a connection from `address`; look first whether there `has_room`."""
        return Slot(self._machines, home_of(address))

    def websocket(self, principal: Principal) -> Slot:
        """A slot for a websocket of this principal.

        Raises HttpFault 429 where it has as many as it may.
        """
        most = self._limits.connections_per_client
        if not principal.anybody and self._websockets[principal.name] >= most:
            raise HttpFault(
                429,
                f"this token has {most} websockets open, which is max_connections_per_client of "
                "the server; close some, or have more than one session on each",
                (("Retry-After", _AGAIN),),
                code="websocket_connection_limit_reached",
            )
        return Slot(self._websockets, principal.name)

    def request(self, principal: Principal) -> Slot:
        """A slot for a request of this principal, or a turn.

        Raises HttpFault 429 where it has as many under way as it may.
        """
        most = self._limits.requests_per_client
        if not principal.anybody and self._requests[principal.name] >= most:
            raise HttpFault(
                429,
                f"this token has {most} requests under way, which is max_requests_per_client of "
                "the server; wait for some of them",
                (("Retry-After", _AGAIN),),
                code="rate_limit_exceeded",
            )
        return Slot(self._requests, principal.name)


def _is_here(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return True
