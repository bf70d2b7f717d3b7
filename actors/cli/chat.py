"""`trouper chat`: a conversation with an assistant of a server that runs.

A token is taken from the environment variable TROUPER_TOKEN and never from the
command line, which every user of the machine can read.
"""

import argparse
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit

from ..client.errors import CannotConnect
from ..client.session import RemoteSession, open_client
from ..config import Secret
from ..errors import ConfigError
from .background import Background
from .screen import Screen
from .talk import Talk, sigterm_leaves

__all__ = ["add_arguments", "run"]

_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare `trouper chat [--url URL] [--assistant NAME] [TEXT]`."""
    parser.description = (
        "Talk to an assistant of a trouper server. If the server wants a token, put it into the "
        "environment variable TROUPER_TOKEN. Without a terminal, each line of standard input is "
        "a question."
    )
    parser.add_argument(
        "--url",
        type=_websocket_url,
        default="http://127.0.0.1:8700",
        help="the server, as http://HOST:PORT or ws://HOST:PORT/acp; %(default)s unless given",
    )
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


def _websocket_url(text: str) -> str:
    """The address of the websocket that a person means by `text`. Raises ArgumentTypeError."""
    fault = f"must be an address as http://127.0.0.1:8700, not {text!r}"
    parts = urlsplit(text if "://" in text else f"http://{text}")
    try:
        scheme, known = _SCHEMES.get(parts.scheme), bool(parts.hostname) and parts.port != 0
    except ValueError as error:  # a port that is none
        raise argparse.ArgumentTypeError(fault) from error
    if scheme is None or not known or "@" in parts.netloc:
        raise argparse.ArgumentTypeError(fault)
    path = "/acp" if parts.path in ("", "/") else parts.path
    return urlunsplit((scheme, parts.netloc, path, parts.query, ""))


def _token() -> Secret | None:
    value = os.environ.get("TROUPER_TOKEN", "").strip()
    if not value:
        return None
    try:
        # A Secret is masked wherever text leaves this process.
        return Secret(value)
    except ValueError as error:
        raise ConfigError("TROUPER_TOKEN", [str(error)]) from error


@asynccontextmanager
async def _session(url: str, assistant: str) -> AsyncGenerator[RemoteSession]:
    token = _token()
    try:
        async with open_client(url, token=None if token is None else token.reveal()) as client:
            yield await client.open_session(assistant)
    except CannotConnect as error:
        if error.status != 401:
            raise
        told = "TROUPER_TOKEN holds none that it accepts" if token else "put it into TROUPER_TOKEN"
        raise CannotConnect(f"the server at {url} wants a token: {told}", 401) from error
