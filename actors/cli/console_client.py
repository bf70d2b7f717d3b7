"""A program that runs, as the console's commands see it: its socket, and what it says there.

Plain sockets and nothing that takes long to import: a command is to answer
before its user has looked up.
"""

import contextlib
import json
import os
import socket
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, Final

from ..console.where import folder
from ..redaction import printable

__all__ = [
    "CANNOT_CONNECT",
    "DENIED",
    "NOT_FOUND",
    "REFUSED",
    "UNHEALTHY",
    "USAGE",
    "Client",
    "Failed",
    "add_socket_argument",
    "complain",
    "connected",
    "socket_of",
]

REFUSED: Final = 1
USAGE: Final = 2
NOT_FOUND: Final = 3
CANNOT_CONNECT: Final = 4
DENIED: Final = 5
UNHEALTHY: Final = 6

_CODES = {"not_found": NOT_FOUND, "read_only": DENIED, "denied": DENIED, "bad_request": USAGE}

# Seconds without a word. The program pings every five.
_PATIENCE: Final = 15.0


class Failed(Exception):
    """What a command ends with: its exit code, and the words for stderr."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def add_socket_argument(parser: ArgumentParser) -> None:
    """Declare `--sock`."""
    parser.add_argument(
        "--sock",
        metavar="PATH|PID|NAME",
        help="which program: its socket, its process id or its name; the only one without it",
    )


class Client:
    """A connection to a program's console, in lines of JSON. Raises Failed where it is refused."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._file = connection.makefile("rb")
        self._requests = 0
        try:
            self.hello = self.one("hello", client="trouper")
            """What the program says of itself."""
        except Failed as failed:  # it is there, and has no place for us
            raise Failed(CANNOT_CONNECT, str(failed)) from None

    def send(self, op: str, **values: Any) -> int:
        """Send a request; its id."""
        self._requests += 1
        request = {"op": op, "id": self._requests, **values}
        # Who has hung up has said why: that is what is read next.
        with contextlib.suppress(OSError):
            self._socket.sendall(json.dumps(request).encode() + b"\n")
        return self._requests

    def frames(self) -> Iterator[dict[str, Any]]:
        """What it says, for ever. Raises Failed where it refuses, or says nothing any more."""
        while True:
            try:
                line = self._file.readline()
            except TimeoutError:
                said = f"the program has not answered for {_PATIENCE:g} s: its event loop may stand still"
                raise Failed(CANNOT_CONNECT, said) from None
            except OSError:
                line = b""
            if not line:
                raise Failed(CANNOT_CONNECT, "the program has closed the connection")
            frame: dict[str, Any] = json.loads(line)
            if frame["t"] == "err":
                error = frame["err"]
                said = error["msg"].replace("\n", " ")
                raise Failed(_CODES.get(error["code"], REFUSED), said)
            yield frame

    def one(self, op: str, **values: Any) -> dict[str, Any]:
        """The one frame that answers a request."""
        self.send(op, **values)
        return next(self.frames())

    def get(self, *topics: str, **values: Any) -> dict[str, Any]:
        """These topics, in one piece."""
        whole: dict[str, Any] = {"new": [], "rows": []}
        self.send("get", topics=topics, **values)
        for frame in self.frames():
            if frame["t"] == "done":
                return whole
            for key, value in frame.items():
                if key in ("new", "rows"):
                    whole[key] += value
                else:
                    whole[key] = value
        raise AssertionError


@contextlib.contextmanager
def connected(args: Namespace) -> Generator[Client]:
    """A connection to the program that is meant. Raises Failed where there is none, or many."""
    path = socket_of(args.sock)
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_PATIENCE)
        try:
            connection.connect(str(path))
        except OSError as error:
            said = f"nobody answers at {path}: {error.strerror or error}"
            raise Failed(CANNOT_CONNECT, said) from None
        yield Client(connection)


def socket_of(wanted: str | None) -> Path:
    """The socket of the program that is meant. Raises Failed where none runs, or many."""
    if wanted is not None and os.sep in wanted:
        return Path(wanted)
    alive = [path for path in sorted(folder().glob("*.sock")) if _is_alive(path)]
    if wanted is not None:
        alive = [path for path in alive if _is_meant(path, wanted)]
    if len(alive) == 1:
        return alive[0]
    if alive:
        names = "\n".join(f"  --sock {path}" for path in alive)
        raise Failed(USAGE, f"{len(alive)} programs run; say which one is meant:\n{names}")
    there = f"no program {wanted!r} runs" if wanted is not None else "no program runs"
    raise Failed(
        CANNOT_CONNECT, f"{there} that has a socket in {folder()}; begin with `trouper serve`"
    )


def _is_meant(path: Path, wanted: str) -> bool:
    # NAME-PID.sock; a second system of the process has -2 behind it.
    name, _, pid = path.stem.partition("-")
    return (
        wanted in (path.stem, name, pid)
        or path.stem.startswith(f"{wanted}-")
        or (wanted.isdecimal() and wanted in path.stem.split("-"))
    )


def _is_alive(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def complain(failed: Failed) -> int:
    """Say why a command ends, and its exit code."""
    print(f"trouper: {printable(str(failed))}", file=sys.stderr)
    return failed.code
