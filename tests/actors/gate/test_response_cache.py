"""Equal requests: one that is under way is shared, one that was answered is not asked again."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any

import attrs
import pytest
import trio
from trio.testing import MockClock

from trouper.actors.chat import (
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
from trouper.actors.errors import ErrorKind, ProviderError
from trouper.actors.gate.response_cache import ResponseCache
from trouper.actors.gate.response_cache_messages import Found, Share, Upstream
from trouper.actors.gate.shared_answer import InOnePiece, SharedAnswer, whole
from trouper.actors.store.cache import MemoryAnswers
from trouper.runtime import ActorCrashed, ActorDown, ActorError, Backoff, Ref, System, child

KEY = b"k" * 32
OVERLOADED = ProviderError(kind=ErrorKind.OVERLOADED, message="too much")
NO_MONEY = ProviderError(kind=ErrorKind.BUDGET_EXCEEDED, message="no money left")

asker: ContextVar[str] = ContextVar("asker", default="nobody")


@attrs.define(eq=False)
class Provider:
    """Answers word by word, one a second; `fails` says after how many words each call fails."""

    words: Sequence[str] = ("one ", "two ", "three")
    fails: list[tuple[int, Exception] | None] = attrs.field(factory=list)
    finish: Finish = Finish.STOP
    calls: int = 0
    left: int = 0
    for_whom: list[str] = attrs.field(factory=list)

    def ask(self) -> Upstream:
        fault = self.fails[self.calls] if self.calls < len(self.fails) else None
        self.calls += 1
        self.for_whom.append(asker.get())
        return self._answer(fault)

    async def _answer(self, fault: tuple[int, Exception] | None) -> AsyncGenerator[list[Chunk]]:
        try:
            for number, word in enumerate(self.words):
                await trio.sleep(1)
                if fault is not None and fault[0] == number:
                    raise fault[1]
                delta = TextDelta(0, word)
                yield [Started("r1", "big-2026"), delta] if number == 0 else [delta]
            yield [UsageUpdate(Usage(3, 3)), Finished(self.finish)]
        except trio.Cancelled:
            self.left += 1
            raise


@attrs.define(eq=False)
class Asker:
    """Somebody who asks, and what was heard."""

    cache: Ref[Share]
    provider: Provider
    text: str = ""
    found: Found = attrs.field(factory=Found)
    error: BaseException | None = None
    ended_at: float = 0.0

    async def ask(self, **more: Any) -> None:
        share = Share(
            key=KEY,
            keep_for=60,
            ask=self.provider.ask,
            answered_by=lambda: "main/big",
            found=self.found,
            **more,
        )
        try:
            async with aclosing(SharedAnswer(self.cache, share)) as answer:
                async for batch in answer:
                    for chunk in batch:
                        self.text += chunk.text if isinstance(chunk, TextDelta) else ""
        except ActorError as error:
            self.error = error
        self.ended_at = trio.current_time()


@attrs.define(eq=False)
class House:
    """A cache, its provider, and people who ask it."""

    cache: Ref[Share]
    provider: Provider
    kept: MemoryAnswers

    async def asks(self, **more: Any) -> Asker:
        someone = Asker(self.cache, self.provider)
        await someone.ask(**more)
        return someone

    def come(self, nursery: trio.Nursery, number: int = 1, **more: Any) -> list[Asker]:
        """That many ask now."""
        people = [Asker(self.cache, self.provider) for _ in range(number)]
        for someone in people:
            nursery.start_soon(partial(someone.ask, **more))
        return people


@asynccontextmanager
async def house(provider: Provider | None = None, **more: Any) -> AsyncGenerator[House]:
    kept = MemoryAnswers(100_000)
    cache = child("cache", lambda: ResponseCache(kept, trio.current_time), **more)
    async with System(cache, signals=False) as system:
        yield House(system.ref("cache", ResponseCache), provider or Provider(), kept)


async def test_an_answer_that_was_given_is_given_again_at_once(autojump_clock: MockClock) -> None:
    async with house() as home:
        first = await home.asks()
        began = trio.current_time()
        second = await home.asks()

        assert first.text == second.text == "one two three"
        assert (first.found.source, second.found.source) == ("asked", "kept")
        assert (second.found.target, second.found.age) == ("main/big", began - first.ended_at)
        assert second.ended_at == began
        assert home.provider.calls == 1


async def test_an_answer_is_kept_for_its_time_and_no_longer(autojump_clock: MockClock) -> None:
    async with house() as home:
        await home.asks()
        await trio.sleep(59)
        young = await home.asks()
        await trio.sleep(2)
        old = await home.asks()

    assert (young.found.source, old.found.source) == ("kept", "asked")


async def test_equal_requests_under_way_share_one_call(autojump_clock: MockClock) -> None:
    async with house() as home, trio.open_nursery() as nursery:
        people = home.come(nursery, 10)
        await trio.sleep(2.5)
        people += home.come(nursery, 10)

    assert [someone.text for someone in people] == ["one two three"] * 20
    assert [someone.ended_at for someone in people] == [3.0] * 20
    assert sorted({someone.found.source for someone in people}) == ["asked", "shared"]
    assert home.provider.calls == 1


async def test_requests_of_other_keys_share_nothing(autojump_clock: MockClock) -> None:
    async with house() as home:
        other = Share(key=b"o" * 32, keep_for=60, ask=home.provider.ask)
        await home.asks()
        await whole(SharedAnswer(home.cache, other))

    assert home.provider.calls == 2


async def test_who_leaves_takes_nothing_from_those_who_stay(autojump_clock: MockClock) -> None:
    async with house() as home, trio.open_nursery() as nursery:
        async with trio.open_nursery() as leaving:
            first = home.come(leaving)[0]
            await trio.sleep(0.5)
            stays = home.come(nursery)[0]
            await trio.sleep(1)
            leaving.cancel_scope.cancel()
        await trio.sleep(5)

        assert first.text == "one "
        assert (stays.text, stays.found.source) == ("one two three", "shared")
        assert (home.provider.calls, home.provider.left) == (1, 0)
        # It is kept all the same.
        assert (await home.asks()).found.source == "kept"


async def test_when_nobody_listens_any_more_the_provider_is_left(
    autojump_clock: MockClock,
) -> None:
    async with house() as home:
        with trio.move_on_after(1.5):
            async with trio.open_nursery() as leaving:
                home.come(leaving, 3)
        await trio.testing.wait_all_tasks_blocked()
        assert home.provider.left == 1
        # Whoever comes now begins anew.
        assert (await home.asks()).found.source == "asked"
        assert home.provider.calls == 2


async def test_a_slow_reader_holds_up_nobody(autojump_clock: MockClock) -> None:
    provider = Provider(words=["word "] * 100)
    async with house(provider) as home:
        share = Share(key=KEY, keep_for=60, ask=provider.ask)
        async with aclosing(SharedAnswer(home.cache, share)) as slow:
            # The first to ask reads one batch, and then no more.
            await anext(slow)
            quick = await home.asks()

            assert quick.ended_at == 100.0
            assert len((await whole(slow)).text) == 500 - 5


async def test_a_failure_of_the_provider_is_told_to_all(autojump_clock: MockClock) -> None:
    provider = Provider(fails=[(2, OVERLOADED)])
    async with house(provider) as home, trio.open_nursery() as nursery:
        people = home.come(nursery, 5)

    errors = [someone.error for someone in people]
    assert [str(error) for error in errors] == [str(OVERLOADED)] * 5
    # Each one of its own: who raises one changes its traceback.
    assert len({id(error) for error in errors}) == 5
    assert provider.calls == 1


async def test_a_failed_answer_is_not_kept(autojump_clock: MockClock) -> None:
    async with house(Provider(fails=[(1, OVERLOADED)])) as home:
        await home.asks()
        again = await home.asks()

    assert (again.found.source, again.text) == ("asked", "one two three")


async def test_who_has_no_money_left_fails_alone_and_the_next_one_asks(
    autojump_clock: MockClock,
) -> None:
    provider = Provider(fails=[(0, NO_MONEY), (0, NO_MONEY)])
    async with house(provider) as home, trio.open_nursery() as nursery:
        people = home.come(nursery, 6)

    assert provider.calls == 3
    failed = [someone for someone in people if someone.error is not None]
    assert [str(someone.error) for someone in failed] == [str(NO_MONEY)] * 2
    assert all(someone.text == "one two three" for someone in people if someone not in failed)


async def test_who_has_heard_something_fails_with_the_one_who_asked(
    autojump_clock: MockClock,
) -> None:
    late = ProviderError(kind=ErrorKind.TIMEOUT, message="too late")
    provider = Provider(fails=[(1, late)])
    async with house(provider) as home, trio.open_nursery() as nursery:
        people = home.come(nursery, 2)

    assert [str(someone.error) for someone in people] == [str(late)] * 2
    assert provider.calls == 1


async def test_a_listener_keeps_its_own_deadline(autojump_clock: MockClock) -> None:
    async with house() as home, trio.open_nursery() as nursery:
        patient = home.come(nursery)[0]
        await trio.sleep(0.5)
        late = await home.asks(deadline=trio.current_time() + 1)

    assert isinstance(late.error, ProviderError)
    assert late.error.kind is ErrorKind.TIMEOUT
    assert (late.text, patient.text) == ("one ", "one two three")


@pytest.mark.parametrize("finish", [Finish.LENGTH, Finish.CONTENT_FILTER, Finish.UNKNOWN])
async def test_an_answer_that_did_not_end_well_is_asked_for_anew(
    autojump_clock: MockClock, finish: Finish
) -> None:
    async with house(Provider(finish=finish)) as home:
        await home.asks()
        again = await home.asks()

    assert again.found.source == "asked"


async def test_who_asks_may_say_that_it_is_not_to_be_kept(autojump_clock: MockClock) -> None:
    async with house() as home:

        def keep(completion: Completion) -> bool:
            return "three" not in completion.text

        await home.asks(keep=keep)
        again = await home.asks()

    assert again.found.source == "asked"


async def test_a_kept_answer_comes_in_pieces_with_all_that_it_had(
    autojump_clock: MockClock,
) -> None:
    async with house(Provider(words=["x" * 10_000])) as home:
        first = await whole(SharedAnswer(home.cache, share_of(home.provider.ask)))
        async with aclosing(SharedAnswer(home.cache, share_of(home.provider.ask))) as answer:
            batches = [batch async for batch in answer]

    assert first.text == "x" * 10_000
    assert [type(chunk) for chunk in batches[0]] == [Started, TextDelta]
    assert [len(c.text) for b in batches for c in b if isinstance(c, TextDelta)] == [
        4096,
        4096,
        1808,
    ]
    assert [type(chunk) for chunk in batches[-1]] == [TextDelta, UsageUpdate, Finished]


async def test_a_plain_call_shares_with_a_stream(autojump_clock: MockClock) -> None:
    answer = Completion(
        message=Message("assistant", (TextPart("hello"),)), finish=Finish.STOP, usage=Usage(1, 1)
    )

    async def complete() -> Completion:
        await trio.sleep(1)
        return answer

    plain = InOnePiece(complete)
    async with house() as home, trio.open_nursery() as nursery:
        nursery.start_soon(whole, SharedAnswer(home.cache, share_of(lambda: plain)))
        await trio.testing.wait_all_tasks_blocked()
        shared = await whole(SharedAnswer(home.cache, share_of(home.provider.ask)))
        kept = await whole(SharedAnswer(home.cache, share_of(home.provider.ask)))

    assert plain.completion == shared == kept == answer
    assert home.provider.calls == 0


async def test_without_a_cache_the_provider_is_asked(autojump_clock: MockClock) -> None:
    async with house() as home:
        cache = home.cache
    someone = Asker(cache, home.provider)
    await someone.ask()

    assert (someone.text, someone.found.source) == ("one two three", "asked")

    async with aclosing(SharedAnswer(cache, share_of(home.provider.ask))) as answer:
        await anext(answer)
    assert home.provider.calls == 2


async def test_a_fault_in_what_asks_fails_those_who_listen_and_the_cache_goes_on(
    autojump_clock: MockClock,
) -> None:
    provider = Provider(fails=[(1, RuntimeError("a bug"))])
    async with house(provider, backoff=Backoff(initial=0.1)) as home:
        heard = await home.asks()
        again = await home.asks()

    assert isinstance(heard.error, ActorCrashed)
    assert again.text == "one two three"


async def test_the_call_is_made_in_the_context_of_who_asked_first(
    autojump_clock: MockClock,
) -> None:
    async with house() as home:
        asker.set("alice")
        await home.asks()

    assert home.provider.for_whom == ["alice"]


@pytest.mark.parametrize(("shutdown", "heard"), [(5.0, "one two three"), (0.1, "one ")])
async def test_a_cache_that_stops_lets_answers_end_for_a_while(
    autojump_clock: MockClock, shutdown: float, heard: str
) -> None:
    async with trio.open_nursery() as nursery, house(shutdown=shutdown) as home:
        someone = home.come(nursery)[0]
        await trio.sleep(1.5)

    assert someone.text == heard
    assert isinstance(someone.error, ActorDown) == (heard != "one two three")
    assert home.provider.calls == 1


def share_of(ask: Callable[[], Upstream]) -> Share:
    return Share(key=KEY, keep_for=60, ask=ask)
