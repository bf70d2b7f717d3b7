"""The calls of one answer, run side by side, with their results in the order of the calls.

What a session does with an answer that ends with tool calls:

    results = await run_calls(calls, view, ToolContext(session=id), hooks)
    history.append(Message("tool", results))
"""

import difflib
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

import structlog
import trio

from ...runtime import ActorCrashed, ActorError, AskTimeout
from ..chat import ToolCallPart, ToolResultPart
from ..telemetry.steps import Outcome
from .context import ToolContext
from .definition import Tool
from .directory import Offer, Run, ToolView
from .errors import ToolFailed
from .running import failed

__all__ = ["CallHooks", "run_calls"]

_log = structlog.get_logger("trouper.tools")

# Of one answer. Models that are told to be thorough were seen to make dozens; a
# hundred is a loop.
_MOST_CALLS = 64
# Seconds above what a tool may take, for the way there and back.
_MARGIN = 5.0
_NAMES_SHOWN = 50


class CallHooks:
    """What a session wants to do around each call; override what is needed.

    They are awaited beside the other calls. What they raise ends `run_calls`,
    which cancels all calls under way: a journal that cannot be written is the
    end of a turn.
    """

    async def approve(self, call: ToolCallPart, tool: Tool) -> bool:
        """Whether a person agrees to this call; asked only where its policy wants it."""
        return False

    async def starting(self, call: ToolCallPart, tool: Tool) -> None:
        """The call is about to run: the place to write down that it was meant to."""

    def around(self, call: ToolCallPart) -> AbstractContextManager[Outcome]:
        """What is to be around the run of a call, in its task."""
        return nullcontext(Outcome())

    async def ended(self, call: ToolCallPart, result: ToolResultPart) -> None:
        """The call has its result, also where it was not run."""


_NO_HOOKS = CallHooks()


async def run_calls(
    calls: Sequence[ToolCallPart],
    tools: ToolView,
    context: ToolContext,
    hooks: CallHooks = _NO_HOOKS,
) -> tuple[ToolResultPart, ...]:
    """One result a call, in their order; whatever goes wrong is a result with `is_error`.

    Only `tools` may be called, and `context` is what they know of the session.
    Those beyond the first 64 calls are not run, and told so: a hundred are a loop. A cancel
    cancels all of them. Raises what the hooks raise.
    """
    results: dict[int, ToolResultPart] = {}

    async def one(number: int, call: ToolCallPart) -> None:
        if number >= _MOST_CALLS:
            result = failed(call, f"not run: at most {_MOST_CALLS} tools are called at once")
        else:
            result = await _run_call(call, tools, context, hooks)
        await hooks.ended(call, result)
        results[number] = result

    try:
        async with trio.open_nursery() as nursery:
            for number, call in enumerate(calls):
                nursery.start_soon(one, number, call)
    except BaseExceptionGroup as group:
        raise _only(group) from None
    return tuple(results[number] for number in range(len(calls)))


async def _run_call(
    call: ToolCallPart, tools: ToolView, context: ToolContext, hooks: CallHooks
) -> ToolResultPart:
    offer = tools.get(call.name)
    if offer is None:
        return failed(call, _unknown(call.name, tools.names()))
    tool, approved = offer.tool, False
    try:
        # Nobody is asked about a call that cannot be run as it stands.
        arguments = tool.arguments(call)
    except ToolFailed as failure:
        return failed(call, str(failure), tool.policy.result_limit)
    if tool.needs_approval(arguments):
        approved = await hooks.approve(call, tool)
        if not approved:
            return failed(call, f"{call.name} was not run: the user did not agree to this call")
    await hooks.starting(call, tool)
    with hooks.around(call) as outcome:
        result = await _ask(call, offer, context, approved=approved)
        outcome.error, outcome.result = "tool_error" if result.is_error else "", result.content
    return result


async def _ask(
    call: ToolCallPart, offer: Offer, context: ToolContext, *, approved: bool
) -> ToolResultPart:
    tool = offer.tool
    try:
        return await offer.ref.ask(Run(call, context, approved), timeout=tool.longest + _MARGIN)
    except ToolFailed as failure:
        return failed(call, str(failure), tool.policy.result_limit)
    except (ActorCrashed, AskTimeout) as error:
        # Why is for the log: it may quote what a server wrote there.
        _log.warning("tool was broken off", tool=call.name, call=call.id, exc_info=error)
        words = "was broken off; whether it was carried out is not known"
        return failed(call, f"{call.name} {words}")
    except ActorError as error:
        # Of the executor, and not of the tool: it has stopped, or is full.
        return failed(call, f"{call.name} was not run ({error}); it may work later")


def _unknown(name: str, known: Sequence[str]) -> str:
    shown = ", ".join(known[:_NAMES_SHOWN]) or "none"
    more = f" and {len(known) - _NAMES_SHOWN} more" if len(known) > _NAMES_SHOWN else ""
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    return f"there is no tool {name[:64]!r}; there are: {shown}{more}{hint}"


def _only(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error that ended all others, which were cancelled for it."""
    mattering = group.split(trio.Cancelled)[1] or group
    return mattering.exceptions[0] if len(mattering.exceptions) == 1 else mattering
