"""`trouper watch`: one actor again and again, as it changes."""

import json
import sys
from argparse import ArgumentParser, Namespace

from ..redaction import printable_line
from .console_client import Client, add_socket_argument
from .console_output import run_on_program
from .inspect import lines_of

__all__ = ["add_arguments", "run"]


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `trouper watch`."""
    parser.add_argument("path", metavar="PATH", help="which actor")
    parser.add_argument(
        "-n", "--count", type=int, help="so many looks, one a second; else for ever"
    )
    parser.add_argument("-o", "--output", choices=("table", "jsonl"), default="table")
    add_socket_argument(parser)


def run(args: Namespace) -> int:
    """0, or 3 where nobody is at the path, or not any more."""
    return run_on_program(args, lambda client: _watch(args, client))


def _watch(args: Namespace, client: Client) -> int:
    client.send("watch", path=args.path)
    for number, told in enumerate(client.frames(), 1):
        if args.output == "jsonl":
            print(json.dumps(told), flush=True)
        else:
            if sys.stdout.isatty():
                sys.stdout.write("\x1b[H\x1b[2J")
            print("\n".join(map(printable_line, lines_of(told))), flush=True)
        if number == args.count:
            break
    return 0
