"""`trouper costs`: what was spent since the program began, and how the budgets stand.

`trouper usage` has all that was ever spent, out of the store.
"""

import sys
from argparse import ArgumentParser, Namespace

from .console_client import Client
from .console_output import add_output_arguments, money, note, repeated, write_rows, write_value

__all__ = ["add_arguments", "run"]

_GROUPS = ("provider", "model", "session", "user")


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `trouper costs`."""
    parser.add_argument("--by", choices=_GROUPS, default="model", help="whose: %(default)s")
    add_output_arguments(parser)


def run(args: Namespace) -> int:
    """Show them; the exit code is 0."""
    return repeated(args, lambda client: _show(args, client))


def _show(args: Namespace, client: Client) -> int:
    costs = client.get("costs")["costs"]
    if args.output == "json":
        write_value(sys.stdout, "costs", costs)
        return 0
    if args.output == "table":
        total = costs["total"]
        last = money(costs["minutes"][-2])
        note(f"{money(total['cost'])} for {total['calls']} calls; {last} in the last whole minute")
        for budget in costs["budgets"]:
            taken, limit = money(budget["spent"] + budget["reserved"]), money(budget["limit"])
            ill = f"  {budget['health']}: {budget['detail']}" if budget["severity"] else ""
            note(f"budget {budget['name']} ({budget['window']}): {taken} of {limit}{ill}")
    rows = [{**row, "usd": money(row["cost"])} for row in costs[args.by]]
    columns = {"name": args.by, "calls": "calls", "input": "input", "output": "output"}
    write_rows(
        sys.stdout, args, "costs", rows, {**columns, "usd": "cost", "unknown": "of unknown cost"}
    )
    return 0
