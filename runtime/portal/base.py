"""What a portal is, whoever the host."""

from typing import Any, Generic, TypeVar

from .errors import PortalClosed, PortalError
from .flow import Flow
from .trio_thread import Opened, TrioThread

__all__ = ["BUFFER", "STOP_TIMEOUT", "Portal", "PortalStream"]

T = TypeVar("T")
Item = TypeVar("Item")

BUFFER = 256
"""Items of a stream that wait for the host. A batch of half of them makes the switch of
threads and back (some 30 us) cheap beside the items, and is still little memory."""

STOP_TIMEOUT = 30.0
"""Seconds of an orderly stop: more than the shutdown seconds of a usual tree of actors."""


class Portal(Generic[T]):
    """A trio program in a thread of its own; see the two classes for the two kinds of hosts."""

    def __init__(
        self,
        opened: Opened[T],
        *,
        buffer: int = BUFFER,
        stop_timeout: float = STOP_TIMEOUT,
        name: str = "portal",
        run: type[TrioThread[T]] | None = None,
    ) -> None:
        if buffer < 1:
            raise PortalError(f"buffer is {buffer}; it must be at least 1 item")
        self._buffer = buffer
        self._stop_timeout = stop_timeout
        self._name = name
        self._thread = (run or TrioThread)(opened, name)

    @property
    def value(self) -> T:
        """What entering the context gave, as the System. Use it in calls, not from this thread.

        Raises PortalClosed before the portal has been entered.
        """
        if not self._thread.ready.done() or not hasattr(self._thread, "value"):
            raise self._not_entered()
        return self._thread.value

    @property
    def is_running(self) -> bool:
        """Whether calls are taken: it has been entered, and its run goes on."""
        return self._thread.takes_calls

    def _check_entered(self) -> None:
        self._thread.check_process()
        if not self._thread.began:
            raise self._not_entered()

    def _not_entered(self) -> PortalClosed:
        return PortalClosed(f"the portal {self._name!r} has not been entered; use it in a block")

    def _raise_crash(self, told: BaseException | None) -> None:
        """Raise what the run raised, unless the host has an error that tells of it."""
        crash = self._thread.error
        if crash is None:
            return
        self._thread.join()
        if told is None or told.__cause__ is not crash or isinstance(crash, KeyboardInterrupt):
            raise crash


class PortalStream(Generic[Item]):
    """A stream from trio, whoever reads it: a block, entered once, and read inside it."""

    def __init__(self, thread: TrioThread[Any], flow: Flow[Item]) -> None:
        self._thread = thread
        self._flow = flow
        self._begun = False

    def _begin(self) -> None:
        if self._begun:
            raise PortalError("a stream is read once; make another one")
        try:
            self._thread.begin(self._flow)
        except PortalError:
            raise  # not begun
        except BaseException:
            # Ctrl-C: the block is not entered, and so never left.
            self._thread.give_up(self._flow)
            raise
        self._begun = True

    def _check_begun(self) -> None:
        """Raise where a reader would wait for what nobody brings."""
        self._thread.check_process()
        if not self._begun:
            raise PortalError("the stream has not begun; read it inside its `with` block")
