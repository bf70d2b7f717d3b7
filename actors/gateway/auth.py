"""Who may come in: tokens, browsers' origins, and where one may listen without either.

Tokens are kept as SHA-256 digests, so that neither a repr nor a dump of this
process's objects shows one, and are compared in constant time.
"""

import hmac
from collections.abc import Iterable, Mapping
from hashlib import sha256
from ipaddress import ip_address

import attrs

from ...runtime.errors import TrouperError
from ..errors import ConfigError

__all__ = ["TOKEN_PROTOCOL", "Access", "Principal", "Refused"]

TOKEN_PROTOCOL = "openai-insecure-api-key."
"""A browser cannot set headers on a websocket, so it offers its token as a
subprotocol that begins so. OpenAI's name for it, which clients know already."""


class Refused(TrouperError):
    """Not let in: the HTTP status to answer with, and what to do about it."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@attrs.frozen
class Principal:
    """Who speaks. Sessions belong to a principal; `name` is no secret."""

    name: str


class Access:
    """Decides who may come in.

    `tokens` are the accepted ones, in clear; without any, everybody who can
    reach the port is the principal "local" (see `check_bind`). `origins` are
    the browser origins that may connect, as `https://chat.example`; by default
    none may, since any web page can open a websocket to this machine.
    """

    def __init__(self, tokens: Iterable[str] = (), origins: Iterable[str] = ()) -> None:
        self._digests = tuple(_digest(token) for token in tokens)
        self._origins = frozenset(origin.rstrip("/").lower() for origin in origins)

    def admit(self, headers: Mapping[str, str], subprotocols: tuple[str, ...] = ()) -> Principal:
        """The principal of a request with these headers (names in lower case).

        Raises Refused with 403 for an origin that is not allowed and 401 for a
        token that is missing or wrong.
        """
        origin = headers.get("origin")
        if origin is not None and origin.rstrip("/").lower() not in self._origins:
            raise Refused(
                403,
                f"pages of origin {origin[:200]!r} may not connect; "
                "add it to the server's allowed origins if you trust it",
            )
        if not self._digests:
            return Principal("local")
        token = _token(headers, subprotocols)
        if token is None:
            raise Refused(
                401,
                "a token is needed: send the header 'Authorization: Bearer TOKEN', or in a "
                f"browser offer the subprotocols '{TOKEN_PROTOCOL}TOKEN' and 'acp'",
            )
        offered = _digest(token)
        # All are compared, so that the time taken does not tell which one was near.
        matches = [hmac.compare_digest(offered, digest) for digest in self._digests]
        if not any(matches):
            raise Refused(
                401, "this token is not accepted; check it against the server's configuration"
            )
        return Principal(f"token-{offered.hex()[:16]}")

    def check_bind(self, host: str) -> None:
        """Refuse to be open to a network without a token.

        Raises ConfigError where `host` is not of this machine alone and no
        token is asked for.
        """
        if self._digests or _is_loopback(host):
            return
        fault = (
            f"{host!r} can be reached from other machines, and server.tokens is empty: "
            "anybody could use your providers. Add a token, or listen on 127.0.0.1"
        )
        raise ConfigError("server.listen", [fault])


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


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
