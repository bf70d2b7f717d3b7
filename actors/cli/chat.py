"""`trouper chat`: a conversation with an assistant of a server that runs.

A token is taken from the environment variable TROUPER_TOKEN and never from the
command line, which every user of the machine can read.
"""

import argparse
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from ..client.errors import CannotConnect
from ..client.session import RemoteSession, open_client
from .background import Background
from .screen import Screen
from .server_address import TOKEN_VARIABLE, add_url, read_token, wants_token
from .talk import Talk, sigterm_leaves

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare `trouper chat [--url URL] [--assistant NAME] [TEXT]`."""
    parser.description = (
        "Talk to an assistant of a trouper server. If the server wants a token, put it into the "
        "environment variable TROUPER_TOKEN. Without a terminal, each line of standard input is "
        "a question."
    )
    add_url(parser)
    parser.add_argument(
        "--assistant", metavar="NAME", default="", help="whom to talk to; the server's default"
    )
    parser.add_argument("text", metavar="TEXT", nargs="?", help="say this, print the answer, leave")


def run(args: argparse.Namespace) -> int:
    """Talk until the person leaves: 0; 1 where what was asked got no answer."""
    screen = Screen()
    url, assistant = args.url, args.assistant
    with sigterm_leaves(), Background(_session(url, assistant)) as background:
        talk = Talk(background.value, background.call, screen, assistant or "trouper")
        if args.text is not None:
            return 0 if talk.answer(args.text) else 1
        whom = f"the assistant {assistant}" if assistant else "the default assistant"
        screen.greet(
            f"You are talking to {whom} at {url}.", "Ctrl-C cancels an answer, Ctrl-D leaves."
        )
        return talk.run()


@asynccontextmanager
async def _session(url: str, assistant: str) -> AsyncGenerator[RemoteSession]:
    token = read_token()
    try:
        async with open_client(url, token=None if token is None else token.reveal()) as client:
            yield await client.open_session(assistant)
    except CannotConnect as error:
        if error.status != 401:
            raise
        raise wants_token(url, TOKEN_VARIABLE, given=token is not None) from error
