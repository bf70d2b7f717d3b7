"""Models without providers behind them: a test says what they answer, and when."""

from collections.abc import Callable, Sequence
from typing import Self

import attrs
import trio

from trouper.actors.chat import (
    ChatRequest,
    Chunk,
    Completion,
    Finish,
    Finished,
    Message,
    Started,
    TextDelta,
    TextPart,
    Usage,
    UsageUpdate,
)
from trouper.actors.provider.call import Call

__all__ = ["FakeAnswer", "FakeModels", "Step", "spoken"]

PATIENCE = 30.0  # seconds: a test that waits longer has failed

Step = Sequence[Chunk] | Exception | trio.Event
"""A batch, an error, or something to wait for."""


def spoken(*texts: str) -> list[Step]:
    """The steps of an answer of these texts, a batch for each."""
    said: list[Step] = [[TextDelta(0, text)] for text in texts]
    end: list[Chunk] = [
        UsageUpdate(Usage(input=3, output=len(texts))),
        Finished(Finish.STOP, "stop"),
    ]
    return [[Started("x", "gpt-x")], *said, end]


@attrs.define(eq=False)
class FakeAnswer:
    """An answer under way. `taken` counts the batches that were asked for."""

    steps: list[Step]
    taken: int = 0
    closed: trio.Event = attrs.field(factory=trio.Event)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Sequence[Chunk]:
        await trio.lowlevel.checkpoint()
        while self.taken < len(self.steps):
            step = self.steps[self.taken]
            self.taken += 1
            if isinstance(step, Exception):
                raise step
            if not isinstance(step, trio.Event):
                return step
            await step.wait()
        raise StopAsyncIteration

    async def aclose(self) -> None:
        self.closed.set()


@attrs.define(eq=False)
class FakeModels:
    """Answers every request with the same steps, and notes what was asked."""

    steps: list[Step] = attrs.field(factory=lambda: spoken("hello"))
    names: Sequence[str] = ("small", "large/2")
    asked: list[tuple[ChatRequest, Call]] = attrs.field(factory=list[tuple[ChatRequest, Call]])
    answers: list[FakeAnswer] = attrs.field(factory=list[FakeAnswer])
    refuses: Callable[[ChatRequest], None] = lambda request: None

    async def complete(self, request: ChatRequest, call: Call) -> Completion:
        said: list[str] = []
        answer = self.stream(request, call)
        try:
            async for batch in answer:
                said += [chunk.text for chunk in batch if isinstance(chunk, TextDelta)]
        finally:
            await answer.aclose()
        return Completion(
            message=Message("assistant", (TextPart("".join(said)),)),
            finish=Finish.STOP,
            model="gpt-x",
        )

    def stream(self, request: ChatRequest, call: Call) -> FakeAnswer:
        self.asked.append((request, call))
        self.refuses(request)
        self.answers.append(FakeAnswer(list(self.steps)))
        return self.answers[-1]

    async def wait_taken(self, count: int) -> None:
        """Wait until so many batches of the first answer were asked for."""
        with trio.fail_after(PATIENCE):
            while self._taken < count:  # noqa: ASYNC110 - an event a batch would be more than this
                await trio.sleep(0.01)

    async def wait_stuck(self) -> int:
        """Wait until no more of it is asked for; how many were."""
        before = -1
        with trio.fail_after(PATIENCE):
            while not self._taken or self._taken != before:
                before = self._taken
                await trio.sleep(0.1)
        return before

    @property
    def _taken(self) -> int:
        return self.answers[0].taken if self.answers else 0
