"""`trouper sessions`: the conversations that a store keeps, or that a program has open.

Those of a store are looked at in its file, by stored_sessions.py; those that are
open (`live`, `turns`) a program is asked for, which takes no time.
"""

import argparse
import importlib
import sys
import time
from functools import partial
from typing import Any, Final

from ..redaction import printable
from .console_client import Client
from .console_output import (
    add_output_arguments,
    money,
    repeated,
    write_rows,
    write_value,
)
from .usage_times import moment as when

__all__ = ["add_arguments", "run"]

_LISTED: Final = 50

_COLUMNS: Final = {
    "id": "id",
    "owner": "owner",
    "assistant": "assistant",
    "turns": "turns",
    "running": "running",
    "asked": "to permit",
    "listeners": "listeners",
    "usd": "cost",
    "state": "state",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare `trouper sessions list|show|export|delete|live|turns`."""
    parser.description = (
        "Look at the conversations that a store keeps; a server may run meanwhile, except to "
        "delete one. Or, with live and turns, at those that a program has open."
    )
    commands = parser.add_subparsers(dest="sessions_command", metavar="COMMAND", required=True)
    listing = commands.add_parser("list", help="say which there are, the last used first")
    _store_arguments(listing)
    listing.add_argument("--owner", help="those of that client only")
    listing.add_argument(
        "--limit", metavar="N", type=_count, default=_LISTED, help="so many at most: %(default)s"
    )
    show = commands.add_parser("show", help="show a conversation for people to read")
    _store_arguments(show)
    show.add_argument("id", metavar="ID")
    export = commands.add_parser("export", help="write conversations as JSON, a line for each")
    _store_arguments(export)
    export.add_argument("id", metavar="ID", nargs="*", help="which ones; all of them without it")
    delete = commands.add_parser(
        "delete", help="delete conversations for good; not while a server runs on the store"
    )
    _store_arguments(delete)
    delete.add_argument("id", metavar="ID", nargs="*")
    delete.add_argument(
        "--older-than",
        metavar="AGE",
        type=partial(when, now=time.time()),
        help="those that nobody has used for so long (30d), or since that day (2026-11-21)",
    )
    live = commands.add_parser("live", help="say which ones a program has open")
    add_output_arguments(live)
    turns = commands.add_parser(
        "turns", help="show one that is open turn by turn, without its words"
    )
    turns.add_argument("id", metavar="ID")
    turns.add_argument(
        "--text", action="store_true", help="with its words: for admins, and written down"
    )
    add_output_arguments(turns, formats=("table", "json"))


def _count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"must be a whole number from 1, not {text!r}")
    return int(text)


def _store_arguments(parser: argparse.ArgumentParser) -> None:
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--config", metavar="FILE", help="the configuration, which names the store")
    where.add_argument("--store", metavar="FILE", help="the store itself")


def run(args: argparse.Namespace) -> int:
    """0, once it is done. Raises ConfigError, StoreError and SessionUnreadable."""
    match args.sessions_command:
        case "live":
            return repeated(args, lambda client: _live(args, client))
        case "turns":
            return repeated(args, lambda client: _turns(args, client))
        case _:
            # Imported here: it takes 0.3 s, which those of a program need not wait.
            stored = importlib.import_module(".stored_sessions", __package__)
            code: int = stored.run(args)
            return code


def _live(args: argparse.Namespace, client: Client) -> int:
    rows = client.get("sessions")["sessions"]
    for row in rows:
        row["usd"] = money(row.get("cost"))
    write_rows(sys.stdout, args, "sessions", rows, _COLUMNS)
    return 0


def _turns(args: argparse.Namespace, client: Client) -> int:
    told = client.one("session", session=args.id, text=args.text)
    if args.output == "json":
        write_value(sys.stdout, "session", told)
        return 0
    title = f"  {told['title']}" if told["title"] else ""
    print(printable(f"{told['session']}  {told['assistant']}  {money(told['cost'])}{title}"))
    for turn in told["turns"]:
        ended = turn["stop"] or "under way"
        print(printable(f"[{turn['number']}] {turn['target']}  {ended}  {money(turn['cost'])}"))
        for step in turn["steps"]:
            print(printable(f"    {_step(step)}"))
    for call in told["asked"]:
        print(printable(f"    waits for a permission: {call['name']}"))
    return 0


def _step(step: dict[str, Any]) -> str:
    name = f" {step['name']}" if "name" in step else ""
    failed = " (an error)" if step.get("is_error") else ""
    said = f": {step['text']}" if step["text"] else f", {step['chars']} characters"
    return f"{step['role']} {step['what']}{name}{failed}{said}"
