"""What the gateway needs of the house of sessions; the session package gives it."""

from typing import Protocol

from ...runtime.ref import Ref
from ..session.messages import (
    Attach,
    CancelTurn,
    Detach,
    GetTranscript,
    Permit,
    Prompt,
    SwitchAssistant,
    SwitchModel,
)
from ..store.journal import StoredSession

__all__ = ["SessionRef", "Sessions"]

SessionRef = Ref[
    Prompt | CancelTurn | Attach | Detach | GetTranscript | Permit | SwitchAssistant | SwitchModel
]
"""A session's address, for as much of it as the gateway uses."""


class Sessions(Protocol):
    """Who opens and finds sessions. `owner` is the principal's name."""

    async def open(self, *, assistant: str, owner: str) -> tuple[str, SessionRef]:
        """Open a session with `assistant` ("" is the default one); give its id and address.

        Raises UnknownAssistant, or another ActorError that says why not.
        """
        ...

    def find(self, session_id: str, *, owner: str) -> SessionRef:
        """The session of that id. Raises UnknownSession where `owner` has none of it open."""
        ...

    async def reach(self, session_id: str, *, owner: str) -> SessionRef:
        """The same, and one that is stored is opened again.

        Raises UnknownSession, or another ActorError that says why it cannot be opened.
        """
        ...

    async def page(
        self, *, owner: str, limit: int, after: tuple[float, str] | None = None
    ) -> list[StoredSession]:
        """The sessions of `owner`, the last used first: `limit` at most, behind the one that is
        named by when it was used and its id."""
        ...

    async def end(self, session_id: str, *, owner: str) -> None:
        """End a session, and forget it. Raises UnknownSession."""
        ...
