"""Whether a request is shortened for the target that is asked, or another one takes it whole.

Only who owns a conversation may say what of it can be left out: it gives the
`Call` a `Fitter`. Without one a request goes out as it is, and that it is too
long is the provider's word. The rule, where there is one:

- A target that the request does not fit into is passed over, as long as the
  chain has one that is asked after CONTEXT_WINDOW_EXCEEDED: who has configured
  a larger window for that wants it used, and nothing is lost there.
- The last such target is asked with a shortened request: it has the largest
  window, so the least is left out.
- Where it cannot be asked now, or fails, all targets are asked as the chain has
  them, each with the request shortened for its window.
- A target that says that the request is too long, though by estimate it was not,
  is asked once more with a shorter one where nobody else is to be asked.
"""

from collections.abc import Sequence
from typing import Protocol

import structlog

from ..chat import ChatRequest
from ..errors import ErrorKind, ProviderError
from .target import Target

__all__ = ["Fitter", "Shortening", "is_too_long"]

_log = structlog.get_logger("trouper.request")

Failures = Sequence[tuple[str, ProviderError]]


class Fitter(Protocol):
    """Who knows what of a conversation may be left out."""

    @property
    def shortens(self) -> bool:
        """Whether it ever leaves anything out, or only says what is too long."""
        ...

    async def fitted(self, target: Target, request: ChatRequest, *, shorten: bool) -> ChatRequest:
        """The request as it fits into the window of `target`; the same where that is not known.

        Raises ProviderError of the kind CONTEXT_WINDOW_EXCEEDED where it does
        not fit: without `shorten`, as a whole; with it, in no way.
        """
        ...

    def refused(self, target: Target, request: ChatRequest, error: ProviderError) -> bool:
        """The target has refused `request`, as `fitted` made it, because it is too long.

        Whether there is something that `fitted` may leave out of it now.
        """
        ...


class Shortening:
    """What one request has been through because of its length."""

    __slots__ = ("_fitter", "_least", "_whole")

    def __init__(self, fitter: Fitter | None) -> None:
        self._fitter = fitter
        self._whole = True
        # Who cannot be asked with less than they were.
        self._least: set[str] = set()

    async def fitted(self, target: Target, request: ChatRequest, *, other: bool) -> ChatRequest:
        """The request as `target` is asked. `other` says whether another one is, if it is too
        long for this one. Raises ProviderError where this one is not to be asked."""
        if self._fitter is None:
            return request
        shorten = not (self._whole and other)
        try:
            return await self._fitter.fitted(target, request, shorten=shorten)
        except ProviderError:
            if shorten:
                self._least.add(target.name)
            raise

    def begins(self, failures: Failures) -> list[tuple[str, ProviderError]] | None:
        """Nobody is left, or not in time, who takes the whole request: the failures that still
        count where it is shortened for everybody; None where that would change nothing."""
        if self._fitter is None or not self._fitter.shortens or not self._whole:
            return None
        left = [
            (name, error)
            for name, error in failures
            if name in self._least or not is_too_long(error)
        ]
        if len(left) == len(failures):
            return None
        self._whole = False
        _log.info("request is shortened", too_long_for=len(failures) - len(left))
        return left

    def refused(
        self, target: Target, request: ChatRequest, error: ProviderError, *, other: bool
    ) -> bool:
        """A target has failed so: whether it is to be asked once more, with a shorter request."""
        if self._fitter is None or not is_too_long(error):
            return False
        can_be_shorter = self._fitter.refused(target, request, error)
        if not can_be_shorter or (self._whole and other) or target.name in self._least:
            return False
        self._least.add(target.name)
        return True


def is_too_long(error: ProviderError) -> bool:
    """Whether the request was too long for the model."""
    return error.kind is ErrorKind.CONTEXT_WINDOW_EXCEEDED
