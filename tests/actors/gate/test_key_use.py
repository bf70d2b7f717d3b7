"""One call's use of a key ends in every case, and says what it knows. In virtual time."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from math import inf
from random import Random

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from trouper.actors.errors import ErrorKind, ProviderError
from trouper.actors.gate.key_use import KeyUse
from trouper.actors.gate.keys import Keys
from trouper.actors.gate.keys_messages import (
    ChooseKey,
    GetKeys,
    KeysMessage,
    KeyState,
    ReportKey,
)
from trouper.actors.policy.key_verdict import NOTHING, KeyVerdict
from trouper.runtime import ActorDown, Mailbox, MailboxFull, Ref, System, child
from trouper.runtime.testing import running

A = "aaaaaaaa"


@asynccontextmanager
async def keys() -> AsyncGenerator[Ref[KeysMessage]]:
    async with running(lambda: Keys("openai", [A])) as ref:
        yield ref


async def state(ref: Ref[KeysMessage]) -> KeyState:
    (only,) = await ref.ask(GetKeys())
    return only


async def test_an_error_that_leaves_the_block_is_reported_and_gets_the_keys_id(
    autojump_clock: MockClock,
) -> None:
    async with keys() as ref:
        with pytest.raises(ProviderError) as caught:
            async with KeyUse(ref):
                raise ProviderError(kind=ErrorKind.AUTH, message="no", status=401)

        assert caught.value.key_id == A
        assert (await state(ref)).state == "dead"


async def test_an_error_that_names_its_key_keeps_that_name(autojump_clock: MockClock) -> None:
    async with keys() as ref:
        with pytest.raises(ProviderError) as caught:
            async with KeyUse(ref):
                raise ProviderError(kind=ErrorKind.SERVER_ERROR, message="no", key_id="x")

        assert caught.value.key_id == "x"


async def test_leaving_with_any_other_error_says_nothing_and_ends_the_use(
    autojump_clock: MockClock,
) -> None:
    async with keys() as ref:
        with pytest.raises(ZeroDivisionError):
            async with KeyUse(ref):
                raise ZeroDivisionError

        now = await state(ref)
        assert (now.state, now.in_flight, now.used) == ("well", 0, 1)


async def test_only_the_first_report_counts(autojump_clock: MockClock) -> None:
    async with keys() as ref:
        async with KeyUse(ref) as use:
            use.settle(None)
            use.settle(ProviderError(kind=ErrorKind.AUTH, message="no"))

        assert (await state(ref)).state == "well"


async def test_begun_says_nothing_but_of_a_probe(autojump_clock: MockClock) -> None:
    async with keys() as ref, KeyUse(ref) as use:
        use.begun()

        assert (await state(ref)).in_flight == 1


async def test_before_it_is_entered_it_has_no_key(autojump_clock: MockClock) -> None:
    async with keys() as ref:
        use = KeyUse(ref)

        assert (use.key_id, use.paused_for, use.is_probe) == ("", 0.0, False)


async def test_a_key_that_is_paused_says_for_how_long(autojump_clock: MockClock) -> None:
    async with keys() as ref:
        async with KeyUse(ref) as use:
            use.settle(ProviderError(kind=ErrorKind.RATE_LIMITED, message="", retry_after=9.0))
        await trio.sleep(2)

        async with KeyUse(ref) as use:
            assert use.paused_for == 7.0


async def test_a_use_that_is_cancelled_while_it_asks_holds_nothing(
    autojump_clock: MockClock,
) -> None:
    """The choice is made, and its asker is gone when the answer comes."""
    async with keys() as ref:
        with trio.CancelScope() as scope:
            scope.cancel()
            async with KeyUse(ref):
                raise AssertionError("it was cancelled")

        assert (await state(ref)).in_flight == 0


async def test_a_use_whose_task_died_without_a_word_is_found(autojump_clock: MockClock) -> None:
    async def enter(ref: Ref[KeysMessage]) -> None:
        await KeyUse(ref).__aenter__()

    async with keys() as ref:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(enter, ref)

        assert (await state(ref)).in_flight == 0


@attrs.define(eq=False)
class Silent:
    """A user that reports to nobody."""

    ended: KeyVerdict | None = None


async def test_what_a_full_mailbox_lost_is_found_where_no_key_is_left(
    autojump_clock: MockClock,
) -> None:
    async with keys() as ref:
        async with KeyUse(ref) as use:
            use.settle(ProviderError(kind=ErrorKind.AUTH, message="no"))
        await trio.sleep(60)
        silent = Silent()
        assert (await ref.ask(ChooseKey(silent))).probe
        silent.ended = NOTHING

        async with KeyUse(ref) as use:
            assert use.is_probe


async def test_users_that_ended_unheard_are_forgotten_as_calls_go_on(
    autojump_clock: MockClock,
) -> None:
    async with keys() as ref:
        for _ in range(1_000):
            await ref.ask(ChooseKey(Silent(NOTHING)))
        now = await state(ref)

    assert (now.in_flight, now.used) == (0, 1_000)


async def test_asking_twice_is_one_call(autojump_clock: MockClock) -> None:
    async with keys() as ref:
        choice = ChooseKey(Silent())
        first = await ref.ask(choice)

        assert await ref.ask(choice) == first
        assert (await state(ref)).used == 1
        ref.tell(ReportKey(choice, NOTHING))
        ref.tell(ReportKey(choice, NOTHING))
        assert (await state(ref)).in_flight == 0


async def test_leaving_never_blocks_where_the_mailbox_is_full(autojump_clock: MockClock) -> None:
    spec = child("keys", lambda: Keys("openai", [A]), mailbox=Mailbox(1))
    async with System(spec, signals=False) as system:
        ref = system.ref("keys", Keys)
        async with KeyUse(ref):
            with pytest.raises(MailboxFull):
                while True:
                    ref.tell(ReportKey(ChooseKey(Silent()), NOTHING))

        await wait_all_tasks_blocked()
        assert (await state(ref)).in_flight == 0


async def test_entering_raises_what_the_ask_raises(autojump_clock: MockClock) -> None:
    async with System(child("keys", lambda: Keys("openai", [A])), signals=False) as system:
        ref = system.ref("keys", Keys)

    with pytest.raises(ActorDown):
        async with KeyUse(ref):
            raise AssertionError("there is nobody to ask")


@pytest.mark.parametrize("seed", range(20))
def test_in_a_storm_of_calls_and_cancels_no_use_is_leaked(seed: int) -> None:
    random = Random(seed)
    kinds = [None, ErrorKind.AUTH, ErrorKind.PERMISSION, ErrorKind.RATE_LIMITED]

    async def call(ref: Ref[KeysMessage]) -> None:
        await trio.sleep(random.uniform(0, 300))
        with trio.move_on_after(random.choice([0, 0.5, inf])), suppress(ProviderError):
            async with KeyUse(ref, model=random.choice("mn")):
                await trio.sleep(random.random())
                kind = random.choice(kinds)
                if kind is not None:
                    raise ProviderError(kind=kind, message="no", retry_after=3.0)

    async def storm() -> None:
        async with running(lambda: Keys("openai", [A, "bbbbbbbb"])) as ref:
            async with trio.open_nursery() as nursery:
                for _ in range(200):
                    nursery.start_soon(call, ref)
            states = await ref.ask(GetKeys())
            assert [each.in_flight for each in states] == [0, 0]
            await trio.sleep(3_600)
            # Whoever was dead or barred is tried by the next calls, and found to be well.
            for model in "mnmn":
                async with KeyUse(ref, model=model):
                    pass
            states = await ref.ask(GetKeys())
            assert [(each.state, each.barred) for each in states] == [("well", ())] * 2

    trio.run(storm, clock=MockClock(autojump_threshold=0))
