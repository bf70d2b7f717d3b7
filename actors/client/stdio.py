"""A program that speaks ACP over its standard input and output, joined to a server.

That is what editors start: one JSON-RPC message a line. Both ends are read and
written in threads, since they may be files, pipes or a terminal, and only a thread
can wait for each of them.
"""

import os
from collections.abc import Awaitable, Callable

import trio

from .errors import ClientError
from .link import ServerLink

__all__ = ["join", "read_lines", "write_all"]

# Bytes of a line, which becomes a frame: servers take a MiB, and more where they are told to.
_MOST_LINE = 64 * 1024 * 1024
# Bytes read at once.
_CHUNK = 64 * 1024
# Seconds for what is still to be written when the client has left.
_GOODBYE = 2.0


async def join(
    link: ServerLink,
    lines: Callable[[], Awaitable[str | None]],
    write: Callable[[str], Awaitable[None]],
) -> None:
    """Hand on what the client says and what the server says, until the client leaves.

    `lines` gives the next line, None at the end; `write` writes some. Raises
    ConnectionLost or CannotConnect where the server is gone for good.
    """
    failure: ClientError | None = None
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_write, link, write)
            while (line := await lines()) is not None:
                while not link.has_room:
                    link.check()
                    await link.wait_sent()
                if line.strip():
                    link.send(line)
            with trio.move_on_after(_GOODBYE):
                await link.wait_sent()
            nursery.cancel_scope.cancel()
    except* ClientError as group:
        # Both sides of it may have met the same.
        failure = next(error for error in group.exceptions if isinstance(error, ClientError))
    if failure is not None:
        raise failure


async def _write(link: ServerLink, write: Callable[[str], Awaitable[None]]) -> None:
    while True:
        frames = [await link.receive()]
        while (frame := link.receive_nowait()) is not None:
            frames.append(frame)
        await write("\n".join([*frames, ""]))


def read_lines(descriptor: int) -> Callable[[], Awaitable[str | None]]:
    """What gives the lines of a file, one a call; None at its end."""
    pending = bytearray()

    async def next_line() -> str | None:
        looked = 0
        while (end := pending.find(b"\n", looked)) < 0:
            looked = len(pending)
            if looked > _MOST_LINE:
                raise ClientError(f"a line is longer than {_MOST_LINE} bytes; send messages")
            # Abandoned when this program leaves: nothing else reads there.
            data = await trio.to_thread.run_sync(
                os.read, descriptor, _CHUNK, abandon_on_cancel=True
            )
            if not data:
                return None
            pending.extend(data)
        line = pending[:end].decode("utf-8", "replace")
        del pending[: end + 1]
        return line

    return next_line


def write_all(descriptor: int) -> Callable[[str], Awaitable[None]]:
    """What writes text to a file, all of it."""

    def write(data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]

    async def written(text: str) -> None:
        await trio.to_thread.run_sync(write, text.encode("utf-8", "replace"))

    return written
