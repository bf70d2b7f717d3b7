"""`python -m tests.benchmarks [--strict] [SECTION ...]`: measure and print the table.

A section is a module of this folder that has `rows()`; see harness.py. The exit
code is 0, also where a goal is missed, because a noisy machine is no defect;
with `--strict` it is 1 then.
"""

import argparse
import importlib
import pkgutil
import sys
from collections.abc import Callable, Iterator

import tests.benchmarks

from .harness import Row, Unavailable, pin, print_table

Rows = Callable[[], Iterator[Row]]


def sections() -> dict[str, Rows]:
    """Every module here that has rows, by name."""
    found: dict[str, Rows] = {}
    for module in pkgutil.iter_modules(tests.benchmarks.__path__):
        if module.name.startswith("_"):
            continue
        rows = getattr(importlib.import_module(f"tests.benchmarks.{module.name}"), "rows", None)
        if rows is not None:
            found[module.name] = rows
    return found


def main() -> int:
    known = sections()
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks")
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(known))
    parser.add_argument("--strict", action="store_true", help="exit 1 when a goal is missed")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.sections if name not in known]
    if unknown:
        parser.error(f"no section {', '.join(unknown)}; there are: {', '.join(known)}")
    pin(0)
    measured = missed = 0

    def counted(rows: Iterator[Row]) -> Iterator[Row]:
        nonlocal measured, missed
        for row in rows:
            measured += 1
            missed += not row.met
            yield row

    for name in arguments.sections or known:
        print(f"\n{name}", flush=True)
        try:
            print_table(counted(known[name]()))
        except Unavailable as why:
            print(f"  not measured: {why}", flush=True)
    print(f"\n{measured} rows, {missed} goals missed")
    return 1 if missed and arguments.strict else 0


if __name__ == "__main__":
    sys.exit(main())
