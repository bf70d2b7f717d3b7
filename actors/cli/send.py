"""`trouper send`: a message to an actor by hand; needs [console] inject = true and role admin."""

import json
from argparse import ArgumentParser, Namespace

from .console_acting import act, add_act_arguments
from .console_client import USAGE, Client, Failed
from .console_output import run_on_program

__all__ = ["add_arguments", "run"]


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `trouper send`."""
    parser.add_argument("path", metavar="PATH", help="to which actor")
    parser.add_argument("type", metavar="TYPE", help="the message's class")
    parser.add_argument("fields", metavar="JSON", nargs="?", default="{}", help="its fields")
    add_act_arguments(parser)


def run(args: Namespace) -> int:
    """0, 1 where it is refused, 3 where nobody is at the path, 5 where it may not be done."""
    return run_on_program(args, lambda client: _send(args, client))


def _send(args: Namespace, client: Client) -> int:
    try:
        fields = json.loads(args.fields)
    except json.JSONDecodeError as error:
        raise Failed(USAGE, f"the fields are not JSON: {error}") from None
    if not isinstance(fields, dict):
        raise Failed(USAGE, 'the fields must be an object, such as {"seconds": 3}')
    return act(args, client, "send", args.path.strip("/"), **{**fields, "type": args.type})
