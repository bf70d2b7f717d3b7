"""A gateway that says back what it hears at /echo, for those who judge our websockets.

    .venv/bin/python -m tests.fakes.echo 9001

serves until it is interrupted.
"""

import sys
from typing import Any, cast

import attrs
import trio

from trouper.actors.config import Scope
from trouper.actors.gateway.auth import Principal
from trouper.actors.gateway.front import Gateway
from trouper.actors.gateway.routes import SocketRoute
from trouper.actors.gateway.sessions import Sessions
from trouper.actors.gateway.websocket import Websocket

__all__ = ["ECHO", "Echo"]


@attrs.define(eq=False)
class _Binary:
    """What waits in the outbox; no wire of ours sends binary messages."""

    data: bytes
    closed: bool = False

    @property
    def size(self) -> int:
        return len(self.data)

    def frame(self) -> bytes:
        return self.data


class Echo:
    """Says back each message, of the kind that it was."""

    def __init__(self, websocket: Websocket, principal: Principal) -> None:
        self._outbox: Any = websocket.outbox

    def receive(self, message: str | bytes) -> None:
        if isinstance(message, str):
            self._outbox.frame(message)
        else:
            entry = _Binary(bytes(message))
            self._outbox.add(entry, entry.size)

    def gone(self) -> None:
        pass


ECHO = {"/echo": SocketRoute(begin=Echo, scope=Scope.SESSION)}


if __name__ == "__main__":
    nobody = cast("Sessions", None)  # /acp is not asked for
    trio.run(Gateway("127.0.0.1", int(sys.argv[1]), nobody, version="0", sockets=ECHO).run)
