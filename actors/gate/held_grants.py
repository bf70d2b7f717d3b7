"""The grants of a limiter that are out, and who has them."""

import attrs

from ..policy.bucket import Demand
from .limiter_messages import Acquire

__all__ = ["HeldGrant", "HeldGrants"]

# Grants that are out before dead owners are looked for where nobody waits.
_FEW = 64


@attrs.frozen
class HeldGrant:
    """When a grant was given, and what all calls had taken by then, with this one."""

    at: float
    taken: Demand


class HeldGrants:
    """Who may be calling now."""

    def __init__(self) -> None:
        self._out: dict[Acquire, HeldGrant] = {}
        self._many = _FEW

    def __len__(self) -> int:
        return len(self._out)

    def __contains__(self, acquire: Acquire) -> bool:
        return acquire in self._out

    @property
    def grown(self) -> bool:
        """Whether there are so many more than at the last look that it is worth another."""
        return len(self._out) >= self._many

    def give(self, acquire: Acquire, grant: HeldGrant) -> None:
        """Note a grant."""
        self._out[acquire] = grant

    def find(self, acquire: Acquire) -> HeldGrant | None:
        """The grant of that Acquire, while it is out."""
        return self._out.get(acquire)

    def end(self, acquire: Acquire) -> bool:
        """Forget a grant; whether it was out."""
        return self._out.pop(acquire, None) is not None

    def ended(self) -> list[Acquire]:
        """Those whose owner has said that they have ended, or is dead."""
        ended = [acquire for acquire in self._out if acquire.holder.ended is not None]
        # So that looking costs each call the same, however many there are.
        self._many = max(_FEW, 2 * (len(self._out) - len(ended)))
        return ended
