"""One call's use of a gate: what circuits, keys and limiters have in common.

async with CircuitUse(circuit) as use:     # ProviderError where the gate refuses
    ...                                     # the call
# Leaving the block says how the call ended, also when it is cancelled.

Before you edit: a use may end in four ways that are not its leaving: it is
refused, its ask is cancelled just when it was granted, its task dies without a
word, or the gate's mailbox is full. Nothing stays taken after any of them.
"""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Generic, Self, TypeVar

import trio

from ...runtime import MailboxFull
from ..errors import ProviderError
from .owner import OwnedCall

__all__ = ["GateUse"]

V = TypeVar("V")


class GateUse(ABC, Generic[V]):
    """One call's use of a gate, which hears a V of how the call has ended. Good for one use.

    It is a block; who has none for it calls `enter`, and then `close` in any case
    in which that has not raised. It belongs to the task that enters it: when
    that has ended, so has the call. `call` is what the gate holds of it, and
    `nothing` what it hears of a call that was never made.
    """

    __slots__ = ("_call", "_nothing")

    def __init__(self, call: OwnedCall[V], nothing: V) -> None:
        self._call = call
        self._nothing = nothing

    async def enter(self) -> None:
        """Ask the gate. Raises the ProviderError with which it refuses, and what `ask` raises."""
        self._call.task = trio.lowlevel.current_task()
        try:
            await self._ask()
        except ProviderError:
            self._call.result = self._nothing  # it was refused, and holds nothing
            raise
        except BaseException:
            self._settle_once(self._nothing)  # it may have been granted meanwhile
            raise

    def close(self, error: BaseException | None) -> None:
        """Say of a call what has not been said: it has ended with `error`. Never blocks."""
        self._settle_once(self._verdict(error))

    @abstractmethod
    async def _ask(self) -> None:
        """Ask the gate, and keep what it grants."""

    @abstractmethod
    def _verdict(self, error: BaseException | None) -> V:
        """What the gate is to hear of a call that has ended with `error`."""

    @abstractmethod
    def _report(self, verdict: V) -> None:
        """Tell the gate. Raises MailboxFull."""

    def _settle_once(self, verdict: V) -> None:
        """End the use; only the first verdict counts."""
        call = self._call
        if call.result is not None:
            return
        call.result = verdict
        call.task = None
        try:
            self._report(verdict)
        except MailboxFull:
            return  # the gate finds it at the call

    async def __aenter__(self) -> Self:
        await self.enter()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close(error)
