"""`trouper dead-letters`: the messages that were not handled to their end, and why."""

import sys
from argparse import ArgumentParser, Namespace

from .console_client import Client
from .console_output import add_output_arguments, milliseconds, repeated, write_rows

__all__ = ["add_arguments", "run"]

_COLUMNS = {
    "n": "n",
    "ago": "ago",
    "path": "to",
    "msg": "message",
    "reason": "reason",
    "again": "again",
}


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `trouper dead-letters`."""
    parser.add_argument("--under", metavar="PATH", default="", help="to that actor and those below")
    add_output_arguments(parser)


def run(args: Namespace) -> int:
    """Show them; the exit code is 0."""
    return repeated(args, lambda client: _show(args, client))


def _show(args: Namespace, client: Client) -> int:
    under = args.under.strip("/")
    rows = [
        {
            **letter,
            "ago": milliseconds(letter["ago_ms"]) or "0.0 s",
            "again": "sent" if letter["resent"] else "",
        }
        for letter in client.get("dead").get("dead", [])
        if not under or f"{letter['path']}/".startswith(f"{under}/")
    ]
    write_rows(sys.stdout, args, "dead_letters", rows, _COLUMNS)
    return 0
