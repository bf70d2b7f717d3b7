"""The websocket handshake, looked at before trio-websocket sees anything of it.

What is wrong is answered here, by plain HTTP; trio-websocket would keep the
task of a bad handshake for a minute. What is right is written anew from the
members that matter (`Handshake.head`), so that no byte of a client's reaches a
second parser.
"""

import binascii
from base64 import b64decode

import attrs

from .auth import TOKEN_PROTOCOL
from .http import HttpFault, Request, announced_body
from .limits import Limits

__all__ = ["Handshake", "read_handshake", "upgrade_required", "wants_websocket"]


@attrs.frozen
class Handshake:
    """A handshake that may be accepted."""

    key: str
    subprotocols: tuple[str, ...]

    @property
    def head(self) -> bytes:
        """The request as trio-websocket is to see it."""
        offered = (name for name in self.subprotocols if not name.startswith(TOKEN_PROTOCOL))
        names = ", ".join(offered)
        protocols = f"Sec-WebSocket-Protocol: {names}\r\n" if names else ""
        return (
            "GET / HTTP/1.1\r\nHost: trouper\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {self.key}\r\n{protocols}\r\n"
        ).encode("ascii")

    def choose(self, spoken: tuple[str, ...]) -> str | None:
        """The subprotocol to answer with: the first offered that is `spoken`.

        Raises HttpFault where a token was offered without one of these: a
        browser breaks off if none of its subprotocols comes back, and the
        token must not.
        """
        for name in self.subprotocols:
            if name in spoken:
                return name
        if any(name.startswith(TOKEN_PROTOCOL) for name in self.subprotocols):
            raise HttpFault(400, f"offer the subprotocol {spoken[0]!r} beside the token")
        return None


def wants_websocket(request: Request) -> bool:
    """Whether the request asks for a websocket rather than an answer."""
    return "websocket" in _words(request, "upgrade") and "upgrade" in _words(request, "connection")


def upgrade_required() -> HttpFault:
    """What a plain request for a websocket's path gets."""
    return HttpFault(
        426,
        "this path speaks websocket; connect with a ws:// address",
        (("Upgrade", "websocket"), ("Connection", "Upgrade")),
    )


def read_handshake(request: Request, limits: Limits) -> Handshake:
    """The handshake in `request`. Raises HttpFault where it is not one of RFC 6455."""
    if request.method != "GET":
        raise HttpFault(405, "a websocket is asked for with GET", (("Allow", "GET"),))
    if request.version != "1.1":
        raise HttpFault(400, "a websocket needs HTTP/1.1")
    if announced_body(request, limits):
        raise HttpFault(400, "a websocket handshake has no body")
    if request.headers.get("sec-websocket-version") != "13":
        raise HttpFault(
            426,
            "only version 13 of the websocket protocol is spoken here",
            (("Sec-WebSocket-Version", "13"), ("Upgrade", "websocket")),
        )
    key = request.headers.get("sec-websocket-key", "")
    if not _is_key(key):
        raise HttpFault(400, "Sec-WebSocket-Key must be 16 bytes in base64")
    offered = request.headers.get("sec-websocket-protocol", "")
    names = tuple(name for part in offered.split(",") if (name := part.strip()))
    if not all(name.isascii() and name.isprintable() and " " not in name for name in names):
        raise HttpFault(400, "Sec-WebSocket-Protocol must be a list of plain names")
    return Handshake(key, names)


def _is_key(key: str) -> bool:
    try:
        return len(b64decode(key.encode("ascii"), validate=True)) == 16
    except (binascii.Error, UnicodeEncodeError):
        return False


def _words(request: Request, header: str) -> set[str]:
    return {word.strip().lower() for word in request.headers.get(header, "").split(",")}
