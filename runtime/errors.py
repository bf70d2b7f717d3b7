"""Everything that the runtime raises.

TrouperError
├── SpecError              a class or a tree is written wrongly; raised before anything runs
├── SupervisorGaveUp       a subtree restarted too often; the parent sees one crash
└── ActorError             fails one request and never the actor that lets it escape
    ├── Reject             a handler refuses: `raise Reject("why")`
    ├── AskTimeout         no answer within the time that the asker gave
    ├── AskCycle           the ask would wait for itself
    ├── MailboxFull        the mailbox is at its capacity and its policy is reject
    ├── ActorDown          the target has stopped, or stopped before it answered
    ├── ActorUnavailable   the target is between two lives and does not queue
    ├── ActorCrashed       the target crashed while it held this request
    └── StartFailed        a child did not become ready
        ├── StartTimeout   ... within its start timeout
        ├── ChildExists    ... because its id is taken
        └── TooManyChildren    ... because its supervisor has as many as it may
"""

import math

__all__ = [
    "ActorCrashed",
    "ActorDown",
    "ActorError",
    "ActorUnavailable",
    "AskCycle",
    "AskTimeout",
    "ChildExists",
    "MailboxFull",
    "Reject",
    "SpecError",
    "StartFailed",
    "StartTimeout",
    "SupervisorGaveUp",
    "TooManyChildren",
    "TrouperError",
]


class TrouperError(Exception):
    """The root of all errors of this project."""


class SpecError(TrouperError, TypeError):
    """An actor class, a child spec or a tree is written wrongly, or a name or path is used that
    is nobody's. It is a bug of the program, and said before it does harm."""


class SupervisorGaveUp(TrouperError):
    """The supervisor at `path` had more than `restarts` restarts within `period` seconds.

    `__cause__` is the last of the crashes: mend that one. Where the crashes have
    causes of their own, the supervisor wants a larger intensity, or two levels.
    """

    def __init__(self, path: str, restarts: int, period: float) -> None:
        super().__init__(path, restarts, period)
        self.path = path
        self.restarts = restarts
        self.period = period

    def __str__(self) -> str:
        return (
            f"supervisor {self.path!r} gave up: its children crashed more than {self.restarts} "
            f"times within {self.period:g} s; the cause below is the last of these crashes"
        )


class ActorError(TrouperError):
    """Base of what an asker sees.

    When one escapes a handler it fails the request in hand, and the actor
    lives on: else one crash would travel through all who had asked. Domain
    errors that are answers rather than bugs derive from it.
    """


class Reject(ActorError):
    """A handler's refusal, with a reason for the asker: `raise Reject("why")`.

    The asker gets it, the actor lives on. Derive from it, or from ActorError, where
    askers are to tell refusals apart.
    """


class _AboutActor(ActorError):
    """An error that names the actor it is about: its `path`, and in `detail` what happened."""

    def __init__(self, path: str, detail: str) -> None:
        super().__init__(path, detail)
        self.path = path
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.path}: {self.detail}"


class AskTimeout(_AboutActor):
    """No answer within `seconds`. The request is skipped if it still waits;
    a task handler that works on it is cancelled. A handler that is at it in its own
    turn goes on, and its answer is dropped: what it does may have happened."""

    def __init__(self, path: str, seconds: float) -> None:
        super().__init__(path, f"no answer within {seconds:g} s")
        self.seconds = seconds

    def __reduce__(self) -> tuple[type["AskTimeout"], tuple[str, float]]:
        return type(self), (self.path, self.seconds)


class AskCycle(_AboutActor):
    """An ask that would wait for itself, found before it waits.

    `cycle` is the chain of paths from the asker back to it.
    """

    def __init__(self, cycle: tuple[str, ...]) -> None:
        chain = " -> ".join(cycle)
        super().__init__(
            cycle[0],
            f"the ask would wait for itself ({chain}); use tell, or a task handler on one of them",
        )
        self.cycle = cycle

    def __reduce__(self) -> tuple[type["AskCycle"], tuple[tuple[str, ...]]]:
        return type(self), (self.cycle,)


class MailboxFull(_AboutActor):
    """The mailbox holds `capacity` messages already, and its policy is reject.

    Wait for room with `send`, or give the actor more room or less work.
    """

    def __init__(self, path: str, capacity: int) -> None:
        super().__init__(
            path, f"its mailbox holds {capacity} messages already; use send to wait for room"
        )
        self.capacity = capacity

    def __reduce__(self) -> tuple[type["MailboxFull"], tuple[str, int]]:
        return type(self), (self.path, self.capacity)


class ActorDown(_AboutActor):
    """The target has stopped for good (`detail` says why) and answers no more.

    A ref stays good over restarts, not over this: whoever starts the actor again
    has the ref of the new one.
    """


class ActorUnavailable(_AboutActor):
    """The target is between two lives, and its spec says not to queue meanwhile.

    `retry_at` is the time on trio's clock, in seconds, at which its next life
    is due; infinity where that is not known.
    """

    def __init__(self, path: str, retry_at: float = math.inf) -> None:
        super().__init__(path, "it is restarting; try again a little later")
        self.retry_at = retry_at

    def __reduce__(self) -> tuple[type["ActorUnavailable"], tuple[str, float]]:
        return type(self), (self.path, self.retry_at)


class ActorCrashed(_AboutActor):
    """The target crashed with this request in hand; `__cause__` is the crash.

    The request was begun once and is never handed over again: whether it may be
    repeated is for the asker to know.
    """


class StartFailed(_AboutActor):
    """The child at `path` did not become ready; `__cause__` is what its start raised, if it raised."""


class StartTimeout(StartFailed):
    """A child did not become ready within its start timeout.

    Give it more seconds (`start_timeout`), or move what is slow from `init` to `on_start`.
    """


class ChildExists(StartFailed):
    """A dynamic supervisor has a child of this id already; `Children.get` gives its ref."""

    def __init__(self, path: str) -> None:
        super().__init__(path, "there is a child of this id already")

    def __reduce__(self) -> tuple[type["ChildExists"], tuple[str]]:
        return type(self), (self.path,)


class TooManyChildren(StartFailed):
    """A dynamic supervisor has `limit` children already: stop some, or raise its `max_children`."""

    def __init__(self, path: str, limit: int) -> None:
        super().__init__(path, f"it has {limit} children already, which is its max_children")
        self.limit = limit

    def __reduce__(self) -> tuple[type["TooManyChildren"], tuple[str, int]]:
        return type(self), (self.path, self.limit)
