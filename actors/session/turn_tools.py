"""The tools of one turn: who is asked before, what is written down, and what is told.

That a tool is to be run is durable before it runs, and what came of it before
anybody is told. So after a crash it is known which tools may have run, and none
is run again by itself.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Final

import attrs
import trio

from ..chat import ToolCallPart, ToolResultPart
from ..telemetry.steps import NO_STEPS, Outcome, Steps, ToolBegan
from ..tools import CallHooks, Progress, Tool, ToolContext, ToolView, run_calls
from .event_emitter import EventEmitter
from .events import PermissionAsked, PermissionSettled, ToolEnded, ToolProgressed
from .record import ToolIntended, ToolReturned
from .recorder import Recorder

__all__ = ["TurnTools"]

# Seconds that a tool waits for a store that is down: to be begun, and with its result.
_TO_BEGIN: Final = 3.0
_TO_RETURN: Final = 30.0

# How often one call is heard of its progress: as often as a person reads a line,
# and in all far less than the numbers that a crash leaves free.
_SECONDS_BETWEEN: Final = 0.1
_MOST_HEARD: Final = 1_000


@attrs.define(eq=False)
class _Open:
    """A call without its result."""

    call: ToolCallPart
    begun: bool = False
    harmless: bool = False
    heard: int = 0
    heard_at: float = -1.0


@attrs.define(eq=False)
class _Asked:
    """A call that waits for leave."""

    call: ToolCallPart
    answered: trio.Event = attrs.field(factory=trio.Event)
    granted: bool = False


class TurnTools(CallHooks):
    """Runs the tools of turn number `turn`; `patience` is for whoever has to agree to a call."""

    def __init__(
        self,
        turn: int,
        recorder: Recorder,
        emitter: EventEmitter,
        tools: ToolView,
        *,
        session: str,
        principal: str,
        patience: float,
        steps: Steps = NO_STEPS,
    ) -> None:
        self._turn = turn
        self._recorder = recorder
        self._emitter = emitter
        self._tools = tools
        self._context = ToolContext(
            session=session, principal=principal, on_progress=self._progressed
        )
        self._patience = patience
        self._steps = steps
        self._open: dict[str, _Open] = {}
        self._asked: dict[str, _Asked] = {}

    def take(self, calls: Sequence[ToolCallPart]) -> None:
        """These are to be run: from now on each has a result, whatever happens."""
        self._open = {call.id: _Open(call) for call in calls}

    async def run(self) -> None:
        """Run what was taken; all results are written down and told. Raises NotKept."""
        calls = [one.call for one in self._open.values()]
        await run_calls(calls, self._tools, self._context, self)

    @property
    def asked(self) -> tuple[ToolCallPart, ...]:
        """The calls that wait for somebody to permit them."""
        return tuple(one.call for one in self._asked.values())

    def permit(self, call_id: str, *, granted: bool) -> bool:
        """Somebody has answered: whether the call still waited for it."""
        asked = self._asked.get(call_id)
        if asked is None or asked.answered.is_set():
            return False
        asked.granted = granted
        asked.answered.set()
        return True

    def left(self, why: str) -> list[ToolResultPart]:
        """The results of those that will get none; `why` says what ended the turn."""
        return [
            ToolResultPart(one.call.id, _unfinished(one, why), is_error=True)
            for one in self._open.values()
        ]

    def tell_end(self, result: ToolResultPart) -> None:
        """The call has its result."""
        one = self._open.pop(result.call_id)
        self._emitter.tell(
            ToolEnded,
            turn=self._turn,
            call_id=result.call_id,
            name=one.call.name,
            result=result.content,
            is_error=result.is_error,
        )

    # Of CallHooks.

    async def approve(self, call: ToolCallPart, tool: Tool) -> bool:
        asked = self._asked[call.id] = _Asked(call)
        self._emitter.tell(
            PermissionAsked,
            turn=self._turn,
            call_id=call.id,
            name=call.name,
            arguments=call.args_json,
        )
        try:
            with trio.move_on_after(self._patience):
                await asked.answered.wait()
        finally:
            del self._asked[call.id]
            self._emitter.tell(
                PermissionSettled, turn=self._turn, call_id=call.id, granted=asked.granted
            )
        return asked.granted

    async def starting(self, call: ToolCallPart, tool: Tool) -> None:
        one, harmless = self._open[call.id], tool.policy.idempotent
        intended = ToolIntended(turn=self._turn, call=call, idempotent=harmless)
        await self._recorder.write(lambda _: [intended], patience=_TO_BEGIN)
        one.begun, one.harmless = True, harmless

    def around(self, call: ToolCallPart) -> AbstractContextManager[Outcome]:
        return self._steps.step(
            ToolBegan(
                session=self._context.session,
                name=call.name,
                call_id=call.id,
                arguments=call.args_json,
            )
        )

    async def ended(self, call: ToolCallPart, result: ToolResultPart) -> None:
        await self._recorder.write(
            lambda seq: [ToolReturned(turn=self._turn, result=result, seq=seq)],
            lambda: self.tell_end(result),
            events=1,
            patience=_TO_RETURN,
        )

    def _progressed(self, progress: Progress) -> None:
        one, now = self._open.get(progress.call_id), trio.current_time()
        if one is None or one.heard >= _MOST_HEARD or now < one.heard_at + _SECONDS_BETWEEN:
            return
        one.heard, one.heard_at = one.heard + 1, now
        self._emitter.tell(
            ToolProgressed,
            turn=self._turn,
            call_id=progress.call_id,
            note=progress.text,
            done=progress.done,
        )


def _unfinished(one: _Open, why: str) -> str:
    name = one.call.name
    if not one.begun:
        return f"{name} was not run: {why}"
    if one.harmless:
        return f"{name} was broken off ({why}), and may be called again: that does no harm"
    return (
        f"{name} was broken off ({why}); whether it has done its work is not known. Look before "
        f"you call it again"
    )
