"""`trouper`: finds the command, runs it, and turns what it raises into words and an exit code.

A command is a module of this package with `add_arguments(parser)` and
`run(args) -> exit code`. Only the module of the command that runs is imported:
all of them take 0.33 s of CPU. Nothing is imported here that takes long, because
the console's commands are asked for again and again: a test measures them.

Exit codes: 0 done, 1 failed, 2 wrong usage (argparse's own), 130 after Ctrl-C.
"""

import argparse
import importlib
import os
import select
import sys
import traceback
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Final, NamedTuple

from ..redaction import printable, redact_text

__all__ = ["COMMANDS", "Command", "main"]

FAILED: Final = 1
INTERRUPTED: Final = 130
"""128 and the number of SIGINT, as shells have it."""

_LEVELS: Final = ("debug", "info", "warning", "error", "critical")


class Command(NamedTuple):
    """A row of `trouper --help`. `module` is in this package; `log_level` is the level of its
    log lines unless --log-level says another, None if it writes none."""

    module: str
    help: str
    log_level: str | None = None


COMMANDS: Final = {
    # In its own conversation no log line may come between the words: what a person must
    # know of, such as a model that died, the turn says.
    "demo": Command("demo", "talk to a small model on this machine; needs no key", "critical"),
    "serve": Command("serve", "serve the sessions of a configuration", "info"),
    "chat": Command("chat", "talk to a server that runs", "warning"),
    "acp": Command("acp", "join an editor or a bot to a server that runs", "warning"),
    "sim": Command("sim", "serve a simulated provider, with faults", "info"),
    "local": Command("local", "install the small model that runs on this machine"),
    "check": Command("check", "say every fault of a configuration"),
    "batch": Command("batch", "ask many things that nobody waits for", "warning"),
    "usage": Command("usage", "say what was asked, and what it cost"),
    "sessions": Command("sessions", "show, export and delete the conversations that are kept"),
    "models": Command("models", "show what is known of models, and what they cost"),
    # The console: they ask a program that runs.
    "ps": Command("ps", "show the actors that run, and what is wrong"),
    "top": Command("top.command", "show a program on one screen, and mend it there"),
    "inspect": Command("inspect", "show all of one actor"),
    "stacks": Command("stacks", "show where the code of all actors waits"),
    "watch": Command("watch", "show one actor again and again"),
    "trace": Command("trace", "show each message that an actor handles"),
    "events": Command("events", "show what has happened of late"),
    "logs": Command("logs", "show what a program has logged of late"),
    "providers": Command("providers", "show circuits, limits and how calls end"),
    "requests": Command("requests", "show the calls of providers that are under way"),
    "costs": Command("costs", "show what was spent since the start, and the budgets"),
    "dead-letters": Command("dead_letters", "show the messages that nobody handled"),
    "crashes": Command("crashes", "show how actors have crashed"),
    "health": Command("health", "say what needs attention; exit code 6 if so"),
    "restart": Command("act_on_actor", "give an actor a new life"),
    "stop": Command("act_on_actor", "end an actor after what it has in hand"),
    "drain": Command("act_on_actor", "end an actor once all that waits is handled"),
    "suspend": Command("act_on_actor", "let an actor read no further message"),
    "resume": Command("act_on_actor", "let a suspended actor read on"),
    "trip": Command("act_on_circuit", "open a circuit: its model is not called"),
    "reset": Command("act_on_circuit", "close a circuit"),
    "resend": Command("resend", "send a dead letter once more"),
    "limit": Command("limit", "let a provider's limiter keep to other limits"),
    "loglevel": Command("log_level", "log more or less for a while"),
    "send": Command("send", "send a message to an actor by hand"),
    "console": Command("console", "print a link that opens the console's page, once"),
    "dump": Command("dump", "write everything down, to be looked at later"),
}


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object, **__: object) -> None:
        # Imported here: it takes 20 ms, and only --version asks for it.
        metadata = importlib.import_module("importlib.metadata")
        print(f"trouper {metadata.version('trouper')}")
        parser.exit()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that `argv` names (None: that of this process); return its exit code.

    Raises SystemExit for wrong usage, --help and --version.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    # Everything before it is an option of `trouper` itself, and none is called like a command.
    name = next((word for word in words if word in COMMANDS), None)
    debug = "--debug" in words
    try:
        module = None if name is None else _module(COMMANDS[name])
        args = _parser(name, module).parse_args(words)
        debug = args.debug
        assert module is not None  # else the parser has exited
        if args.log_level is not None:
            _configure_logging(args.log_level)
        code: int = module.run(args)
        # Here, not at the interpreter's exit, where a broken pipe can only be complained about.
        sys.stdout.flush()
    except (Exception, KeyboardInterrupt, BaseExceptionGroup) as error:  # noqa: BLE001 - see there
        return _failure(error, debug=debug)
    return code


def _module(command: Command) -> ModuleType:
    return importlib.import_module(f".{command.module}", __package__)


def _configure_logging(level: str) -> None:
    # Imported here because structlog takes 90 ms, which commands without log lines need not wait.
    from ..logs import configure_logging  # noqa: PLC0415

    configure_logging(level)


def _parser(chosen: str | None, module: ModuleType | None) -> argparse.ArgumentParser:
    """The parser of all commands, with the arguments of the `chosen` one only."""
    parser = argparse.ArgumentParser(
        prog="trouper", description="Programs that talk to language models, kept standing."
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and leave")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    parser.set_defaults(log_level=None)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, command in COMMANDS.items():
        subparser = commands.add_parser(name, help=command.help)
        if name == chosen and module is not None:
            _common_arguments(subparser, command)
            subparser.description = (module.__doc__ or "").partition("\n")[0]
            module.add_arguments(subparser)
    return parser


def _common_arguments(parser: argparse.ArgumentParser, command: Command) -> None:
    # Suppressed: else its default would undo a --debug that stands before the command.
    parser.add_argument(
        "--debug",
        action="store_true",
        default=argparse.SUPPRESS,
        help="show the traceback of an error",
    )
    if command.log_level is not None:
        parser.add_argument(
            "--log-level",
            choices=_LEVELS,
            default=command.log_level,
            help="what is logged to stderr; %(default)s and above unless given",
        )


def _failure(error: BaseException, *, debug: bool) -> int:
    """Say what is known to go wrong, in words; anything else is a bug and is raised."""
    # Imported here: with the runtime it takes 0.2 s, and most commands do not fail.
    from ...runtime.errors import TrouperError  # noqa: PLC0415

    leaves = list(_leaves(error))
    if any(not isinstance(leaf, TrouperError | OSError | KeyboardInterrupt) for leaf in leaves):
        raise error
    if debug:
        said = "".join(traceback.format_exception(error))
        print(printable(redact_text(said)), end="", file=sys.stderr)
    if any(isinstance(leaf, KeyboardInterrupt) for leaf in leaves):
        return INTERRUPTED
    if any(isinstance(leaf, BrokenPipeError) for leaf in leaves) and _stdout_is_gone():
        return FAILED
    if not debug:
        for words in dict.fromkeys(map(_words, leaves)):
            print(printable(redact_text(words)), file=sys.stderr)
    return FAILED


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def _words(error: BaseException) -> str:
    from ..batch.errors import BadBatch  # noqa: PLC0415 - as above
    from ..errors import ConfigError  # noqa: PLC0415

    if isinstance(error, ConfigError | BadBatch):  # names its source in each line
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"trouper: {where}{error.strerror}"
    return f"trouper: {error}"


def _stdout_is_gone() -> bool:
    """Whether nobody reads our output any more, as in `trouper ... | head`. If so, the rest of
    it goes nowhere, so that the interpreter does not complain about it at its exit."""
    try:
        descriptor = sys.stdout.fileno()
    except OSError:  # it is no file
        return False
    poll = select.poll()
    poll.register(descriptor, 0)
    if not any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0)):
        return False
    os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)
    return True
