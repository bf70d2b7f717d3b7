"""`trouper dump`: everything there is, redacted, in one file, for a look after the fact."""

import json
import os
import time
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from .console_client import Client, add_socket_argument
from .console_output import note, run_on_program

__all__ = ["add_arguments", "run"]


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `trouper dump`."""
    parser.add_argument("--out", metavar="FILE", help="where to; trouper-PID-TIME.json without it")
    add_socket_argument(parser)


def run(args: Namespace) -> int:
    """0, once the file is written."""
    return run_on_program(args, lambda client: _dump(args, client))


def _dump(args: Namespace, client: Client) -> int:
    bundle: dict[str, Any] = {"v": 1, "at": time.time()}
    client.send("dump")
    for frame in client.frames():
        if frame["t"] == "done":
            break
        bundle.setdefault(frame["part"], []).append(frame["value"])
    pid, stamp = client.hello["pid"], time.strftime("%Y%m%d-%H%M%S")
    path = Path(args.out or f"trouper-{pid}-{stamp}.json")
    # It has no secrets and no prompts, and is nobody's business all the same.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(bundle, file, ensure_ascii=False, indent=1)
    note(f"{path} written")
    return 0
