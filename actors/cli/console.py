"""`trouper console`: a link that opens the page of a program that runs, in one browser, once.

The link alone is on stdout, for `xdg-open $(trouper console)`; what is to be
known of it is on stderr.
"""

from argparse import ArgumentParser, Namespace

from .console_client import Client, add_socket_argument
from .console_output import note, run_on_program

__all__ = ["add_arguments", "run"]


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `trouper console`."""
    add_socket_argument(parser)


def run(args: Namespace) -> int:
    """Print the link; 1 where the program serves no page."""
    return run_on_program(args, _print_link)


def _print_link(client: Client) -> int:
    told = client.one("link")
    minutes = round(told["seconds"] / 60)
    note(f"good once, within {minutes} minutes; the page may {told['role']}")
    print(told["url"])
    return 0
