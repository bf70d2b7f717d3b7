"""Markdown as a forge reads it, for python-markdown, which wants an empty line before a block.

A table or a list that stands right below a line of text is a part of that line for it, and
what goes on in a list has to stand in by four columns.
"""

import re

from sitemap import FENCES

__all__ = ["with_blocks_apart"]

# A number that begins a list within a paragraph is a 1: others are ends of sentences.
_ITEM = re.compile(r" *(?:[-*+]|\d+[.)]) +\S")
_FIRST_ITEM = re.compile(r" *(?:[-*+]|1[.)]) +\S")
_DELIMITER = re.compile(r"\|[-:| ]+\|\s*$")


def with_blocks_apart(text: str) -> str:
    """The text of a page with empty lines around each table, list and block of code."""
    parts: list[str] = []
    end = 0
    for fence in FENCES.finditer(text):
        parts += [_apart(text[end : fence.start()]), f"\n{fence[0]}\n"]
        end = fence.end()
    return "".join([*parts, _apart(text[end:])])


def _apart(text: str) -> str:
    lines = text.splitlines(keepends=True)
    out: list[str] = []
    in_list = False
    for at, line in enumerate(lines):
        item = _ITEM.match(line)
        before = lines[at - 1] if at else ""
        if before.strip() and _begins(lines, at, in_list=in_list):
            out.append("\n")
        if item:
            in_list = True
        elif not line.startswith(" ") and (line.strip() == "" or not before.strip()):
            # A line at the margin after an empty one is outside of the list.
            in_list = in_list and line.strip() == ""
        out.append(line)
    return "".join(out)


def _begins(lines: list[str], at: int, *, in_list: bool) -> bool:
    """Whether a block begins in this line, below one of text."""
    if _FIRST_ITEM.match(lines[at]):
        return not in_list
    below = lines[at + 1] if at + 1 < len(lines) else ""
    table = lines[at].startswith("|") and _DELIMITER.match(below) is not None
    return table and not lines[at - 1].startswith("|")
