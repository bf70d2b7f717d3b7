"""`trouper stacks`: where the code of all actors waits, equal stacks once; what hangs, and where."""

import sys
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Iterator
from typing import Any

from ..console.stacks import own_frames
from ..redaction import printable_line
from .console_client import NOT_FOUND, Client, Failed
from .console_output import add_output_arguments, repeated, write_value

__all__ = ["add_arguments", "run"]

# Actors that are named of each stack; `-o json` has more.
_NAMED = 5
# Of an actor none of whose own code is on its stack.
_IDLE = "(in the runtime: it waits for a message, or for its children)"

Group = dict[str, Any]


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `trouper stacks`."""
    parser.add_argument("path", metavar="PATH", nargs="?", default="", help="it and what is below")
    parser.add_argument("--all-frames", action="store_true", help="the runtime's frames, too")
    add_output_arguments(parser, formats=("table", "json"))


def run(args: Namespace) -> int:
    """0, or 3 where nobody is at the path."""
    return repeated(args, lambda client: _show(args, client))


def _show(args: Namespace, client: Client) -> int:
    told = client.one("stacks", under=args.path)
    if args.path and not told["groups"]:
        raise Failed(NOT_FOUND, f"no actor at {args.path!r}")
    if args.output == "json":
        write_value(sys.stdout, "stacks", told["groups"])
        return 0
    groups = told["groups"] if args.all_frames else _folded(told["groups"])
    for line in _lines(groups):
        print(printable_line(line))
    return 0


def _folded(groups: list[Group]) -> list[Group]:
    """Without the runtime's frames; those that are equal then are one."""
    found: dict[tuple[str, ...], Group] = {}
    for group in groups:
        stack = own_frames(group["stack"])
        known = found.setdefault(
            tuple(stack), {"stack": stack, "count": 0, "kinds": Counter[str](), "paths": []}
        )
        known["count"] += group["count"]
        known["kinds"].update(group["kinds"])
        known["paths"] += group["paths"]
    return sorted(found.values(), key=lambda group: -group["count"])


def _lines(groups: list[Group]) -> Iterator[str]:
    for group in groups:
        kinds: Counter[str] = Counter(group["kinds"])
        named = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
        yield f"{group['count']} at one place: {named}" if group["count"] > 1 else f"1 {named[2:]}"
        for frame in group["stack"] or [_IDLE]:
            yield f"    {frame}"
        more = group["count"] - len(group["paths"][:_NAMED])
        paths = ", ".join(group["paths"][:_NAMED])
        yield f"  {paths} and {more} more" if more else f"  {paths}"
