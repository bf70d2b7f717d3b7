"""An application used where it is not there, or by the wrong kind of program: what is said."""

import asyncio
from typing import Any

import pytest
import trio

from tests.fakes.embedded import embedded, question
from tests.fakes.simulator import SimulatorProcess
from trouper.actors.embed import AsyncioApp, ThreadApp
from trouper.actors.errors import ConfigError, ProviderError, SessionError
from trouper.runtime.portal import PortalClosed, PortalError


def test_calls_before_the_block_are_refused_by_the_error_that_the_table_names(
    simulator: SimulatorProcess,
) -> None:
    """They were a bare PortalError, which `except PortalClosed` let through."""
    beside_threads = ThreadApp(embedded(simulator))
    for call in (
        lambda: beside_threads.session("ann"),
        beside_threads.readiness,
        beside_threads.snapshot,
        lambda: beside_threads.listening,
        beside_threads.wait_ended,
    ):
        with pytest.raises(PortalClosed, match="has not been entered; use it in a block"):
            call()

    async def main() -> None:
        app = AsyncioApp(embedded(simulator))
        for call in (lambda: app.session("ann"), app.readiness, app.snapshot, app.wait_ended):
            with pytest.raises(PortalClosed, match="has not been entered; use it in a block"):
                await call()

    asyncio.run(main())


def test_programs_on_trio_and_plain_threads_are_told_what_is_made_for_them(
    simulator: SimulatorProcess,
) -> None:
    """They got "no running event loop" from asyncio, which says nothing of what to do."""

    async def on_trio() -> None:
        with pytest.raises(PortalError, match="is for asyncio and was used inside trio"):
            await AsyncioApp(embedded(simulator)).start()

    async def on_asyncio() -> None:
        async with AsyncioApp(embedded(simulator)) as app:
            session = await app.session("ann")
            with pytest.raises(PortalError, match="no loop runs; use it in its loop, or from th"):
                await asyncio.to_thread(session.prompt, "hello")

    trio.run(on_trio)
    asyncio.run(on_asyncio())


def test_what_is_no_prompt_is_refused_and_the_conversation_goes_on(
    simulator: SimulatorProcess,
) -> None:
    """The session crashed of it, with all that it had not written down."""
    wrong: dict[str, Any] = {"NoneType": None, "bytes": b"hello", "list": [], "str": ("hello",)}
    with ThreadApp(embedded(simulator)) as app:
        session = app.session("ann")
        session.ask("hello")
        for kind, prompt in wrong.items():
            with pytest.raises(SessionError, match=f"a text, or a tuple of parts.*type {kind} "):
                session.ask(prompt)
        assert len(session.transcript().state.turns) == 1
        assert session.ask("hello") == "You said: hello"


def test_the_path_of_a_configuration_is_no_configuration() -> None:
    """It was an AttributeError out of the depth: 'str' object has no attribute 'providers'."""
    path: Any = "trouper.toml"
    with pytest.raises(ConfigError, match=r"is of type str; load_config\(PATH\) makes an AppConf"):
        ThreadApp(path).start()


def test_what_is_no_name_is_refused(simulator: SimulatorProcess) -> None:
    """A session of the id "" got another one, and could be found by none; None was one's id."""
    wrong: Any
    with ThreadApp(embedded(simulator)) as app:
        with pytest.raises(SessionError, match="the session has no id; give it one"):
            app.session("")
        for wrong in (None, 5):
            kind = f"is of type {type(wrong).__name__} and must be a text"
            with pytest.raises(SessionError, match=f"the session {kind}"):
                app.session(wrong)
            with pytest.raises(SessionError, match=f"the user {kind}"):
                app.session("ann", user=wrong)
            with pytest.raises(ProviderError, match=f"the user {kind}"):
                app.complete(question(), user=wrong)
