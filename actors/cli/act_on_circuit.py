"""`trouper trip|reset`: open and close a circuit by hand."""

from argparse import ArgumentParser, Namespace
from typing import Any

from .console_acting import act, add_act_arguments
from .console_client import NOT_FOUND, Client, Failed
from .console_output import duration, run_on_program

__all__ = ["add_arguments", "run"]


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of both commands."""
    parser.add_argument(
        "circuit",
        metavar="PROVIDER[/MODEL]",
        help="all circuits of a provider, or that of one model; or its path",
    )
    if parser.prog.endswith("trip"):
        parser.add_argument(
            "--for", dest="seconds", type=duration, help="until then; else until it is reset"
        )
    add_act_arguments(parser)


def run(args: Namespace) -> int:
    """0, 1 where it is refused, 3 where there is no such circuit, 5 where it may not be done."""
    return run_on_program(args, lambda client: _act(args, client))


def _act(args: Namespace, client: Client) -> int:
    wanted = args.circuit.strip("/")
    providers = client.get("providers")["providers"]
    paths = [
        circuit["path"]
        for provider in providers
        for circuit in provider["circuits"]
        if wanted in (provider["name"], f"{provider['name']}/{circuit['model']}", circuit["path"])
    ]
    if not paths:
        raise Failed(NOT_FOUND, f"no circuit {wanted!r}; `trouper providers` lists them")
    seconds = getattr(args, "seconds", None)
    arguments: dict[str, Any] = {} if seconds is None else {"seconds": seconds}
    return max(act(args, client, args.command, path, **arguments) for path in paths)
