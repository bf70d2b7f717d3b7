"""The application beside asyncio: the names of App, and what crosses from one loop to the other."""

import asyncio
import time
import traceback
from collections.abc import Awaitable, Callable
from contextlib import aclosing

import pytest
import uvloop

from tests.fakes.bots import calls
from tests.fakes.embedded import LONG, embedded, question
from tests.fakes.portals import run_asyncio
from tests.fakes.simulator import SimulatorProcess
from trouper.actors.chat import TextDelta
from trouper.actors.config import ServerConfig
from trouper.actors.embed import AsyncioApp, AsyncioBot
from trouper.actors.errors import (
    ProviderError,
    TurnFailed,
    TurnInProgress,
    UnknownAssistant,
    UnknownSession,
)
from trouper.actors.session.events import PermissionAsked, StopReason, TextAdded
from trouper.actors.tools import tool
from trouper.runtime import StartFailed
from trouper.runtime.portal import PortalClosed

Steps = Callable[[AsyncioApp], Awaitable[None]]


@pytest.fixture(params=["thread", "guest"])
def run(request: pytest.FixtureRequest, simulator: SimulatorProcess) -> Callable[[Steps], None]:
    """Run steps with an application over the simulator, in a thread and as a guest."""

    def run(steps: Steps) -> None:
        async def main() -> None:
            async with AsyncioApp(embedded(simulator), mode=request.param) as app:
                await steps(app)

        run_asyncio(main)

    return run


def test_a_conversation_is_streamed_and_goes_on(run: Callable[[Steps], None]) -> None:
    async def steps(app: AsyncioApp) -> None:
        session = await app.session("alice")
        async with session.prompt("one") as turn:
            texts = [event.text async for event in turn if isinstance(event, TextAdded)]
            assert turn.stop is StopReason.END_TURN
        assert "".join(texts) == turn.answer == "You said: one"
        assert await session.ask("two") == "You said: two"

        said = (await session.transcript()).state
        assert [turn.asked.text for turn in said.turns] == ["one", "two"]

    run(steps)


def test_an_answer_comes_with_its_usage_its_cost_and_why_it_ended(
    run: Callable[[Steps], None],
) -> None:
    async def steps(app: AsyncioApp) -> None:
        answer = await (await app.session("alice")).ask("one two three")

        assert answer == "You said: one two three"
        assert answer.usage.output > 0
        assert answer.cost == answer.usage.input * 1000 + answer.usage.output * 2000
        assert answer.stop is StopReason.END_TURN
        assert answer.tools == ()

    run(steps)


def test_leaving_the_block_cancels_the_turn(
    run: Callable[[Steps], None], simulator: SimulatorProcess
) -> None:
    async def steps(app: AsyncioApp) -> None:
        simulator.script({"times": 1, **LONG})
        session = await app.session("alice")
        async with session.prompt("one") as turn:
            await anext(turn)
            with pytest.raises(TurnInProgress):
                async with session.prompt("two"):
                    pass
        assert turn.stop is None
        assert await session.ask("three") == "You said: three"

    run(steps)


def test_a_cancelled_task_has_its_turn_cancelled(
    run: Callable[[Steps], None], simulator: SimulatorProcess
) -> None:
    async def steps(app: AsyncioApp) -> None:
        simulator.script({"times": 2, **LONG})
        session = await app.session("alice")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await session.ask("one")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2), session.prompt("two") as turn:
                async for _ in turn:
                    pass
        assert await session.ask("three") == "You said: three"

    run(steps)


def test_errors_come_across_as_themselves_with_where_they_arose(
    run: Callable[[Steps], None], simulator: SimulatorProcess
) -> None:
    async def steps(app: AsyncioApp) -> None:
        with pytest.raises(UnknownAssistant):
            await app.session("alice", assistant="nobody")
        with pytest.raises(UnknownSession):
            await app.end_session("nobody")
        simulator.script({"fault": {"kind": "status", "status": 400}})
        session = await app.session("alice")
        with pytest.raises(TurnFailed):
            await session.ask("one")
        async with session.prompt("one") as turn:
            with pytest.raises(TurnFailed):
                await anext(turn)
            assert turn.stop is StopReason.ERROR
        with pytest.raises(ProviderError) as caught:
            await app.complete(question())
        assert "provider/request" in "".join(traceback.format_exception(caught.value))

    run(steps)


def test_models_are_asked_without_a_session(run: Callable[[Steps], None]) -> None:
    async def steps(app: AsyncioApp) -> None:
        assert (await app.complete(question("one"))).message.text == "You said: one"
        async with aclosing(app.stream(question("two"))) as chunks:
            texts = [chunk.text async for chunk in chunks if isinstance(chunk, TextDelta)]
        assert "".join(texts) == "You said: two"

    run(steps)


def test_health_and_actors_are_there_to_look_at(run: Callable[[Steps], None]) -> None:
    async def steps(app: AsyncioApp) -> None:
        assert (await app.readiness()).ready
        assert any(actor.path == "sessions" for actor in await app.snapshot())
        assert app.listening is None

    run(steps)


def test_a_session_is_kept_by_its_user_renamed_and_ended(run: Callable[[Steps], None]) -> None:
    async def steps(app: AsyncioApp) -> None:
        session = await app.session("s", user="ann")
        await session.use_model("default")
        await session.use_assistant("default")
        await session.rename("Holidays")
        assert (await session.transcript()).state.title == "Holidays"
        assert not await session.permit("no-such-call", granted=True)
        await app.end_session("s", user="ann")

    run(steps)


def test_calls_after_the_end_are_refused_and_those_under_way_are_told(
    simulator: SimulatorProcess,
) -> None:
    async def main() -> None:
        simulator.script(LONG)
        async with AsyncioApp(embedded(simulator)) as app:
            session = await app.session("alice")
            async with session.prompt("one") as turn:
                await anext(turn)
                await app.stop(0.1)
                await app.wait_ended()
                with pytest.raises(PortalClosed):
                    async for _ in turn:
                        pass
            with pytest.raises(PortalClosed):
                await session.ask("two")

    run_asyncio(main)


def test_an_application_that_cannot_start_says_why(simulator: SimulatorProcess) -> None:
    async def main() -> None:
        async with AsyncioApp(embedded(simulator), serve=True) as first:
            assert first.listening is not None
            taken = ServerConfig(listen=f"127.0.0.1:{first.listening.port}")
            with pytest.raises(StartFailed):
                async with AsyncioApp(embedded(simulator, server=taken), serve=True):
                    pass

    run_asyncio(main)


def test_several_applications_run_in_one_loop_and_uvloop_is_no_other(
    simulator: SimulatorProcess,
) -> None:
    async def main() -> None:
        async with AsyncioApp(embedded(simulator)) as one, AsyncioApp(embedded(simulator)) as two:
            sessions = [await app.session("alice") for app in (one, two)]
            answers = await asyncio.gather(*(session.ask("hello") for session in sessions))
        assert answers == ["You said: hello", "You said: hello"]

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


def test_a_bot_answers_commands(simulator: SimulatorProcess) -> None:
    lines: list[str] = []
    asked: list[str] = []

    @tool(approval="always")
    async def delete() -> str:
        """Delete all."""
        return "gone"

    async def say(line: str) -> None:
        await asyncio.sleep(0)
        lines.append(line)

    async def approve(user: str, call: PermissionAsked) -> bool:
        await asyncio.sleep(0)
        asked.append(f"{user}: {call.name}")
        return True

    async def main() -> None:
        async with AsyncioApp(embedded(simulator, "delete"), tools=[delete]) as app:
            bot = AsyncioBot(app, approve=approve)
            await bot.answer("ann", "?", say)
            await bot.answer("ann", "hello", say, assistant="default")
            simulator.script(calls("delete"), {"reply": {"text": "Done."}})
            await bot.answer("ann", "!default go", say)

    run_asyncio(main)

    assert lines == ["You said: hello", "Using the delete tool...", "Done."]
    assert asked == ["ann: delete"]


def test_a_notebook_enters_asks_and_stops_in_cells_of_their_own(
    simulator: SimulatorProcess,
) -> None:
    async def main() -> None:
        # Each cell is a task of its own in a loop that runs on.
        cell = asyncio.create_task
        app = await cell(AsyncioApp(embedded(simulator)).__aenter__())
        session = await cell(app.session("notebook"))
        assert await cell(session.ask("hello")) == "You said: hello"
        await cell(app.stop(5))
        with pytest.raises(PortalClosed):
            await cell(session.ask("hello"))

    run_asyncio(main)


def test_a_loop_that_computes_does_not_stop_the_application(simulator: SimulatorProcess) -> None:
    async def main() -> None:
        simulator.script({"reply": {"text": "one two three", "pace": 0.02}})
        async with AsyncioApp(embedded(simulator)) as app:
            session = await app.session("alice")
            async with session.prompt("go") as turn:
                time.sleep(0.3)  # noqa: ASYNC251 - what a bad program does
                # All of it has come meanwhile, and is read as one.
                texts = [event.text async for event in turn if isinstance(event, TextAdded)]
        assert "".join(texts) == "one two three"

    run_asyncio(main)
