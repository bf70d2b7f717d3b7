"""One call through a circuit, from its permit to its report.

async with CircuitUse(circuit) as use:     # ProviderError while it is open
    ...                                     # the call
# Leaving the block reports how the call ended, also when it is cancelled.
"""

from types import TracebackType
from typing import Self

import trio

from ...runtime import MailboxFull, Ref
from ..errors import ProviderError
from ..policy.breaker import Pass
from ..policy.outcome import NEUTRAL, SUCCESS, Result, result_of
from .circuit_messages import Permit, Report
from .owner import OwnedCall

__all__ = ["CircuitUse"]


class CircuitUse:
    """One call through a circuit, as a block. Good for one use.

    Entering raises ProviderError of kind CIRCUIT_OPEN while calls are refused,
    and what `ask` raises. Leaving it reports how the block ended: well, with a
    ProviderError, or with anything else, which is neutral. It belongs to the
    task that enters it: when that has ended, so has the call.
    """

    __slots__ = ("_call", "_circuit", "_given", "_permit")

    def __init__(self, circuit: Ref[Permit | Report]) -> None:
        self._circuit = circuit
        self._call = OwnedCall[Result](NEUTRAL)
        self._permit = Permit(self._call)
        self._given: Pass | None = None

    @property
    def is_probe(self) -> bool:
        """Whether all others wait for what comes of this call."""
        return self._given is not None and self._given.probe

    def begun(self) -> None:
        """The provider has begun to answer.

        That is what a probe was to find out: it counts from here, so that a
        long answer does not keep all others out. For other calls it is nothing.
        """
        if self.is_probe:
            self.settle(SUCCESS)

    def settle(self, result: Result) -> None:
        """Report how the call ended; never blocks. Only the first report counts."""
        if self._call.result is not None:
            return
        self._call.result = result
        self._call.task = None
        try:
            self._circuit.tell(Report(self._permit, result))
        except MailboxFull:
            return  # the circuit finds the result at the call

    async def __aenter__(self) -> Self:
        self._call.task = trio.lowlevel.current_task()
        try:
            self._given = await self._circuit.ask(self._permit)
        except ProviderError:
            self._call.result = NEUTRAL  # it was refused, and holds nothing
            raise
        except BaseException:
            self.settle(NEUTRAL)  # it may have been granted meanwhile
            raise
        return self

    def close(self, error: BaseException | None) -> None:
        """Report a call that has ended with that error, as leaving the block does."""
        if error is None or isinstance(error, ProviderError):
            self.settle(result_of(error))
        else:
            self.settle(NEUTRAL)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close(error)
