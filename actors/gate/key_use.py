"""One call's use of a key, from its choice to what came of it.

async with KeyUse(keys, model="small", tried=tried) as use:     # ProviderError: no key is left
    ...                                     # the call, showing the key of `use.key_id`
# Leaving the block reports how the call ended, also when it is cancelled.
"""

from collections.abc import Set

from ...runtime import Ref
from ..errors import ProviderError
from ..policy.key_verdict import NOTHING, KeyVerdict, verdict_of
from .gate_use import GateUse
from .keys_messages import ChooseKey, ChosenKey, ReportKey
from .owner import OwnedCall

__all__ = ["KeyUse"]


class KeyUse(GateUse[KeyVerdict]):
    """One call's use of a key, as a block. Good for one use.

    `tried` are the ids of keys that this request has failed with for a reason
    of their own: another one is chosen while there is one. Entering raises
    ProviderError of kind QUOTA_EXHAUSTED, AUTH or PERMISSION where no key is
    left, and what `ask` raises. Leaving it reports how the block ended; a
    ProviderError that leaves it without one gets the key's id.

    A key that was refused with 401, 402, 403 or for want of credit needs no
    delay: go on with the next at once. After a 429 keep the delay, with another
    key, too: keys of one account often share its limits.
    """

    __slots__ = ("_choice", "_chosen", "_keys")

    def __init__(
        self, keys: Ref[ChooseKey | ReportKey], *, model: str = "", tried: Set[str] = frozenset()
    ) -> None:
        super().__init__(OwnedCall(NOTHING), NOTHING)
        self._keys = keys
        self._choice = ChooseKey(self._call, model, frozenset(tried))
        self._chosen: ChosenKey | None = None

    @property
    def key_id(self) -> str:
        """The key to show: 8 hex digits of its SHA-256. "" before it is chosen."""
        return self._chosen.key_id if self._chosen is not None else ""

    @property
    def paused_for(self) -> float:
        """Seconds, at the time of the choice, for which the key is still paused by a 429.

        Above 0 only where all others are paused for longer, dead or tried.
        """
        return self._chosen.paused_for if self._chosen is not None else 0.0

    @property
    def is_probe(self) -> bool:
        """Whether others wait for whether this key is accepted again."""
        return self._chosen is not None and self._chosen.probe

    def begun(self) -> None:
        """The provider has begun to answer.

        That is what a probe was to find out: it counts from here, so that a
        long answer does not keep the key from others. Else it is nothing.
        """
        if self.is_probe:
            self.settle(None)

    def settle(self, error: ProviderError | None) -> None:
        """The call has ended, well where `error` is None; never blocks. Only the first counts."""
        self._settle_once(verdict_of(error))

    def close(self, error: BaseException | None) -> None:
        """As every use is closed; an error that names no key gets the name of this one."""
        if isinstance(error, ProviderError):
            error.key_id = error.key_id or self.key_id
        super().close(error)

    async def _ask(self) -> None:
        self._chosen = await self._keys.ask(self._choice)

    def _verdict(self, error: BaseException | None) -> KeyVerdict:
        if error is None or isinstance(error, ProviderError):
            return verdict_of(error)
        return NOTHING

    def _report(self, verdict: KeyVerdict) -> None:
        self._keys.tell(ReportKey(self._choice, verdict))
