"""Tools that are programs: arguments as JSON on stdin, the result from stdout.

A program runs in a process group of its own, which is ended with it: asked to by
SIGTERM, and killed a second later. So nothing that it started lives longer than
its call, but for what leaves the group by itself.
"""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Unpack

import attrs
import orjson
import trio

from ..redaction import redact_text
from .context import ToolContext
from .definition import Policy, Tool, described_tool, policy_of
from .errors import ToolDefinitionError, ToolFailed

__all__ = ["process_tool"]

GRACE = 1.0
"""Seconds between SIGTERM and SIGKILL: time to remove a temporary file."""
_DRAIN = 0.5
"""Seconds for the rest of what a program has written, once it has ended: it is in
the pipe already, and only a process that it left behind could keep that open."""
_STDERR = 2_000
_READ = 64 * 1024

# Of our environment a program gets what it needs to run at all. Keys of providers
# are mostly in there, too, and are for nobody else.
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "TZ", "USER", "SYSTEMROOT")


def process_tool(
    argv: Sequence[str],
    description: Mapping[str, Any],
    *,
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
    strict: bool = False,
    **policy: Unpack[Policy],
) -> Tool:
    """A tool that runs a program, `argv` being it and its arguments, without a shell, in the
    folder `cwd`, or in ours where that is None.

    The description and `strict` are as for `described_tool`. The program reads the
    arguments of the call as JSON on stdin; what it writes to stdout is the result. An exit status other than 0 is a
    failure, told with the end of stderr. The program's environment is PATH, HOME,
    the language and `env`, and nothing else of ours. Raises ToolDefinitionError.
    """
    if isinstance(argv, str) or not argv:
        raise ToolDefinitionError(
            str(argv) or "?", "argv", "it is a list: the program and its arguments"
        )
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    limit = policy_of(argv[0], policy).result_limit
    body = _Program(tuple(argv), {**inherited, **(env or {})}, cwd, limit)
    return described_tool(description, body, strict=strict, **policy)


@attrs.frozen
class _Program:
    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: str | None
    limit: int

    async def __call__(self, arguments: Mapping[str, Any], context: ToolContext) -> str:
        process = await trio.lowlevel.open_process(
            list(self.argv),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(self.env),
            cwd=self.cwd,
            process_group=0,
        )
        # A character is at most four bytes; what is over is read and dropped.
        stdout, stderr = _Kept(4 * (self.limit + 1)), _Kept(_STDERR, last=True)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_write, process, orjson.dumps(arguments))
                nursery.start_soon(_read, process.stdout, stdout)
                nursery.start_soon(_read, process.stderr, stderr)
                status = await process.wait()
                nursery.cancel_scope.deadline = trio.current_time() + _DRAIN
        finally:
            await _end(process)
        if status:
            raise ToolFailed(_told(context.tool, status, stderr.text))
        return stdout.text


@attrs.define(eq=False)
class _Kept:
    """The first `limit` bytes of what was written, or the last ones."""

    limit: int
    last: bool = False
    data: bytearray = attrs.field(factory=bytearray)

    def take(self, data: bytes | bytearray) -> None:
        if self.last:
            self.data += data
            del self.data[: -self.limit]
        else:
            self.data += data[: self.limit - len(self.data)]

    @property
    def text(self) -> str:
        return self.data.decode("utf-8", "replace").rstrip("\n")


async def _write(process: trio.Process, data: bytes) -> None:
    assert process.stdin is not None
    with suppress(trio.BrokenResourceError):  # it need not read its arguments
        await process.stdin.send_all(data)
    await process.stdin.aclose()


async def _read(stream: trio.abc.ReceiveStream | None, kept: _Kept) -> None:
    assert stream is not None
    while data := await stream.receive_some(_READ):
        kept.take(data)


async def _end(process: trio.Process) -> None:
    """Leave nothing of the group behind. Takes at most `GRACE`, also when cancelled."""
    with trio.CancelScope(shield=True):
        if process.returncode is None:
            _signal(process, signal.SIGTERM)
            with trio.move_on_after(GRACE):
                await process.wait()
        # Also where the program has ended: what it left behind keeps the number of
        # the group taken, and where nothing is left there is nobody to be signalled.
        _signal(process, signal.SIGKILL)
        await process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            assert stream is not None
            await stream.aclose()


def _signal(process: trio.Process, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def _told(tool: str, status: int, stderr: str) -> str:
    how = f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
    words = redact_text(stderr).strip()
    return f"{tool} {how}: {words}" if words else f"{tool} {how} and said nothing"
