"""How long answers of a model are: what nine of ten do not exceed, learned from each."""

from typing import Final

import attrs

__all__ = ["AnswerLength"]

# How far one answer moves it: some dozen answers forget a wrong start.
_STEP: Final = 0.2

# The part of all answers that are longer.
_ABOVE: Final = 0.1

# Below this nothing is gained: the prompt is longer.
_SHORTEST: Final = 16.0


@attrs.frozen
class AnswerLength:
    """The tokens that nine of ten answers do not exceed.

    It goes up by much for an answer that is longer, and down by little for one
    that is not; where one in ten is longer, it stays where it is.
    """

    # A page and a half: what chat models write when they are asked to explain.
    tokens: float = 1_024.0

    def learn(self, actual: int) -> "AnswerLength":
        """What follows from one more answer."""
        if actual > self.tokens:
            moved = self.tokens * (1 + _STEP * (1 - _ABOVE))
            return AnswerLength(min(moved, float(actual)))
        moved = self.tokens * (1 - _STEP * _ABOVE)
        return AnswerLength(max(moved, float(actual), _SHORTEST))
