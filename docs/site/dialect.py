"""Markdown as a forge reads it, for python-markdown, which wants an empty line before a block.

A table or a list that stands right below a line of text is a part of that line for it. And
a page has one title: what follows a second one is a part of the page.
"""

import re

from sitemap import FENCES

__all__ = ["with_blocks_apart", "with_code_fenced", "with_one_title"]

# A number that begins a list within a paragraph is a 1: others are ends of sentences.
_ITEM = re.compile(r" *(?:[-*+]|\d+[.)]) +\S")
_FIRST_ITEM = re.compile(r" *(?:[-*+]|1[.)]) +\S")
_DELIMITER = re.compile(r"\|[-:| ]+\|\s*$")
_TITLE = re.compile(r"^# ", re.MULTILINE)
_INDENTED = re.compile(r"(?:^|(?<=\n\n))((?:(?: {4}.*| *)(?:\n|$))+)", re.MULTILINE)


def with_one_title(text: str) -> str:
    """The text of a page whose headings from its second title on are one level deeper."""
    titles = [match.start() for match in _TITLE.finditer(FENCES.sub(_blank, text))]
    if len(titles) < 2:
        return text
    parts: list[str] = []
    end = titles[1]
    for fence in FENCES.finditer(text, end):
        parts += [_deeper(text[end : fence.start()]), fence[0]]
        end = fence.end()
    return "".join([text[: titles[1]], *parts, _deeper(text[end:])])


def _blank(match: re.Match[str]) -> str:
    return " " * len(match[0])


def _deeper(text: str) -> str:
    return re.sub(r"^(?=#+ )", "#", text, flags=re.MULTILINE)


def with_code_fenced(text: str) -> str:
    """A docstring whose indented blocks are fenced, with their language."""

    def fenced(match: re.Match[str]) -> str:
        if not match[0].strip():
            return match[0]
        code = "\n".join(line[4:] for line in match[0].strip("\n").splitlines())
        return f"```{'toml' if code.startswith('[') else 'python'}\n{code}\n```\n\n"

    return _INDENTED.sub(fenced, text)


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
