"""The connection to a provider: what it sends, when it gives up, what it keeps. In virtual time."""

from collections.abc import Sequence

import httpx
import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.fakes.provider import (
    DONE,
    FINISH,
    ROLE,
    Answers,
    Body,
    config,
    delta,
    make_request,
    open_target,
    sse,
    text_of,
)
from trouper.actors.config import TimeoutConfig
from trouper.actors.errors import ErrorKind, ProviderError
from trouper.actors.policy.pacing import Pacing
from trouper.actors.provider.messages import Batch, Chat, Complete
from trouper.actors.provider.pace import Pace
from trouper.actors.provider.target import Target
from trouper.actors.redaction import MASK
from trouper.runtime import StartFailed

# For hours.
PINGS: list[bytes | float] = [b": keep-alive\n\n", 10.0] * 1000
KEY = "sk-this-is-the-key-0123456789"


async def read(target: Target, pause: float = 0.0) -> list[Batch]:
    """All batches, by a reader that takes `pause` seconds for each."""
    batches: list[Batch] = []
    async with target.connection.stream(Chat(make_request())) as items:
        async for batch in items:
            batches.append(batch)
            await trio.sleep(pause)
    return batches


async def failure(
    answers: Answers, *, answered: Sequence[str] = (), **more: object
) -> ProviderError:
    """How reading ends; `answered` is what had come by then."""
    batches: list[Batch] = []
    async with open_target(answers, config(**more)) as (target, _):
        with pytest.raises(ProviderError) as caught:
            async with target.connection.stream(Chat(make_request())) as items:
                async for batch in items:
                    batches.append(batch)  # noqa: PERF401 - kept also when it ends in an error
    assert text_of(batches) == "".join(answered)
    return caught.value


# What it sends.


async def test_it_asks_the_path_of_its_base_url_with_its_key(
    autojump_clock: MockClock,
) -> None:
    answers = Answers(sse("a"))
    provider = config(base_url="http://fake.test/v1/", api_keys=[KEY])
    async with open_target(answers, provider) as (target, _):
        await read(target)

    (sent,) = answers.requests
    assert str(sent.url) == "http://fake.test/v1/chat/completions"
    assert sent.headers["authorization"] == f"Bearer {KEY}"
    assert sent.headers["user-agent"] == "trouper"
    assert sent.headers["accept"] == "text/event-stream"
    assert sent.extensions["timeout"]["connect"] == 5.0


async def test_a_key_that_goes_in_clear_is_warned_of(autojump_clock: MockClock) -> None:
    with capture_logs() as logs:
        for base_url in ("http://fake.test/v1", "https://fake.test/v1", "http://127.0.0.1/v1"):
            provider = config(base_url=base_url, api_keys=[KEY])
            async with open_target(Answers(sse("a")), provider) as (target, _):
                await read(target)

    warned = [entry["host"] for entry in logs if entry["log_level"] == "warning"]
    assert warned == ["fake.test"]
    assert KEY not in str(logs)


async def test_without_a_key_it_authorizes_nobody(autojump_clock: MockClock) -> None:
    answers = Answers(sse("a"))
    async with open_target(answers) as (target, _):
        await read(target)
    assert "authorization" not in answers.requests[0].headers


@pytest.mark.parametrize(
    ("base_url", "field"),
    [
        ("https://api.openai.com/v1", b"max_completion_tokens"),
        ("https://x.openai.azure.com/openai/v1", b"max_completion_tokens"),
        ("http://localhost:1234/v1", b"max_tokens"),
        ("https://notopenai.com/v1", b"max_tokens"),
    ],
)
async def test_only_openai_gets_its_own_name_for_the_limit(
    autojump_clock: MockClock, base_url: str, field: bytes
) -> None:
    answers = Answers(sse("a"))
    async with open_target(answers, config(base_url=base_url)) as (target, _):
        request = make_request()
        object.__setattr__(request, "max_output_tokens", 5)
        async with target.connection.stream(Chat(request)) as items:
            [_ async for _ in items]
    assert b'"%b":5' % field in answers.requests[0].content


# When it gives up.


async def test_a_provider_that_says_nothing_is_given_up_at_first_event(
    autojump_clock: MockClock,
) -> None:
    silent = Body(1e6)
    error = await failure(Answers(silent))

    assert (error.kind, error.phase) == (ErrorKind.TIMEOUT, "headers")
    assert 120 <= trio.current_time() <= 121
    assert silent.closed


async def test_keep_alives_are_no_answer(autojump_clock: MockClock) -> None:
    error = await failure(Answers(Body(*PINGS)))

    assert "first_event" in error.message
    assert 120 <= trio.current_time() <= 121


async def test_keep_alives_do_not_hide_that_nothing_comes(autojump_clock: MockClock) -> None:
    error = await failure(Answers(Body(ROLE, delta("a"), *PINGS)), answered=["a"])

    assert "idle" in error.message
    assert error.in_stream
    assert 300 <= trio.current_time() <= 301


async def test_a_provider_that_pauses_for_less_than_idle_is_waited_for(
    autojump_clock: MockClock,
) -> None:
    body = Body(100.0, ROLE, 280.0, delta("a"), 280.0, delta("b"), FINISH, DONE)
    async with open_target(Answers(body)) as (target, _):
        assert text_of(await read(target)) == "ab"


async def test_the_idle_clock_stands_still_while_the_reader_is_slow(
    autojump_clock: MockClock,
) -> None:
    words = [delta(f"{number} ") for number in range(25)]
    body = Body(ROLE, *words, FINISH, DONE)
    patient = config(timeouts=TimeoutConfig(first_event=5, idle=5, total=10_000))
    async with open_target(Answers(body), patient) as (target, _):
        batches = await read(target, pause=60.0)

    assert text_of(batches).split() == [str(number) for number in range(25)]


async def test_a_slow_reader_stops_the_reading_of_the_socket(autojump_clock: MockClock) -> None:
    body = Body(ROLE, *[delta("x")] * 1000, FINISH, DONE)
    async with (
        open_target(Answers(body)) as (target, _),
        target.connection.stream(Chat(make_request())) as items,
    ):
        await anext(items)
        await wait_all_tasks_blocked()
        # 16 in the channel, one in the hand; the reader has the one that says "taken".
        assert body.reads == 17
        assert text_of([batch async for batch in items]) == "x" * 1000


async def test_what_waits_for_a_connection_is_not_the_providers_silence(
    autojump_clock: MockClock,
) -> None:
    one_by_one = config(max_connections=1, timeouts=TimeoutConfig(first_event=30))
    answers = Answers(*[Body(20.0, ROLE, delta("a"), FINISH, DONE) for _ in range(10)])
    async with open_target(answers, one_by_one) as (target, _), trio.open_nursery() as nursery:
        for _ in range(10):
            nursery.start_soon(read, target)

    pauses = [b - a for a, b in zip(answers.times, answers.times[1:], strict=False)]
    assert pauses == pytest.approx([20.0] * 9, abs=0.5)


async def test_who_is_cancelled_in_line_leaves_the_line(autojump_clock: MockClock) -> None:
    one_by_one = config(max_connections=1)
    answers = Answers(Body(20.0, ROLE, FINISH, DONE), sse("a"))
    async with open_target(answers, one_by_one) as (target, _), trio.open_nursery() as nursery:
        nursery.start_soon(read, target)
        await wait_all_tasks_blocked()
        for _ in range(5):
            with trio.move_on_after(1):
                await read(target)
        assert text_of(await read(target)) == "a"
    assert len(answers.requests) == 2


# How an answer ends.


async def test_what_breaks_after_a_whole_answer_is_no_error(autojump_clock: MockClock) -> None:
    body = Body(ROLE, delta("a"), FINISH, DONE, b": bye\n\n", httpx.ReadError("cut"))
    async with open_target(Answers(body)) as (target, _):
        assert text_of(await read(target)) == "a"
    assert body.closed


async def test_a_body_that_does_not_end_behind_its_answer_holds_nobody_up(
    autojump_clock: MockClock,
) -> None:
    body = Body(ROLE, delta("a"), FINISH, DONE, 1e6)
    async with open_target(Answers(body)) as (target, _):
        assert text_of(await read(target)) == "a"
    assert trio.current_time() <= 0.3
    assert body.closed


async def test_a_whole_answer_is_never_late(autojump_clock: MockClock) -> None:
    impatient = config(timeouts=TimeoutConfig(first_event=0.1, idle=0.1, total=0.2))
    body = Body(ROLE, delta("a"), FINISH, DONE, 1e6)
    async with open_target(Answers(body), impatient) as (target, _):
        assert text_of(await read(target)) == "a"


async def test_what_came_before_an_error_is_handed_on(autojump_clock: MockClock) -> None:
    broken = b'data: {"error": {"message": "boom", "type": "server_error"}}\n\n'
    error = await failure(Answers(Body(ROLE, delta("a") + broken)), answered=["a"])
    assert (error.kind, error.message) == (ErrorKind.SERVER_ERROR, "boom")


async def test_an_end_without_its_marks_is_no_success(autojump_clock: MockClock) -> None:
    error = await failure(Answers(Body(ROLE, delta("a"))), answered=["a"])
    assert error.kind is ErrorKind.STREAM_TRUNCATED


async def test_an_answer_that_needs_no_done_ends_with_the_body(autojump_clock: MockClock) -> None:
    async with open_target(Answers(Body(ROLE, delta("a"), FINISH))) as (target, _):
        batches = await read(target)
    assert type(batches[-1][-1]).__name__ == "Finished"


# Refusals.


async def test_a_refusal_that_breaks_off_is_still_that_refusal(autojump_clock: MockClock) -> None:
    body = Body(b'{"error": {"mess', httpx.ReadError("cut"))
    answer = httpx.Response(429, headers={"retry-after": "7"}, stream=body)
    error = await failure(Answers(answer))
    assert (error.kind, error.retry_after) == (ErrorKind.RATE_LIMITED, 7)
    assert body.closed


async def test_of_an_endless_refusal_only_the_beginning_is_read(autojump_clock: MockClock) -> None:
    body = Body(*[b"<p>sorry</p>" * 1000] * 1000)
    error = await failure(Answers(httpx.Response(503, stream=body)))
    assert error.kind is ErrorKind.OVERLOADED
    assert body.reads < 10


async def test_an_endless_answer_is_not_kept(autojump_clock: MockClock) -> None:
    body = Body(*[b" " * 1024 * 1024] * 40)
    async with open_target(Answers(body)) as (target, _):
        with pytest.raises(ProviderError, match="longer than 16777216 bytes"):
            await target.connection.ask(Complete(make_request()))
    assert body.reads == 17


async def test_a_whole_answer_that_breaks_off_is_an_error(autojump_clock: MockClock) -> None:
    async with open_target(Answers(Body(b"{", httpx.ReadError("cut")))) as (target, _):
        with pytest.raises(ProviderError) as caught:
            await target.connection.ask(Complete(make_request()))
    assert caught.value.kind is ErrorKind.CONNECTION_FAILED


async def test_a_redirect_names_the_place_that_base_url_should_name(
    autojump_clock: MockClock,
) -> None:
    moved = httpx.Response(308, headers={"location": "https://elsewhere.test/v1"})
    error = await failure(Answers(moved))
    assert error.kind is ErrorKind.PROTOCOL_ERROR
    assert "https://elsewhere.test/v1" in error.message


async def test_a_key_that_the_provider_quotes_is_masked(autojump_clock: MockClock) -> None:
    refusal = httpx.Response(
        401, json={"error": {"message": f"Incorrect API key: {KEY}.", "code": f"bad {KEY}"}}
    )
    error = await failure(Answers(refusal), api_keys=[KEY])

    assert KEY not in repr(error) + str(error)
    assert error.message == f"Incorrect API key: {MASK}."


# Its life.


async def test_a_crash_fails_all_that_is_under_way_at_once(autojump_clock: MockClock) -> None:
    waiting = [Body(1e6), Body(ROLE, delta("a"), 1e6)]
    answers = Answers(*waiting, Body(1.0, KeyError("a bug")))
    errors: list[Exception] = []

    async def one(target: Target) -> None:
        try:
            await read(target)
        except Exception as error:  # noqa: BLE001 - to be looked at
            errors.append(error)

    async with open_target(answers) as (target, _), trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(one, target)
            await wait_all_tasks_blocked()

    assert trio.current_time() <= 1.1
    assert len(errors) == 3
    assert all(body.closed for body in waiting)


async def test_a_connection_that_cannot_start_says_why_and_nothing_else(
    autojump_clock: MockClock,
) -> None:
    def none() -> httpx.AsyncBaseTransport:
        raise OSError("no certificates")

    with pytest.raises(StartFailed, match="connection") as caught:
        async with open_target(none):
            pass

    assert isinstance(caught.value.__cause__, OSError)
    assert not hasattr(caught.value.__cause__, "__notes__")


# Pace.


async def test_the_first_words_never_wait_for_the_tick(autojump_clock: MockClock) -> None:
    pace = Pace()
    pace.pacing = Pacing(3)  # nobody runs it: who waits, waits for ever
    body = Body(ROLE, delta("first"), delta("second"), FINISH, DONE)
    async with (
        open_target(Answers(body), pace=pace) as (target, _),
        target.connection.stream(Chat(make_request())) as items,
    ):
        batches = [await anext(items), await anext(items), await anext(items)]
        assert text_of(batches) == "first"
        with trio.move_on_after(100) as waited:
            await anext(items)

    assert waited.cancelled_caught


async def test_a_stream_goes_on_when_the_pacemaker_crashes(autojump_clock: MockClock) -> None:
    pace = Pace()
    body = Body(ROLE, *[delta("x")] * 50, FINISH, DONE)
    crash = trio.CancelScope()

    async def pacemaker() -> None:
        with crash:
            await pace.run()

    async with open_target(Answers(body), pace=pace) as (target, _), trio.open_nursery() as nursery:
        nursery.start_soon(pacemaker)
        await wait_all_tasks_blocked()
        async with target.connection.stream(Chat(make_request())) as items:
            batches = [await anext(items), await anext(items)]
            pace.pacing = Pacing(3)
            batches += [await anext(items), await anext(items)]
            crash.cancel()
            with trio.fail_after(10):
                batches += [batch async for batch in items]

    assert text_of(batches) == "x" * 50
