"""The sessions that one connection is attached to."""

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from functools import partial

from ..errors import UnknownSession
from ..session.messages import CancelTurn
from ..wire.jsonrpc import RequestId, RpcFault
from ..wire.session import BUSY, TOO_MANY
from ..wire.session_results import Choices
from .attachment import SessionAttachment
from .outbox import Outbox
from .questions import Questions
from .sessions import SessionRef, Sessions
from .telling import Telling

__all__ = ["Attachments"]


class Attachments:
    """Opens, finds and leaves sessions for `owner`, over a connection whose client reads `outbox`.

    `tells_turns` says whether it is to be told when turns begin and end; `most`
    is how many sessions it may have. `failed` closes the connection, after a fault of ours.
    """

    def __init__(
        self,
        sessions: Sessions,
        owner: str,
        outbox: Outbox,
        questions: Questions,
        choices: Choices,
        most: int,
        failed: Callable[[], None],
    ) -> None:
        self._sessions = sessions
        self._owner = owner
        self._outbox = outbox
        self._questions = questions
        self._choices = choices
        self._most = most
        self._failed = failed
        self._here: dict[str, SessionAttachment] = {}
        self._opening = 0
        self._left = False
        self.tells_turns = False
        """Whether the client is to be told when turns begin and end."""

    def __iter__(self) -> Iterator[SessionAttachment]:
        return iter(self._here.values())

    def get(self, session_id: str) -> SessionAttachment | None:
        """The attachment to that session, if there is one."""
        return self._here.get(session_id)

    def _make(self, session_id: str, ref: SessionRef | None = None) -> SessionAttachment:
        lane = self._outbox.lane(session_id)
        telling = Telling(session_id, lane, self._questions, self._choices)
        reach = partial(self._sessions.reach, session_id, owner=self._owner)
        return SessionAttachment(
            lane, telling, reach, ref, failed=self._failed, tells_turns=self.tells_turns
        )

    def check_room(self, id: RequestId) -> None:
        """Raise RpcFault, for request `id`, where there are as many as there may be."""
        if len(self._here) + self._opening >= self._most:
            raise RpcFault(
                TOO_MANY,
                f"this connection has {self._most} sessions already; use another connection "
                "for more",
                id=id,
            )

    def opening(self) -> None:
        """Keep room for one that `open` is about to be called for."""
        self._opening += 1

    async def open(self, assistant: str) -> tuple[str, SessionAttachment]:
        """A new session with `assistant`. Raises ActorError where that is refused."""
        try:
            session_id, ref = await self._sessions.open(assistant=assistant, owner=self._owner)
            attachment = self._make(session_id, ref)
            with self.leaving(attachment):
                await attachment.attach(new=True)
        finally:
            self._opening -= 1
        self._here[session_id] = attachment
        return session_id, attachment

    def join(self, id: RequestId, session_id: str) -> SessionAttachment:
        """An attachment to be loaded or resumed for request `id`, in the place of one that there is.

        Raises RpcFault where that has a turn under way.
        """
        before = self._here.get(session_id)
        if before is None:
            self.check_room(id)
        else:
            self.check_free(id, session_id, before)
            before.detach()
        attachment = self._here[session_id] = self._make(session_id)
        attachment.joining = True
        return attachment

    def reached(self, id: RequestId, session_id: str) -> SessionAttachment:
        """The attachment to that session; one to a session that is not open here is made."""
        attachment = self._here.get(session_id)
        if attachment is None:
            self.check_room(id)
            ref: SessionRef | None = None
            # One that is not open may be stored.
            with suppress(UnknownSession):
                ref = self._sessions.find(session_id, owner=self._owner)
            attachment = self._here[session_id] = self._make(session_id, ref)
        return attachment

    def check_free(self, id: RequestId, session_id: str, attachment: SessionAttachment) -> None:
        """Raise RpcFault, for request `id`, where that attachment has something under way."""
        if attachment.busy:
            raise RpcFault(
                BUSY,
                f"session {session_id} is still answering; cancel that turn with "
                "session/cancel or wait for its end",
                id=id,
            )
        self.check_joined(id, session_id, attachment)

    def check_joined(self, id: RequestId, session_id: str, attachment: SessionAttachment) -> None:
        """Raise RpcFault, for request `id`, where that attachment is being loaded or resumed."""
        if attachment.joining:
            raise RpcFault(
                BUSY, f"session {session_id} is still being loaded; wait for its end", id=id
            )

    @contextmanager
    def leaving(self, attachment: SessionAttachment) -> Generator[None]:
        """Where the client leaves meanwhile, leave that session, too."""
        try:
            yield
        finally:
            if self._left:
                attachment.detach()

    def drop(self, session_id: str, attachment: SessionAttachment) -> None:
        """Have it here no more."""
        if self._here.get(session_id) is attachment:
            del self._here[session_id]
            self._questions.forget(session_id)

    def cancel(self, session_id: str) -> None:
        """End the session's turn, also one that was begun over another connection.

        Raises UnknownSession.
        """
        attachment = self._here.get(session_id)
        if attachment is not None:
            attachment.cancel()
        else:
            self._sessions.find(session_id, owner=self._owner).tell(CancelTurn())

    def leave(self) -> None:
        """Leave all of them; they go on."""
        self._left = True
        for attachment in self._here.values():
            attachment.detach()
