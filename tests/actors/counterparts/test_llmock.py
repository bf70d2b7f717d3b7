"""Every fault of PyPI's llmock, many at a time, on both wires: its verdict has no FAIL, no WARN.

llmock remembers every attempt and when it was made, and judges the client by
it: whether a Retry-After was kept, what was tried again and what not, whether a
stream that was cut off was taken for an answer.
"""

from collections.abc import Iterable
from contextlib import aclosing
from typing import Any

import attrs
import pytest
import trio

from tests.fakes.counterparts import Counterpart
from tests.fakes.llmock import PATHS, config, inject, left, passes, request
from trouper.actors import (
    AppConfig,
    ChatRequest,
    ErrorKind,
    Provider,
    ProviderError,
    TextDelta,
    open_app,
    open_provider,
)
from trouper.actors.chat import Completion, Finish
from trouper.actors.config import AssistantConfig, ModelConfig

BOTH = pytest.mark.parametrize("kind", PATHS)

# Seconds, which are far longer than what we wait for.
STALL = 60.0

TEXT = "It rains in Paris, as it does on most days of November."

EARLY = 1  # events: before a word has come, on both wires
LATE = 5  # events: after some words have


@attrs.frozen
class Fault:
    """What llmock does to a request, and the errors that its caller sees before the answer."""

    behavior: dict[str, Any]
    seen: tuple[ErrorKind, ...] = ()


def broken(kind: str, after: int, *seen: ErrorKind) -> Fault:
    behavior: dict[str, Any] = {"type": "stream_fault", "kind": kind, "after_chunks": after}
    if kind == "stall":
        behavior["stall_seconds"] = STALL
    return Fault(behavior, seen)


STATUSES = {
    "too-fast": Fault({"type": "fail", "status": 429, "retry_after": 0.4, "times": 2}),
    "down": Fault({"type": "fail", "status": 500}),
    "overloaded": Fault({"type": "fail", "status": 529, "retry_after": 0.4}),
}
SLOW = {"slow": Fault({"type": "slow_first_token", "seconds": 0.5})}
# Nobody sees what happens before the first word.
BEFORE_A_WORD = {
    "disconnect-early": broken("disconnect", EARLY),
    "truncate-early": broken("truncate", EARLY),
}
# Nothing is repeated silently after it: the caller is told, and asks again.
WITHIN_THE_ANSWER = {
    "disconnect": broken("disconnect", LATE, ErrorKind.STREAM_TRUNCATED),
    "truncate": broken("truncate", LATE, ErrorKind.STREAM_TRUNCATED),
    "stall": broken("stall", LATE, ErrorKind.TIMEOUT),
}
# A chain asks the next target at once, which may be before llmock has seen that
# we left the garbled answer, and then it takes both for two requests.
GARBLED = {"malformed": broken("malformed", LATE, ErrorKind.PROTOCOL_ERROR)}

FAULTS = {**STATUSES, **SLOW, **BEFORE_A_WORD, **WITHIN_THE_ANSWER, **GARBLED}


def play(llmock: Counterpart, faults: Iterable[str]) -> None:
    """Each model has one fault, and then says the same for ever."""
    for model in faults:
        reply = {"type": "reply", "text": TEXT, "times": None}
        inject(llmock, model, FAULTS[model].behavior, reply)


async def text_of(provider: Provider, asked: ChatRequest) -> str:
    async with aclosing(provider.stream(asked)) as chunks:
        return "".join([chunk.text async for chunk in chunks if isinstance(chunk, TextDelta)])


async def stubborn(
    llmock: Counterpart, provider: Provider, model: str
) -> tuple[str, list[ErrorKind]]:
    """A program that asks again whatever may be asked again: the answer, and what it saw first."""
    seen: list[ErrorKind] = []
    while True:
        try:
            return await text_of(provider, request(model)), seen
        except ProviderError as error:
            if not error.retryable or not error.committed or len(seen) == 3:
                raise
            seen.append(error.kind)
        await left(llmock)


@BOTH
async def test_a_streaming_program_gets_over_all_faults(llmock: Counterpart, kind: str) -> None:
    play(llmock, FAULTS)
    answers: dict[str, tuple[str, list[ErrorKind]]] = {}

    async with open_provider(config(llmock, kind)) as provider:

        async def ask(model: str) -> None:
            answers[model] = await stubborn(llmock, provider, model)

        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                for model in FAULTS:
                    nursery.start_soon(ask, model)

    assert answers == {model: (TEXT, list(fault.seen)) for model, fault in FAULTS.items()}
    await passes(llmock, len(FAULTS))


@BOTH
async def test_whole_answers_get_over_what_they_may_meet(llmock: Counterpart, kind: str) -> None:
    play(llmock, STATUSES)
    answers: dict[str, Completion] = {}

    async with open_provider(config(llmock, kind)) as provider:

        async def ask(model: str) -> None:
            answers[model] = await provider.complete(request(model))

        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                for model in STATUSES:
                    nursery.start_soon(ask, model)

    for model, answer in answers.items():
        assert answer.text == TEXT
        assert answer.finish is Finish.STOP
        assert answer.usage is not None
        assert len(answer.trail) == STATUSES[model].behavior.get("times", 1) + 1
    await passes(llmock, len(STATUSES))


@BOTH
async def test_sessions_get_over_all_faults_by_themselves(llmock: Counterpart, kind: str) -> None:
    """One target where it says when to come back; another one where an answer breaks off."""
    chains = {
        **{model: ["one"] for model in (*STATUSES, *SLOW, *BEFORE_A_WORD)},
        **{model: ["one", "other"] for model in WITHIN_THE_ANSWER},
    }
    play(llmock, chains)
    application = AppConfig(
        providers={name: config(llmock, kind, name) for name in ("one", "other")},
        models={
            model: ModelConfig(
                targets=[f"{name}/{model}" for name in names],
                on_midstream="restart",
                max_output_tokens=64,
            )
            for model, names in chains.items()
        },
        assistants={model: AssistantConfig(model=model) for model in chains},
    )
    answers: dict[str, list[str]] = {}

    async with open_app(application, signals=False) as app:

        async def talk(model: str) -> None:
            session = await app.session(model, assistant=model)
            answers[model] = [await session.ask("hello"), await session.ask("and again")]

        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                for model in chains:
                    nursery.start_soon(talk, model)

    assert answers == {model: [TEXT] * 2 for model in chains}
    await passes(llmock, 2 * len(chains))
