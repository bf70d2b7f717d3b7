"""What the runtime reports: one frozen value an occurrence, to one observer.

The observer is called synchronously and must be quick; what it raises is
logged and goes no further. Nothing is made while nobody observes, but for dead
letters, of which the last ones are always kept.
"""

import logging
from collections import Counter, deque
from collections.abc import Callable
from typing import Literal

import attrs

from .mailbox import DeadReason
from .wording import Wording

__all__ = [
    "ActorStarted",
    "ActorStopped",
    "Announced",
    "AnnouncedLevel",
    "ChildCrashed",
    "ChildRestarting",
    "DeadLetter",
    "GaveUp",
    "Observer",
    "Poisoned",
    "Reports",
    "RuntimeEvent",
    "Unkillable",
]

_log = logging.getLogger("trouper.runtime")

AnnouncedLevel = Literal["info", "warning", "error"]
"""How much what an actor announces matters to who operates it."""


@attrs.frozen
class ActorStarted:
    """A life of the child at `path` has become ready. `life` counts from 1."""

    path: str
    life: int


@attrs.frozen
class ActorStopped:
    """The child at `path` has stopped, for `reason`, and is not coming back by itself."""

    path: str
    reason: str


@attrs.frozen
class ChildCrashed:
    """A `life` ended with `error`; `message` is the type of the message in hand, None without one.

    `words` are what may be told of the error to anybody; the error itself is as
    it was raised.
    """

    path: str
    life: int
    error: BaseException = attrs.field(repr=False)
    message: str | None
    words: str = attrs.field(default="", eq=False)


@attrs.frozen
class ChildRestarting:
    """The next `life` of the child at `path` begins in `delay` seconds."""

    path: str
    life: int
    delay: float


@attrs.frozen
class Poisoned:
    """The same type of `message` crashed this child `crashes` times in a row; it is not restarted."""

    path: str
    message: str
    crashes: int


@attrs.frozen
class GaveUp:
    """A supervisor has had more crashes than it takes: more than `restarts` within `period` seconds."""

    path: str
    restarts: int
    period: float


@attrs.frozen
class Unkillable:
    """A child has been cancelled and still does not end; `stack` says where it is."""

    path: str
    stack: tuple[str, ...]


@attrs.frozen
class DeadLetter:
    """A `message` to the actor at `path` that was not handled to its end, and the `reason` why.

    `at` is when, in seconds on the system's clock. `number` counts those of a system from 1; `resent` says that a person has sent it once more
    (`Operator.resend`).
    """

    path: str
    message: object
    reason: DeadReason
    at: float
    number: int = attrs.field(default=0, eq=False)
    resent: bool = False


@attrs.frozen
class Announced:
    """What an actor has said of itself, for who operates it (`Actor.announce`).

    `msg` is the same words each time, so that it can be searched; what differs is in `detail`.
    """

    path: str
    """Which actor."""
    level: AnnouncedLevel
    """How much it matters."""
    msg: str
    """What has happened."""
    detail: str = ""
    """The particulars, in words that anybody may read."""


RuntimeEvent = (
    ActorStarted
    | ActorStopped
    | ChildCrashed
    | ChildRestarting
    | Poisoned
    | GaveUp
    | Unkillable
    | DeadLetter
    | Announced
)
"""All that an observer is told. `path` is where the child stands in the tree."""

Observer = Callable[[RuntimeEvent], object]
"""Called with each event, in the runtime's own thread, while nothing else runs: it must be
quick. What it raises is logged and goes no further."""


class Reports:
    """The observer, the last `keep` dead letters, and how many there were by reason.

    `dead_letters` has the last ones, the oldest first; `dead_letter_counts` counts
    all since the start.
    """

    __slots__ = ("_observer", "_wording", "dead_letter_counts", "dead_letters")

    def __init__(
        self, observer: Observer | None, keep: int = 256, wording: Wording | None = None
    ) -> None:
        self._observer = observer
        self._wording = wording or Wording()
        self.dead_letters: deque[DeadLetter] = deque(maxlen=keep)
        self.dead_letter_counts: Counter[DeadReason] = Counter()

    @property
    def observed(self) -> bool:
        """Whether somebody is told."""
        return self._observer is not None

    def emit(self, event: RuntimeEvent) -> None:
        """Tell the observer."""
        if self._observer is None:
            return
        try:
            self._observer(event)
        except Exception as error:  # noqa: BLE001 - an observer must not change what it observes
            about, told = self._wording.text(repr(event)), self._wording.traceback(error)
            _log.error("the observer failed on %s\n%s", about, told)

    def dead_letter(self, path: str, message: object, reason: DeadReason, at: float) -> None:
        """Keep, count and tell a dead letter of the moment `at`, in seconds.

        The messages themselves are kept: as much as a fourth of one usual mailbox may hold.
        """
        self.dead_letter_counts[reason] += 1
        number = self.dead_letter_counts.total()
        letter = DeadLetter(path, message, reason, at, number)
        self.dead_letters.append(letter)
        self.emit(letter)

    def letter(self, number: int) -> DeadLetter | None:
        """The dead letter of that number, while it is kept."""
        return next((each for each in self.dead_letters if each.number == number), None)

    def was_resent(self, letter: DeadLetter) -> None:
        """It has been sent once more, and is not to be again."""
        at = letter.number - self.dead_letters[0].number
        self.dead_letters[at] = attrs.evolve(letter, resent=True)
