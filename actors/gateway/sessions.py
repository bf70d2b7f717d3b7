"""What the gateway needs of the house of sessions; the session package gives it."""

from typing import Protocol, overload

from ..session.events import Attachment
from ..session.messages import Attach, Attached, CancelTurn, Detach, Prompt

__all__ = ["Attachment", "SessionRef", "Sessions"]


class SessionRef(Protocol):
    """A session's address, as much of a `Ref[SessionMessage]` as the gateway uses."""

    @overload
    async def ask(self, message: Prompt, /) -> int: ...
    @overload
    async def ask(self, message: Attach, /) -> Attached: ...

    def tell(self, message: CancelTurn | Detach, /) -> None:
        """Send without an answer; never blocks."""
        ...


class Sessions(Protocol):
    """Who opens and finds sessions. `owner` is the principal's name."""

    async def open(self, *, assistant: str, owner: str) -> tuple[str, SessionRef]:
        """Open a session; give its id and its address.

        Raises UnknownAssistant, or another ActorError that says why not.
        """
        ...

    def find(self, session_id: str, *, owner: str) -> SessionRef:
        """The session of that id. Raises UnknownSession where `owner` has none of it."""
        ...
