"""`trouper top`: a program on one screen: what is wrong, the tree, providers, calls, sessions."""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from functools import partial
from pathlib import Path

from ..console_client import REFUSED, USAGE, Failed, add_socket_argument, complain, socket_of

__all__ = ["add_arguments", "run"]


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `trouper top`."""
    parser.epilog = "On it, ? shows the keys. In a script use `trouper ps` and `trouper health`."
    add_socket_argument(parser)


def run(args: Namespace) -> int:
    """0 when its operator leaves; 2 without a terminal; 4 where no program runs."""
    try:
        face = _face()
        # Said at once, and not on a screen: later it waits until the program is back.
        socket_of(args.sock)
        return face(partial(socket_of, args.sock))
    except Failed as failed:
        return complain(failed)


def _face() -> Callable[[Callable[[], Path]], int]:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise Failed(USAGE, "top needs a terminal; `trouper ps` and `trouper health` do not")
    try:
        # Imported here: it needs an extra.
        from .face import run_face  # noqa: PLC0415
    except ImportError as error:
        said = "top needs urwid: pip install 'trouper[console]'; `trouper ps` does not"
        raise Failed(REFUSED, said) from error
    return run_face
