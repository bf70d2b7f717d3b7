"""Every fault that the simulated provider has, over real sockets: what is said, what is retried."""

from contextlib import aclosing
from typing import Any

import attrs
import pytest
import trio

from tests.fakes.provider import config, make_request, open_target, text_of
from tests.fakes.simulator import SimulatorProcess
from trouper.actors.config import TimeoutConfig
from trouper.actors.errors import ErrorKind, ProviderError
from trouper.actors.policy.backoff import RetryPolicy
from trouper.actors.provider.messages import Batch
from trouper.actors.provider.request import complete, stream
from trouper.actors.provider.route import make_route

HASTY = RetryPolicy(attempts=3, base_delay=0.01, max_delay=0.02)
REPLY: dict[str, Any] = {"text": "one two three four five six", "chunks": 6}


async def ask(
    simulator: SimulatorProcess, *, timeouts: TimeoutConfig | None = None
) -> tuple[str, ProviderError | None]:
    """The text that came, and the error that followed, if one did."""
    got: list[Batch] = []
    provider = config(base_url=simulator.base_url, timeouts=timeouts or TimeoutConfig())
    with trio.fail_after(20):
        async with (
            open_target(provider=provider, retry=HASTY, chance=0.0) as (target, _),
            aclosing(stream(make_route([target]), make_request())) as batches,
        ):
            try:
                async for batch in batches:
                    got.append(batch)  # noqa: PERF401 - kept also when it ends in an error
            except ProviderError as error:
                return text_of(got), error
    return text_of(got), None


def plays(simulator: SimulatorProcess, fault: dict[str, Any], times: int | None = None) -> None:
    rule = {"reply": REPLY, "fault": fault}
    simulator.script(rule if times is None else {**rule, "times": times}, {"reply": REPLY})


def status(code: int, **headers: str) -> dict[str, Any]:
    return {"kind": "status", "status": code, "headers": headers}


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        (400, ErrorKind.INVALID_REQUEST, "change it"),
        (401, ErrorKind.AUTH, "check api_keys"),
        (402, ErrorKind.QUOTA_EXHAUSTED, "out of credit"),
        (403, ErrorKind.PERMISSION, "may not do this"),
        (404, ErrorKind.MODEL_NOT_FOUND, "check targets"),
        (413, ErrorKind.REQUEST_TOO_LARGE, "send less"),
    ],
)
async def test_a_refusal_for_good_is_told_at_once_with_what_to_do(
    simulator: SimulatorProcess, code: int, kind: ErrorKind, words: str
) -> None:
    plays(simulator, status(code))
    text, error = await ask(simulator)

    assert error is not None
    assert (text, error.kind, error.status, error.retryable) == ("", kind, code, False)
    assert words in error.hint
    assert error.hint in str(error)
    assert f"told to answer {code}" in error.message
    assert len(simulator.requests()) == 1


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (409, ErrorKind.CONFLICT),
        (429, ErrorKind.RATE_LIMITED),
        (500, ErrorKind.SERVER_ERROR),
        (502, ErrorKind.SERVER_ERROR),
        (503, ErrorKind.OVERLOADED),
        (529, ErrorKind.OVERLOADED),
    ],
)
async def test_a_refusal_for_now_is_tried_again(
    simulator: SimulatorProcess, code: int, kind: ErrorKind
) -> None:
    plays(simulator, status(code), times=2)
    assert await ask(simulator) == (REPLY["text"], None)
    assert len(simulator.requests()) == 3

    plays(simulator, status(code))
    text, error = await ask(simulator)
    assert error is not None
    assert (text, error.kind, error.retryable) == ("", kind, True)


async def test_the_servers_word_on_when_to_come_back_is_kept(simulator: SimulatorProcess) -> None:
    plays(simulator, status(429, **{"retry-after-ms": "300"}), times=1)
    assert await ask(simulator) == (REPLY["text"], None)
    first, second = simulator.requests()
    assert 0.3 <= second["started"] - first["started"] < 2


async def test_the_servers_word_that_retrying_is_of_no_use_is_kept(
    simulator: SimulatorProcess,
) -> None:
    plays(simulator, status(500, **{"x-should-retry": "false"}))
    _, error = await ask(simulator)
    assert error is not None
    assert len(simulator.requests()) == 1


EARLY = 30  # bytes: within the first frame, before a word has come
LATE = 900  # bytes: behind the first words


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({"kind": "cut", "after": EARLY}, ErrorKind.CONNECTION_FAILED),
        ({"kind": "reset", "after": 0}, ErrorKind.CONNECTION_FAILED),
        ({"kind": "empty_reply"}, ErrorKind.CONNECTION_FAILED),
        ({"kind": "unmarked", "frames": 1}, ErrorKind.STREAM_TRUNCATED),
        ({"kind": "malformed", "frame": 1}, ErrorKind.PROTOCOL_ERROR),
        ({"kind": "error_frame", "frame": 0}, ErrorKind.SERVER_ERROR),
        ({"kind": "error_frame", "frame": 1, "done": True}, ErrorKind.SERVER_ERROR),
        (
            {"kind": "error_frame", "frame": 0, "type": "overloaded_error"},
            ErrorKind.OVERLOADED,
        ),
    ],
)
async def test_what_breaks_before_the_first_word_is_tried_again_unseen(
    simulator: SimulatorProcess, fault: dict[str, Any], kind: ErrorKind
) -> None:
    plays(simulator, fault, times=2)
    assert await ask(simulator) == (REPLY["text"], None)
    assert len(simulator.requests()) == 3

    plays(simulator, fault)
    text, error = await ask(simulator)
    assert error is not None
    assert (text, error.kind, error.retryable, error.committed) == ("", kind, True, False)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({"kind": "cut", "after": LATE}, ErrorKind.STREAM_TRUNCATED),
        ({"kind": "reset", "after": LATE}, ErrorKind.STREAM_TRUNCATED),
        ({"kind": "unmarked"}, ErrorKind.STREAM_TRUNCATED),
        ({"kind": "error_frame", "frame": 3}, ErrorKind.SERVER_ERROR),
        ({"kind": "malformed", "frame": 3}, ErrorKind.PROTOCOL_ERROR),
    ],
)
async def test_what_breaks_later_is_told_and_never_repeated(
    simulator: SimulatorProcess, fault: dict[str, Any], kind: ErrorKind
) -> None:
    simulator.script({"reply": {**REPLY, "pace": 0.02}, "fault": fault})
    text, error = await ask(simulator)

    assert error is not None
    assert REPLY["text"].startswith(text)
    assert text
    assert (error.kind, error.committed, error.in_stream) == (kind, True, True)
    assert len(simulator.requests()) == 1


@pytest.mark.parametrize("fault", [{"kind": "html"}, {"kind": "malformed", "frame": 0}])
async def test_what_does_not_speak_the_wire_is_not_asked_again(
    simulator: SimulatorProcess, fault: dict[str, Any]
) -> None:
    plays(simulator, fault)
    text, error = await ask(simulator)

    assert error is not None
    assert (text, error.kind, error.committed) == ("", ErrorKind.PROTOCOL_ERROR, False)
    assert "check base_url" in error.hint
    assert len(simulator.requests()) == 1


@pytest.mark.parametrize(
    ("fault", "timeouts", "words", "committed"),
    [
        ({"kind": "silence"}, {"first_event": 0.2}, "first_event", False),
        ({"kind": "stall", "after": 0}, {"first_event": 0.2}, "first_event", False),
        ({"kind": "pings", "seconds": 0.02}, {"first_event": 0.2}, "first_event", False),
        ({"kind": "stall", "after": LATE}, {"idle": 0.2}, "idle", True),
        ({"kind": "drip", "bytes": 10, "seconds": 0.02}, {"total": 0.5}, "total", None),
    ],
)
async def test_what_falls_silent_is_given_up(
    simulator: SimulatorProcess,
    fault: dict[str, Any],
    timeouts: dict[str, float],
    words: str,
    committed: bool | None,
) -> None:
    plays(simulator, fault)
    _, error = await ask(simulator, timeouts=TimeoutConfig(**timeouts))

    assert error is not None
    assert (error.kind, error.retryable) == (ErrorKind.TIMEOUT, True)
    assert words in error.message
    assert committed is None or error.committed == committed
    log = await simulator.wait_requests(lambda log: all(one["outcome"] != "serving" for one in log))
    assert {one["outcome"] for one in log} == {"client left"}


async def test_a_provider_that_is_not_there_is_said_to_be_not_there() -> None:
    async with open_target(provider=config(base_url="http://127.0.0.1:9/v1"), retry=HASTY) as (
        target,
        _,
    ):
        with pytest.raises(ProviderError) as caught:
            await complete(make_route([target]), make_request())

    assert (caught.value.kind, caught.value.phase) == (ErrorKind.CONNECTION_FAILED, "connect")
    assert caught.value.billed == "no"
    assert "check base_url" in caught.value.hint


@pytest.mark.parametrize("fault", [{"kind": "status", "status": 500}, {"kind": "error_frame"}])
async def test_a_whole_answer_gets_over_what_the_provider_says(
    simulator: SimulatorProcess, fault: dict[str, Any]
) -> None:
    plays(simulator, fault, times=2)
    provider = config(base_url=simulator.base_url)
    async with open_target(provider=provider, retry=HASTY, chance=0.0) as (target, _):
        completion = await complete(make_route([target]), make_request())

    assert completion.text == REPLY["text"]
    assert completion.usage is not None
    assert len(simulator.requests()) == 3


@pytest.mark.parametrize("ambiguous", [False, True])
@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "cut", "after": 40},
        {"kind": "reset", "after": 40},
        {"kind": "empty_reply"},
    ],
)
async def test_a_whole_answer_that_may_have_been_billed_is_asked_again_only_where_that_is_wanted(
    simulator: SimulatorProcess, fault: dict[str, Any], ambiguous: bool
) -> None:
    plays(simulator, fault, times=1)
    provider = config(base_url=simulator.base_url)
    retry = attrs.evolve(HASTY, ambiguous=ambiguous)
    async with open_target(provider=provider, retry=retry, chance=0.0) as (target, _):
        if ambiguous:
            completion = await complete(make_route([target]), make_request())
            assert completion.text == REPLY["text"]
        else:
            with pytest.raises(ProviderError) as caught:
                await complete(make_route([target]), make_request())
            assert caught.value.billed == "maybe"

    assert len(simulator.requests()) == (2 if ambiguous else 1)
