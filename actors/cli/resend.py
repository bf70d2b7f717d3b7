"""`trouper resend`: send a dead letter once more, to who lives at its path now."""

from argparse import ArgumentParser, Namespace

from .console_acting import act, add_act_arguments
from .console_client import NOT_FOUND, Client, Failed
from .console_output import run_on_program

__all__ = ["add_arguments", "run"]


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `trouper resend`."""
    parser.add_argument("number", metavar="N", type=int, help="as `trouper dead-letters` says it")
    add_act_arguments(parser)


def run(args: Namespace) -> int:
    """0, 1 where it is refused, 3 where there is no such letter, 5 where it may not be done."""
    return run_on_program(args, lambda client: _resend(args, client))


def _resend(args: Namespace, client: Client) -> int:
    letters = client.get("dead").get("dead", [])
    path = next((each["path"] for each in letters if each["n"] == args.number), None)
    if path is None:
        said = f"no dead letter {args.number} is kept; `trouper dead-letters` lists the last ones"
        raise Failed(NOT_FOUND, said)
    return act(args, client, "resend", path, n=args.number)
