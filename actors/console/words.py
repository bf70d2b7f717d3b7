"""Answers for people who have nothing but `nc -U`: words in, plain text out."""

from typing import Any

import trio

from ..policy.attention import seconds_in_words
from ..redaction import printable_line
from .history import SLICE
from .peer import Peer
from .protocol import ConsoleFault, Inspect
from .service import ConsoleService
from .survey import Seen, Tree, tree_order

__all__ = ["answer_words"]

_HELP = """\
tree [PATH]     all actors, what they do, and what is wrong with them
problems        what needs attention
inspect PATH    one actor: what it has in hand, its stack, its last crash
events          what has happened of late
help            this
Lines that begin with { are JSON: docs/reference/feed.md."""


async def answer_words(service: ConsoleService, peer: Peer, words: tuple[str, ...]) -> str:
    """The answer to a person's words."""
    word, arguments = words[0].lower(), [each.strip("/") for each in words[1:]]
    match word, arguments:
        case "tree", [] | [_]:
            return await _tree(service, *arguments)
        case "problems", []:
            return await _problems(service)
        case "inspect", [path]:
            return await _inspect(service, path)
        case "events", []:
            return (
                "\n".join(_event(event.frame()) for event in service.picture.events.since(0)) or "-"
            )
        case "help", []:
            return f"You are {peer.by}, and may {peer.role}.\n{_HELP}"
        case _:
            return f"? {' '.join(words)[:80]}\n{_HELP}"


async def _tree(service: ConsoleService, under: str = "") -> str:
    await service.picture.board.refresh()
    tree = Tree(service.picture.survey, under)
    lines: list[str] = []
    paths = tree_order(tree.paths())
    for first in range(0, len(paths), SLICE):
        lines += map(_row, service.picture.survey.seen(paths[first : first + SLICE]))
        await trio.lowlevel.checkpoint()
    return "\n".join(lines) or f"no actor at {under!r}"


def _row(seen: Seen) -> str:
    row, attention = seen.row, seen.attention
    depth = f" {row.depth}/{seen.shape.capacity}" if row.depth else ""
    said = f"  {attention.health}: {attention.detail}" if attention.severity else ""
    indent = "  " * row.path.count("/")
    name = printable_line(row.path.rpartition("/")[2])
    return f"{indent}{name}  {seen.shape.kind} {row.state}{depth}{said}"


async def _problems(service: ConsoleService) -> str:
    await service.picture.board.refresh()
    found = await service.picture.survey.attention()
    lines = [
        f"{each['path'] or each['name']}  {each['health']}: {each['detail']}" for each in found
    ]
    return "\n".join(lines) or "nothing needs attention"


async def _inspect(service: ConsoleService, path: str) -> str:
    try:
        told = await service.inspected(
            Inspect(None, path, ("fields", "stack", "mailbox", "recent", "crashes"), watch=False)
        )
    except ConsoleFault as error:
        return error.message
    lines = [f"{told['path']}  {told['kind']} {told['state']}, life {told['gen']}"]
    if told["detail"]:
        lines.append(f"  {told['health']}: {told['detail']}")
    lines.append(f"  mailbox {told['depth']}/{told['cap']}, handled {told['n']}")
    lines += [f"  in hand: {each['msg']} for {_for(each['ms'])}" for each in told["in_hand"]]
    lines += [f"  waits: {each['msg']} for {_for(each['ms'])}" for each in told["mailbox"]]
    lines += [f"  {each['name']}: {each['type']} {each['value'] or ''}" for each in told["fields"]]
    lines += [f"  at {frame}" for frame in told["stack"]]
    for crash in told["crashes"][:1]:
        lines += ["  last crash:", *(f"    {line}" for line in crash["traceback"].splitlines())]
    return "\n".join(lines)


def _event(event: dict[str, Any]) -> str:
    return f"{event['level']:8}{event['msg']}  {event['path']}  {event['detail']}"


def _for(milliseconds: int) -> str:
    return seconds_in_words(milliseconds / 1e3)
