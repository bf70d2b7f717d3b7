"""`trouper trace`: each message that an actor handles, within limits, after which it ends."""

import json
from argparse import ArgumentParser, Namespace

from ..redaction import printable_line
from .console_client import Client, add_socket_argument
from .console_output import duration, note, run_on_program

__all__ = ["add_arguments", "run"]


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `trouper trace`."""
    parser.add_argument("path", metavar="PATH", help="which actor")
    parser.add_argument("--limit", type=int, default=200, help="so many messages: %(default)s")
    parser.add_argument(
        "--seconds", type=duration, default=60.0, help="for so long at most: %(default)s"
    )
    parser.add_argument(
        "--rate", type=float, default=20.0, help="it ends if more come a second: %(default)s"
    )
    parser.add_argument(
        "--bodies",
        action="store_true",
        help="with what is in them, redacted and cut; for the role admin",
    )
    parser.add_argument("-o", "--output", choices=("table", "jsonl"), default="table")
    add_socket_argument(parser)


def run(args: Namespace) -> int:
    """0, or 3 where nobody is at the path."""
    return run_on_program(args, lambda client: _trace(args, client))


def _trace(args: Namespace, client: Client) -> int:
    limits = {"limit": args.limit, "seconds": args.seconds, "rate": args.rate}
    client.send("trace", path=args.path, bodies=args.bodies, **limits)
    # Pings, so that silence is silence and not a program that has died.
    client.send("sub", topics=[], hz=1)
    for frame in client.frames():
        if frame["t"] == "trace_end":
            note(f"the trace ended: {frame['why']}")
            break
        if frame["t"] != "trace":
            continue
        if args.output == "jsonl":
            print(json.dumps(frame), flush=True)
            continue
        error = f"  {frame['error']}" if frame["error"] else ""
        body = f"  {frame['body']}" if "body" in frame else ""
        line = (
            f"{frame['n']:5}  {frame['msg']}  waited {frame['wait_ms']} ms, took {frame['ms']} ms"
        )
        print(printable_line(f"{line}{error}{body}"), flush=True)
    return 0
