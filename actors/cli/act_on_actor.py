"""`trouper restart|stop|drain|suspend|resume`: what is done to one actor."""

from argparse import ArgumentParser, Namespace

from .console_acting import act, add_act_arguments
from .console_output import run_on_program

__all__ = ["add_arguments", "run"]


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of the five commands."""
    parser.add_argument("path", metavar="PATH", help="which actor, as `trouper ps` says it")
    add_act_arguments(parser)


def run(args: Namespace) -> int:
    """0, 1 where it is refused, 3 where nobody is at the path, 5 where it may not be done."""
    path = args.path.strip("/")
    return run_on_program(args, lambda client: act(args, client, args.command, path))
