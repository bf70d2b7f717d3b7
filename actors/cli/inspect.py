"""`trouper inspect`: all of one actor: what it has in hand, its fields, its stack, its crashes."""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from typing import Any

from ..console.stacks import own_frames
from ..redaction import printable_line
from .console_client import Client
from .console_output import add_output_arguments, milliseconds, repeated, write_value

__all__ = ["add_arguments", "lines_of", "run"]

_WANTS = ("fields", "stack", "mailbox", "recent", "crashes")


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `trouper inspect`."""
    parser.add_argument("path", metavar="PATH", help="which actor, as `trouper ps` says it")
    parser.add_argument(
        "--want", action="append", choices=_WANTS, help="only that; may be given again"
    )
    parser.add_argument("--all-frames", action="store_true", help="the runtime's frames, too")
    add_output_arguments(parser, formats=("table", "json"))


def run(args: Namespace) -> int:
    """0, or 3 where nobody is at the path."""
    return repeated(args, lambda client: _show(args, client))


def _show(args: Namespace, client: Client) -> int:
    told = client.one("inspect", path=args.path, want=args.want or _WANTS)
    if args.output == "json":
        write_value(sys.stdout, "actor", told)
        return 0
    for line in lines_of(told, all_frames=args.all_frames):
        print(printable_line(line))
    return 0


def lines_of(told: dict[str, Any], *, all_frames: bool = False) -> Iterator[str]:
    """What a person reads of an actor."""
    yield f"{told['path']}  {told['kind']}  {told['state']}  life {told['gen']}"
    if told["health"] != "ok":
        yield f"  {told['health']}: {told['detail']}"
    if told["stopped"]:
        yield f"  stopped because {told['stopped']}"
    busy = milliseconds(told["busy_ms"])
    counts = f"  handled {told['n']}, refused {told['err']}, restarts {told['restarts']}"
    yield f"{counts}, busy {busy}" if busy else counts
    if told["cap"]:
        yield f"  mailbox {told['depth']} of {told['cap']} ({told['overflow']})"
    yield from _messages("in hand", told["in_hand"])
    yield from _messages("waits", told.get("mailbox", ()))
    if told.get("fields"):
        yield "  fields"
    for field in told.get("fields", ()):
        value = f" = {field['value']}" if field["value"] is not None else ""
        yield f"    {field['name']}: {field['type']}{value}"
    yield from _recent(told.get("recent", ()))
    yield from _stack(told.get("stack", ()), all_frames=all_frames)
    for crash in told.get("crashes", ()):
        yield f"  crash {crash['id']} of life {crash['life']}: {crash['error']}"
        yield from (f"    {line}" for line in crash["traceback"].splitlines())


def _messages(what: str, messages: Any) -> Iterator[str]:
    for each in messages:
        yield f"  {what}: {each['msg']} for {milliseconds(each['ms']) or '0.0 s'}"


def _recent(heard: Any) -> Iterator[str]:
    if heard:
        yield "  last messages"
    for each in heard:
        error = f"  {each['error']}" if each["error"] else ""
        yield f"    {each['msg']}  waited {each['wait_ms']} ms, took {each['ms']} ms{error}"


def _stack(stack: Any, *, all_frames: bool) -> Iterator[str]:
    shown = stack if all_frames else own_frames(stack)
    if shown or stack:
        folded = len(stack) - len(shown)
        yield "  stack" + (f" ({folded} frames of the runtime are folded)" if folded else "")
    for frame in shown:
        yield f"    {frame}"
