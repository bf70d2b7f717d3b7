"""One call's use of a key, from its choice to what came of it.

async with KeyUse(keys, model="small", tried=tried) as use:     # ProviderError: no key is left
    ...                                     # the call, showing the key of `use.key_id`
# Leaving the block reports how the call ended, also when it is cancelled.
"""

from collections.abc import Set
from types import TracebackType
from typing import Self

import trio

from ...runtime import MailboxFull, Ref
from ..errors import ProviderError
from ..policy.key_verdict import NOTHING, Verdict, verdict_of
from .keys_messages import ChooseKey, ChosenKey, ReportKey
from .owner import OwnedCall

__all__ = ["KeyUse"]


class KeyUse:
    """One call's use of a key, as a block. Good for one use.

    `tried` are the ids of keys that this request has failed with for a reason
    of their own: another one is chosen while there is one. Entering raises
    ProviderError of kind QUOTA_EXHAUSTED, AUTH or PERMISSION where no key is
    left, and what `ask` raises. Leaving it reports how the block ended; a
    ProviderError that leaves it without one gets the key's id. It belongs to
    the task that enters it: when that has ended, so has the call.

    A key that was refused with 401, 402, 403 or for want of credit needs no
    delay: go on with the next at once. After a 429 keep the delay, with another
    key, too: keys of one account often share its limits.
    """

    __slots__ = ("_call", "_choice", "_chosen", "_keys")

    def __init__(
        self, keys: Ref[ChooseKey | ReportKey], *, model: str = "", tried: Set[str] = frozenset()
    ) -> None:
        self._keys = keys
        self._call = OwnedCall[Verdict](NOTHING)
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
        self._settle(verdict_of(error))

    def _settle(self, verdict: Verdict) -> None:
        if self._call.result is not None:
            return
        self._call.result = verdict
        self._call.task = None
        try:
            self._keys.tell(ReportKey(self._choice, verdict))
        except MailboxFull:
            return  # the keys find the verdict at the call

    async def __aenter__(self) -> Self:
        self._call.task = trio.lowlevel.current_task()
        try:
            self._chosen = await self._keys.ask(self._choice)
        except ProviderError:
            self._call.result = NOTHING  # no key was left, and none is held
            raise
        except BaseException:
            self._settle(NOTHING)  # one may have been chosen meanwhile
            raise
        return self

    def close(self, error: BaseException | None) -> None:
        """Report a call that has ended with that error, as leaving the block does."""
        if error is None:
            self.settle(None)
        elif isinstance(error, ProviderError):
            error.key_id = error.key_id or self.key_id
            self.settle(error)
        else:
            self._settle(NOTHING)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close(error)
