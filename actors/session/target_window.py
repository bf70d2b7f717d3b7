"""What a conversation learns of the window of a target: by its answers, and by its refusals."""

from math import inf

import attrs

from ..catalog.correction import Correction
from ..policy.context import ROOM
from ..wire.window_words import WindowRefusal

__all__ = ["TargetWindow"]

# Of what a target has refused, this much is tried the next time, and at once
# half of it: the farthest that an estimate was reported to be wrong is 2.5, and
# with a family's own factor, which it starts with, less than 2.
_BELOW_REFUSED = 0.9
_AFTER_REFUSAL = 0.5


@attrs.define(eq=False)
class TargetWindow:
    """What one conversation knows of one target. Tokens are as the model counts, but for `counted`.

    `correction` makes of our count the model's; a conversation has its own,
    because its language and its tools have theirs.
    """

    correction: Correction
    start: int = 0
    """Where the conversation begins for it."""
    counted: int = 0
    """The prompt that was sent last, by our own count; 0 where it was not counted."""
    most: float = inf
    """What it has refused lies above this."""
    window: int | None = None
    """Its window, where it has said so itself: it knows best."""
    _refusal: WindowRefusal | None = None

    @property
    def has_refused(self) -> bool:
        """Whether it has ever said that a prompt was too long."""
        return self._refusal is not None or self.most < inf

    def answered(self, tokens: int) -> None:
        """It has read so many tokens, of the prompt that was sent last."""
        if self.counted:
            self.correction = self.correction.learn(self.counted, tokens)
            self.most = max(self.most, tokens)
            self.counted = 0

    def refuses(self, refusal: WindowRefusal) -> None:
        """It has refused the prompt that was sent last, in these words."""
        self._refusal = refusal
        self.window = refusal.window or self.window

    def learn(self, sent: int) -> float:
        """Take in a refusal, if there was one, of a prompt that was `sent` by our own count: what
        part of what fits may be sent now, if it has to be cut."""
        refusal, self._refusal = self._refusal, None
        if refusal is None:
            return ROOM
        if refusal.prompt is not None:
            self.correction = self.correction.corrected(sent, refusal.prompt)
            if refusal.window is not None:
                # What there is room for is known now; it is less in any case.
                self.most = min(self.most, refusal.prompt - 1)
                return ROOM
        prompt = refusal.prompt or self.correction.apply(sent)
        self.most = min(self.most, prompt * _BELOW_REFUSED)
        return _AFTER_REFUSAL
