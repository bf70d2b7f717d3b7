"""Which answers are kept, to be given again to an equal request.

Only what would be as good the next time: an answer that is whole and says
something. A tool call is the beginning of something that is done, at its time,
so it is asked for anew; a refusal or a cut answer may be luck. Where the model
is asked at random temperature, keeping is what whoever configured it wants.
"""

from collections.abc import Collection, Sequence

from ..chat import Completion, Finish, TextPart, ThinkingPart
from ..errors import ErrorKind
from ..trail import AttemptRecord

__all__ = ["from_whom_it_should_be", "who_answered", "worth_keeping"]

# Failures that an equal request has again: whoever answered after them answers the next time.
_LASTING = frozenset(
    kind.value
    for kind in (
        ErrorKind.CONTEXT_WINDOW_EXCEEDED,
        ErrorKind.CONTENT_POLICY,
        ErrorKind.INVALID_REQUEST,
        ErrorKind.REQUEST_TOO_LARGE,
    )
)


def worth_keeping(completion: Completion) -> bool:
    """Whether this answer is whole and good."""
    parts = completion.message.parts
    return (
        completion.finish is Finish.STOP
        and all(isinstance(part, TextPart | ThinkingPart) for part in parts)
        and bool(completion.text)
    )


def from_whom_it_should_be(trail: Sequence[AttemptRecord], first: Collection[str]) -> bool:
    """Whether, of these attempts, the one that has answered went to whom the next one would go.

    `first` are the targets ("provider/model") that are asked first. What a
    stand-in said while they were down is not given to who asks when they are up.
    """
    answered = who_answered(trail)
    return answered in first or all(
        record.kind in _LASTING for record in trail if record.target != answered
    )


def who_answered(trail: Sequence[AttemptRecord]) -> str:
    """The target of the last attempt that went well; "" where none did."""
    return next((record.target for record in reversed(trail) if record.kind == "ok"), "")
