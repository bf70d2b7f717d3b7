"""`trouper limit`: let a provider's limiter keep to other limits until its next restart."""

from argparse import ArgumentParser, Namespace
from typing import Any

from .console_acting import act, add_act_arguments
from .console_client import NOT_FOUND, USAGE, Client, Failed
from .console_output import run_on_program

__all__ = ["add_arguments", "run"]

_LIMITS = ("requests", "tokens", "input_tokens", "output_tokens")


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `trouper limit`."""
    parser.add_argument("provider", metavar="PROVIDER", help="which one; or a limiter's path")
    for limit in _LIMITS:
        parser.add_argument(
            f"--{limit.replace('_', '-')}",
            metavar="N",
            type=float,
            help=f"{limit.replace('_', ' ')} a minute",
        )
    add_act_arguments(parser)


def run(args: Namespace) -> int:
    """0, 1 where it is refused, 3 where there is no such limiter, 5 where it may not be done."""
    return run_on_program(args, lambda client: _act(args, client))


def _act(args: Namespace, client: Client) -> int:
    wanted = args.provider.strip("/")
    limits: dict[str, Any] = {
        f"{limit}_per_minute": value
        for limit in _LIMITS
        if (value := getattr(args, limit)) is not None
    }
    if not limits:
        raise Failed(USAGE, "say which limit, such as --requests 60")
    paths = [
        limiter["path"]
        for provider in client.get("providers")["providers"]
        for limiter in provider["limiters"]
        if wanted in (provider["name"], limiter["path"])
    ]
    if not paths:
        raise Failed(NOT_FOUND, f"no limiter {wanted!r}; `trouper providers` lists them")
    return max(act(args, client, "limit", path, **limits) for path in paths)
