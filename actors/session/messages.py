"""What one says to a session."""

import attrs

from ...runtime.messages import Request
from ..chat import Message, Part, ToolCallPart
from .events import Attachment
from .state import State

__all__ = [
    "Attach",
    "Attached",
    "CancelTurn",
    "Detach",
    "GetTranscript",
    "Permit",
    "Prompt",
    "Retire",
    "Retitle",
    "SessionMessage",
    "SwitchAssistant",
    "SwitchModel",
    "Transcript",
]


@attrs.frozen
class Prompt(Request[int]):
    """Begin a turn. The answer is the turn's number, at once; what the model
    says comes as events to all who are attached. Where the session is kept in a
    journal, what was said is durable by then.

    Raises TurnInProgress where a turn is running, HistoryFull, and NotKept.
    """

    parts: tuple[Part, ...]


@attrs.frozen
class CancelTurn:
    """End the running turn, if there is one; its TurnEnded says CANCELLED.

    With a number, or the very prompt that it was begun by, only that turn: who
    leaves a turn that has ended must not end somebody else's.
    """

    turn: int | None = None
    prompt: Prompt | None = None


@attrs.frozen
class Attached:
    """What an attachment must know to begin: the number of the last event so
    far, and the turn that is running, if one is."""

    seq: int
    turn: int | None


@attrs.frozen(eq=False)
class Attach(Request[Attached]):
    """Deliver all events from now on to `attachment`, too; once, however often it is asked.

    With `after`, those behind that number first: who comes back gets the rest of
    what it has seen, without a gap or a repeat. Raises EventsGone where not all
    of them are at hand; then it is not attached.
    """

    attachment: Attachment
    after: int | None = None


@attrs.frozen(eq=False)
class Detach:
    """Deliver no more events to `attachment`. The session and its turn go on."""

    attachment: Attachment


@attrs.frozen(kw_only=True)
class Transcript:
    """All of a conversation: `state` has its turns, titles and sums, as of event `seq`.

    `running` is the turn under way, if one is. `streamed` is what was told of an
    answer of it that is in no state yet, since it is not whole, and `asked` are
    the calls that wait for somebody to permit them.
    """

    seq: int
    running: int | None
    state: State
    streamed: Message = Message("assistant", ())
    asked: tuple[ToolCallPart, ...] = ()


@attrs.frozen
class GetTranscript(Request[Transcript]):
    """The conversation as its records have it, for who has seen none of it."""


@attrs.frozen
class Permit(Request[bool]):
    """Say whether a call that waits for it may be run (events.PermissionAsked).

    The answer is whether it was still open: the first to say so decides.
    """

    call_id: str
    granted: bool


@attrs.frozen
class SwitchModel(Request[None]):
    """Ask that model from the next turn on: the name of a configured one, "" for the assistant's.

    Raises UnknownModel, and NotKept.
    """

    model: str


@attrs.frozen
class SwitchAssistant(Request[None]):
    """Let that assistant answer from the next turn on, with the model that is its own.

    Raises UnknownAssistant, and NotKept.
    """

    assistant: str


@attrs.frozen
class Retitle(Request[None]):
    """Call the conversation that. Raises NotKept."""

    title: str


@attrs.frozen
class Retire:
    """End the session, if nobody has been attached and no turn has run for `idle` seconds."""

    idle: float


SessionMessage = (
    Prompt
    | CancelTurn
    | Attach
    | Detach
    | GetTranscript
    | Permit
    | SwitchModel
    | SwitchAssistant
    | Retitle
    | Retire
)
