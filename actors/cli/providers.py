"""`trouper providers`: the circuits with their timers, the limits with their fill."""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from typing import Any

from .console_client import Client
from .console_output import add_output_arguments, repeated, write_rows, write_value

__all__ = ["add_arguments", "run"]

_COLUMNS = {
    "name": "provider",
    "gate": "gate",
    "state": "state",
    "in_flight": "in flight",
    "left": "left",
    "last": "last calls",
    "attention": "attention",
}
_LIMITS = ("requests", "tokens", "input_tokens", "output_tokens")


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `trouper providers`."""
    parser.add_argument("provider", metavar="PROVIDER", nargs="?", help="that one only")
    add_output_arguments(parser)


def run(args: Namespace) -> int:
    """Show them; the exit code is 0."""
    return repeated(args, lambda client: _show(args, client))


def _show(args: Namespace, client: Client) -> int:
    providers = [
        each
        for each in client.get("providers")["providers"]
        if args.provider in (None, each["name"])
    ]
    if args.output == "json":
        write_value(sys.stdout, "providers", providers)
    else:
        write_rows(sys.stdout, args, "providers", list(_rows(providers)), _COLUMNS)
    return 0


def _rows(providers: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for provider in providers:
        for circuit in provider["circuits"]:
            outcomes = circuit["outcomes"]
            failed = sum(outcome not in ("ok", "cancelled", "cached") for outcome in outcomes)
            yield {
                **_row(provider, circuit),
                "gate": f"circuit {circuit['model']}".strip(),
                "state": circuit["state"],
                "last": f"{len(outcomes) - failed} ok, {failed} failed" if outcomes else None,
            }
        for limiter in provider["limiters"]:
            waiting = limiter["waiting"]
            yield {
                **_row(provider, limiter),
                "gate": f"limiter {limiter['key']}".strip(),
                "state": f"{waiting} waiting" if waiting else "free",
                "left": ", ".join(_left(limiter)) or None,
            }


def _row(provider: dict[str, Any], gate: dict[str, Any]) -> dict[str, Any]:
    ill = gate["health"] != "ok"
    return {
        "name": provider["name"],
        "path": gate["path"],
        "in_flight": gate["in_flight"],
        "left": None,
        "last": None,
        "attention": f"{gate['health']}: {gate['detail']}" if ill else None,
    }


def _left(limiter: dict[str, Any]) -> Iterator[str]:
    for limit in _LIMITS:
        level = limiter[limit]
        if level is not None:
            share = max(0.0, level["level"] / level["capacity"])
            yield f"{share:.0%} of {limit.replace('_', ' ')}"
