"""What a session, or the house of sessions, raises.

Import these from errors.py, which has the tree of all errors of the domain.
"""

from collections.abc import Iterable

from ..runtime.errors import ActorError

__all__ = [
    "EventsGone",
    "HistoryFull",
    "NotKept",
    "SessionError",
    "SessionTaken",
    "SessionUnreadable",
    "TooManySessions",
    "TurnFailed",
    "TurnInProgress",
    "UnknownAssistant",
    "UnknownModel",
    "UnknownSession",
]


class SessionError(ActorError):
    """A session, or the house of sessions, refuses. Its text says why, and what to do."""


class TurnInProgress(SessionError):
    """A session takes one turn at a time: wait for the end of the one that runs, or cancel it.

    `session` is its id.
    """

    def __init__(self, session: str) -> None:
        super().__init__(session)
        self.session = session

    def __str__(self) -> str:
        return f"session {self.session} is still answering; cancel that turn or wait for its end"


class HistoryFull(SessionError):
    """What was said in `session` would make it longer than `limit` characters, and nothing of it may
    be left out.

    Say less at once, or open a new session: this one is as long as it may get.
    """

    def __init__(self, session: str, limit: int) -> None:
        super().__init__(session, limit)
        self.session = session
        self.limit = limit

    def __str__(self) -> str:
        return (
            f"session {self.session} would be longer than {self.limit} characters; "
            f"say less at once, or open a new session"
        )


class TurnFailed(SessionError):
    """A turn ended with an error, told in plain words.

    `retryable` says that the same prompt may do better later.
    """

    def __init__(self, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.retryable = retryable


class TooManySessions(SessionError):
    """`limit` sessions are open, which is as many as the server takes; `key` of its
    configuration says so: of all, or of one client."""

    def __init__(self, limit: int, key: str = "max_sessions") -> None:
        super().__init__(limit, key)
        self.limit = limit
        self.key = key

    def __str__(self) -> str:
        return (
            f"{self.limit} sessions are open, which is {self.key} of the server; "
            f"try again later, or raise it"
        )


class UnknownSession(SessionError):
    """No `session` of that id is open here, or it is another user's: open one."""

    def __init__(self, session: str) -> None:
        super().__init__(session)
        self.session = session

    def __str__(self) -> str:
        return f"there is no session {self.session!r}, or it is another client's; open a new one"


class SessionTaken(SessionError):
    """The id `session` is that of another user's conversation, which is not told to anybody else.

    Ids are one space for all users: have the user in the id.
    """

    def __init__(self, session: str) -> None:
        super().__init__(session)
        self.session = session

    def __str__(self) -> str:
        return (
            f"session {self.session!r} is another user's; open it as that user, or have the "
            f"user in the id"
        )


class _Unknown(SessionError):
    _what = ""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        self.name = name
        self.known = tuple(known)
        super().__init__(name, self.known)

    def __str__(self) -> str:
        known = ", ".join(self.known) or "none"
        return f"no {self._what} {self.name!r}; configured are: {known}"


class UnknownAssistant(_Unknown):
    """No assistant of that `name` is configured; `known` are those that are."""

    _what = "assistant"


class UnknownModel(_Unknown):
    """No model of that `name` is configured; `known` are those that are."""

    _what = "model"


class EventsGone(SessionError):
    """Not all events of `session` behind number `after` are at hand: the oldest one is `oldest`.

    Load the session, which gives its whole history.
    """

    def __init__(self, session: str, after: int, oldest: int) -> None:
        super().__init__(session, after, oldest)
        self.session = session
        self.after = after
        self.oldest = oldest

    def __str__(self) -> str:
        return (
            f"session {self.session} has its events from {self.oldest} on at hand, and not all "
            f"behind {self.after}; load the session, which gives its whole history"
        )


class NotKept(SessionError):
    """What was to be written into the journal of `session` was not; `why` says what happened.

    Try again later: a session says nothing that it could not keep.
    """

    def __init__(self, session: str, why: str) -> None:
        super().__init__(session, why)
        self.session = session
        self.why = why

    def __str__(self) -> str:
        return f"session {self.session} could not be written down ({self.why}); try again later"


class SessionUnreadable(SessionError):
    """What is kept of `session` cannot be read; `why` says what, and whether it is too new."""

    def __init__(self, session: str, why: str) -> None:
        super().__init__(session, why)
        self.session = session
        self.why = why

    def __str__(self) -> str:
        return (
            f"session {self.session} cannot be opened: {self.why}; install the latest trouper, "
            f"or open a new session"
        )
