"""A request that is under way: its course, who observes it, and an answer that is had whole."""

import attrs
import trio

from ..chat import ChatRequest, Completion, Finish, TextDelta, ThinkingDelta, ToolArgsDelta
from ..errors import ErrorKind, ProviderError
from ..ids import new_id
from ..telemetry.observer import NOBODY, RequestBegan, RequestEnded
from ..wire.assembly import Assembly
from .attempt import Attempt
from .call import Call
from .course import Course, Hop
from .hedge import Won, ask
from .messages import Batch
from .pause import MOST_LEGS, going_on, joined
from .route import Route

__all__ = ["Execution", "first_batch"]

# How a model, or its provider's filter, ends an answer that it does not want to give.
_UNWILLING = frozenset({Finish.CONTENT_FILTER, Finish.REFUSAL})

# Characters of an answer that is held back until it is whole: what the
# connection takes of a plain one, too.
_MOST_HELD = 16 * 1024 * 1024


class Execution:
    """One request. `ended` is to be told of its end, however it comes."""

    def __init__(
        self, route: Route, request: ChatRequest, call: Call, *, streamed: bool, pinned: str
    ) -> None:
        self.request = request
        self._streamed = streamed
        # No two requests of a ledger have the same.
        id = call.request_id or f"req_{new_id()}"
        self._seen = None
        if call.seen is None and route.observer is not NOBODY:
            self._seen = route.observer.began(
                RequestBegan(
                    request_id=id,
                    request=request,
                    model=route.name,
                    stream=streamed,
                    session=call.session,
                    user=call.user,
                )
            )
            call = attrs.evolve(
                call, request_id=id, seen=self._seen, tells_content=route.observer.content
            )
        elif not call.request_id:
            call = attrs.evolve(call, request_id=id)
        self.course = Course(route, request, call, streamed=streamed, pinned=pinned)

    def ended(self, error: BaseException | None) -> None:
        """It is over, well or with that error; who observes it is told once."""
        seen, self._seen = self._seen, None
        if seen is None:
            return
        if error is None:
            seen.ended(RequestEnded(result="ok"))
        elif isinstance(error, Exception):
            seen.ended(RequestEnded(result="failed", error=error))
        else:
            seen.ended(RequestEnded(result="cancelled"))

    async def whole(self) -> Completion:
        """The answer, whole: nothing of it was handed on before. Raises ProviderError."""
        course = self.course
        earlier: Completion | None = None
        unwilling: Completion | None = None
        legs = 0
        while True:
            try:
                answered = await self._answered(await course.next())
            except ProviderError:
                if unwilling is None:
                    raise
                # Who was asked instead has no answer: then this is the answer.
                return attrs.evolve(unwilling, trail=tuple(course.trail))
            if answered is None:
                continue
            hop, completion = answered
            completion = joined(earlier, completion)
            if completion.finish is Finish.PAUSE and legs < MOST_LEGS:
                legs += 1
                earlier = completion
                course.go_on(hop, going_on(self.request, completion.message))
            elif completion.finish in _UNWILLING and course.turn_from(
                hop, _refused(hop, completion)
            ):
                unwilling, earlier, legs = completion, None, 0
            elif len(completion.trail) == len(course.trail):
                return completion  # which is nearly all, and spares a copy
            else:
                return attrs.evolve(completion, trail=tuple(course.trail))

    async def _answered(self, hop: Hop) -> tuple[Hop, Completion] | None:
        """Who has answered, and what; None where nobody has, which the course was told."""
        if not self._streamed:
            whole = await ask(self.course, hop, Attempt.complete)
            if whole is None:
                return None
            await whole.leave()
            return whole.hop, whole.result
        begun = await ask(self.course, hop, first_batch)
        if begun is None:
            return None
        try:
            completion = await _in_time(begun)
        except ProviderError as error:
            # Nobody has seen anything of it.
            error.committed = False
            await begun.fail(error)
            self.course.failed(begun.hop, error)
            return None
        except BaseException:
            await begun.leave()
            raise
        await begun.leave()
        return begun.hop, completion


async def first_batch(attempt: Attempt) -> Batch:
    """All up to the commit point; empty where the answer has ended without a word."""
    return await anext(attempt, [])


async def _in_time(begun: Won[Batch]) -> Completion:
    """A streamed answer, whole, in its target's share of the time: words that nobody has seen
    do not end the share, so a target that drips leaves the next one as much as a silent one."""
    with trio.move_on_at(begun.hop.share_ends):
        return await _collected(begun)
    raise ProviderError(
        kind=ErrorKind.TIMEOUT,
        message="it was not whole in its share of the time that there is for the whole chain",
        provider=begun.hop.target.provider,
        model=begun.attempt.request.model,
        in_stream=True,
        phase="stream",
        billed="yes",
    )


async def _collected(begun: Won[Batch]) -> Completion:
    """A streamed answer, whole."""
    assembly = Assembly()
    assembly.extend(begun.result)
    held = _characters(begun.result)
    async for batch in begun.attempt:
        assembly.extend(batch)
        held += _characters(batch)
        if held > _MOST_HELD:
            raise ProviderError(
                kind=ErrorKind.PROTOCOL_ERROR,
                message=f"an answer of more than {_MOST_HELD} characters is not held back",
                provider=begun.hop.target.provider,
                model=begun.attempt.request.model,
                billed="yes",
            )
    return assembly.completion()


def _characters(batch: Batch) -> int:
    size = 0
    for chunk in batch:
        match chunk:
            case TextDelta(text=text) | ThinkingDelta(text=text) | ToolArgsDelta(fragment=text):
                size += len(text)
            case _:
                pass
    return size


def _refused(hop: Hop, completion: Completion) -> ProviderError:
    return ProviderError(
        kind=ErrorKind.CONTENT_POLICY,
        message=f"the answer ended with {completion.raw_finish or completion.finish.value}",
        provider=hop.target.provider,
        model=completion.model or hop.target.model,
        billed="yes",
    )
