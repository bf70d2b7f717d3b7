"""`trouper demo`: a conversation with a small model that runs on this machine; or an incident.

Everything is in this process and the model's own: no port is opened, no key is
needed, and nothing leaves the machine.
"""

import argparse
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from ..config import demo_config
from ..local.model_file import SMOLLM2
from ..session.reader import SessionHandle
from .application import running_app
from .background import Background
from .incident import run_incident
from .screen import Screen
from .talk import Talk, sigterm_leaves

__all__ = ["add_arguments", "run"]

_MODEL = SMOLLM2.name.partition(".")[0]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare `trouper demo [--say TEXT] [--incident]`."""
    parser.description = (
        "Talk to a small model that runs on this machine. Without a terminal, each line of "
        "standard input is a question."
    )
    parser.add_argument("--say", metavar="TEXT", help="say this, print the answer, and leave")
    parser.add_argument(
        "--incident",
        action="store_true",
        help="no model: let several things go wrong, to be found with the console",
    )


def run(args: argparse.Namespace) -> int:
    """Talk until the person leaves: 0; 1 where what was asked got no answer."""
    if args.incident:
        return run_incident()
    screen = Screen()
    with sigterm_leaves(), Background(_session()) as background:
        talk = Talk(background.value, background.call, screen, "smollm2")
        if args.say is not None:
            return 0 if talk.answer(args.say) else 1
        screen.greet(
            f"This is {_MODEL} on your own machine: no key, nothing leaves it.",
            "Ctrl-C cancels an answer, Ctrl-D leaves.",
        )
        return talk.run()


@asynccontextmanager
async def _session() -> AsyncGenerator[SessionHandle]:
    async with running_app(demo_config(), serve=False) as app:
        yield await app.session("demo")
