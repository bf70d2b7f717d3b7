"""`trouper events`: what has happened of late: crashes, restarts, what operators did."""

import sys
import time
from argparse import ArgumentParser, Namespace
from typing import Any

from .console_client import Client
from .console_output import add_output_arguments, run_on_program, write_rows

__all__ = ["add_arguments", "run"]

_LEVELS = ("debug", "info", "warning", "error")
_COLUMNS = {"time": "time", "level": "level", "msg": "what", "path": "actor", "detail": "detail"}


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `trouper events`."""
    parser.add_argument("-f", "--follow", action="store_true", help="go on, as they happen")
    parser.add_argument("--level", choices=_LEVELS, default="info", help="these and worse ones")
    parser.add_argument("--under", metavar="PATH", default="", help="of that actor and those below")
    add_output_arguments(parser, watch=False)


def run(args: Namespace) -> int:
    """Show them; the exit code is 0."""
    return run_on_program(args, lambda client: _show(args, client))


def _show(args: Namespace, client: Client) -> int:
    if not args.follow:
        _write(args, client.get("events").get("ev", []))
        return 0
    client.send("sub", topics=["events"], hz=2)
    for frame in client.frames():
        _write(args, frame.get("ev", []))
        sys.stdout.flush()
    return 0


def _write(args: Namespace, events: list[dict[str, Any]]) -> None:
    shown = [event for event in events if _is_wanted(args, event)]
    for event in shown:
        event["time"] = time.strftime("%H:%M:%S", time.localtime(event["at"]))
    if shown or not args.follow:
        write_rows(sys.stdout, args, "events", shown, _COLUMNS)


def _is_wanted(args: Namespace, event: dict[str, Any]) -> bool:
    under = args.under.strip("/")
    loud = _LEVELS.index(event["level"]) >= _LEVELS.index(args.level)
    return loud and (not under or f"{event['path']}/".startswith(f"{under}/"))
