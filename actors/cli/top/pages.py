"""The pages of `trouper top`: the tree, what is wrong, calls, conversations, events, one actor."""

import textwrap
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

from ..console_output import milliseconds, money
from .cells import Cell, Line, row
from .items import COLOURS, Draw, Item, draw_text
from .picture import ActorSeen, Picture
from .provider_page import provider_items

__all__ = ["HEADS", "PAGES", "SORTS", "actor_items", "items_of"]

PAGES: Final = ("tree", "problems", "providers", "requests", "sessions", "events")

SORTS: Final = ("tree", "mailbox", "oldest", "rate", "restarts")

_MARKS: Final = {0: " ", 1: "!", 2: "!!"}

HEADS: Final[dict[str, tuple[tuple[str, int | None, bool], ...]]] = {
    "tree": (
        ("ACTOR", None, False),
        ("STATE", 13, False),
        ("MAILBOX", 11, True),
        ("OLDEST", 12, True),
        ("MSGS/S", 6, True),
        ("RST", 3, True),
    ),
    "requests": (
        ("ASKED OF", None, False),
        ("PHASE", 9, False),
        ("FOR", 12, True),
        ("AGE", 12, True),
        ("TRY", 3, True),
        ("SESSION", 18, False),
    ),
    "sessions": (
        ("SESSION", None, False),
        ("DOES", 16, False),
        ("TURNS", 5, True),
        ("TOKENS", 9, True),
        ("COST", 10, True),
        ("MODEL", 14, False),
    ),
}


def items_of(page: str, picture: Picture, folded: set[str], sort: str) -> Iterator[Item]:
    """What is on a page."""
    match page:
        case "tree":
            return _tree(picture, folded, sort)
        case "problems":
            return _problems(picture)
        case "providers":
            return provider_items(picture)
        case "requests":
            return _requests(picture)
        case "sessions":
            return _sessions(picture)
        case _:
            return _events(picture)


def _cells(page: str, *values: tuple[str, str]) -> list[Cell]:
    """Values, each with its colour, in the columns of a page."""
    return [
        Cell(text, columns, colour, right)
        for (text, colour), (_, columns, right) in zip(values, HEADS[page], strict=True)
    ]


# The tree.


def _tree(picture: Picture, folded: set[str], sort: str) -> Iterator[Item]:
    if sort == "tree":
        for level, actor in picture.walk(folded):
            if actor.row:
                draw = partial(_draw_actor, picture, folded, actor, level, "")
                yield _actor_item(actor, draw)
        return
    there = [actor for actor in picture.actors.values() if actor.row]
    for actor in sorted(there, key=_BY[sort], reverse=True):
        draw = partial(_draw_actor, picture, set[str](), actor, 0, actor.path)
        yield _actor_item(actor, draw)


_BY: Final[dict[str, Callable[[ActorSeen], float]]] = {
    "mailbox": lambda actor: actor.row["depth"],
    "oldest": lambda actor: max(actor.row["oldest_ms"], actor.row["cur_ms"]),
    "rate": lambda actor: actor.rate,
    "restarts": lambda actor: actor.row["restarts"],
}


def _actor_item(actor: ActorSeen, draw: Draw) -> Item:
    ill = f" {actor.row['health']} {actor.row['detail']}" if actor.is_ill else ""
    words = f"{actor.path} {actor.shape['kind']} {actor.row['state']}{ill}"
    return Item(actor.path, actor.path, words, draw)


def _severity(picture: Picture, path: str) -> int:
    return max((each["severity"] for each in picture.attention if each["path"] == path), default=1)


def _draw_actor(
    picture: Picture, folded: set[str], actor: ActorSeen, level: int, name: str, columns: int
) -> list[Line]:
    seen, id = actor.row, actor.shape["id"]
    depth, restarts, rate, ill = seen["depth"], seen["restarts"], actor.rate, 0
    parents = bool(picture.below.get(id))
    if actor.path in folded and parents:
        family = [each for each in picture.family(id) if each.row]
        depth = sum(each.row["depth"] for each in family)
        restarts = sum(each.row["restarts"] for each in family)
        rate = sum(each.rate for each in family)
        ill = sum(each.is_ill for each in family)
    sign = "" if name else "▸ " if actor.path in folded and parents else "▾ " if parents else "  "
    colour, state, mark = "plain", seen["state"], "●"
    if actor.is_ill:
        severity = _severity(picture, actor.path)
        colour, state, mark = COLOURS[severity], seen["health"], "■" if severity > 1 else "▲"
    elif ill:
        colour, state, mark = "look", f"{ill} below", "▲"
    cap = actor.shape["cap"]
    mailbox = (f"{depth}/{cap}" if not ill and cap else str(depth)) if depth or cap else "-"
    oldest = milliseconds(seen["oldest_ms"]) or "-"
    cells = _cells(
        "tree",
        (f"{'  ' * level}{sign}{name or actor.shape['name']}", "plain"),
        (f"{mark} {state}", colour),
        (mailbox, "plain" if not depth or not actor.is_ill else colour),
        (oldest, "plain"),
        (f"{rate:.1f}" if rate else "-", "plain"),
        (str(restarts) if restarts else "-", "plain"),
    )
    return [row(columns, cells)]


# What is wrong.


def _problems(picture: Picture) -> Iterator[Item]:
    for number, each in enumerate(picture.attention):
        where = each["path"] or f"{each['what']} {each['name']}"
        words = f"{where} {each['health']} {each['detail']}"
        key = f"{where} {each['health']}"
        yield Item(key or str(number), each["path"], words, partial(_draw_problem, each, where), 3)


def _draw_problem(each: dict[str, Any], where: str, columns: int) -> list[Line]:
    colour = COLOURS[each["severity"]]
    head = [
        Cell(_MARKS[each["severity"]], 2, colour, right=True),
        Cell(each["health"], 12, colour),
        Cell(where, None),
    ]
    said = textwrap.wrap(each["detail"], columns - 4, max_lines=2, placeholder=" …")
    below = [row(columns, [Cell("", 2), Cell(line, None, "dim")]) for line in [*said, ""][:2]]
    return [row(columns, head), *below]


# Calls, conversations, events.


def _requests(picture: Picture) -> Iterator[Item]:
    for each in picture.listed("requests"):
        path = f"providers/{each['provider']}" if each["provider"] else ""
        words = (
            f"{each['asked']} {each['provider']} {each['model']} {each['session']} {each['phase']}"
        )
        yield Item(str(each["id"]), path, words, partial(_draw_request, each))


def _draw_request(each: dict[str, Any], columns: int) -> list[Line]:
    target = f"{each['provider']}/{each['model']}" if each["provider"] else each["asked"]
    cells = _cells(
        "requests",
        (target, "plain"),
        (each["phase"], "good" if each["phase"] == "streaming" else "plain"),
        (milliseconds(each["phase_ms"]) or "-", "plain"),
        (milliseconds(each["age_ms"]) or "-", "plain"),
        (str(each["attempt"]), "plain"),
        (each["session"] or "-", "dim"),
    )
    return [row(columns, cells)]


def _sessions(picture: Picture) -> Iterator[Item]:
    for each in picture.listed("sessions"):
        words = f"{each['id']} {each['owner']} {each['model']} {each['assistant']}"
        yield Item(each["path"], each["path"], words, partial(_draw_session, each))


def _draw_session(each: dict[str, Any], columns: int) -> list[Line]:
    does = f"turn {each['running']}" if each["running"] is not None else "idle"
    if each["asked"]:
        does = "asks permission"
    usage = each["usage"] or {}
    cells = _cells(
        "sessions",
        (each["id"], "plain"),
        (does, "good" if each["running"] is not None else "dim"),
        (str(each["turns"]), "plain"),
        (str(usage.get("input", 0) + usage.get("output", 0)), "plain"),
        (money(each["cost"]) or "-", "plain"),
        (each["model"] or "-", "dim"),
    )
    return [row(columns, cells)]


def _events(picture: Picture) -> Iterator[Item]:
    for event in reversed(picture.events):
        words = f"{event['level']} {event['msg']} {event['path']} {event['detail']}"
        yield Item(str(event["n"]), event["path"], words, partial(_draw_event, event))


def _draw_event(event: dict[str, Any], columns: int) -> list[Line]:
    colour = {"error": "act", "warning": "look"}.get(event["level"], "plain")
    at = time.strftime("%H:%M:%S", time.localtime(event["at"]))
    said = f"{event['msg']}  {event['path']}  {event['detail']}"
    return [row(columns, [Cell(at, 8, "dim"), Cell(said, None, colour)])]


# One actor.


def actor_items(lines: list[str]) -> Iterator[Item]:
    """What is told of one actor, a line an item; the first one is its head."""
    for number, line in enumerate(lines):
        colour = "head" if not number else "plain"
        yield Item(str(number), "", line, partial(draw_text, line, colour))
