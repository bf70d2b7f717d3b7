"""`trouper check`: reads a configuration and says every fault of it, each with its key."""

import argparse
import sys

from ..config import AppConfig, load_config
from ..errors import ConfigError

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare `trouper check FILE`."""
    parser.add_argument("file", metavar="FILE", help="the configuration, a TOML file")


def run(args: argparse.Namespace) -> int:
    """0 and a summary if the configuration is right; else 1, with one line a fault on stderr.

    Secrets are looked up, too, so this is run where the server will run.
    """
    try:
        config = load_config(args.file)
    except ConfigError as error:
        print(error, file=sys.stderr)
        print(f"{args.file}: {_count(len(error.faults), 'fault')}", file=sys.stderr)
        return 1
    print(f"{args.file} is right. {_summary(config)}")
    return 0


def _summary(config: AppConfig) -> str:
    server = config.server
    who = _count(len(server.tokens), "token") if server.tokens else "no token, for this machine"
    providers = ", ".join(f"{name} ({one.kind})" for name, one in config.providers.items())
    models = "; ".join(
        f"{name} asks {', then '.join(map(str, model.targets))}"
        for name, model in config.models.items()
    )
    assistants = ", ".join(
        f"{name} (model {assistant.model})" for name, assistant in config.assistants.items()
    )
    return (
        f"It serves {server.listen} with {who}. Providers: {providers}. "
        f"Models: {models}. Assistants: {assistants}."
    )


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
