"""The whole application: sessions before a simulated provider, and what happens when things die."""

from typing import Any

import attrs
import pytest
import trio

from tests.fakes.simulator import SimulatorProcess
from trouper.actors import (
    AppConfig,
    ProviderConfig,
    open_app,
)
from trouper.actors.app import App
from trouper.actors.config import AssistantConfig, LocalConfig, ModelConfig, ServerConfig
from trouper.actors.config.attempts import RetryConfig
from trouper.actors.errors import TooManySessions, UnknownAssistant, UnknownSession
from trouper.actors.gateway.front import Gateway
from trouper.actors.gateway.listening import Listening
from trouper.actors.gateway.readiness import READY
from trouper.actors.local.errors import ModelFileMissing
from trouper.actors.provider.pace import Pace
from trouper.actors.session.events import StopReason, TextAdded
from trouper.runtime import ActorDown, SpecError, StartFailed
from trouper.runtime.events import ActorStarted, RuntimeEvent


def provider(simulator: SimulatorProcess, name: str = "sim", **more: Any) -> ProviderConfig:
    retry = RetryConfig(base_delay=0.05, max_delay=0.1)
    values: dict[str, Any] = {"base_url": simulator.base_url, "retry": retry, **more}
    return ProviderConfig(name=name, kind="openai", **values)


def config(*providers: ProviderConfig, **server: Any) -> AppConfig:
    """Each provider's model `sim`, in a chain; one assistant asks it, another one in French."""
    return AppConfig(
        server=ServerConfig(listen="127.0.0.1:0", **server),
        providers={one.name: one for one in providers},
        models={
            "default": ModelConfig(
                targets=[f"{one.name}/sim-{one.name}" for one in providers],
                temperature=0.2,
                max_output_tokens=77,
            )
        },
        assistants={
            "default": AssistantConfig(model="default", prompt="Be brief."),
            "french": AssistantConfig(model="default", prompt="En francais."),
        },
    )


# Sessions.


async def test_a_conversation(simulator: SimulatorProcess) -> None:
    async with open_app(config(provider(simulator)), signals=False) as app:
        session = await app.session("alice")
        assert await session.ask("one") == "You said: one"
        assert await session.ask("two") == "You said: two"
        assert (await app.session("alice")).id == "alice"
        assert await app.readiness() == READY
        assert app.listening is None

    body = simulator.requests()[-1]["body"]
    assert body["model"] == "sim-sim"
    assert (body["temperature"], body["max_tokens"]) == (0.2, 77)
    assert [message["content"] for message in body["messages"]] == [
        "Be brief.",
        "one",
        "You said: one",
        "two",
    ]


async def test_each_assistant_has_its_own_words(simulator: SimulatorProcess) -> None:
    async with open_app(config(provider(simulator)), signals=False) as app:
        await (await app.session("a", assistant="french")).ask("hello")
        with pytest.raises(UnknownAssistant, match="configured are: default, french"):
            await app.session("b", assistant="german")
    assert simulator.requests()[0]["body"]["messages"][0]["content"] == "En francais."


async def test_two_tasks_that_ask_for_one_session_get_the_same(simulator: SimulatorProcess) -> None:
    async with open_app(config(provider(simulator)), signals=False) as app:
        async with trio.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(app.session, "same")
        assert len([one for one in app.snapshot() if one.path.startswith("sessions/")]) == 1


async def test_an_id_with_a_slash_is_refused_in_words(simulator: SimulatorProcess) -> None:
    async with open_app(config(provider(simulator)), signals=False) as app:
        with pytest.raises(SpecError, match="no slash"):
            await app.session("a/b")


async def test_the_number_of_sessions_is_the_configured_one(simulator: SimulatorProcess) -> None:
    async with open_app(config(provider(simulator), max_sessions=1), signals=False) as app:
        await app.session("a")
        with pytest.raises(TooManySessions, match="max_sessions"):
            await app.session("b")


async def test_sessions_whose_clients_stay_away_are_ended(simulator: SimulatorProcess) -> None:
    quick = config(provider(simulator), session_idle_seconds=0.05)
    async with open_app(quick, signals=False) as app:
        id, _ = await app.sessions.open(owner="somebody")
        with trio.fail_after(10):
            while _running(app, f"sessions/{id}"):  # noqa: ASYNC110 - nobody tells when it ends
                await trio.sleep(0.05)
        with pytest.raises(UnknownSession):
            app.sessions.find(id, owner="somebody")


async def test_a_session_of_the_program_itself_is_kept_until_the_program_ends_it(
    simulator: SimulatorProcess,
) -> None:
    quick = config(provider(simulator), session_idle_seconds=0.05)
    async with open_app(quick, signals=False) as app:
        session = await app.session("a")
        assert await session.ask("one") == "You said: one"
        stranger, _ = await app.sessions.open(owner="somebody")
        with trio.fail_after(10):
            while _running(app, f"sessions/{stranger}"):  # noqa: ASYNC110 - as above
                await trio.sleep(0.05)
        assert await session.ask("two") == "You said: two"
        assert len(simulator.requests()[-1]["body"]["messages"]) == 4

        await app.end_session("a")

        with pytest.raises(UnknownSession):
            await app.end_session("a")
        with pytest.raises(ActorDown):
            await session.ask("three")


def _running(app: App, path: str) -> bool:
    return any(one.path == path and one.state == "running" for one in app.snapshot())


async def test_the_next_provider_of_the_chain_answers(simulator: SimulatorProcess) -> None:
    simulator.script({"model": "sim-first", "fault": {"kind": "status", "status": 401}})
    both = config(provider(simulator, "first"), provider(simulator, "second"))
    async with open_app(both, signals=False) as app:
        assert await (await app.session("a")).ask("hello") == "You said: hello"
    assert [one["model"] for one in simulator.requests()] == ["sim-first", "sim-second"]


async def test_the_end_of_the_application_ends_a_turn(simulator: SimulatorProcess) -> None:
    simulator.script({"reply": {"text": "word ", "repeat": 1000, "pace": 0.01}})
    async with open_app(config(provider(simulator)), signals=False) as app:
        turn = (await app.session("a")).prompt("go")
        await turn.__aenter__()
        await anext(turn)
    assert [event async for event in turn if not isinstance(event, TextAdded)] == []
    assert turn.stop is StopReason.CANCELLED
    log = await simulator.wait_requests(lambda log: log[0]["outcome"] != "serving")
    assert log[0]["outcome"] == "client left"


# Serving.


async def is_ready(app: App) -> bool:
    assert app.listening is not None
    stream = await trio.open_tcp_stream("127.0.0.1", app.listening.port)
    async with stream:
        await stream.send_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return b" 200 " in await stream.receive_some()


async def test_it_serves_on_the_port_that_it_says_also_after_a_crash(
    simulator: SimulatorProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    crash, again = trio.Event(), trio.Event()
    run = Gateway.run

    async def crashing(self: Gateway, task_status: trio.TaskStatus[Listening]) -> None:
        monkeypatch.undo()
        async with trio.open_nursery() as nursery:
            task_status.started(await nursery.start(run, self))
            await crash.wait()
            raise KeyError("a bug")

    def observe(event: RuntimeEvent) -> None:
        if event == ActorStarted("gateway", 2):
            again.set()

    monkeypatch.setattr(Gateway, "run", crashing)
    async with open_app(
        config(provider(simulator)), serve=True, signals=False, observer=observe
    ) as app:
        assert await is_ready(app)
        port = app.listening and app.listening.port
        crash.set()
        with trio.fail_after(10):
            await again.wait()
        assert await is_ready(app)
        assert app.listening is not None
        assert app.listening.port == port


async def test_a_port_in_use_is_said_with_what_to_do(simulator: SimulatorProcess) -> None:
    (taken,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = taken.socket.getsockname()[1]
    busy = attrs.evolve(
        config(provider(simulator)), server=ServerConfig(listen=f"127.0.0.1:{port}")
    )
    async with taken:
        with pytest.raises(StartFailed, match=str(port)):
            async with open_app(busy, serve=True, signals=False):
                pass


# Trouble.


def without_model(tmp_path: Any) -> AppConfig:
    near = ProviderConfig(
        name="near", kind="local", local=LocalConfig(model_file=tmp_path / "none.gguf")
    )
    return AppConfig(
        providers={"near": near},
        models={"default": ModelConfig(targets=("near/m",))},
        assistants={"default": AssistantConfig(model="default")},
    )


async def test_a_model_that_is_not_there_is_told_with_what_to_do(tmp_path: Any) -> None:
    with pytest.raises(StartFailed, match="trouper local install") as caught:
        async with open_app(without_model(tmp_path), signals=False):
            pass
    assert isinstance(caught.value.__cause__, ModelFileMissing)


async def test_a_pacemaker_that_crashes_is_not_noticed(
    simulator: SimulatorProcess, monkeypatch: pytest.MonkeyPatch
) -> None:

    async def crash(_: Pace) -> None:
        await trio.sleep(0.05)
        monkeypatch.undo()
        raise KeyError("a bug")

    simulator.script({"reply": {"text": "one two three four", "pace": 0.05}})
    monkeypatch.setattr(Pace, "_measure", crash)
    async with open_app(config(provider(simulator)), signals=False) as app:
        assert await (await app.session("a")).ask("go") == "one two three four"
        (pace,) = app.system.snapshot("pace")
        assert (pace.restarts, pace.state) == (1, "running")
