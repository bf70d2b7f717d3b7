"""The socket of a program, read without waiting.

`find` says where it is, each time anew: a program that comes back has another
process id, and so another socket.
"""

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from ..console_client import Failed

__all__ = ["ConsoleSocket", "Lost"]

# Seconds. A socket of this machine takes what we say at once, or is stuck.
_PATIENCE: Final = 1.0
_AT_ONCE: Final = 262_144
# Bytes of one line: a slice of 250 actors is some 100 KB, all requests of a busy program a few MB.
_LONGEST: Final = 64_000_000


class Lost(Exception):
    """There is no program at the other end; why, in words."""


class ConsoleSocket:
    """At most one connection. `open` makes it, and any Lost has closed it; `closing` is called
    before that."""

    def __init__(self, find: Callable[[], Path], closing: Callable[[], None]) -> None:
        self._find = find
        self._closing = closing
        self._socket: socket.socket | None = None
        self._rest = b""
        self._requests = 0

    @property
    def is_open(self) -> bool:
        """Whether there is a connection."""
        return self._socket is not None

    def fileno(self) -> int:
        """To be watched."""
        assert self._socket is not None
        return self._socket.fileno()

    def open(self) -> None:
        """Connect anew. Raises Lost where nobody answers."""
        self.close()
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(_PATIENCE)
        try:
            connection.connect(str(self._find()))
        except (OSError, Failed) as error:
            connection.close()
            raise Lost(str(error)) from error
        self._socket = connection

    def close(self) -> None:
        """End the connection, if there is one."""
        if self._socket is not None:
            self._closing()
            self._socket.close()
        self._socket, self._rest = None, b""

    def send(self, op: str, **values: Any) -> int:
        """Send a request; its id. Raises Lost."""
        if self._socket is None:
            raise Lost("nobody is connected")
        self._requests += 1
        line = json.dumps({"op": op, "id": self._requests, **values}).encode() + b"\n"
        try:
            self._socket.sendall(line)
        except OSError as error:
            self.close()
            raise Lost(f"the program does not listen: {error}") from error
        return self._requests

    def receive(self) -> list[dict[str, Any]]:
        """The frames that have come; there may be none. Raises Lost."""
        if self._socket is None:
            return []
        try:
            data = self._socket.recv(_AT_ONCE, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return []
        except OSError as error:
            self.close()
            raise Lost(f"the connection broke: {error}") from error
        if not data or len(self._rest) > _LONGEST:
            self.close()
            raise Lost("the program has closed the connection")
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [json.loads(line) for line in lines]
