"""`trouper batch`: many requests that nobody waits for, at half the price where a provider has one.

`submit` prints the batch's id on standard output, `results` its answers. What is
said of its progress goes to standard error.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from ..batch.errors import NoBatchStore, UnknownBatch
from ..batch.inbox import Inbox
from ..batch.lines import ModelNames
from ..batch.reading import BatchReader
from ..batch.rows import Status
from ..config import load_config
from ..config.store import MEMORY
from ..store.errors import StoreUnusable
from .batch_progress import Meter, bar, heading, write_table
from .batch_work import follow, hand_over
from .store_file import store_of

__all__ = ["add_arguments", "run"]

_WAYS: Final = ("auto", "provider", "background")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare `trouper batch submit|status|results|cancel`."""
    parser.description = (
        "Ask many things that nobody waits for: through the batch endpoint of a provider that "
        "has one, at half the price, or else one by one."
    )
    commands = parser.add_subparsers(dest="batch_command", metavar="COMMAND", required=True)
    _submit_arguments(commands.add_parser("submit", help="submit a file of requests"))
    status = commands.add_parser("status", help="show all batches, or how one is")
    _store_arguments(status)
    status.add_argument("id", metavar="ID", nargs="?", help="the batch; all of them without it")
    status.add_argument(
        "--follow",
        action="store_true",
        help="carry it on until it is done, or watch the server that does; needs --config",
    )
    results = commands.add_parser("results", help="write the answers of a batch, a line each")
    _store_arguments(results)
    results.add_argument("id", metavar="ID", help="the batch")
    results.add_argument(
        "--output", metavar="FILE", help="where to; it is there as a whole or not at all"
    )
    results.add_argument(
        "--partial", action="store_true", help="those that there are, before all are there"
    )
    cancel = commands.add_parser("cancel", help="call a batch off; what is answered stays")
    _store_arguments(cancel)
    cancel.add_argument("id", metavar="ID", help="the batch")


def _submit_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Submit a file of requests, a line of JSON each, and print the batch's id. Every line is "
        "checked before anything is sent."
    )
    parser.add_argument(
        "file", metavar="FILE", help='{"custom_id", "body"} as OpenAI has it, or {"id", "prompt"}'
    )
    parser.add_argument("--config", metavar="FILE", required=True, help="the configuration")
    parser.add_argument(
        "--model", default="", help="who is asked by lines that name no model; a configured one"
    )
    parser.add_argument("--user", default="", help="whose budgets it falls under")
    parser.add_argument("--session", default="", help="the session whose budgets it falls under")
    parser.add_argument(
        "--way",
        choices=_WAYS,
        default="auto",
        help="by the provider's batch endpoint, one by one, or whichever there is (%(default)s)",
    )
    parser.add_argument("--follow", action="store_true", help="carry it on until it is done")


def _store_arguments(parser: argparse.ArgumentParser) -> None:
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--config", metavar="FILE", help="the configuration, which names the store")
    where.add_argument("--store", metavar="FILE", help="the store itself")


def run(args: argparse.Namespace) -> int:
    """0 when it is done. Raises BadBatch, UnknownBatch, ConfigError and StoreError."""
    match args.batch_command:
        case "submit":
            return _submit(args)
        case "status":
            return _status(args)
        case "results":
            return _results(args)
        case _:
            return _cancel(args)


def _submit(args: argparse.Namespace) -> int:
    config = load_config(args.config)
    if config.store.path == MEMORY:
        raise NoBatchStore
    inbox = Inbox(Path(config.store.path).absolute())
    with Path(args.file).open("rb") as source:
        id = inbox.submit(
            source,
            ModelNames(config),
            name=args.file,
            model=args.model,
            session=args.session,
            user=args.user,
            way=args.way,
        )
    print(id, flush=True)
    if args.follow:
        return follow(config, id, Meter(sys.stderr))
    return hand_over(config, id, args.config, sys.stderr)


def _status(args: argparse.Namespace) -> int:
    if args.follow:
        if args.id is None or args.config is None:
            print("trouper: --follow needs the ID of a batch, and --config", file=sys.stderr)
            return 2
        return follow(load_config(args.config), args.id, Meter(sys.stderr))
    store = _store(args)
    if args.id is None:
        with _reader(store) as reader:
            if reader is not None:
                found = (reader.status(batch.id) for batch in reader.batches())
                write_table(sys.stdout, (status for status in found if status is not None))
        for id in Inbox(store).submitted():
            print(f"{id}  is submitted; `trouper serve` or `status --follow` takes it in")
        return 0
    status = _find(store, args.id)
    if status is None:
        print(f"{args.id} is submitted; `trouper serve` or `status --follow` takes it in")
        return 0
    for line in heading(status):
        print(line)
    print(bar(status.counts))
    return 0


def _results(args: argparse.Namespace) -> int:
    store = _store(args)
    status = _find(store, args.id)
    if status is None or not (status.ended or args.partial):
        left = "it is submitted" if status is None else bar(status.counts)
        print(
            f"trouper: {args.id} is not done ({left}); wait for it with `trouper batch status "
            f"{args.id} --follow`, or take --partial",
            file=sys.stderr,
        )
        return 1
    with BatchReader(store) as reader, _output(args.output) as out:
        for line in reader.results(args.id):
            out.write(line)
    return 0


def _cancel(args: argparse.Namespace) -> int:
    store = _store(args)
    status = _find(store, args.id)
    if status is not None and status.ended:
        print(f"{args.id} is done already", file=sys.stderr)
        return 0
    Inbox(store).cancel(args.id)
    print(
        f"{args.id} is called off, which whoever carries it on hears within some seconds; "
        "what the provider has answered by then is billed, and kept",
        file=sys.stderr,
    )
    return 0


def _store(args: argparse.Namespace) -> Path:
    path = Path(args.store) if args.store is not None else store_of(Path(args.config))
    return path.absolute()


def _find(store: Path, id: str) -> Status | None:
    """How a batch is; None where nobody has taken it in yet. Raises UnknownBatch."""
    waiting = id in Inbox(store).submitted()
    with _reader(store) as reader:
        status = None if reader is None else reader.status(id)
    if status is None and not waiting:
        raise UnknownBatch(id)
    return status


@contextmanager
def _reader(store: Path) -> Generator[BatchReader | None]:
    """The store's reader; None before anybody has made the store."""
    if not store.exists() and Inbox(store).folder.exists():
        yield None
        return
    with BatchReader(store) as reader:
        yield reader


@contextmanager
def _output(path: str | None) -> Generator[BinaryIO]:
    if path is None:
        yield sys.stdout.buffer
        return
    target = Path(path)
    try:
        descriptor, draft = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}-")
    except OSError as error:
        raise StoreUnusable(path, f"it cannot be written there: {error.strerror}") from error
    try:
        with os.fdopen(descriptor, "wb") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        Path(draft).replace(target)
    finally:
        Path(draft).unlink(missing_ok=True)
