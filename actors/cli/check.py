"""`trouper check`: reads a configuration and says every fault of it, each with its key.

What is right and will do harm all the same (a model that is shut down, a key
that goes out in clear, a local model that is not installed) is a warning: it changes no exit code.
"""

import argparse
import datetime
import sys
from collections.abc import Iterator

import trio

from ..catalog.prices import load_price_book
from ..config import AppConfig, BudgetConfig, load_config
from ..config.advice import warnings_of
from ..errors import ConfigError
from ..local.errors import ModelFileMissing
from ..local.model_file import find_model
from ..policy.money import dollars
from ..redaction import printable, redact_text

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare `trouper check FILE`."""
    parser.add_argument("file", metavar="FILE", help="the configuration, a TOML file")


def run(args: argparse.Namespace, *, today: datetime.date | None = None) -> int:
    """0 and a summary if the configuration is right; else 1, with one line a fault on stderr.

    Secrets are looked up, too, so this is run where the server will run.
    Shutdowns of models are those by `today`, which is the day in UTC unless given.
    """
    try:
        config = load_config(args.file)
    except ConfigError as error:
        # A key that was pasted into the wrong place may be the name of a table now.
        print(printable(redact_text(str(error))), file=sys.stderr)
        print(f"{args.file}: {_count(len(error.faults), 'fault')}", file=sys.stderr)
        return 1
    # The list of prices takes up to half a second; only budgets want to know them.
    book = trio.run(load_price_book, config.prices) if config.budgets else None
    today = today or datetime.datetime.now(datetime.UTC).date()
    for warning in (*warnings_of(config, today, book), *_missing_models(config)):
        print(printable(f"{args.file}: warning: {warning}"), file=sys.stderr)
    print(f"{args.file} is right. {_summary(config)}")
    return 0


def _missing_models(config: AppConfig) -> Iterator[str]:
    """Files that are not there now, and without which the server does not start."""
    for name, provider in config.providers.items():
        if provider.kind == "local":
            try:
                find_model(provider.local.model_file)
            except ModelFileMissing as error:
                yield f"providers.{name}: {error}"


def _summary(config: AppConfig) -> str:
    server = config.server
    who = _count(len(server.tokens), "token") if server.tokens else "no token, for this machine"
    providers = ", ".join(f"{name} ({one.kind})" for name, one in config.providers.items())
    models = "; ".join(
        f"{name} asks {', then '.join(map(str, model.links))}"
        for name, model in config.models.items()
    )
    assistants = ", ".join(
        f"{name} (model {assistant.model})" for name, assistant in config.assistants.items()
    )
    said = (
        f"It serves {server.listen} with {who}. Providers: {providers}. "
        f"Models: {models}. Assistants: {assistants}."
    )
    for what, names in (("Programs as tools", config.tools), ("MCP servers", config.mcp)):
        if names:
            said += f" {what}: {', '.join(names)}."
    if config.budgets:
        budgets = ", ".join(f"{name} ({_budget(one)})" for name, one in config.budgets.items())
        said += f" Budgets: {budgets}."
    return said


def _budget(config: BudgetConfig) -> str:
    period = "in all" if config.per == "total" else f"a {config.per}"
    amount = f"${dollars(config.budget('').limit)} {period}"
    if config.only is not None:
        return f"{amount} for {config.scope} {config.only}"
    return amount if config.scope == "all" else f"{amount} for each {config.scope}"


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
