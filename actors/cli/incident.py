"""`trouper demo --incident`: several things go wrong at once, to be found and mended.

A whole application on a simulated provider, in this process: nothing leaves the
machine. What goes wrong is real: a circuit that failures have opened, a mailbox
that fills behind a session which somebody has suspended, a tool that does not
return, a budget that one answer has nearly spent.
"""

import os
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import trio

from ...runtime import ActorError, MailboxFull
from ..app import App, open_app
from ..config.incident import incident_config
from ..errors import ProviderError, SessionError
from ..session.messages import CancelTurn
from ..session.owners import owner_of
from ..simulator import Rule, Script, ScriptedReply, serve_simulator
from ..simulator.script import ScriptedToolCall, ScriptedUsage, StatusError
from ..tools import Tool, tool

__all__ = ["run_incident"]

_TOOL: Final = "look_up"

# Its answers: failures until the circuit has opened, which then knows nothing of its recovery;
# one call of the tool; and a report of $0.95.
_SCRIPT: Final = Script(
    rules=(
        Rule(model="large", fault=StatusError(status=503), times=5),
        Rule(
            contains="order",
            after_tool=False,
            reply=ScriptedReply(
                tool_calls=(ScriptedToolCall(name=_TOOL, arguments={"order": "4711"}),),
            ),
        ),
        Rule(
            model="reporter",
            reply=ScriptedReply(
                text="All is well.",
                usage=ScriptedUsage(prompt_tokens=0, completion_tokens=950_000),
            ),
        ),
        Rule(reply=ScriptedReply(text="You said: {last}", pace=0.05)),
    ),
    models=("small", "large", "reporter"),
)

_STORY: Final = """\
Four things go wrong: a provider fails, a session takes no more messages, a tool hangs, and a
budget is nearly spent. In another terminal, find out where and why:
  trouper health      in words; its exit code is 6
  trouper top         all of it on one screen (pip install 'trouper[console]')
  trouper console     a link to the page
and mend what can be mended:
  trouper reset mistral
  trouper resume sessions/ada
  trouper restart tools/look_up
What you do is written to {audit}. Ctrl-C ends it."""


def run_incident() -> int:
    """Stage it until Ctrl-C or SIGTERM; 0 then."""
    trio.run(_main)
    return 0


async def _main() -> None:
    with tempfile.TemporaryDirectory(prefix="trouper-incident-") as name:
        async with _simulator() as url, trio.open_nursery() as nursery:
            config = incident_config(url, Path(name), _TOOL)
            async with open_app(config, serve=True, tools=[_hanging()]) as app:
                await _stage(app, nursery)
                assert app.listening is not None
                print(f"trouper ready url={app.listening.url} pid={os.getpid()}")
                print(_STORY.format(audit=Path(name) / "trouper-audit.jsonl"), flush=True)
                await app.system.stopped()
                nursery.cancel_scope.cancel()


@asynccontextmanager
async def _simulator() -> AsyncGenerator[str]:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with trio.open_nursery() as nursery:
        await nursery.start(serve_simulator, [listener], _SCRIPT)
        yield f"http://127.0.0.1:{listener.socket.getsockname()[1]}/v1"
        nursery.cancel_scope.cancel()


def _hanging() -> Tool:
    """A tool whose first call does not return: that of a service that has lost it."""
    lost = iter([True])

    @tool(name=_TOOL, timeout=900.0, patience=5.0)
    async def look_up(order: str) -> str:
        """Look an order up."""
        if next(lost, False):
            await trio.sleep_forever()
        return f"Order {order} is on its way."

    return look_up


async def _stage(app: App, nursery: trio.Nursery) -> None:
    """Let it all go wrong; what then goes on does so in the nursery."""
    nursery.start_soon(_ask, app, "grace", "default", "Where is my order?")
    await _ask(app, "report", "reporter", "Write the report.")
    for number in range(6):
        await _ask(app, f"customer-{number}", "large", "hello")
    nursery.start_soon(_go_on, app)
    await _ask(app, "ada", "default", "hello")
    # As a colleague would who meant to look at it, and went home.
    app.system.operator.suspend("sessions/ada")
    session = app.sessions.find("ada", owner=owner_of(""))
    with suppress(MailboxFull):
        while True:
            # Of a turn that is none: it does nothing once it is read.
            session.tell(CancelTurn(turn=0))


async def _go_on(app: App) -> None:
    """People who talk, so that there is something to see."""
    while True:
        await _ask(app, "edsger", "default", "hello")
        await trio.sleep(1.0)


async def _ask(app: App, name: str, assistant: str, words: str) -> None:
    # Whatever an operator does to who is asked: it is a person's part to come again later.
    with suppress(SessionError, ProviderError, ActorError):
        session = await app.session(name, assistant=assistant)
        await session.ask(words)
