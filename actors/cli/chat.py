"""`trouper chat`: a conversation with an assistant of a server that runs.

A token is taken from the environment variable TROUPER_TOKEN and never from the
command line, which every user of the machine can read.
"""

import argparse
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import structlog

from ..client.errors import CannotConnect
from ..client.session import RemoteSession, open_client
from .background import Background
from .screen import Screen
from .server_address import TOKEN_VARIABLE, add_patience, add_url, read_token, wants_token
from .talk import Talk, sigterm_leaves

__all__ = ["add_arguments", "run"]

_log = structlog.get_logger("trouper.chat")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare `trouper chat [--url URL] [--assistant NAME | --session ID] [TEXT]`."""
    parser.description = (
        "Talk to an assistant of a trouper server. If the server wants a token, put it into the "
        "environment variable TROUPER_TOKEN. Without a terminal, each line of standard input is "
        "a question, and no tool that needs leave gets it."
    )
    add_url(parser)
    whom = parser.add_mutually_exclusive_group()
    whom.add_argument(
        "--assistant", metavar="NAME", default="", help="whom to talk to; the server's default"
    )
    whom.add_argument(
        "--session", metavar="ID", help="go on with a conversation that the server has kept"
    )
    # Long enough for a server's restart, and no longer than a person waits.
    add_patience(parser, 30.0)
    parser.add_argument("text", metavar="TEXT", nargs="?", help="say this, print the answer, leave")


def run(args: argparse.Namespace) -> int:
    """Talk until the person leaves: 0; 1 where what was asked got no answer."""
    screen = Screen()
    url, assistant, session_id = args.url, args.assistant, args.session
    opened = _session(url, assistant, session_id, args.patience)
    with sigterm_leaves(), Background(opened) as background:
        session, name = background.value, assistant or "trouper"
        talk = Talk(session, background.call, screen, name)
        if args.text is not None:
            return 0 if talk.answer(args.text) else 1
        whom = f"the assistant {assistant}" if assistant else "the default assistant"
        if session_id is not None:
            whom = f"whom you talked to in session {session_id}"
        screen.greet(
            f"You are talking to {whom} at {url}.", "Ctrl-C cancels an answer, Ctrl-D leaves."
        )
        screen.recall(name, ((said.role, said.text) for said in session.history))
        return talk.run()


@asynccontextmanager
async def _session(
    url: str, assistant: str, session_id: str | None, patience: float
) -> AsyncGenerator[RemoteSession]:
    def notice(words: str) -> None:
        _log.warning(words)

    token = read_token()
    bearer = None if token is None else token.reveal()
    try:
        async with open_client(url, token=bearer, patience=patience, notice=notice) as client:
            if session_id is None:
                yield await client.open_session(assistant)
            else:
                yield await client.load_session(session_id)
    except CannotConnect as error:
        if error.status != 401:
            raise
        raise wants_token(url, TOKEN_VARIABLE, given=token is not None) from error
