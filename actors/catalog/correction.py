"""What estimates of tokens learn from what providers report: one factor a model.

tiktoken counts what OpenAI's models read; Claude's tokenizer makes a third more
of the same text. So each model has a factor, which starts where its family is
known to be and moves to what its usage says.
"""

import math

import attrs

__all__ = ["Correction", "initial_correction"]

# A fifth of the way a request: ten requests forget a wrong start.
_WEIGHT = 0.2

# Below this the overheads decide and not the text; such requests move it less.
_FULL_WEIGHT_TOKENS = 200

# Half, and three times: the farthest that was reported is 2.5, of a tool-heavy
# conversation with Claude. Farther off is a usage that counts something else.
_LOWEST = 0.5
_HIGHEST = 3.0


@attrs.frozen
class Correction:
    """What an estimate is multiplied by, and how many answers it was learned from."""

    factor: float = 1.0
    seen: int = 0

    def apply(self, estimate: int) -> int:
        """The corrected estimate, in whole tokens, rounded up."""
        # Without the rounding 10 * 1.1 would be 12.
        return math.ceil(round(estimate * self.factor, 6))

    def learn(self, estimate: int, actual: int) -> "Correction":
        """What follows from an answer whose input was `actual` tokens, and `estimate`
        before any correction. Nothing follows from a count of 0."""
        if estimate <= 0 or actual <= 0:
            return self
        ratio = min(max(actual / estimate, _LOWEST), _HIGHEST)
        weight = _WEIGHT * min(1.0, estimate / _FULL_WEIGHT_TOKENS)
        return Correction(self.factor + weight * (ratio - self.factor), self.seen + 1)

    def corrected(self, estimate: int, actual: int) -> "Correction":
        """What follows where the estimate has misled: all at once what `learn` takes in by and by."""
        if estimate <= 0 or actual <= 0:
            return self
        ratio = min(max(actual / estimate, _LOWEST), _HIGHEST)
        return Correction(ratio, self.seen + 1)


def initial_correction(family: str) -> Correction:
    """Where a model of this family starts.

    Claude: reports say that tiktoken counts 23 to 40 % too little. Others than
    OpenAI: rather a little too much, for it is what a budget is asked for.
    """
    return Correction({"openai": 1.0, "azure": 1.0, "anthropic": 1.35}.get(family, 1.2))
