"""What a message class says about its answer.

A message is any frozen value. One that wants an answer derives from
`Request[R]`; one that wants a run of items derives from `Streams[T]`. The type
of the answer travels with the message, so that `await ref.ask(message)` is
typed without a cast.
"""

from typing import Generic, Protocol, Self, TypeVar

__all__ = ["Asked", "Request", "Streamed", "Streams"]

R_co = TypeVar("R_co", covariant=True)
T_co = TypeVar("T_co", covariant=True)
M_co = TypeVar("M_co", covariant=True)


class Request(Generic[R_co]):
    """Base of messages that are answered by one `R`: `class GetTime(Request[float])`.

    A message is any frozen value; one without an answer derives from nothing.
    """

    __slots__ = ()

    def _asked(self) -> tuple[Self, R_co]:
        """Never called: it ties the answer's type to the message's."""
        raise AssertionError("for type checkers only")


class Streams(Generic[T_co]):
    """Base of messages that are answered by a bounded stream of `T`: `class Ticks(Streams[float])`.

    Sent by `Ref.stream`; its handler gets a Sink.
    """

    __slots__ = ()

    def _streamed(self) -> tuple[Self, T_co]:
        """Never called: it ties the items' type to the message's."""
        raise AssertionError("for type checkers only")


class Asked(Protocol[M_co, R_co]):
    """Structural view of a `Request[R]` that is also an `M`."""

    def _asked(self) -> tuple[M_co, R_co]: ...


class Streamed(Protocol[M_co, T_co]):
    """Structural view of a `Streams[T]` that is also an `M`."""

    def _streamed(self) -> tuple[M_co, T_co]: ...
