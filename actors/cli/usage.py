"""`trouper usage`: what was asked, of whom, how many tokens it took and what it cost.

It reads the store's file without a part in its writing, so a server may run
meanwhile. Rows are read as they are written out, and never all at once.
"""

import argparse
import sys
import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TextIO

from ..store.ledger import Row, Selection
from ..store.reading import LedgerReader
from .store_file import store_of
from .usage_groups import GROUP_FIELDS, GROUPINGS, ROW_FIELDS, Groups, row_values
from .usage_output import FORMATS, write_csv, write_groups, write_json, write_table
from .usage_times import moment

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare `trouper usage --config FILE | --store FILE`, what is selected, and how it is shown."""
    parser.description = (
        "Say what was asked, of whom, how many tokens it took and what it cost. A server may run "
        "meanwhile. Days are those of UTC."
    )
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--config", metavar="FILE", help="the configuration, which names the store")
    where.add_argument("--store", metavar="FILE", help="the store itself")
    now = time.time()
    parser.add_argument(
        "--since",
        metavar="TIME",
        type=partial(moment, now=now),
        help="from then on: a day (2026-11-21), a time (2026-11-21T08:30Z), or how long ago it "
        "was (7d, 24h, 30m)",
    )
    parser.add_argument(
        "--until",
        metavar="TIME",
        type=partial(moment, now=now, end=True),
        help="before then; a day is included whole",
    )
    for name, help in (
        ("provider", "of that provider only"),
        ("model", "of that model only, as PROVIDER/MODEL or by the provider's own name for it"),
        ("session", "of that session only"),
        ("user", "of that user only"),
    ):
        parser.add_argument(f"--{name}", help=help)
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument(
        "--by", choices=GROUPINGS, default="model", help="what it is added up by: %(default)s"
    )
    shown.add_argument("--rows", action="store_true", help="show each attempt instead")
    parser.add_argument(
        "--format",
        choices=FORMATS,
        default="table",
        help="%(default)s for people, json (one array, an object a line) or csv for programs",
    )


def run(args: argparse.Namespace) -> int:
    """0, and the usage on stdout. Raises ConfigError and StoreError."""
    store = Path(args.store) if args.store is not None else store_of(Path(args.config))
    with LedgerReader(store) as reader:
        rows = reader.rows(_selection(args))
        if args.rows:
            _write_rows(sys.stdout, args.format, rows)
        else:
            _write_groups(sys.stdout, args.format, args.by, rows)
    return 0


def _selection(args: argparse.Namespace) -> Selection:
    provider, model = args.provider, args.model
    if model is not None and provider is None and "/" in model:
        provider, _, model = model.partition("/")
    return Selection(
        since=args.since,
        until=args.until,
        provider=provider,
        model=model,
        session=args.session,
        user=args.user,
    )


def _write_rows(out: TextIO, format: str, rows: Iterable[Row]) -> None:
    values = map(row_values, rows)
    match format:
        case "json":
            write_json(out, values)
        case "csv":
            write_csv(out, ROW_FIELDS, values)
        case _:
            write_table(out, values)


def _write_groups(out: TextIO, format: str, by: str, rows: Iterable[Row]) -> None:
    groups = Groups(by)
    for row in rows:
        groups.add(row)
    if format == "table":
        write_groups(out, groups)
        return
    values = ({by: name, **group.values()} for name, group in groups.sorted().items())
    if format == "json":
        write_json(out, values)
    else:
        write_csv(out, (by, *GROUP_FIELDS), values)
