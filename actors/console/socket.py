"""The console's unix socket: always there, for the user who runs the program and nobody else.

It lies in a folder of mode 0700 and has the mode 0600 from its first moment,
and the kernel says who has connected: other users are turned away even where a
folder has been opened up. Files that killed programs have left are
swept away by the next one that begins.
"""

import contextlib
import os
import re
import socket
import stat
import struct
from collections.abc import Callable
from functools import partial
from pathlib import Path

import structlog
import trio

from .client import converse
from .peer import Peer
from .protocol import LONGEST_LINE, Role
from .service import ConsoleService
from .where import folder

__all__ = ["listen", "serve", "socket_path"]

_log = structlog.get_logger("trouper.console")

# Bytes of a path that the kernel takes.
_LONGEST_PATH = 107
_BACKLOG = 16
# In NAME-PID, or NAME-PID-2 of the second system of a process.
_PID = re.compile(r"-(\d+)(?:-\d{1,2})?$")
_CHUNK = 65_536


def socket_path(name: str) -> Path:
    """Where the socket of this process lies; `name` is the program's."""
    return folder() / f"{name}-{os.getpid()}.sock"


def _open_folder(path: Path) -> None:
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise PermissionError(f"{path} is not a folder of this user")
    if stat.S_IMODE(found.st_mode) & 0o077:
        path.chmod(0o700)


def _is_alive(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        # Or it waits where a program that stands still has its line full: that one is alive.
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except BlockingIOError:
            return True
        except OSError:
            return False
    return True


def _sweep(there: Path) -> None:
    """Take away what killed programs have left. Who has bound and does not listen yet lives."""
    for path in there.glob("*.sock"):
        pid = _PID.search(path.stem)
        if pid and not Path(f"/proc/{pid[1]}").exists() and not _is_alive(path):
            _remove(path)


def listen(wanted: Path) -> tuple[trio.SocketListener, Path]:
    """Listen at `wanted`, or beside it where another system of this process does. Raises OSError."""
    if wanted.parent == folder():
        _open_folder(wanted.parent)
        _sweep(wanted.parent)
    for number in range(1, 100):
        path = wanted if number == 1 else wanted.with_stem(f"{wanted.stem}-{number}")
        if len(os.fsencode(path)) > _LONGEST_PATH:
            raise OSError(f"the path of a socket has at most {_LONGEST_PATH} bytes: {path}")
        if path.is_socket():
            if _is_alive(path):
                continue
            path.unlink(missing_ok=True)
        listener = trio.socket.socket(socket.AF_UNIX)
        # Made with its mode, so that there is no moment in which others may connect.
        before = os.umask(0o177)
        try:
            # The synchronous one: a path needs no resolver, and the umask is everybody's.
            listener._sock.bind(str(path))  # type: ignore[attr-defined]  # noqa: SLF001
        except BaseException:
            listener.close()
            raise
        finally:
            os.umask(before)
        listener.listen(_BACKLOG)
        return trio.SocketListener(listener), path
    raise OSError(f"too many consoles of this process beside {wanted}")


async def serve(
    service: ConsoleService, listener: trio.SocketListener, path: Path, role: Callable[[], Role]
) -> None:
    """Serve whoever connects, until cancelled; then the file is gone."""
    try:
        async with trio.open_nursery() as nursery:
            await trio.serve_listeners(
                partial(_serve_one, service, role), [listener], handler_nursery=nursery
            )
    finally:
        _remove(path)


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()


async def _serve_one(
    service: ConsoleService, role: Callable[[], Role], stream: trio.SocketStream
) -> None:
    try:
        uid = _uid_of(stream.socket)
        if uid not in (os.getuid(), 0):
            _log.warning("console refused another user", uid=uid)
            return
        peer = Peer(f"uid:{uid}", "unix", role())
        await converse(service, peer, _Lines(stream).receive, partial(_send, stream))
    except* (trio.BrokenResourceError, trio.ClosedResourceError):
        pass  # it has gone
    except* Exception:  # noqa: BLE001 - of one connection, and it is logged
        _log.exception("console connection failed")
    finally:
        await trio.aclose_forcefully(stream)


def _uid_of(connected: trio.socket.SocketType) -> int:
    """The user at the other end, as the kernel says. (pid, uid, gid: three ints.)"""
    said = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    uid: int = struct.unpack("3i", said)[1]
    return uid


async def _send(stream: trio.SocketStream, line: str) -> None:
    await stream.send_all(line.encode("utf-8", "backslashreplace") + b"\n")


class _Lines:
    """Lines out of a stream. One that is too long is given as it is, cut, for its fault to be told;
    the rest of it is skipped."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._rest = b""
        self._skipping = False

    async def receive(self) -> str | None:
        while True:
            line, newline, rest = self._rest.partition(b"\n")
            if newline:
                self._rest = rest
                if self._skipping:
                    self._skipping = False
                    continue
                return line.decode("utf-8", "replace")
            if len(self._rest) > LONGEST_LINE:
                skipped, self._rest = self._skipping, b""
                self._skipping = True
                if not skipped:
                    return line.decode("utf-8", "replace")
            data = await self._stream.receive_some(_CHUNK)
            if not data:
                line, self._rest = self._rest, b""
                return line.decode("utf-8", "replace") if line and not self._skipping else None
            self._rest += data
