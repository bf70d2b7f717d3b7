"""Lines of a terminal, measured in cells: a wide character takes two, a combining one none."""

import unicodedata
from collections.abc import Iterable
from typing import Final, NamedTuple

from ...redaction import printable_line

__all__ = ["Cell", "Line", "fit", "row", "width_of"]

Line = list[tuple[str, str]]
"""Parts of a line, each with the name of its colour."""

_CUT: Final = "…"


class Cell(NamedTuple):
    """A column's text; `columns` None takes what the others leave."""

    text: str
    columns: int | None
    colour: str = "plain"
    right: bool = False


def width_of(text: str) -> int:
    """How many columns it takes."""
    if text.isascii():
        return len(text)
    return sum(map(_cells, text))


def _cells(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def fit(text: str, columns: int, *, right: bool = False) -> str:
    """The text in exactly so many columns, cut or filled. What would move the cursor is named."""
    text = printable_line(text)
    taken = width_of(text)
    if taken > columns:
        kept, taken = "", 0
        for character in text:
            if taken + _cells(character) > columns - 1:
                break
            kept += character
            taken += _cells(character)
        text = f"{kept}{_CUT}" if columns > 0 else ""
        taken += 1
    space = " " * max(0, columns - taken)
    return space + text if right else text + space


def row(columns: int, cells: Iterable[Cell]) -> Line:
    """One line of so many columns, with a space between its cells."""
    cells = list(cells)
    fixed = sum(cell.columns for cell in cells if cell.columns is not None)
    rest = max(1, columns - fixed - len(cells) + 1)
    line: Line = []
    for number, cell in enumerate(cells):
        if number:
            line.append(("plain", " "))
        taken = rest if cell.columns is None else cell.columns
        line.append((cell.colour, fit(cell.text, taken, right=cell.right)))
    return line
