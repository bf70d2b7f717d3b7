"""`trouper requests`: the calls of providers that are under way, and in which phase."""

import sys
from argparse import ArgumentParser, Namespace

from .console_client import Client
from .console_output import add_output_arguments, milliseconds, repeated, write_rows

__all__ = ["add_arguments", "run"]

_COLUMNS = {
    "id": "request",
    "provider": "provider",
    "model": "model",
    "attempt": "attempt",
    "phase": "phase",
    "for": "for",
    "waited": "waited",
    "first": "first",
    "age": "age",
    "session": "session",
}


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `trouper requests`."""
    parser.add_argument("--provider", help="to that one only")
    add_output_arguments(parser)


def run(args: Namespace) -> int:
    """Show them; the exit code is 0."""
    return repeated(args, lambda client: _show(args, client))


def _show(args: Namespace, client: Client) -> int:
    rows = [
        {
            **row,
            "for": milliseconds(row.get("phase_ms")),
            "waited": milliseconds(row.get("waited_ms")),
            "first": milliseconds(row.get("first_ms")),
            "age": milliseconds(row["age_ms"]),
        }
        for row in client.get("requests")["requests"]
        if args.provider in (None, row["provider"])
    ]
    write_rows(sys.stdout, args, "requests", rows, _COLUMNS)
    return 0
