"""What the console's commands that change something have in common: first what would happen,
then a question, then the deed."""

import json
import sys
from argparse import ArgumentParser, Namespace
from typing import Any

from ..redaction import printable_line
from .console_client import REFUSED, Client, add_socket_argument
from .console_output import note

__all__ = ["act", "add_act_arguments", "effect_in_words", "outcome_in_words"]


def add_act_arguments(parser: ArgumentParser) -> None:
    """Declare `--sock`, `--yes`, `--dry-run`, `--reason` and `-o`."""
    add_socket_argument(parser)
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--dry-run", action="store_true", help="only say what would happen")
    parser.add_argument("--reason", default="", help="why, for the record")
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")


def act(args: Namespace, client: Client, what: str, path: str, **arguments: Any) -> int:
    """Do it to the actor at `path`, unless its user shrinks back: then it is 1."""
    request = {"act": what, "path": path, "reason": args.reason, "args": arguments}
    would = client.one("act", dry=True, **request)["effect"]
    words = printable_line(effect_in_words(what, path, would))
    if args.dry_run:
        _say(args, would, f"would {words}")
        return 0
    if not args.yes and sys.stdin.isatty() and sys.stdout.isatty():
        answer = input(f"{words[0].upper()}{words[1:]}? [y/N] ")
        if answer.strip().lower() not in ("y", "yes"):
            note("left as it is")
            return REFUSED
    # Of the life that was seen just now: what has recovered meanwhile is left alone.
    done = client.one("act", gen=would.get("gen"), **request)["effect"]
    _say(args, done, outcome_in_words(words, done))
    return 0


def _say(args: Namespace, effect: dict[str, Any], words: str) -> None:
    print(
        json.dumps({"v": 1, "effect": effect}) if args.output == "json" else printable_line(words)
    )


def outcome_in_words(words: str, effect: dict[str, Any]) -> str:
    """What has become of an action: done, or begun where nobody has waited for its end."""
    note = effect.get("note")
    return f"done: {words}" if note is None else f"begun: {words}; {note}"


def effect_in_words(what: str, path: str, effect: dict[str, Any]) -> str:
    """What an action does, in words that name what goes along."""
    parts = [f"{what} {path}".strip()]
    if effect.get("also"):
        parts.append(f"and with it {', '.join(effect['also'])}")
    ends = what in ("restart", "stop", "drain")
    hand, waiting = effect.get("in_hand", 0), effect.get("waiting", 0)
    if ends and hand:
        parts.append(f"{hand} in hand may be cancelled")
    if what == "stop" and waiting:
        parts.append(f"{waiting} waiting are refused")
    if "limits" in effect:
        limits = (f"{key} {value}" for key, value in effect["limits"].items() if value is not None)
        parts.append(f"to {', '.join(limits)}")
    if "level" in effect:
        back = f"{effect['then']} again in {effect['seconds']:g} s"
        parts.append(f"from {effect['was']} to {effect['level']}, {back}")
    if "message" in effect:
        parts.append(effect["message"])
    return "; ".join(parts)
