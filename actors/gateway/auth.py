"""Who may come in and what for: tokens, browsers' origins, and where one may listen without.

Tokens are kept as SHA-256 digests, so that neither a repr nor a dump of what is
here shows one, and are compared in constant time. A cookie is never looked at:
a browser sends it along with what any page asks for.
"""

import hmac
from collections.abc import Iterable, Mapping
from hashlib import sha256
from ipaddress import ip_address

import attrs

from ...runtime.errors import TrouperError
from ..config.tokens import CLIENT_SCOPES, LOCAL_SCOPES, Scope
from ..errors import ConfigError
from .guesses import Guesses

__all__ = ["TOKEN_PROTOCOL", "Access", "Credential", "Principal", "Refused"]

TOKEN_PROTOCOL = "openai-insecure-api-key."
"""A browser cannot set headers on a websocket, so it offers its token as a
subprotocol that begins so. OpenAI's name for it, which clients know already."""


class Refused(TrouperError):
    """Not let in: the HTTP status to answer with, and what to do about it.

    `wait` is in seconds: before then the same gets the same answer. 0 is not known.
    `guess`: a token was shown, looked at, and wrong.
    """

    def __init__(
        self, status: int, message: str, wait: float = 0.0, *, guess: bool = False
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.wait = wait
        self.guess = guess


@attrs.frozen
class Principal:
    """Who speaks. Sessions and stored responses belong to a principal; `name` is no secret."""

    name: str
    scopes: frozenset[Scope] = LOCAL_SCOPES

    @property
    def anybody(self) -> bool:
        """Whether this is everybody on this machine, of whom none is told from another."""
        return self.name == _ANYBODY

    def check(self, scope: Scope) -> None:
        """Raises Refused with 403 where this principal may not do what `scope` is about."""
        if scope not in self.scopes:
            may = ", ".join(sorted(each.value for each in self.scopes))
            raise Refused(
                403,
                f"this token may not be used here: it has the scopes {may}, and {scope.value} is "
                "needed; add that to its scopes in server.tokens, or use another token",
            )


_ANYBODY = "local"


@attrs.frozen
class Credential:
    """A token that is accepted, in clear, and what may be done with it.

    Without a `name` the principal is named after the token's digest.
    """

    token: str = attrs.field(repr=False)
    name: str = ""
    scopes: frozenset[Scope] = CLIENT_SCOPES


class Access:
    """Decides who may come in.

    `tokens` are the accepted ones; without any, everybody who can reach the
    port is the principal "local" (see `check_bind`). `origins` are the browser
    origins that may connect, as `https://chat.example`; by default none may,
    since any web page can open a websocket to this machine.
    """

    def __init__(
        self, tokens: Iterable[str | Credential] = (), origins: Iterable[str] = ()
    ) -> None:
        self._principals = tuple(_known(token) for token in tokens)
        self._origins = frozenset(origin.rstrip("/").lower() for origin in origins)
        self._guesses = Guesses()

    def admit(
        self,
        headers: Mapping[str, str],
        subprotocols: tuple[str, ...] = (),
        *,
        address: str = "",
        now: float = 0.0,
        own_pages: bool = False,
    ) -> Principal:
        """The principal of a request with these headers (names in lower case).

        `address` is where it comes from, `now` a time in seconds. With `own_pages`
        the pages of this server may come too, as a browser on this machine shows
        them. Raises Refused with 403 for an origin that is not allowed, 401 for a
        token that is missing or wrong, and 429 where too many were wrong from there.
        """
        origin = headers.get("origin")
        if origin is not None and not self._is_allowed(origin, headers, own_pages=own_pages):
            raise Refused(
                403,
                f"pages of origin {origin[:200]!r} may not connect; "
                "add it to the server's allowed origins if you trust it",
            )
        if not self._principals:
            return Principal(_ANYBODY)
        token = _token(headers, subprotocols)
        if token is None:
            raise Refused(
                401,
                "a token is needed: send the header 'Authorization: Bearer TOKEN', or in a "
                f"browser offer the subprotocols '{TOKEN_PROTOCOL}TOKEN' and 'acp', or 'responses'",
            )
        return self._look_up(_digest(token), address, now)

    def _is_allowed(self, origin: str, headers: Mapping[str, str], *, own_pages: bool) -> bool:
        page = origin.rstrip("/").lower()
        if page in self._origins:
            return True
        # Only under a name of this machine: any other may be a stranger's that leads here
        # (DNS rebinding), whose pages would then be of the same origin.
        host = headers.get("host", "").lower()
        return own_pages and page == f"http://{host}" and _is_loopback(_name_of(host))

    def _look_up(self, offered: bytes, address: str, now: float) -> Principal:
        wait = self._guesses.wait(address, offered, now)
        if wait > 0:
            raise Refused(
                429,
                f"too many wrong tokens came from {address or 'here'}; "
                f"wait {wait:.0f} s and check the token against the server's configuration",
                wait,
            )
        # All are compared, so that the time taken does not tell which one was near.
        found = [one for digest, one in self._principals if hmac.compare_digest(offered, digest)]
        if not found:
            self._guesses.wrong(address, now)
            raise Refused(
                401,
                "this token is not accepted; check it against the server's configuration",
                guess=True,
            )
        self._guesses.right(address, offered)
        return found[0]

    def check_bind(self, host: str) -> None:
        """Refuse to be open to a network without a token.

        Raises ConfigError where `host` is not of this machine alone and no
        token is asked for.
        """
        if self._principals or _is_loopback(host):
            return
        fault = (
            f"{host!r} can be reached from other machines, and server.tokens is empty: "
            "anybody could use your providers. Add a token, or listen on 127.0.0.1"
        )
        raise ConfigError("server.listen", [fault])


def _known(token: str | Credential) -> tuple[bytes, Principal]:
    each = token if isinstance(token, Credential) else Credential(token)
    digest = _digest(each.token)
    return digest, Principal(each.name or f"token-{digest.hex()[:16]}", each.scopes)


def _token(headers: Mapping[str, str], subprotocols: tuple[str, ...]) -> str | None:
    scheme, _, credentials = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and credentials.strip():
        return credentials.strip()
    for offered in subprotocols:
        if offered.startswith(TOKEN_PROTOCOL):
            return offered.removeprefix(TOKEN_PROTOCOL)
    return None


def _digest(token: str) -> bytes:
    return sha256(token.encode("utf-8", "surrogateescape")).digest()


def _name_of(host: str) -> str:
    """The name in a Host header, without the port."""
    name, separator, port = host.rpartition(":")
    return name if separator and port.isdigit() else host


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
