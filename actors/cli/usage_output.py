"""Writes usage as a table, JSON or CSV, line by line as it is known.

JSON is one array with an object a line, so that a program reads it whole and a
person line by line. Amounts are whole nano-dollars, with the same in dollars
beside them, as text with all its decimals.
"""

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TextIO

from ..policy.money import dollars
from ..redaction import printable
from .usage_groups import Group, Groups, Value

__all__ = ["FORMATS", "write_csv", "write_groups", "write_json", "write_table"]

FORMATS: Final = ("table", "json", "csv")

Values = Mapping[str, Value]

# What a person looks for in a row, and the widths of its columns: 118 together.
_COLUMNS: Final = {
    "at": 24,
    "provider": 10,
    "model": 24,
    "user": 10,
    "outcome": 14,
    "input": 9,
    "output": 9,
    "cost": 14,
}
_NUMBERS: Final = frozenset({"input", "output", "cost"})


def write_json(out: TextIO, rows: Iterable[Values]) -> None:
    """One array, an object a line."""
    before = "[\n"
    for row in rows:
        out.write(f"{before}{json.dumps(row, ensure_ascii=False)}")
        before = ",\n"
    out.write("[]\n" if before == "[\n" else "\n]\n")


def write_csv(out: TextIO, fields: Sequence[str], rows: Iterable[Values]) -> None:
    """A line of names, and a line a row; what is not known is empty."""
    writer = csv.DictWriter(out, fields, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: _plain(value) for key, value in row.items()})


def _plain(value: Value) -> Value:
    return str(value).lower() if isinstance(value, bool) else value


def write_table(out: TextIO, rows: Iterable[Values]) -> None:
    """What a person looks for in each row, in columns of a fixed width; longer text is cut."""
    out.write(_line({name: name for name in _COLUMNS}))
    out.writelines(_line(_shown(row)) for row in rows)


def _shown(row: Values) -> Values:
    about = "~" if row["estimated"] else ""
    tokens = {
        name: None if row[f"{name}_tokens"] is None else f"{about}{row[f'{name}_tokens']}"
        for name in ("input", "output")
    }
    if row["state"] == "reserved":
        return {**row, **tokens, "outcome": "under way", "cost": None}
    cost = "unknown" if row["cost_usd"] is None else f"${row['cost_usd']}"
    return {**row, **tokens, "cost": cost}


def _line(row: Values) -> str:
    cells = (
        f"{_cut(_cell(row[name]), width):{'>' if name in _NUMBERS else '<'}{width}}"
        for name, width in _COLUMNS.items()
    )
    return "  ".join(cells).rstrip() + "\n"


def _cell(value: Value) -> str:
    """As one line: what clients call themselves is not to be trusted."""
    if value is None or value == "":
        return "-"
    return printable(str(value)).replace("\n", "\\x0a")


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def write_groups(out: TextIO, groups: Groups) -> None:
    """The groups as a table, their total, and what the sums do not say."""
    found = groups.sorted()
    if not found:
        out.write("nothing was asked in that time\n")
        return
    heads = (groups.by, "attempts", "input tokens", "output tokens", "cost")
    lines = [heads, *(_cells(_cell(name), group) for name, group in found.items())]
    if len(found) > 1:
        lines.append(_cells("total", groups.total))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for name, *numbers in lines:
        cells = (f"{cell:>{width}}" for cell, width in zip(numbers, widths[1:], strict=True))
        out.write(f"{name:<{widths[0]}}  {'  '.join(cells)}\n")
    out.writelines(f"{note}\n" for note in _notes(groups.total))


def _cells(name: str, group: Group) -> tuple[str, ...]:
    about = "~" if group.estimated else ""
    cost = f"${dollars(group.cost)}"
    return (
        name,
        f"{group.attempts:,}",
        f"{about}{group.input:,}",
        f"{about}{group.output:,}",
        f"{cost} + unknown" if group.unknown else cost,
    )


def _notes(total: Group) -> Iterable[str]:
    if total.unknown:
        yield (
            f"unknown: nobody knows what {_attempts(total.unknown)} cost; "
            f"budgets count ${dollars(total.unknown_most)} for that"
        )
    if total.estimated:
        yield f"~: the tokens of {_attempts(total.estimated)} are our own count"
    if total.reserved:
        yield f"${dollars(total.reserved)} more is reserved for what is under way"


def _attempts(count: int) -> str:
    return "1 attempt" if count == 1 else f"{count:,} attempts"
