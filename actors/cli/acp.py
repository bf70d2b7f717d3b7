"""`trouper acp`: lets an editor or a bot that starts its agent itself talk to a server that runs.

Such programs speak the Agent Client Protocol over the standard input and output of
a process that they start. This one hands on what they say to a server's websocket,
and back. Where the connection is lost it makes another, and the client goes on
with its sessions and turns; standard error says so.
"""

import argparse
import sys

import structlog
import trio

from ..client.errors import CannotConnect
from ..client.link import open_link
from ..client.stdio import join, read_lines, write_all
from .server_address import TOKEN_VARIABLE, add_patience, add_url, read_token, wants_token

__all__ = ["add_arguments", "run"]

_log = structlog.get_logger("trouper.acp")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare `trouper acp [--url URL] [--token REFERENCE] [--patience SECONDS]`."""
    parser.description = (
        "Join a program that speaks the Agent Client Protocol over standard input and output to "
        "a trouper server. Put this command where an editor asks for the command of an agent."
    )
    add_url(parser)
    parser.add_argument(
        "--token",
        metavar="REFERENCE",
        help=f"where the server's token is, as env:NAME or file:PATH; env:{TOKEN_VARIABLE}, if "
        "there is one, unless given",
    )
    # An editor stays open over a server's restarts.
    add_patience(parser, 600.0)


def run(args: argparse.Namespace) -> int:
    """Talk until the client closes our standard input: 0."""
    token = read_token(args.token)
    try:
        trio.run(_join, args.url, None if token is None else token.reveal(), args.patience)
    except CannotConnect as error:
        if error.status != 401:
            raise
        where = args.token or TOKEN_VARIABLE
        raise wants_token(args.url, where, given=token is not None) from error
    return 0


async def _join(url: str, token: str | None, patience: float) -> None:
    def notice(words: str) -> None:
        _log.warning(words)

    async with open_link(url, token, patience=patience, notice=notice) as link:
        lines, write = read_lines(sys.stdin.fileno()), write_all(sys.stdout.fileno())
        await join(link, lines, write)
