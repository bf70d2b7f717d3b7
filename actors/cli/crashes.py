"""`trouper crashes`: how actors have crashed, the last one first; `show ID` with its traceback."""

import sys
import time
from argparse import ArgumentParser, Namespace
from typing import Any

from ..redaction import printable
from .console_client import NOT_FOUND, Client, Failed
from .console_output import add_output_arguments, repeated, write_rows, write_value

__all__ = ["add_arguments", "run"]

_COLUMNS = {
    "id": "id",
    "time": "time",
    "path": "actor",
    "kind": "kind",
    "life": "life",
    "message": "in hand",
    "error": "error",
}


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `trouper crashes`."""
    parser.add_argument("show", nargs="*", metavar="show ID", help="that one, with its traceback")
    add_output_arguments(parser)


def run(args: Namespace) -> int:
    """0, or 3 where there is no such crash."""
    return repeated(args, lambda client: _show(args, client))


def _show(args: Namespace, client: Client) -> int:
    crashes = client.get("crashes")["crashes"]
    if args.show:
        _show_one(args, client, crashes)
        return 0
    for crash in crashes:
        crash["time"] = time.strftime("%H:%M:%S", time.localtime(crash["at"]))
    write_rows(sys.stdout, args, "crashes", crashes, _COLUMNS)
    return 0


def _show_one(args: Namespace, client: Client, crashes: list[dict[str, Any]]) -> None:
    id = args.show[-1]
    path = next((crash["path"] for crash in crashes if crash["id"] == id), None)
    if path is None:
        raise Failed(NOT_FOUND, f"no crash {id!r} is remembered; `trouper crashes` lists them")
    found = client.one("inspect", path=path, want=["crashes"])["crashes"]
    crash = next(crash for crash in found if crash["id"] == id)
    if args.output == "json":
        write_value(sys.stdout, "crash", crash)
        return
    hand = f" with {crash['message']} in hand" if crash["message"] else ""
    print(printable(f"{crash['path']} ({crash['kind']}), life {crash['life']}{hand}"))
    print(printable(crash["error"]))
    print(printable(crash["traceback"]))
    if (above := crash["supervisor"]) is not None:
        print(printable(_supervised(above)))
    for line in crash["siblings"]:
        print(printable(f"beside it: {line}"))
    for line in crash["before"]:
        print(printable(f"before: {line}"))
    print(crash["versions"])


def _supervised(above: dict[str, Any]) -> str:
    who = above["path"] or "the system"
    took = f"it takes {above['restarts']} restarts in {above['period']:g} s"
    return f"under {who} ({above['strategy']}): {took}, and had used {above['used']}"
