"""`trouper ps`: the actors of a program that runs, and what is wrong with them."""

import json
import sys
import time
from argparse import ArgumentParser, Namespace
from typing import Any

from .console_client import NOT_FOUND, Client, Failed
from .console_output import (
    add_output_arguments,
    duration,
    milliseconds,
    note,
    repeated,
    seconds,
    write_rows,
)

__all__ = ["add_arguments", "run"]

_COLUMNS = {
    "actor": "actor",
    "kind": "kind",
    "state": "state",
    "mailbox": "mailbox",
    "n": "handled",
    "oldest": "oldest",
    "current": "in hand",
    "restarts": "restarts",
    "attention": "attention",
}

# What each order looks at, the most of it first.
_SORTS = {"mailbox": "depth", "oldest": "oldest_ms", "restarts": "restarts", "rate": "msgs_s"}
# Seconds over which messages are counted where only their order was asked for.
_WINDOW = 2.0


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `trouper ps`."""
    parser.add_argument("path", metavar="PATH", nargs="?", default="", help="it and what is below")
    parser.add_argument("--kind", action="append", default=[], help="actors of that class only")
    parser.add_argument("--depth", metavar="N", type=int, help="so many levels of the tree")
    parser.add_argument("--problems", action="store_true", help="only those that need attention")
    parser.add_argument(
        "--sort", choices=sorted(_SORTS), help="those with the most of it first, not as a tree"
    )
    parser.add_argument(
        "--window",
        metavar="SECONDS",
        type=duration,
        help="look twice, so far apart: messages a second, and the share of it that was busy",
    )
    add_output_arguments(parser, "dot")


def run(args: Namespace) -> int:
    """0, or 3 where nobody is at the path."""
    return repeated(args, lambda client: _show(args, client))


def _show(args: Namespace, client: Client) -> int:
    window = args.window or (_WINDOW if args.sort == "rate" else 0.0)
    before: dict[str, dict[str, Any]] = {}
    if window:
        told = client.get("tree", under=args.path, kinds=args.kind)
        before = {row["path"]: row for row in _rows(told)}
        time.sleep(window)
    told = client.get("tree", "totals", "attention", under=args.path, kinds=args.kind)
    if args.path and not told["new"]:
        raise Failed(NOT_FOUND, f"no actor at {args.path!r}")
    rows = _rows(told)
    if window:
        _count(rows, before, window)
    if args.depth is not None:
        rows = [row for row in rows if row["level"] < args.depth]
    if args.problems:
        rows = [row for row in rows if row["health"] != "ok"]
    if args.sort:
        rows.sort(key=lambda row: -row[_SORTS[args.sort]])
    if args.output == "table":
        _head(client.hello, told)
        if not sys.stdout.isatty() or args.problems or args.kind or args.sort:
            for row in rows:
                row["actor"] = row["path"]
    if args.output == "dot":
        _write_dot(rows)
    else:
        columns = {"path": "actor"} if args.output == "name" else _columns(window)
        write_rows(sys.stdout, args, "actors", rows, columns)
    return 0


def _columns(window: float) -> dict[str, str]:
    if not window:
        return _COLUMNS
    columns = {**_COLUMNS, "msgs_s": "msgs/s", "busy": "busy"}
    columns["attention"] = columns.pop("attention")  # the last, for it is the longest
    return columns


def _count(rows: list[dict[str, Any]], before: dict[str, dict[str, Any]], window: float) -> None:
    """What each has done between two looks; of one that has come meanwhile, all."""
    for row in rows:
        first = before.get(row["path"], {"n": 0, "busy_ms": 0})
        # One that has come in the place of another begins at 0.
        row["msgs_s"] = round(max(0, row["n"] - first["n"]) / window, 1)
        busy = max(0, row["busy_ms"] - first["busy_ms"]) / 1e3 / window
        row["busy_share"] = round(busy, 3)
        row["busy"] = f"{busy:.0%}" if busy else None


def _head(hello: dict[str, Any], told: dict[str, Any]) -> None:
    """What comes before the table: for people, and so on stderr."""
    totals = told["tot"]
    parts = (
        f"{hello['app']} pid {hello['pid']} up {seconds(totals['up_s'])}",
        f"actors {totals['actors']}",
        f"queued {totals['queued']}",
        f"requests {totals['in_flight']}",
        f"crashes {totals['crashes']}",
        f"dead letters {totals['dead']}",
        f"lag {totals['lag_ms']:g} ms",
    )
    note("  ".join(parts))
    for each in told["attention"]:
        mark = "!!" if each["severity"] > 1 else " !"
        note(f"{mark} {each['path'] or each['name']}  {each['health']}: {each['detail']}")


def _rows(told: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows by their columns' names, in the order of the tree."""
    values = {row[0]: dict(zip(told["cols"], row, strict=True)) for row in told["rows"]}
    below: dict[int | None, list[dict[str, Any]]] = {}
    for shape in told["new"]:
        below.setdefault(shape["parent"], []).append(shape)
    rows: list[dict[str, Any]] = []

    def walk(parent: int | None, level: int) -> None:
        for shape in below.get(parent, ()):
            row = {**shape, **values[shape["id"]], "level": level}
            del row["hist"]
            row["actor"] = "  " * level + shape["name"]
            row["mailbox"] = f"{row['depth']}/{shape['cap']}" if shape["cap"] else None
            row["oldest"] = milliseconds(row["oldest_ms"])
            row["current"] = milliseconds(row["cur_ms"])
            ill = row["health"] != "ok"
            row["attention"] = f"{row['health']}: {row['detail']}" if ill else None
            rows.append(row)
            walk(shape["id"], level + 1)

    walk(None, 0)
    return rows


def _write_dot(rows: list[dict[str, Any]]) -> None:
    print("digraph actors {\n  rankdir=LR; node [shape=box];")
    for row in rows:
        ill = ", color=red" if row["health"] != "ok" else ""
        label = json.dumps(f"{row['name']}\n{row['kind']} {row['state']}")
        print(f"  {row['id']} [label={label}{ill}];")
        if row["parent"] is not None:
            print(f"  {row['parent']} -> {row['id']};")
    print("}")
