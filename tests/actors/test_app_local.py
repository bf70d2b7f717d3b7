"""The application with a real model on this machine, whose process is killed."""

import os
import random
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import attrs
import psutil
import pytest
import trio

from trouper.actors import SessionHandle, demo_config, open_app
from trouper.actors.app import App
from trouper.actors.config import ModelConfig
from trouper.actors.errors import TurnFailed
from trouper.actors.gateway.readiness import READY
from trouper.actors.local.errors import ModelFileMissing
from trouper.actors.local.model_file import find_model


def children() -> set[psutil.Process]:
    return set(psutil.Process().children(recursive=True))


@asynccontextmanager
async def local_app() -> AsyncGenerator[App]:
    try:
        find_model(None)
    except ModelFileMissing as error:
        pytest.skip(str(error))
    before = children()
    # Short answers: what is looked at here is who gives one.
    short = ModelConfig(targets=("local/smollm2",), max_output_tokens=24)
    async with open_app(
        attrs.evolve(demo_config(), models={"default": short}), signals=False
    ) as app:
        yield app
    assert children() <= before


def model_process(before: set[psutil.Process]) -> psutil.Process:
    (process,) = children() - before
    return process


async def turn_of(session: SessionHandle, text: str) -> str:
    """The answer, or the words of the error."""
    try:
        return await session.ask(text)
    except TurnFailed as error:
        return f"failed: {error}"


async def test_a_model_that_is_killed_in_a_turn_answers_the_next_one_within_ten_seconds() -> None:
    before = children()
    async with local_app() as app:
        session = await app.session("a")
        first = model_process(before)
        async with session.prompt("Count from one to a hundred, in words.") as turn:
            await anext(turn)
            os.kill(first.pid, signal.SIGKILL)
            with trio.fail_after(10), pytest.raises(TurnFailed) as caught:
                [_ async for _ in turn]
        assert "what you have seen of the answer is kept" in str(caught.value)
        assert caught.value.retryable
        with trio.fail_after(10):
            assert await session.ask("Say hello.")
        restarts = {one.path: one.restarts for one in app.system.snapshot("providers/local")}
        assert restarts["providers/local/server"] == 1
        assert restarts["providers/local/connection"] == 1
        # What it was held to is not forgotten with it.
        assert restarts["providers/local/gates/limiter"] == 0
        assert await app.readiness() == READY


async def test_a_model_that_is_killed_before_a_turn_is_not_noticed_in_it() -> None:
    before = children()
    async with local_app() as app:
        session = await app.session("a")
        os.kill(model_process(before).pid, signal.SIGKILL)
        with trio.fail_after(10):
            assert await session.ask("Say hello.")


async def test_a_model_that_is_killed_again_and_again_keeps_the_conversation_going() -> None:
    before = children()
    chance = random.Random(3)
    async with local_app() as app:
        session = await app.session("a")
        ends: list[str] = []
        async with trio.open_nursery() as nursery:

            async def killer() -> None:
                for _ in range(4):
                    await trio.sleep(chance.uniform(0.2, 1.0))
                    for process in children() - before:
                        process.kill()

            nursery.start_soon(killer)
            for _ in range(4):
                with trio.fail_after(30):
                    ends.append(await turn_of(session, "Say something short."))
        assert len(ends) == 4
        with trio.fail_after(20):
            assert await session.ask("Say hello.")
