"""`trouper logs`: the last lines that a program has logged, and with -f those that come."""

import re
import sys
from argparse import ArgumentParser, Namespace
from typing import Any

from .console_client import Client, add_socket_argument
from .console_output import run_on_program

__all__ = ["add_arguments", "run"]

_LEVELS = ("debug", "info", "warning", "error", "critical")
_LEVEL = re.compile(r"(?:^|\s)level=(\w+)")


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `trouper logs`."""
    parser.add_argument("-f", "--follow", action="store_true", help="go on, as they come")
    parser.add_argument("--level", choices=_LEVELS, default="debug", help="these and worse ones")
    add_socket_argument(parser)


def run(args: Namespace) -> int:
    """Show them; the exit code is 0."""
    return run_on_program(args, lambda client: _show(args, client))


def _show(args: Namespace, client: Client) -> int:
    if not args.follow:
        _write(args, client.get("logs").get("log", []))
        return 0
    client.send("sub", topics=["logs"], hz=2)
    for frame in client.frames():
        _write(args, frame.get("log", []))
        sys.stdout.flush()
    return 0


def _write(args: Namespace, lines: list[dict[str, Any]]) -> None:
    # As they were written: one line each, cleaned, in logfmt, for whatever reads that.
    for each in lines:
        if _is_wanted(args, each["line"]):
            print(each["line"])


def _is_wanted(args: Namespace, line: str) -> bool:
    found = _LEVEL.search(line)
    level = found[1].lower() if found else ""
    return level not in _LEVELS or _LEVELS.index(level) >= _LEVELS.index(args.level)
