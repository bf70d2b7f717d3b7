"""Who opens sessions, finds them, and ends those that nobody needs any more."""

import secrets
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

import trio

from ...runtime import Children, MailboxFull, Ref, TooManyChildren
from ...runtime.registry import Registry
from ..errors import TooManySessions, UnknownSession
from .messages import Retire, SessionMessage
from .session import Assistant, Session

__all__ = ["Directory"]

# Seconds between two looks for idle sessions: a fraction of the shortest time
# that anybody sets.
_LOOK = 1.0

# Sessions that are asked between two checkpoints: some 0.2 ms.
_AT_ONCE = 100


class Directory:
    """The sessions of one application, by id and owner.

    A session belongs to the principal that opened it; for everybody else it
    does not exist. `children` and `assistant` are called when they are needed,
    since sessions and providers come and go; `assistant` raises
    UnknownAssistant. `idle` is in seconds.
    """

    def __init__(
        self,
        children: Callable[[], Children[SessionMessage]],
        registry: Registry,
        assistant: Callable[[str], Assistant],
        idle: float,
    ) -> None:
        self._children = children
        self._registry = registry
        self._assistant = assistant
        self._idle = idle

    async def open(
        self, *, assistant: str = "", owner: str, id: str = "", kept: bool = False
    ) -> tuple[str, Ref[SessionMessage]]:
        """Open a session with `assistant`; "" is the default one.

        Without an `id` it gets one that cannot be guessed; `kept` until `end`,
        it is not retired when it is idle. Raises
        UnknownAssistant, TooManySessions, and ChildExists for an id in use.
        """
        who = self._assistant(assistant)
        # 128 bits: who knows the id of a session has it from us.
        id = id or f"sess_{secrets.token_hex(16)}"
        try:
            ref = await self._children().start(id, id, who, owner=owner, kept=kept)
        except TooManyChildren as error:
            raise TooManySessions(error.limit) from error
        self._registry.register((Session, owner, id), ref)
        return id, ref

    async def end(self, session_id: str, *, owner: str) -> None:
        """End a session, and with it its history. Raises UnknownSession as `find` does."""
        self.find(session_id, owner=owner)
        await self._children().stop(session_id)

    def find(self, session_id: str, *, owner: str) -> Ref[SessionMessage]:
        """The session of that id. Raises UnknownSession where `owner` has none of it."""
        ref = self._registry.named((Session, owner, session_id))
        if ref is None:
            raise UnknownSession(session_id)
        return ref

    async def retire_idle(self) -> NoReturn:
        """End sessions that nobody has listened to for long, for ever."""
        while True:
            await trio.sleep(max(_LOOK, self._idle / 10))
            children = self._children()
            for number, id in enumerate(children):
                if number % _AT_ONCE == _AT_ONCE - 1:
                    await trio.lowlevel.checkpoint()
                ref = children.get(id)
                if ref is not None:
                    # One whose mailbox is full is not idle.
                    with suppress(MailboxFull):
                        ref.tell(Retire(self._idle))
