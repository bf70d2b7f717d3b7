"""One turn: from its prompt to its end, with as many answers as its tools take.

    a leg       one request to the provider; its answer ends the turn, or calls tools
    the tools   run side by side; their results are the next leg's prompt

An answer that calls tools is written down before any of them runs, and the last
one together with the turn's end, before that is told. What is told in between is
not written down: a crash leaves a turn that was interrupted, and the next life
says so.
"""

from collections.abc import Callable, Sequence
from contextlib import aclosing

import attrs
import structlog
import trio
from structlog.contextvars import bound_contextvars

from ..chat import ChatRequest, Finish, Message, ToolCallPart, ToolResultPart, Usage
from ..errors import NotKept, ProviderError
from ..provider import request as provider_request
from ..provider.call import Call
from ..telemetry.labels import error_type
from ..telemetry.steps import NO_STEPS, Outcome, Steps, TurnBegan
from ..tools import ToolDirectory, ToolView
from .answer_record import answer_record, cost_of, in_words, log_answer, spoken
from .assistant import Assistant
from .context import WindowFitter
from .event_emitter import EventEmitter
from .event_replay import WAS_INTERRUPTED, told_of
from .events import StopReason, TurnEnded
from .record import Record, Summarised, ToolReturned, TurnOver
from .recorder import Recorder
from .size import size_of
from .state import PastTurn, calls_of, messages_of, total
from .turn_tools import TurnTools

__all__ = ["MAX_HISTORY", "RunningTurn"]

_log = structlog.get_logger("trouper.session")

MAX_HISTORY = 4_000_000
"""Characters of a conversation: a million tokens, the largest window there is. Then its oldest
turns are forgotten, or, where nothing may be left out of it, no more are taken."""

# Seconds that a turn waits for a store that is down: with an answer and with its end.
_TO_END = 30.0

_STOP_REASONS = {
    Finish.LENGTH: StopReason.MAX_TOKENS,
    Finish.CONTEXT_WINDOW: StopReason.MAX_TOKENS,
    Finish.REFUSAL: StopReason.REFUSAL,
    Finish.CONTENT_FILTER: StopReason.REFUSAL,
}

# Some servers say no more of an answer that calls tools than that it has ended.
_CALLING = (Finish.TOOL_CALLS, Finish.STOP, Finish.UNKNOWN)


@attrs.frozen
class _Ending:
    """How a turn ends, as TurnEnded tells it."""

    stop: StopReason
    error: str = ""
    retryable: bool = False

    @property
    def why(self) -> str:
        """What the model reads of it, where a tool has no result because of it."""
        if self.stop is StopReason.CANCELLED:
            return "the turn was cancelled"
        if self is _INTERRUPTED:
            return "the session was interrupted"
        return "the turn had to end before"


_CANCELLED = _Ending(StopReason.CANCELLED)
_INTERRUPTED = _Ending(StopReason.ERROR, WAS_INTERRUPTED, retryable=True)
_FAULT = _Ending(StopReason.ERROR, "a fault in the session; the server's log has it")


class RunningTurn:
    """Turn number `number` of session `id`, which has been accepted.

    `before` is what a model is shown before it, and `call` what its requests are
    like; `pinned` is who has answered last. `over` is called when the end is
    about to be told: whoever hears of it may begin the next turn. `crashing` says
    whether it is a fault that ends the session.
    """

    def __init__(
        self,
        number: int,
        id: str,
        assistant: Assistant,
        *,
        before: Sequence[Message],
        call: Call,
        fitter: WindowFitter,
        recorder: Recorder,
        emitter: EventEmitter,
        tools: ToolDirectory,
        over: "Callable[[RunningTurn], None]",
        crashing: Callable[[], bool],
        steps: Steps = NO_STEPS,
        hidden: int = 0,
        pinned: str = "",
    ) -> None:
        self.number = number
        self.pinned = pinned
        self.scope = trio.CancelScope()
        self._id = id
        self._over = over
        self._crashing = crashing
        self._assistant = assistant
        self._before = before
        # Of `before`, those that are no part of the conversation: the system's.
        self._hidden = hidden
        self._call = attrs.evolve(call, fitter=fitter)
        self._fitter = fitter
        self._recorder = recorder
        self._emitter = emitter
        self._view: ToolView = tools.view(*assistant.tools)
        self._tools = TurnTools(
            number,
            recorder,
            emitter,
            self._view,
            session=id,
            principal=call.user,
            patience=assistant.approval_seconds,
            steps=steps,
        )
        self._steps = steps
        # The answer that is not written down.
        self._answer: provider_request.AnswerStream | None = None
        # The same until it is written down, and what it calls, once that was told.
        self._unwritten: provider_request.AnswerStream | None = None
        self._called: Sequence[ToolCallPart] = ()
        self._usage = Usage()
        self._cost: int | None = 0

    @property
    def asked(self) -> tuple[ToolCallPart, ...]:
        """The calls that wait for somebody to permit them."""
        return self._tools.asked

    @property
    def streamed(self) -> Message:
        """What was told of the answer that is not written down, as far as it was told."""
        if self._unwritten is None:
            return Message("assistant", ())
        said = told_of(self._emitter.cuts, self._unwritten.completion().message)
        return attrs.evolve(said, parts=(*said.parts, *self._called))

    def permit(self, call_id: str, *, granted: bool) -> bool:
        """Somebody says whether a call may be run: whether it still waited for that."""
        return self._tools.permit(call_id, granted=granted)

    async def run(self) -> None:
        """All of it; its end is told, whatever happens."""
        assistant = self._assistant
        began = TurnBegan(
            session=self._id,
            turn=self.number,
            assistant=assistant.name,
            model=assistant.model,
            user=self._call.user,
        )
        # For every line from here on, also those of actors that are asked.
        with bound_contextvars(session=self._id), self._steps.step(began) as outcome:
            await self._run(outcome)

    async def _run(self, outcome: Outcome) -> None:
        ending: _Ending | None = None
        try:
            with self.scope:
                ending = await self._legs()
        except ProviderError as failure:
            ending = _Ending(StopReason.ERROR, in_words(failure), failure.retryable)
            outcome.error = error_type(failure)
            _log.warning("turn failed", session=self._id, turn=self.number, error=str(failure))
        except NotKept as error:
            ending = _not_kept(error)
            outcome.error = error_type(error)
        except Exception:
            ending = _FAULT
            raise
        finally:
            # Also when the session itself is being stopped: whoever listens
            # learns that no more will come.
            if ending is None:
                ending = self._broken_off()
                outcome.error = "interrupted" if ending is _INTERRUPTED else "cancelled"
            await self._end(ending)

    def _broken_off(self) -> _Ending:
        """How it ends where it was cancelled: nobody wanted it to end where a fault does so."""
        if self._crashing() and not self.scope.cancel_called:
            return _INTERRUPTED
        return _CANCELLED

    # Its legs.

    async def _legs(self) -> _Ending:
        most = self._assistant.max_tool_rounds
        for done in range(most + 1):
            finish, said = await self._ask()
            calls = calls_of(said)
            if not calls:
                return _Ending(_STOP_REASONS.get(finish, StopReason.END_TURN))
            self._tools.take(calls)
            await self._write(said)
            if done < most:
                await self._tools.run()
            if sum(map(size_of, (*self._before, *self._messages()))) > MAX_HISTORY:
                return _Ending(
                    StopReason.ERROR,
                    "the tools of this turn have given more than a conversation may have; "
                    "ask for less at once",
                )
        return _Ending(
            StopReason.MAX_TURN_REQUESTS,
            f"the model has asked for tools {most + 1} times, and {most} is as often as it may "
            f"in one turn; ask it to go on, or for less at once",
        )

    async def _ask(self) -> tuple[Finish, Message]:
        """One leg: why the answer ended, and what of it belongs to the conversation."""
        self._emitter.answer_begins()
        answer = self._answer = self._unwritten = provider_request.stream(
            self._assistant.route, self._request(), self._call, pinned=self.pinned
        )
        self._called = ()
        async with aclosing(answer):
            async for batch in answer:
                self._emitter.hand_on(self.number, batch)
        completion = answer.completion()
        self.pinned = answer.target
        self._fitter.answered(answer.target, completion.usage)
        acts = completion.finish in _CALLING and bool(self._view.names())
        said = spoken(completion, self._taken() if acts else None)
        self._tell(answer, calls_of(said))
        log_answer(self._id, self.number, completion)
        return completion.finish, said

    def _tell(self, answer: provider_request.AnswerStream, calls: Sequence[ToolCallPart]) -> None:
        """Tell how an answer has ended."""
        usage, cost = answer.completion().usage, cost_of(answer.trail)
        self._called = calls
        self._usage = total(self._usage, usage or Usage())
        self._cost = None if cost is None or self._cost is None else self._cost + cost
        self._emitter.answer_ends(
            self.number,
            calls,
            None
            if usage is None
            else {
                "usage": self._usage,
                "cost": self._cost,
                "context": usage.input + usage.output,
                "window": self._fitter.window(answer.target),
            },
        )

    async def _write(self, said: Message) -> None:
        """Write down an answer that calls tools."""
        answer = self._answer
        assert answer is not None, "it was asked for"
        self._answer = None
        window = self._fitter.window(answer.target)
        await self._recorder.write(
            lambda _: [answer_record(self.number, self._emitter, answer, said, window)],
            patience=_TO_END,
        )
        self._unwritten = None

    def _request(self) -> ChatRequest:
        assistant = self._assistant
        return ChatRequest(
            # Each target has a name of its own for it.
            model="",
            messages=(*self._before, *self._messages()),
            tools=self._view.specs(),
            sampling=assistant.sampling,
            max_output_tokens=assistant.max_output_tokens,
            reasoning_effort=assistant.reasoning_effort,
        )

    def _messages(self) -> list[Message]:
        """What was said in this turn so far."""
        turn = self._past
        return list(messages_of(turn)) or [turn.asked]

    @property
    def _past(self) -> PastTurn:
        turn = self._recorder.state.turn
        assert turn is not None, "it was accepted"
        return turn

    def _taken(self) -> set[str]:
        """The ids of all tool calls of the conversation."""
        said = (*self._before, *self._messages())
        return {call.id for message in said for call in calls_of(message)}

    # Its end.

    async def _end(self, ending: _Ending) -> None:
        """Write down how it has ended, and then tell it."""
        if ending.stop is StopReason.ERROR:
            self.pinned = ""
        # One that was broken off calls nothing.
        self._emitter.answer_ends(self.number)
        left = self._tools.left(ending.why)
        told, is_told = [*left], False

        def tell() -> None:
            nonlocal is_told
            if is_told:
                return
            while told:
                self._tools.tell_end(told.pop(0))
            self._over(self)
            is_told = True
            self._emitter.tell(
                TurnEnded,
                turn=self.number,
                stop=ending.stop,
                error=ending.error,
                retryable=ending.retryable,
            )

        try:
            await self._recorder.write(
                lambda seq: self._last(seq, left, ending),
                tell,
                events=len(left) + 1,
                patience=_TO_END,
            )
        except NotKept as error:
            ending = _not_kept(error)
            tell()
        except Exception:
            # Somebody waits for the end, who knows nothing of faults.
            ending = _FAULT
            tell()
            raise

    def _last(self, seq: int, left: Sequence[ToolResultPart], ending: _Ending) -> list[Record]:
        """The records of its end, of which the first event has that number."""
        answer, turn = self._answer, self.number
        records: list[Record] = []
        if answer is not None and answer.target:
            said = spoken(answer.completion(), None)
            window = self._fitter.window(answer.target)
            records.append(answer_record(turn, self._emitter, answer, said, window))
        for number, result in enumerate(left, seq):
            records.append(ToolReturned(turn=turn, result=result, seq=number))
        summary = self._fitter.summary
        if summary is not None:
            summary = attrs.evolve(summary, until=summary.until - self._hidden)
            if self._recorder.state.summary != summary:
                records.append(Summarised(until=summary.until, text=summary.text))
        records.append(
            TurnOver(
                turn=turn,
                seq=seq + len(left),
                stop=ending.stop.value,
                error=ending.error,
                retryable=ending.retryable,
            )
        )
        return records


def _not_kept(error: NotKept) -> _Ending:
    return _Ending(StopReason.ERROR, f"the answer is not kept: {error}", retryable=True)
