"""Counts in a provider's JSON: tokens, and how many there are of something.

What a wire reads here is added, priced and written to a database, so it is
bounded where it comes in.
"""

from typing import Any

from ..chat import MOST_TOKENS

__all__ = ["count_of"]


def count_of(value: Any) -> int:
    """A count as JSON has it; 0 for what is none, as a number that no answer can have.

    Servers that take a number below zero for one without a sign say 2**32 - 1 or
    2**64 - 1. That is no more known than a word in its place would be.
    """
    return value if type(value) is int and 0 < value <= MOST_TOKENS else 0
