"""Connect to a server, open a session, take turns.

    async with open_client("ws://127.0.0.1:8700/acp") as client:
        session = await client.open_session()
        async with session.prompt("What is on today?") as turn:
            async for event in turn: ...

A turn reads like that of an embedded session (actors/session/reader.py): text
comes as TextAdded, tools as ToolCalled and ToolEnded, and leaving the block cancels
it. Where `patience` is given, a lost connection is made again, and turns go on.
"""

import os
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import version

import trio

from ..wire.session_client import (
    Asked,
    initialize_call,
    load_session_call,
    new_session_call,
    permission_answer,
    prompt_call,
)
from .calls import Calls, PendingCall
from .errors import ClientError
from .history import History, Said
from .link import open_link
from .turn import RemoteTurn

__all__ = ["Client", "RemoteSession", "RemoteTurn", "open_client"]

# Seconds for what waits for no model: initialize and session/new.
_ANSWER = 30.0


def _nobody(_: str) -> None:
    """For who wants to hear of nothing."""


@asynccontextmanager
async def open_client(
    url: str,
    *,
    token: str | None = None,
    patience: float = 0.0,
    notice: Callable[[str], None] = _nobody,
) -> AsyncGenerator["Client"]:
    """A connection to the server at `url` (ws: or wss:), for the length of the block.

    `token` is sent as the bearer's. Raises CannotConnect. A connection that is lost
    later is made again for `patience` seconds, none by default, of which `notice` is
    told in words; where that fails, whatever waits for the server raises ConnectionLost or
    CannotConnect.
    """
    async with open_link(url, token, patience=patience, notice=notice) as link:
        calls = Calls(link)
        failure: BaseException | None = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(calls.read)
            try:
                await calls.call(partial(initialize_call, version=version("trouper")), _ANSWER)
                yield Client(calls)
            except BaseException as error:  # noqa: BLE001 - raised below, ungrouped
                failure = error
            nursery.cancel_scope.cancel()
        if failure is not None:
            raise failure


class Client:
    """A conversation with a server. Made by `open_client`."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def open_session(self, assistant: str = "") -> "RemoteSession":
        """A new session with `assistant`; "" is the server's default.

        Raises SessionError with the server's words where it refuses, ConnectionLost, and
        ClientError where what answers is no server of ours.
        """
        call = partial(new_session_call, cwd=os.getcwd(), assistant=assistant)
        session_id = (await self._calls.call(call, _ANSWER)).result.get("sessionId")
        if not isinstance(session_id, str):
            raise ClientError(f"{self._calls.url} opened a session without an id; it is no trouper")
        return RemoteSession(self._calls, session_id)

    async def load_session(self, id: str) -> "RemoteSession":
        """The session called `id`, which is there already, with its history.

        Raises SessionError with the server's words where it refuses, and ConnectionLost.
        """
        history = History()
        self._calls.listeners[id] = history
        await self._calls.call(partial(load_session_call, session_id=id, cwd=os.getcwd()), _ANSWER)
        return RemoteSession(self._calls, id, history.said)


class RemoteSession:
    """A session on a server; it takes one turn at a time. `id` is what the server calls it.

    `history` is what was said in it before it was loaded.
    """

    def __init__(self, calls: Calls, id: str, history: tuple[Said, ...] = ()) -> None:
        self.id = id
        self.history = history
        self._calls = calls
        self._last: PendingCall | None = None
        self._asked: dict[str, Asked] = {}

    def prompt(self, prompt: str) -> RemoteTurn:
        """A turn that answers the text `prompt`, to be read in an `async with` block; leaving the
        block cancels it.

        Entering and reading raise what a RemoteTurn raises.
        """
        return RemoteTurn(self.id, self._calls, self._asked, partial(self._begin, prompt))

    async def permit(self, call_id: str, *, granted: bool) -> bool:
        """Say whether call `call_id`, which waits for it (PermissionAsked), may be run: `granted`.

        Returns whether it was known here.
        """
        asked = self._asked.pop(call_id, None)
        if asked is not None:
            self._calls.send(permission_answer(asked, granted=granted))
        return asked is not None

    async def _begin(self, text: str, turn: RemoteTurn) -> PendingCall:
        """Send the prompt of `turn` once the turn before it has ended."""
        if self._last is not None:
            # It was cancelled. Till the server says that it has ended, a prompt
            # is refused, and text that comes still belongs to it.
            await self._calls.answer(self._last)
        # A lone surrogate, as a terminal gives for bytes that are no text, has no UTF-8.
        text = text.encode("utf-8", "replace").decode()
        self._asked.clear()
        reply = self._calls.begin(partial(prompt_call, session_id=self.id, text=text))
        self._calls.listeners[self.id] = turn
        self._last = reply
        return reply
