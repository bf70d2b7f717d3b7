"""What the console's commands print: a table for people, and the same for programs.

Data is on stdout and notes are on stderr. A table is aligned on a terminal and
separated by tabs when it is piped; `json` is one document with a `v`, `jsonl` a
row a line, `name` the first column alone.
"""

import json
import sys
import time
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TextIO

from ..redaction import printable_line
from .console_client import Client, Failed, add_socket_argument, complain, connected

__all__ = [
    "add_output_arguments",
    "duration",
    "milliseconds",
    "money",
    "note",
    "repeated",
    "run_on_program",
    "seconds",
    "write_rows",
    "write_value",
]

_FORMATS: Final = ("table", "json", "jsonl", "name")
_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_NANO: Final = 1_000_000_000

Row = Mapping[str, Any]


def add_output_arguments(
    parser: ArgumentParser, *more: str, watch: bool = True, formats: Sequence[str] = _FORMATS
) -> None:
    """Declare `--sock`, `-o` (and `more` formats) and `--watch`."""
    add_socket_argument(parser)
    parser.add_argument(
        "-o", "--output", choices=(*formats, *more), default="table", help="how it is written"
    )
    if watch:
        parser.add_argument(
            "--watch",
            metavar="SECONDS",
            nargs="?",
            type=duration,
            const=2.0,
            help="again and again, each %(const)s s unless it says how often",
        )


def duration(text: str) -> float:
    """Seconds, as `90`, `90s`, `10m` or `1h`. For argparse."""
    unit = next((unit for unit in _UNITS if text.endswith(unit) and text[: -len(unit)]), "")
    try:
        value = float(text.removesuffix(unit)) * _UNITS.get(unit, 1.0)
    except ValueError:
        value = 0.0
    if not 0 < value <= 86_400:
        raise ArgumentTypeError(f"{text!r} is no time up to a day, such as 30s or 10m")
    return value


def run_on_program(args: Namespace, work: Callable[[Client], int]) -> int:
    """Do `work` with the program that is meant; the exit code, with words for what goes wrong."""
    try:
        with connected(args) as client:
            return work(client)
    except Failed as failed:
        return complain(failed)


def repeated(args: Namespace, show: Callable[[Client], int]) -> int:
    """Show it once, or with --watch again and again until Ctrl-C."""

    def work(client: Client) -> int:
        while True:
            if args.watch is not None and sys.stdout.isatty():
                sys.stdout.write("\x1b[H\x1b[2J")
            code = show(client)
            sys.stdout.flush()
            if args.watch is None:
                return code
            time.sleep(args.watch)

    return run_on_program(args, work)


def note(text: str) -> None:
    """Something to know that is no data."""
    print(printable_line(text), file=sys.stderr)


def write_value(out: TextIO, name: str, value: Any) -> None:
    """Write one JSON document with the value under its name, beside the version of the format."""
    out.write(_json({"v": 1, name: value}) + "\n")


def write_rows(
    out: TextIO, args: Namespace, name: str, rows: Iterable[Row], columns: Mapping[str, str]
) -> None:
    """Rows as `args.output` says. `columns` has the titles of a table's columns, by key; the other
    formats have all keys, and `name` the first of these."""
    match args.output:
        case "json":
            write_value(out, name, list(rows))
        case "jsonl":
            out.writelines(_json(row) + "\n" for row in rows)
        case "name":
            key = next(iter(columns))
            out.writelines(f"{printable_line(str(row[key]))}\n" for row in rows)
        case _:
            _write_table(out, list(rows), columns)


def _write_table(out: TextIO, rows: list[Row], columns: Mapping[str, str]) -> None:
    cells = [[_cell(row.get(key)) for key in columns] for row in rows]
    if not out.isatty():
        out.writelines("\t".join(line) + "\n" for line in [list(columns.values()), *cells])
        return
    titles = [title.upper() for title in columns.values()]
    numbers = [_is_number([row.get(key) for row in rows]) for key in columns]
    widths = [max(map(len, column)) for column in zip(titles, *cells, strict=True)]
    for line in [titles, *cells]:
        padded = (
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(line, widths, numbers, strict=True)
        )
        out.write("  ".join(padded).rstrip() + "\n")


def _is_number(values: Iterable[Any]) -> bool:
    return all(isinstance(value, int | float) or value is None for value in values)


def _cell(value: Any) -> str:
    if value is None or value == "":
        return "-"
    return printable_line(str(value))


def _json(value: Any) -> str:
    """As people read it, unless something in it is not for terminals: bidirectional marks, say."""
    text = json.dumps(value, ensure_ascii=False)
    return text if text.isprintable() else json.dumps(value)


def seconds(value: float | None) -> str | None:
    """A time for people: 0.8 s, 12 s, 1 min 08 s."""
    if value is None:
        return None
    if value < 9.95:
        return f"{value:.1f} s"
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min {whole % 60:02} s" if whole < 3_600 else f"{whole / 3600:.1f} h"


def milliseconds(value: float | None) -> str | None:
    """As `seconds`, of milliseconds; nothing of none."""
    return seconds(value / 1e3) if value else None


def money(nano: int | None) -> str | None:
    """Dollars of nano-dollars, to a hundredth of a cent."""
    return None if nano is None else f"${nano / _NANO:.4f}"
