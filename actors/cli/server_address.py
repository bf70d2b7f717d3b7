"""Which server a command talks to, and with which token.

A token comes from the environment, or from a file, and never from the command
line itself, which every user of the machine can read.
"""

import argparse
import os
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from ..client.errors import CannotConnect
from ..config import Secret
from ..config.secret import resolve_secret
from ..errors import ConfigError

__all__ = [
    "TOKEN_VARIABLE",
    "add_patience",
    "add_url",
    "read_token",
    "wants_token",
    "websocket_url",
]

TOKEN_VARIABLE = "TROUPER_TOKEN"

_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}


def add_url(parser: argparse.ArgumentParser) -> None:
    """Declare `--url URL`."""
    parser.add_argument(
        "--url",
        type=websocket_url,
        default="http://127.0.0.1:8700",
        help="the server, as http://HOST:PORT or ws://HOST:PORT/acp; %(default)s unless given",
    )


def add_patience(parser: argparse.ArgumentParser, default: float) -> None:
    """Declare `--patience SECONDS`."""
    parser.add_argument(
        "--patience",
        metavar="SECONDS",
        type=_seconds,
        default=default,
        help="how long a lost connection is tried again; %(default)g unless given",
    )


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 7 * 86_400:
        raise argparse.ArgumentTypeError(f"must be seconds, up to those of a week, not {text!r}")
    return seconds


def websocket_url(text: str) -> str:
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


def read_token(reference: str | None = None) -> Secret | None:
    """The token that `reference` names (`env:NAME`, `file:PATH`); without one, that in
    TROUPER_TOKEN, or None. Raises ConfigError."""
    if reference is not None:
        if not reference.startswith(("env:", "file:")):
            fault = "must be env:NAME or file:PATH; the token itself is not to stand here"
            raise ConfigError("--token", [fault])
        try:
            return resolve_secret(reference, environ=os.environ, folder=Path.cwd())
        except ValueError as error:
            raise ConfigError("--token", [str(error)]) from error
    value = os.environ.get(TOKEN_VARIABLE, "").strip()
    if not value:
        return None
    try:
        # A Secret is masked wherever text leaves this process.
        return Secret(value)
    except ValueError as error:
        raise ConfigError(TOKEN_VARIABLE, [str(error)]) from error


def wants_token(url: str, where: str, *, given: bool) -> CannotConnect:
    """The server at `url` has asked for a token; `where` is where one is taken from."""
    told = f"{where} holds none that it accepts" if given else f"put it into {where}"
    return CannotConnect(f"the server at {url} wants a token: {told}", 401)
