"""A streamed answer under way: what a caller iterates over.

Before you edit: `__anext__` is on the path of every batch. Between a batch and
its reader there are this frame and the attempt's, no scope, task or timer, and
what is done for each chunk is to keep its text (`Assembly`).
"""

from collections.abc import Iterator

import structlog
import trio

from ..chat import ChatRequest, Completion, Finish, Finished, Reset, Usage
from ..errors import ProviderError
from ..policy.keeping import who_answered
from ..trail import AttemptRecord
from ..wire.assembly import Assembly, pieces_of
from .call import Call
from .course import Hop
from .execution import Execution, first_batch
from .hedge import Won, ask
from .messages import Batch
from .partial import partial_answer
from .pause import MOST_LEGS, continued, going_on
from .route import Route

__all__ = ["LiveAnswer"]

_log = structlog.get_logger("trouper.request")

# Seconds between two pieces of 4 KiB of a held back answer: four megabytes a second, which
# clients of one websocket read, and an answer of 100,000 tokens takes a tenth of a second.
_BETWEEN_PIECES = 0.001


class LiveAnswer:
    """An answer under way: an iterator of batches. Close it where it is left early.

    `target` is who answers ("provider/model"), once somebody does.
    """

    def __init__(self, route: Route, request: ChatRequest, call: Call, pinned: str) -> None:
        self.target = ""
        self._route = route
        self._asked = Execution(route, request, call, streamed=True, pinned=pinned)
        self._won: Won[Batch] | None = None
        self._over = False
        self._assembly = Assembly()
        # Of the legs before this one, where the model has paused.
        self._legs = 0
        self._parts = 0
        self._usage: Usage | None = None
        self._goes_on = False
        self._paused: Hop | None = None
        # Of an answer that was held back until it was whole.
        self._pieces: Iterator[Batch] = iter(())

    @property
    def trail(self) -> tuple[AttemptRecord, ...]:
        """The attempts that it took so far."""
        return tuple(self._asked.course.trail)

    def completion(self) -> Completion:
        """The answer as far as it has been handed on, with its trail so far."""
        return partial_answer(self._assembly, (), None)

    def __aiter__(self) -> "LiveAnswer":
        return self

    async def __anext__(self) -> Batch:
        while True:
            won = self._won
            if won is None:
                return await self._begin()
            try:
                batch = await anext(won.attempt)
            except StopAsyncIteration:
                await self._end_leg(won)
            except ProviderError as error:
                return self._broke_off(won.hop, error)
            else:
                batch = self._taken(batch)
                if batch:
                    return batch

    async def aclose(self) -> None:
        """Leave it: the provider stops at once."""
        self._over = True
        self._pieces = iter(())
        if self._won is not None:
            await self._won.leave()
        self._asked.ended(GeneratorExit())

    async def _begin(self) -> Batch:
        """All that comes before the commit point, and the first batch behind it."""
        if self._over:
            return await self._next_piece()
        try:
            if self._route.on_midstream == "buffer":
                return await self._held_back()
            course = self._asked.course
            while True:
                won = await ask(course, await course.next(), first_batch)
                if won is not None:
                    break
        except BaseException as error:
            if isinstance(error, ProviderError) and self._paused is not None:
                # It was to go on from what was handed on.
                return self._broke_off(self._paused, error)
            self._over = True
            self._asked.ended(error)
            raise
        self._won, self._paused = won, None
        self.target = won.hop.target.name
        return self._taken(won.result)

    async def _held_back(self) -> Batch:
        completion = await self._asked.whole()
        self._over = True
        self._asked.ended(None)
        # Not the last of the trail: that one has failed, where what a filter ended is the answer.
        self.target = who_answered(completion.trail)
        self._pieces = pieces_of(completion)
        return await self._next_piece()

    async def _next_piece(self) -> Batch:
        """A piece of what was held back. Before each, readers have a moment for the last one: all at
        once would be more than any of them may have waiting."""
        batch = next(self._pieces, None)
        if batch is None:
            raise StopAsyncIteration
        await trio.sleep(_BETWEEN_PIECES)
        self._assembly.extend(batch)
        return batch

    def _taken(self, batch: Batch) -> Batch:
        """A batch as it is handed on."""
        if self._legs:
            batch = continued(batch, self._parts, self._usage)
        if batch:
            last = batch[-1]
            if type(last) is Finished and last.finish is Finish.PAUSE and self._legs < MOST_LEGS:
                self._goes_on = True
                batch = batch[:-1]
            self._assembly.extend(batch)
        return batch

    async def _end_leg(self, won: Won[Batch]) -> None:
        """The provider has ended its answer: the next leg, or the end of the whole."""
        await won.leave()
        self._won = None
        if not self._goes_on:
            self._over = True
            self._asked.ended(None)
            return
        self._goes_on, self._paused = False, won.hop
        self._legs += 1
        said = self._assembly.completion()
        # Who pauses numbers its parts without a gap.
        self._parts, self._usage = len(said.message.parts), said.usage
        self._asked.course.go_on(won.hop, going_on(self._asked.request, said.message))

    def _broke_off(self, hop: Hop, error: ProviderError) -> Batch:
        """It has ended within; the attempt is settled."""
        self._won = self._paused = None
        hop.place.leave()
        if self._route.on_midstream == "restart" and self._asked.course.turn_from(hop, error):
            return self._void(error)
        self._over = True
        self._fail(error)
        self._asked.ended(error)
        raise error

    def _void(self, error: ProviderError) -> Batch:
        """Take back all that was handed on; what follows is another answer."""
        _log.warning(
            "answer begins again",
            provider=error.provider,
            model=error.model,
            kind=error.kind.value,
        )
        self._legs = self._parts = 0
        self._usage = None
        reset: Batch = [Reset(f"{error.provider} broke off: {error.kind.value}")]
        self._assembly.extend(reset)
        return reset

    def _fail(self, error: ProviderError) -> None:
        error.committed = True
        error.partial = partial_answer(self._assembly, error.trail, self._usage)
