"""One hop of a request: one attempt, and a second one beside it where that is slow.

The first that commits (a plain call: that is whole) wins. The other one is left
at once: its provider stops, and it is settled at the most that it can cost. A
second one that is not let through at once by every gate is not made.

Before you edit: gates belong to the task that enters them, and would take them
back when it ends. So attempts are entered here, in the task of the request, and
only what waits for the provider runs in tasks of its own.
"""

from collections.abc import Awaitable, Callable
from math import inf
from typing import Generic, TypeVar

import attrs
import trio

from ..errors import Billed, ErrorKind, ProviderError
from .attempt import Attempt
from .course import Course, Hop

__all__ = ["Won", "ask"]

T = TypeVar("T")

# Seconds for the gates of a second attempt, which is to be quick or not at all:
# some asks within this program, and a budget's line in a file.
_AT_ONCE = 0.1

Run = Callable[[Attempt], Awaitable[T]]


@attrs.define(eq=False)
class Won(Generic[T]):
    """The attempt that was first, which is still open, and what it gave."""

    hop: Hop
    attempt: Attempt
    result: T

    async def leave(self) -> None:
        """End it, and give its place back."""
        await self.attempt.__aexit__(None, None, None)
        self.hop.place.leave()

    async def fail(self, error: ProviderError) -> None:
        """End it by that error; its place is the course's to give back."""
        await self.attempt.__aexit__(type(error), error, None)


async def ask(course: Course, hop: Hop, run: Run[T]) -> Won[T] | None:
    """Ask `hop`; None where it failed, which `course` has been told.

    `run` waits for what makes an attempt the winner.
    """
    runners = [_Runner(course, hop, run, hop.begin_by)]
    try:
        await _race(course, runners, run)
    except BaseException:
        for runner in runners:
            await runner.leave()
        raise
    winner = next((runner for runner in runners if runner.has_won), None)
    for runner in runners:
        if winner is None and runner.error is not None:
            course.failed(runner.hop, runner.error)
        elif runner is not winner:
            # Also a second one that was about to go when the first one failed.
            await runner.lose()
    return winner.won() if winner is not None else None


class _Runner(Generic[T]):
    """One attempt on its way to its result or its error."""

    def __init__(self, course: Course, hop: Hop, run: Run[T], admit_by: float) -> None:
        self._course = course
        self._run = run
        self._result: list[T] = []
        self.hop = hop
        self.attempt = course.open(hop, admit_by)
        self.entered_at = 0.0
        self.error: ProviderError | None = None

    @property
    def has_won(self) -> bool:
        """Whether it has its result."""
        return bool(self._result)

    async def enter(self) -> bool:
        """Pass the gates; whether all have let it through."""
        until = self.hop.share_ends
        await self._until(until, self._enter, "was not let through by its own limits", "no")
        self.entered_at = trio.current_time()
        return self.error is None

    async def go(self) -> None:
        """Wait for the result, as long as it may take to begin."""
        await self._until(self.hop.share_ends, self._go, "did not begin", "maybe")

    async def _enter(self) -> None:
        await self.attempt.__aenter__()

    async def _go(self) -> None:
        self._result.append(await self._run(self.attempt))

    async def _until(
        self, until: float, step: Callable[[], Awaitable[None]], what: str, billed: Billed
    ) -> None:
        try:
            if until == inf:
                await step()
                return
            with trio.move_on_at(until) as scope:
                await step()
        except ProviderError as error:
            await self._fail(error)
        else:
            if scope.cancelled_caught:
                await self._fail(self._too_slow(what, billed))

    def _too_slow(self, what: str, billed: Billed) -> ProviderError:
        return ProviderError(
            kind=ErrorKind.TIMEOUT,
            message=f"it {what} in its share of the time that there is for the whole chain",
            provider=self.hop.target.provider,
            model=self.attempt.request.model,
            billed=billed,
        )

    async def _fail(self, error: ProviderError) -> None:
        self.error = error
        await self.attempt.__aexit__(type(error), error, None)
        error.trail = tuple(self._course.trail)

    def won(self) -> Won[T]:
        """What it has won."""
        self.hop.place.began(trio.current_time() - self.entered_at)
        return Won(self.hop, self.attempt, self._result[0])

    async def lose(self) -> None:
        """The other one was quicker. That it had not begun by now says something of its pace."""
        if self.error is None and self.entered_at:
            self.hop.place.began(trio.current_time() - self.entered_at)
        await self.leave()

    async def leave(self) -> None:
        """It is not wanted any more."""
        await self.attempt.__aexit__(None, None, None)
        self.hop.place.leave()


async def _race(course: Course, runners: list[_Runner[T]], run: Run[T]) -> None:
    """Let the first of `runners` go, and where it is slow add a second one that goes, too."""
    [first] = runners
    if not await first.enter():
        return
    slow_after = first.hop.hedge_after
    if slow_after is None:
        await first.go()
        return
    async with trio.open_nursery() as nursery:

        async def go(runner: _Runner[T]) -> None:
            await runner.go()
            # One that fails leaves the other one to go on.
            if runner.has_won or all(one.error is not None for one in runners):
                nursery.cancel_scope.cancel()

        nursery.start_soon(go, first)
        await trio.sleep(slow_after)
        hop = await course.second(first.hop)
        if hop is not None:
            second = _Runner(course, hop, run, trio.current_time())
            runners.append(second)
            with trio.move_on_after(_AT_ONCE) as scope:
                if await second.enter():
                    nursery.start_soon(go, second)
            if scope.cancelled_caught:
                # It was not asked, and so has failed in nothing.
                await second.leave()
