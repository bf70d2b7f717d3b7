"""`trouper loglevel`: log more or less for a while; then it is as it was."""

from argparse import ArgumentParser, Namespace

from .console_acting import act, add_act_arguments
from .console_output import duration, run_on_program

__all__ = ["add_arguments", "run"]


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `trouper loglevel`."""
    parser.add_argument(
        "path", metavar="PATH", nargs="?", default="", help="only that actor and those below it"
    )
    parser.add_argument("level", choices=("debug", "info", "warning", "error", "critical"))
    parser.add_argument(
        "--for", dest="seconds", type=duration, default=600.0, help="so long: %(default)s s"
    )
    add_act_arguments(parser)


def run(args: Namespace) -> int:
    """0, 1 where it is refused, 5 where it may not be done."""
    return run_on_program(
        args,
        lambda client: act(
            args,
            client,
            "loglevel",
            args.path.strip("/"),
            level=args.level,
            seconds=args.seconds,
        ),
    )
