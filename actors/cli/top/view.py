"""The whole screen of `trouper top` as lines: values in, values out."""

import textwrap
import time
from collections.abc import Iterator
from typing import Final

from ..console_output import seconds
from .cells import Cell, Line, fit, row, width_of
from .desk import HELP, Desk
from .items import COLOURS
from .pages import HEADS, PAGES

__all__ = ["SMALLEST", "screen"]

SMALLEST: Final = (40, 10)
"""Columns and rows below which nothing can be read."""

# Seconds: a program that lives says something every five.
_SILENCE: Final = 12.0

# Lines that what needs attention takes above the tree.
_WORST: Final = 4

_NANO: Final = 1_000_000_000

# Columns of a path above the tree, where the words behind it are worth more than its beginning.
_SHORT: Final = 26

# Lines of a question: it may name many siblings.
_ASKED: Final = 4


def screen(desk: Desk, columns: int, rows: int, now: float) -> list[Line]:
    """Exactly `rows` lines of `columns`, at the time `now` (seconds since 1970)."""
    if columns < SMALLEST[0] or rows < SMALLEST[1]:
        return [[("plain", fit("too small", columns))] for _ in range(rows)]
    trouble = _trouble(desk, now)
    head = list(_head(desk, columns, now, trouble))
    foot = list(_foot(desk, columns))
    desk.rows = rows - len(head) - len(foot)
    body = _help(columns) if desk.helping else _body(desk, columns, desk.rows)
    body = (body + [[("plain", " " * columns)]] * desk.rows)[: desk.rows]
    if trouble:
        # It is not current any more, and must not look alive.
        body = [[("lost", text) for _, text in line] for line in body]
    return [*head, *body, *foot]


def _trouble(desk: Desk, now: float) -> str:
    """Why the picture is not current; "" if it is."""
    if desk.lost:
        return f"trying again: {desk.lost}"
    if desk.told_at and now - desk.told_at > _SILENCE:
        return "it has said nothing since: its event loop may stand still"
    return ""


def _head(desk: Desk, columns: int, now: float, trouble: str) -> Iterator[Line]:
    hello, totals = desk.picture.hello, desk.picture.totals
    parts = ["trouper top"]
    if hello and totals:
        parts = [
            f"{hello['app']} {hello['pid']}",
            f"up {seconds(totals['up_s'])}",
            f"actors {totals['actors']}",
            f"queued {totals['queued']}",
            f"calls {totals['in_flight']}",
            f"crashes {totals['crashes']}",
            f"${totals['cost'] / _NANO:.2f}",
            f"lag {totals['lag_ms']:g} ms",
            f"dead letters {totals['dead']}",
        ]
    state = "LOST" if trouble else hello.get("role", "")
    if desk.picture.every and not trouble:
        state = f"each {seconds(desk.picture.every)}  {state}"
    told = fit(" " + "  ".join(parts), columns - len(state) - 2)
    yield [("bar", told), ("bar-lost" if trouble else "bar", f" {state} ")]
    yield _tabs(desk, columns)
    if trouble:
        yield from _lost(desk, columns, now, trouble)
    elif desk.page == "tree" and not desk.actor and not desk.helping:
        yield from _attention(desk, columns)
    heads = HEADS.get(desk.page)
    if heads is not None and not desk.actor and not desk.helping:
        cells = [Cell(title, wide, "dim", right) for title, wide, right in heads]
        yield row(columns, cells)


def _tabs(desk: Desk, columns: int) -> Line:
    line: Line = []
    for number, page in enumerate(PAGES, 1):
        ill = len(desk.picture.attention) if page == "problems" else 0
        title = f" {number} {page}{f' {ill}' if ill else ''} "
        line.append(("tab" if page == desk.page else "act" if ill else "dim", title))
    used = sum(width_of(text) for _, text in line)
    more = f"by {desk.sort}" if desk.page == "tree" and desk.sort != "tree" else ""
    if desk.filter or desk.typing:
        more = f"{more} /{desk.filter}{'_' if desk.typing else ''}".strip()
    line.append(("look", fit(more, max(0, columns - used), right=True)))
    return line


def _lost(desk: Desk, columns: int, now: float, trouble: str) -> Iterator[Line]:
    if desk.told_at:
        at = time.strftime("%H:%M:%S", time.localtime(desk.told_at))
        ago = seconds(max(0.0, now - desk.told_at))
        yield [("act", fit(f" picture from {at}, {ago} ago; nothing below is current", columns))]
    yield [("act", fit(f" {trouble}", columns))]


def _attention(desk: Desk, columns: int) -> Iterator[Line]:
    found = desk.picture.attention
    for each in found[:_WORST]:
        colour = COLOURS[each["severity"]]
        mark = "!!" if each["severity"] > 1 else " !"
        where: str = each["path"] or f"{each['what']} {each['name']}"
        where = where if len(where) <= _SHORT else f"…{where[1 - _SHORT :]}"
        yield [(colour, fit(f"{mark} {each['health']}  {where}: {each['detail']}", columns))]
    more = len(found) - _WORST
    if more > 0:
        yield [("dim", fit(f"   and {more} more: 2 shows all", columns))]
    if not found and desk.picture.hello:
        yield [("good", fit("   nothing needs attention", columns))]


def _help(columns: int) -> list[Line]:
    return [[("plain", fit(f"  {line}", columns))] for line in HELP]


def _body(desk: Desk, columns: int, rows: int) -> list[Line]:
    items = desk.items(columns)
    if not items:
        what = "nothing has these letters" if desk.filter else f"no {desk.page}"
        return [[("dim", fit(f"   {what}", columns))]]
    chosen = -1 if desk.actor else desk.chosen(items)
    lines: list[Line] = []
    for at in range(desk.first(items, rows), len(items)):
        for number, line in enumerate(items[at].draw(columns)):
            lines.append(
                [("chosen", text) for _, text in line] if at == chosen and not number else line
            )
        if len(lines) >= rows:
            break
    return lines


def _foot(desk: Desk, columns: int) -> Iterator[Line]:
    if desk.question is None:
        keys = "? help  Enter one actor  / filter  s sort  R restart  q leave"
        yield [("dim", fit(f" {desk.said or keys}", columns))]
        return
    words = f"{desk.question.words[0].upper()}{desk.question.words[1:]}? [y/N]"
    for line in textwrap.wrap(words, columns - 2, max_lines=_ASKED, placeholder=" ...? [y/N]"):
        yield [("ask", fit(f" {line}", columns))]
