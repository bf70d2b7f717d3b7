"""The application beside plain threads: the names of App, without a loop of one's own."""

import asyncio
import threading
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
import trio

from tests.fakes.bots import calls
from tests.fakes.embedded import LONG, embedded, question
from tests.fakes.simulator import SimulatorProcess
from trouper.actors.chat import TextDelta
from trouper.actors.embed import ThreadApp, ThreadBot
from trouper.actors.errors import TurnFailed, TurnInProgress, UnknownSession
from trouper.actors.session.events import PermissionAsked, StopReason, TextAdded
from trouper.actors.tools import tool
from trouper.runtime.portal import PortalClosed, WouldBlock


@pytest.fixture
def app(simulator: SimulatorProcess) -> Generator[ThreadApp]:
    with ThreadApp(embedded(simulator)) as app:
        yield app


def test_a_conversation_is_streamed_and_goes_on(app: ThreadApp) -> None:
    session = app.session("alice")
    with session.prompt("one") as turn:
        texts = [event.text for event in turn if isinstance(event, TextAdded)]
        assert turn.stop is StopReason.END_TURN
    assert "".join(texts) == turn.answer == "You said: one"

    answer = session.ask("two")

    assert answer == "You said: two"
    assert answer.usage.output > 0
    assert [turn.asked.text for turn in session.transcript().state.turns] == ["one", "two"]


def test_leaving_the_block_cancels_the_turn(app: ThreadApp, simulator: SimulatorProcess) -> None:
    simulator.script({"times": 1, **LONG})
    session = app.session("alice")
    with session.prompt("one") as turn:
        next(turn)
        with pytest.raises(TurnInProgress), session.prompt("two"):
            pass
    assert session.ask("two") == "You said: two"


def test_a_turn_that_takes_too_long_is_cancelled(
    app: ThreadApp, simulator: SimulatorProcess
) -> None:
    simulator.script({"times": 2, **LONG})
    session = app.session("alice")
    with pytest.raises(TimeoutError, match=r"0\.2 s"):
        session.ask("one", timeout=0.2)
    with pytest.raises(TimeoutError), session.prompt("two", timeout=0.2) as turn:
        for _ in turn:
            pass
    assert session.ask("three", timeout=10) == "You said: three"


def test_errors_come_across_as_themselves(app: ThreadApp, simulator: SimulatorProcess) -> None:
    simulator.script({"fault": {"kind": "status", "status": 400}})
    session = app.session("alice")
    with pytest.raises(TurnFailed):
        session.ask("one")
    with session.prompt("one") as turn:
        with pytest.raises(TurnFailed):
            next(turn)
        assert turn.stop is StopReason.ERROR
    with pytest.raises(UnknownSession):
        app.end_session("nobody")


def test_models_are_asked_without_a_session(app: ThreadApp) -> None:
    assert app.complete(question("one")).message.text == "You said: one"
    with closing(app.stream(question("two"))) as chunks:
        texts = [chunk.text for chunk in chunks if isinstance(chunk, TextDelta)]
    assert "".join(texts) == "You said: two"


def test_health_sessions_and_choices_have_the_same_names(app: ThreadApp) -> None:
    assert app.readiness().ready
    assert any(actor.path == "sessions" for actor in app.snapshot())
    assert app.listening is None
    assert not app.wait_ended(0.01)
    session = app.session("s", user="ann")
    session.use_model("default")
    session.use_assistant("default")
    session.rename("Holidays")
    assert session.transcript().state.title == "Holidays"
    assert not session.permit("no-such-call", granted=True)
    app.end_session("s", user="ann")


def test_many_threads_talk_at_once(app: ThreadApp) -> None:
    def talk(number: int) -> str:
        return app.session(f"s{number}").ask(f"number {number}")

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(talk, range(24)))

    assert answers == [f"You said: number {number}" for number in range(24)]


def test_a_sync_tool_runs_in_a_thread_and_an_async_one_on_trio(
    simulator: SimulatorProcess,
) -> None:
    @tool
    def where() -> str:
        """Tell where this runs."""
        return threading.current_thread().name

    @tool(name="own")
    async def clock() -> str:
        """Tell what time it is."""
        await trio.lowlevel.checkpoint()
        return str(trio.lowlevel.in_trio_run())

    simulator.script(
        calls("where"),
        {"times": 1, "reply": {"text": "There."}},
        calls("own"),
        {"reply": {"text": "."}},
    )
    with ThreadApp(embedded(simulator, "where", "own"), tools=[where, clock]) as app:
        session = app.session("alice")
        first, second = session.ask("where?"), session.ask("when?")

    assert [use.result for use in first.tools] == ["where"]
    assert [use.result for use in second.tools] == ["True"]


def test_a_call_that_would_stop_a_loop_is_refused(app: ThreadApp) -> None:
    session = app.session("alice")

    async def ask() -> str:
        return session.ask("one")

    with pytest.raises(WouldBlock):
        asyncio.run(ask())
    with pytest.raises(WouldBlock):
        trio.run(ask)


def test_two_applications_run_in_one_program(simulator: SimulatorProcess) -> None:
    with ThreadApp(embedded(simulator)) as one, ThreadApp(embedded(simulator)) as two:
        session = one.session("alice")
        assert session.ask("one") == "You said: one"
        two.stop(5)
        with pytest.raises(PortalClosed):
            two.session("alice")
        assert session.ask("two") == "You said: two"


def test_a_bot_answers_commands(simulator: SimulatorProcess) -> None:
    lines: list[str] = []
    asked: list[str] = []

    @tool(approval="always")
    def delete() -> str:
        """Delete all."""
        return "gone"

    def approve(user: str, call: PermissionAsked) -> bool:
        assert not trio.lowlevel.in_trio_run()
        asked.append(f"{user}: {call.name}")
        return False

    with ThreadApp(embedded(simulator, "delete"), tools=[delete]) as app:
        bot = ThreadBot(app, approve=approve)
        bot.answer("ann", "hello", lines.append, assistant="default")
        simulator.script(calls("delete"), {"reply": {"text": "A pity."}})
        bot.answer("ann", "!default go", lines.append)

    assert lines[0] == "You said: hello"
    assert lines[-1] == "A pity."
    assert asked == ["ann: delete"]
