"""`trouper health`: whether anything needs attention; exit code 6 where somebody is refused.

For a container's probe: it says in words what is wrong, and nothing where all is well.
"""

import sys
from argparse import ArgumentParser, Namespace

from .console_client import UNHEALTHY, Client
from .console_output import add_output_arguments, repeated, write_rows

__all__ = ["add_arguments", "run"]

_COLUMNS = {"path": "actor", "name": "name", "health": "health", "detail": "detail"}
_ACT = 2


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `trouper health`."""
    add_output_arguments(parser)


def run(args: Namespace) -> int:
    """0, or 6 where something needs a person now."""
    return repeated(args, lambda client: _show(args, client))


def _show(args: Namespace, client: Client) -> int:
    found = client.get("attention")["attention"]
    if found or args.output != "table":
        write_rows(sys.stdout, args, "attention", found, _COLUMNS)
    return UNHEALTHY if any(each["severity"] >= _ACT for each in found) else 0
