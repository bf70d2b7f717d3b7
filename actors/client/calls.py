"""Calls over one client's link: numbered, answered in any order, with news between.

One task reads and never waits for anybody. It does not raise: what ended the link
is raised by whoever waits.
"""

from collections.abc import Callable
from typing import Protocol

import trio

from ..errors import SessionError, TurnFailed
from ..wire.jsonrpc import RpcFault
from ..wire.session import TURN_FAILED
from ..wire.session_client import Answered, News, Refused, read_server_frame
from .errors import ClientError, ConnectionLost
from .link import ServerLink

__all__ = ["Calls", "Listener", "PendingCall", "result_of"]


class Listener(Protocol):
    """Who hears the news of a session."""

    def take(self, news: News) -> None:
        """Take what came next; must not wait."""
        ...


class PendingCall:
    """What one call waits for; `lot` wakes whoever looks for news of it."""

    __slots__ = ("answer", "lot")

    def __init__(self) -> None:
        self.answer: Answered | Refused | None = None
        self.lot = trio.lowlevel.ParkingLot()


class Calls:
    """The calls under way over `link`, and who hears which session."""

    def __init__(self, link: ServerLink) -> None:
        self.url = link.url
        self.listeners: dict[str, Listener] = {}
        """By session id."""
        self._link = link
        self._fault: ConnectionLost | None = None
        self._last = 0
        self._pending: dict[int, PendingCall] = {}

    @property
    def alive(self) -> bool:
        """Whether the server can still be reached."""
        return self._fault is None and self._link.is_alive

    def check(self) -> None:
        """Raise ConnectionLost, or CannotConnect, if it cannot."""
        if self._fault is not None:
            raise ConnectionLost(str(self._fault), self._fault.code)
        self._link.check()

    def begin(self, frame: Callable[[int], str]) -> PendingCall:
        """Send the call that `frame` makes of its number; it has its answer in time."""
        self.check()
        self._last += 1
        reply = self._pending[self._last] = PendingCall()
        self.send(frame(self._last))
        return reply

    def send(self, frame: str) -> None:
        """Send `frame` when those before it have left."""
        self._link.send(frame)

    async def answer(self, reply: PendingCall) -> Answered | Refused:
        """Wait for it. Raises ConnectionLost."""
        while reply.answer is None:
            self.check()
            await reply.lot.park()
        return reply.answer

    async def call(self, frame: Callable[[int], str], seconds: float) -> Answered:
        """Begin and wait for at most `seconds`.

        Raises SessionError where the server refuses, and ClientError.
        """
        reply = self.begin(frame)
        with trio.move_on_after(seconds):
            return result_of(await self.answer(reply))
        raise ClientError(f"{self.url} did not answer within {seconds:g} s")

    async def read(self) -> None:
        """Hand on what comes, until the link ends."""
        try:
            while True:
                self._take(await self._link.receive())
        except ClientError:
            pass
        except RpcFault as fault:
            self._fault = ConnectionLost(f"what {self.url} sends is no ACP: {fault.message}")
        for reply in self._pending.values():
            reply.lot.unpark_all()

    def _take(self, frame: str) -> None:
        message = read_server_frame(frame)
        if message is None:
            return
        if isinstance(message, Answered | Refused):
            reply = self._pending.pop(message.id, None)
            if reply is not None:
                reply.answer = message
                reply.lot.unpark_all()
        else:
            listener = self.listeners.get(message.session_id)
            if listener is not None:
                listener.take(message)


def result_of(answer: Answered | Refused) -> Answered:
    """The answer. Raises SessionError, with the server's words, where it is a refusal."""
    if isinstance(answer, Answered):
        return answer
    if answer.code == TURN_FAILED:
        raise TurnFailed(answer.message, retryable=answer.retryable)
    raise SessionError(answer.message)
