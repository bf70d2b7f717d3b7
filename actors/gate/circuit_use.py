"""One call through a circuit, from its permit to its report.

async with CircuitUse(circuit) as use:     # ProviderError while it is open
    ...                                     # the call
# Leaving the block reports how the call ended, also when it is cancelled.
"""

from ...runtime import Ref
from ..errors import ProviderError
from ..policy.breaker import Pass
from ..policy.outcome import NEUTRAL, SUCCESS, CallResult, result_of
from .circuit_messages import Permit, Report
from .gate_use import GateUse
from .owner import OwnedCall

__all__ = ["CircuitUse"]


class CircuitUse(GateUse[CallResult]):
    """One call through a circuit, as a block. Good for one use.

    Entering raises ProviderError of kind CIRCUIT_OPEN while calls are refused,
    and what `ask` raises. Leaving it reports how the block ended: well, with a
    ProviderError, or with anything else, which is neutral.
    """

    __slots__ = ("_circuit", "_given", "_permit")

    def __init__(self, circuit: Ref[Permit | Report]) -> None:
        super().__init__(OwnedCall(NEUTRAL), NEUTRAL)
        self._circuit = circuit
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

    def settle(self, result: CallResult) -> None:
        """Report how the call ended; never blocks. Only the first report counts."""
        self._settle_once(result)

    async def _ask(self) -> None:
        self._given = await self._circuit.ask(self._permit)

    def _verdict(self, error: BaseException | None) -> CallResult:
        if error is None or isinstance(error, ProviderError):
            return result_of(error)
        return NEUTRAL

    def _report(self, verdict: CallResult) -> None:
        self._circuit.tell(Report(self._permit, verdict))
