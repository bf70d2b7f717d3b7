"""Connect to a server, open a session, take turns.

    async with open_client("ws://127.0.0.1:8700/acp") as client:
        session = await client.open_session()
        async with session.prompt("What is on today?") as turn:
            async for event in turn: ...

A turn reads like that of an embedded session (actors/session/reader.py): text
comes as TextAdded, and leaving the block cancels it.
"""

import os
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import version
from types import TracebackType
from typing import Self

import trio

from ..errors import SessionError
from ..session.events import AnswerReset, StopReason, TextAdded, ThoughtAdded
from ..wire.session_client import (
    Answered,
    Refused,
    Update,
    cancel_notice,
    initialize_call,
    new_session_call,
    prompt_call,
)
from .calls import Calls, Reply, result_of
from .connect import open_websocket
from .errors import ClientError

__all__ = ["Client", "RemoteSession", "RemoteTurn", "open_client"]

# Seconds for what waits for no model: initialize and session/new.
_ANSWER = 30.0
# Characters that wait for who reads a turn: as many as a conversation may have.
_MOST_WAITING = 4_000_000


@asynccontextmanager
async def open_client(url: str, *, token: str | None = None) -> AsyncGenerator["Client"]:
    """A connection to the server at `url` (ws: or wss:), for the length of the block.

    `token` is sent as the bearer's. Raises CannotConnect. Where the server goes
    away later, whatever waits for it raises ConnectionLost.
    """
    async with open_websocket(url, token) as websocket:
        calls = Calls(websocket, url)
        failure: BaseException | None = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(calls.read)
            nursery.start_soon(calls.write)
            try:
                await calls.call(partial(initialize_call, version=version("trouper")), _ANSWER)
                yield Client(calls)
            except BaseException as error:  # noqa: BLE001 - raised below, ungrouped
                failure = error
            nursery.cancel_scope.cancel()
        if failure is not None:
            raise failure


class Client:
    """One connection to a server. Made by `open_client`."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def open_session(self, assistant: str = "") -> "RemoteSession":
        """A new session with `assistant`; "" is the server's default.

        Raises SessionError with the server's words where it refuses, and ConnectionLost.
        """
        call = partial(new_session_call, cwd=os.getcwd(), assistant=assistant)
        session_id = (await self._calls.call(call, _ANSWER)).result.get("sessionId")
        if not isinstance(session_id, str):
            raise ClientError(f"{self._calls.url} opened a session without an id; it is no trouper")
        return RemoteSession(self._calls, session_id)


class RemoteSession:
    """A session on a server; it takes one turn at a time."""

    def __init__(self, calls: Calls, id: str) -> None:
        self.id = id
        self._calls = calls
        self._last: Reply | None = None

    def prompt(self, prompt: str) -> "RemoteTurn":
        """A turn, to be read in an `async with` block; leaving the block cancels it."""
        return RemoteTurn(self, self._calls, prompt)

    async def begin(self, turn: "RemoteTurn", text: str) -> Reply:
        """Send the prompt of `turn` once the turn before it has ended."""
        if self._last is not None:
            # It was cancelled. Till the server says that it has ended, a prompt
            # is refused, and text that comes still belongs to it.
            await self._calls.answer(self._last)
        reply = self._calls.begin(partial(prompt_call, session_id=self.id, text=text))
        self._calls.listeners[self.id] = turn
        self._last = reply
        return reply


class RemoteTurn:
    """One turn: iterate over its events. `stop` says why it ended, once it has.

    Raises TurnFailed where the turn ends with an error, another SessionError
    where the server does not take the prompt, ConnectionLost where it goes away.
    """

    def __init__(self, session: RemoteSession, calls: Calls, text: str) -> None:
        self.stop: StopReason | None = None
        self._session = session
        self._calls = calls
        # A lone surrogate, as a terminal gives for bytes that are no text, has no UTF-8.
        self._text = text.encode("utf-8", "replace").decode()
        self._reply = Reply()
        self._updates: deque[Update] = deque()
        self._waiting = 0
        self._seq = 0

    def take(self, update: Update) -> None:
        """Take what the server sent."""
        self._waiting += len(update.text)
        if self._waiting <= _MOST_WAITING:
            self._updates.append(update)
        self._reply.lot.unpark_all()

    async def __aenter__(self) -> Self:
        self._reply = await self._session.begin(self, self._text)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._reply.answer is None and self._calls.alive:
            self._calls.send(cancel_notice(self._session.id))

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> TextAdded | ThoughtAdded | AnswerReset:
        while True:
            if self._waiting > _MOST_WAITING:
                raise SessionError("the reader of this turn is too far behind; read faster")
            if self._updates:
                return self._next()
            if self._reply.answer is not None:
                self._end(self._reply.answer)
                raise StopAsyncIteration
            self._calls.check()
            await self._reply.lot.park()

    def _next(self) -> TextAdded | ThoughtAdded | AnswerReset:
        """The next event, with all that may be merged into it."""
        update = self._updates.popleft()
        texts = [update.text]
        while not update.reset and self._updates and _goes_on(update, self._updates[0]):
            update = self._updates.popleft()
            texts.append(update.text)
        text = "".join(texts)
        self._waiting -= len(text)
        first, self._seq = self._seq + 1, max(self._seq, update.seq)
        if update.reset:
            return AnswerReset(
                first=first, seq=self._seq, turn=0, reason="the answer broke off on the server"
            )
        event = ThoughtAdded if update.thought else TextAdded
        return event(first=first, seq=self._seq, turn=0, text=text)

    def _end(self, answer: Answered | Refused) -> None:
        said = result_of(answer).result.get("stopReason")
        known = (reason for reason in StopReason if reason.value == said)
        # A reason that we do not know is an end, too.
        self.stop = next(known, StopReason.END_TURN)


def _goes_on(earlier: Update, later: Update) -> bool:
    return not later.reset and later.thought is earlier.thought
