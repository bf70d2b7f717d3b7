"""The faults that change what is said, as opposed to how its bytes travel. No I/O.

Each notes itself in the record when it strikes, so that the log tells a fault
that was scripted from one that the client has met.
"""

from collections.abc import Iterator

import orjson

from .openai import DONE, ChatCall, Frame, error_body, plain_body
from .script import ErrorFrame, Fault, Malformed, ScriptedReply, StatusError, Unmarked
from .state import Record

__all__ = ["spoilt_body", "spoilt_frames", "status_body"]


def spoilt_frames(frames: Iterator[Frame], fault: Fault | None, record: Record) -> Iterator[Frame]:
    """`frames` as the fault leaves them; all of them where it is not of this kind."""
    match fault:
        case Malformed():
            return _malformed(frames, fault, record)
        case ErrorFrame():
            return _error_frame(frames, fault, record)
        case Unmarked():
            return _unmarked(frames, fault, record)
        case _:
            return frames


def _malformed(frames: Iterator[Frame], fault: Malformed, record: Record) -> Iterator[Frame]:
    for number, frame in enumerate(frames):
        if number == fault.frame:
            record.fault = fault.kind
            half = frame.data[: len(frame.data) // 2] + b"\n\n"
            frame = Frame(half, frame.paced)
        yield frame


def _error_frame(frames: Iterator[Frame], fault: ErrorFrame, record: Record) -> Iterator[Frame]:
    for number, frame in enumerate(frames):
        if number == fault.frame:
            record.fault = fault.kind
            yield Frame(b"data: %b\n\n" % _error_object(fault), frame.paced)
            if fault.done:
                yield Frame(DONE)
            return
        yield frame


def _unmarked(frames: Iterator[Frame], fault: Unmarked, record: Record) -> Iterator[Frame]:
    for number, frame in enumerate(frames):
        # Behind the role, only content has a place in the pace.
        if number == fault.frames or (number > 0 and not frame.paced):
            break
        yield frame
    record.fault = fault.kind


def spoilt_body(
    call: ChatCall, reply: ScriptedReply, fault: Fault | None, record: Record
) -> tuple[bytes, int]:
    """The plain body as the fault leaves it, and how many tokens it carries."""
    match fault:
        case Malformed():
            record.fault = fault.kind
            whole, words = plain_body(call, reply)
            return whole[: len(whole) // 2], words
        case ErrorFrame():
            record.fault = fault.kind
            return _error_object(fault), 0
        case Unmarked():
            record.fault = fault.kind
            return plain_body(call, reply, marked=False)
        case _:
            return plain_body(call, reply)


def status_body(fault: StatusError) -> tuple[bytes, str]:
    """The body of an error status, and its content type."""
    match fault.body:
        case None:
            message = f"The simulator was told to answer {fault.status}"
            return error_body(fault.status, message), "application/json"
        case str() as text:
            return text.encode(), _kind_of(text)
        case table:
            return orjson.dumps(table), "application/json"


def _kind_of(text: str) -> str:
    start = text.lstrip()[:1]
    return {"{": "application/json", "<": "text/html; charset=utf-8"}.get(
        start, "text/plain; charset=utf-8"
    )


def _error_object(fault: ErrorFrame) -> bytes:
    return error_body(500, fault.message, code=fault.code, kind=fault.type)
