"""The keys of a provider, as those who call with them see them. In virtual time."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from trouper.actors.errors import ErrorKind, ProviderError
from trouper.actors.gate.key_use import KeyUse
from trouper.actors.gate.keys import Keys
from trouper.actors.gate.keys_messages import GetKeys, KeysMessage, KeyState, ReviveKey
from trouper.actors.policy.keys import FIRST_TRY
from trouper.runtime import Ref, Reject
from trouper.runtime.testing import running

A, B = "aaaaaaaa", "bbbbbbbb"


@asynccontextmanager
async def keys(*ids: str) -> AsyncGenerator[Ref[KeysMessage]]:
    async with running(lambda: Keys("openai", ids)) as ref:
        yield ref


def failure(kind: ErrorKind, status: int, **more: object) -> ProviderError:
    return ProviderError(kind=kind, message="no", status=status, **more)  # type: ignore[arg-type]


NO_KEY = failure(ErrorKind.AUTH, 401, code="invalid_api_key")
NO_CREDIT = failure(ErrorKind.QUOTA_EXHAUSTED, 429, code="insufficient_quota")


async def call(ref: Ref[KeysMessage], error: ProviderError | None = None, **more: object) -> str:
    """One call, and the key that it showed."""
    async with KeyUse(ref, **more) as use:  # type: ignore[arg-type]
        use.settle(error)
    return use.key_id


async def refusal(ref: Ref[KeysMessage], model: str = "m") -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await call(ref, model=model)
    return caught.value


async def test_several_keys_are_used_by_turns_and_one_is_used_always(
    autojump_clock: MockClock,
) -> None:
    async with keys(A, B) as two, keys(A) as one:
        assert [await call(two) for _ in range(4)] == [A, B, A, B]
        assert [await call(one) for _ in range(2)] == [A, A]


async def test_the_next_key_is_chosen_at_once_where_one_was_refused(
    autojump_clock: MockClock,
) -> None:
    async with keys(A, B) as ref:
        began = trio.current_time()
        tried = {await call(ref, NO_KEY)}
        following = await call(ref, tried=tried)

        assert (tried, following) == ({A}, B)
        assert trio.current_time() == began


async def test_the_operator_sees_each_key_by_its_id_with_state_and_cause(
    autojump_clock: MockClock,
) -> None:
    async with keys(A, B) as ref:
        await call(ref, NO_KEY)
        await call(ref, failure(ErrorKind.RATE_LIMITED, 429, retry_after=30.0))
        await trio.sleep(10)
        async with KeyUse(ref):
            states = await ref.ask(GetKeys())

    assert states == (
        KeyState(
            key_id=A,
            state="dead",
            cause="auth (HTTP 401, invalid_api_key)",
            since=10.0,
            tried_in=50.0,
            in_flight=0,
            used=1,
        ),
        KeyState(
            key_id=B,
            state="paused",
            cause="too fast",
            since=10.0,
            tried_in=20.0,
            in_flight=1,
            used=2,
        ),
    )


async def test_a_key_that_is_well_says_since_when(autojump_clock: MockClock) -> None:
    async with keys(A) as ref:
        await call(ref, failure(ErrorKind.RATE_LIMITED, 429, retry_after=5.0))
        await trio.sleep(8)
        (state,) = await ref.ask(GetKeys())

    assert (state.state, state.cause, state.since, state.tried_in) == ("well", "", 3.0, None)


async def test_where_all_are_dead_the_error_says_which_keys_and_what_to_do(
    autojump_clock: MockClock,
) -> None:
    async with keys(A, B) as ref:
        await call(ref, NO_KEY)
        await trio.sleep(12)
        await call(ref, NO_CREDIT)
        error = await refusal(ref)

    assert error.kind is ErrorKind.QUOTA_EXHAUSTED
    assert not error.retryable
    assert error.retry_after == FIRST_TRY - 12
    assert (error.provider, error.model, error.key_id) == ("openai", "m", "")
    assert error.message == (
        "not sent, because no key is left that is accepted "
        "(aaaaaaaa: auth (HTTP 401, invalid_api_key), 12 s ago; "
        "bbbbbbbb: quota_exhausted (HTTP 429, insufficient_quota), 0 s ago); "
        "one is tried in 48 s, or revive it by hand when that is mended"
    )


async def test_the_error_of_an_only_key_names_it(autojump_clock: MockClock) -> None:
    async with keys(A) as ref:
        await call(ref, NO_KEY)
        error = await refusal(ref)

    assert (error.kind, error.key_id) == (ErrorKind.AUTH, A)


async def test_a_model_that_a_key_may_not_use_is_refused_and_others_are_not(
    autojump_clock: MockClock,
) -> None:
    async with keys(A) as ref:
        for _ in range(3):
            await call(ref, failure(ErrorKind.PERMISSION, 403), model="big")
        error = await refusal(ref, "big")
        await call(ref, model="small")
        (state,) = await ref.ask(GetKeys())

    assert error.kind is ErrorKind.PERMISSION
    assert state.state == "well"
    (barred,) = state.barred
    assert (barred.model, barred.cause, barred.since) == ("big", "permission (HTTP 403)", 0.0)
    assert barred.tried_in == FIRST_TRY


async def test_a_key_that_was_topped_up_comes_back_by_itself(autojump_clock: MockClock) -> None:
    async with keys(A) as ref:
        await call(ref, NO_CREDIT)
        await trio.sleep(FIRST_TRY)
        async with KeyUse(ref) as probe:
            assert probe.is_probe
            error = await refusal(ref)
            (trying,) = await ref.ask(GetKeys())
            probe.begun()
            async with KeyUse(ref) as other:
                assert not other.is_probe
        (state,) = await ref.ask(GetKeys())

    assert "one is being tried now" in error.message
    assert trying.tried_in is None
    assert (state.state, state.used, state.in_flight) == ("well", 3, 0)


async def test_a_try_that_was_cancelled_is_made_by_the_next_call(autojump_clock: MockClock) -> None:
    async with keys(A) as ref:
        await call(ref, NO_KEY)
        await trio.sleep(FIRST_TRY)
        with trio.move_on_after(1):
            async with KeyUse(ref):
                await trio.sleep_forever()
        async with KeyUse(ref) as use:
            assert use.is_probe


async def test_the_operator_revives_a_key_by_its_id_or_all_of_them(
    autojump_clock: MockClock,
) -> None:
    async with keys(A, B) as ref:
        await call(ref, NO_KEY)
        await call(ref, NO_KEY)
        states = await ref.ask(ReviveKey(B))
        assert [state.state for state in states] == ["dead", "well"]
        states = await ref.ask(ReviveKey())
        assert [state.state for state in states] == ["well", "well"]
        with pytest.raises(Reject, match="openai has no key 'cccccccc'; its keys are aaaaaaaa, b"):
            await ref.ask(ReviveKey("cccccccc"))


async def test_deaths_pauses_and_revivals_are_logged(autojump_clock: MockClock) -> None:
    with capture_logs() as logs:
        async with keys(A) as ref:
            await call(ref, NO_KEY)
            await call_after(ref, FIRST_TRY, NO_KEY)
            await call_after(ref, 2 * FIRST_TRY, None)
            await call(ref, failure(ErrorKind.RATE_LIMITED, 429, retry_after=5.0))
            for _ in range(3):
                await call(ref, failure(ErrorKind.PERMISSION, 403), model="m")
            await ref.ask(ReviveKey(A))

    said = [(log["event"], log["log_level"]) for log in logs]
    assert said == [
        ("key is dead", "warning"),
        ("key is dead", "warning"),
        ("key is well again", "info"),
        ("key is paused; others of its account may be, too", "info"),
        ("key is barred for a model", "warning"),
        ("key is no longer barred for a model", "info"),
    ]
    assert logs[0]["key_id"] == A
    assert logs[0]["cause"] == "auth (HTTP 401, invalid_api_key)"
    assert [logs[0]["tried_in_s"], logs[1]["tried_in_s"]] == [60.0, 120.0]
    assert logs[2]["dead_for_s"] == 180.0


async def call_after(ref: Ref[KeysMessage], seconds: float, error: ProviderError | None) -> None:
    await trio.sleep(seconds)
    await call(ref, error)


async def test_a_new_life_believes_in_all_keys(autojump_clock: MockClock) -> None:
    async with keys(A) as ref:
        await call(ref, NO_KEY)
    async with keys(A) as ref:
        assert await call(ref) == A
