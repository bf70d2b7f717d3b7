"""What a page of `trouper top` consists of: things to look at, each of which can draw itself.

Only those that are seen are drawn: a program may have 10,000 actors.
"""

from collections.abc import Callable
from typing import Final

import attrs

from .cells import Cell, Line, row

__all__ = ["COLOURS", "Draw", "Item", "draw_text"]

COLOURS: Final = {0: "plain", 1: "look", 2: "act"}
"""By severity."""


Draw = Callable[[int], list[Line]]


@attrs.frozen(eq=False)
class Item:
    """Something on a page. `path` is the actor that it is about, `words` what a filter sees."""

    key: str
    path: str
    words: str
    draw: Draw
    height: int = 1


def draw_text(text: str, colour: str, columns: int) -> list[Line]:
    return [row(columns, [Cell(text, None, colour)])]
