"""Runs the calls of one tool: a place for each, its time, and whatever happens as its result.

A tool may be anybody's code. What it raises, how long it takes and how much it
says is the result of the call, and never the end of the turn that made it.
"""

from collections.abc import Mapping
from typing import Any

import attrs
import structlog
import trio

from ..chat import ToolCallPart, ToolResultPart
from ..redaction import live_secrets, redact_text
from .context import ToolContext
from .definition import Tool
from .errors import ToolFailed
from .result import as_text, cut

__all__ = ["ToolRunner", "failed"]

_log = structlog.get_logger("trouper.tools")

# Seconds before the second attempt, doubled for each further one: what fails
# mostly fails for longer than a moment, and the call has one timeout for all.
_RETRY_AFTER = 0.25
# Characters of an exception that a model reads.
_LONGEST_FAULT = 300
# Characters beyond a result's limit that are looked through for secrets, so that
# none is cut in two and then not known for one: the longest there is (`Secret`).
_LONGEST_SECRET = 4_096

# What ends a call from without: it is cancelled, the program is interrupted, or nobody
# runs its coroutine any more. All else is the tool's, whatever class it is of: a panic of
# a library in Rust and a CancelledError of asyncio are no Exceptions.
_FROM_WITHOUT = (trio.Cancelled, KeyboardInterrupt, GeneratorExit)


class _Crashed(ToolFailed):
    """The tool raised what it does not raise to be read."""


def failed(call: ToolCallPart, words: str, limit: int = 2_000) -> ToolResultPart:
    """The result of a call that gave none, for the model to read; no secrets, at most `limit`."""
    return ToolResultPart(call.id, _safe(words, limit), is_error=True)


class ToolRunner:
    """Runs one tool, `concurrency` calls of it at once, first come, first served."""

    def __init__(self, tool: Tool) -> None:
        self.tool = tool
        self._places = trio.CapacityLimiter(tool.policy.concurrency)
        # A thread that was left to itself keeps its place here until it is done.
        self._threads = trio.CapacityLimiter(tool.policy.concurrency)

    async def run(
        self, call: ToolCallPart, context: ToolContext, *, approved: bool = False
    ) -> ToolResultPart:
        """The result of a call. Raises nothing but trio.Cancelled.

        `approved` says that a person has agreed to this call; without it none is
        run that needs it.
        """
        tool = self.tool
        context = attrs.evolve(context, tool=tool.name, call_id=call.id, threads=self._threads)
        try:
            arguments = tool.arguments(call)
            if not approved and tool.needs_approval(arguments):
                raise ToolFailed(f"{tool.name} was not run: a person has to agree, and none has")
            text = await self._run_in_place(arguments, context)
        except ToolFailed as failure:
            _log.info("tool failed", **_about(context), error=str(failure))
            return failed(call, str(failure), tool.policy.result_limit)
        return ToolResultPart(call.id, _safe(text, tool.policy.result_limit))

    async def _run_in_place(self, arguments: Mapping[str, Any], context: ToolContext) -> str:
        seconds, borrower = self.tool.policy.timeout, object()
        with trio.move_on_after(seconds) as waiting:
            await self._places.acquire_on_behalf_of(borrower)
        if waiting.cancelled_caught:
            raise ToolFailed(
                f"{self.tool.name} is busy: its {self.tool.policy.concurrency} places were taken "
                f"for {seconds:g} s; try again later"
            )
        try:
            with trio.move_on_after(seconds):
                return await self._run(arguments, context)
            raise ToolFailed(self._too_slow(context))
        finally:
            self._places.release_on_behalf_of(borrower)

    async def _run(self, arguments: Mapping[str, Any], context: ToolContext) -> str:
        """The text of the first attempt that does not crash, or of the last one's crash."""
        for attempt in range(1, self.tool.policy.attempts):
            try:
                return await self._attempt(arguments, context)
            except _Crashed:
                await trio.sleep(_RETRY_AFTER * 2 ** (attempt - 1))
        return await self._attempt(arguments, context)

    async def _attempt(self, arguments: Mapping[str, Any], context: ToolContext) -> str:
        task = trio.lowlevel.current_task()
        try:
            return as_text(await self.tool.body(arguments, context))
        except GeneratorExit as crash:
            if not _runs(task):
                raise
            raise self._crashed(crash, context) from crash
        except (ToolFailed, *_FROM_WITHOUT):
            raise
        except BaseExceptionGroup as group:
            # Of a nursery of the tool's: a cancel among its crashes is not the tool's to have.
            rest, crashes = group.split(_FROM_WITHOUT)
            if crashes is None:
                raise
            crashed = self._crashed(crashes, context)
            raise (crashed if rest is None else rest) from crashes
        # What a tool raises is its result, and what calls sys.exit in one means itself.
        except BaseException as crash:
            raise self._crashed(crash, context) from crash

    def _crashed(self, crash: BaseException, context: ToolContext) -> ToolFailed:
        """What a model is told of a crash; a failure out of a nursery is still one."""
        while isinstance(crash, BaseExceptionGroup) and len(crash.exceptions) == 1:
            crash = crash.exceptions[0]
        if isinstance(crash, ToolFailed):
            return crash
        _log.warning("tool crashed", **_about(context), exc_info=crash)
        return _Crashed(f"{self.tool.name} failed: {_in_a_line(crash)}")

    def _too_slow(self, context: ToolContext) -> str:
        _log.warning("tool took too long", **_about(context), timeout_s=self.tool.policy.timeout)
        words = f"{self.tool.name} gave no result within {self.tool.policy.timeout:g} s"
        left = self._threads.borrowed_tokens
        # Nothing that was cancelled holds a thread any more, but for those left to themselves.
        if left >= self.tool.policy.concurrency:
            words += "; all its threads are held by calls that do not end, so try no more"
        return words


def _runs(task: trio.lowlevel.Task) -> bool:
    """Whether it is `task` that runs: a coroutine that is thrown away is closed by another."""
    try:
        return trio.lowlevel.current_task() is task
    except RuntimeError:
        return False


def _about(context: ToolContext) -> dict[str, str | None]:
    return {
        "tool": context.tool,
        "call": context.call_id,
        "session": context.session or None,
    }


def _in_a_line(crash: BaseException) -> str:
    text = " ".join(str(crash)[: _LONGEST_FAULT + _LONGEST_SECRET].split())
    words = redact_text(text)[:_LONGEST_FAULT]
    return f"{type(crash).__name__}: {words}" if words else type(crash).__name__


def _safe(text: str, limit: int) -> str:
    return cut(live_secrets.mask(text[: limit + _LONGEST_SECRET]), limit)
