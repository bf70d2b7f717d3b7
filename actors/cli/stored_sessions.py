"""The conversations that a store keeps: `trouper sessions list|show|export|delete`.

Reading has no part in the writing of the store's file, so a server may run
meanwhile. Deleting writes it, which only one program may: while a server runs,
it is refused, by the name of that process.
"""

import argparse
import sys
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Final, TextIO

import orjson

from ..chat import Message, TextPart, ToolCallPart, ToolResultPart
from ..errors import ConfigError
from ..policy.money import dollars
from ..redaction import printable
from ..session.export import exported, moment, stored_state
from ..session.state import INTERRUPTED, PastTurn, State, messages_of
from ..store.database import Database
from ..store.errors import NoSuchSession
from ..store.journal import StoredSession
from ..store.journal_operations import Delete, recover_journal
from ..store.journal_reading import JournalReader, WholeSession
from ..store.retention import PruneSessions
from .store_file import store_of

__all__ = ["run"]

# Id, owner, assistant, when it was used, how many events, title: 118 together.
_WIDTHS: Final = (37, 12, 10, 20, 6, 23)


def run(args: argparse.Namespace) -> int:
    """0, once it is done. Raises ConfigError, StoreError and SessionUnreadable."""
    store = Path(args.store) if args.store is not None else store_of(Path(args.config))
    if args.sessions_command == "delete":
        if bool(args.id) == (args.older_than is not None):
            raise ConfigError("sessions delete", ["name conversations, or say --older-than"])
        if args.older_than is None:
            _delete(store, args.id)
        else:
            count = _delete_older(store, args.older_than)
            sys.stdout.write(f"{_counted(count, 'conversation')} deleted\n")
        return 0
    with JournalReader(store) as reader:
        match args.sessions_command:
            case "list":
                found = islice(reader.sessions(args.owner), args.limit)
                _write_list(sys.stdout, found, args.owner)
            case "show":
                _show(sys.stdout, _read(store, reader, args.id))
            case _:
                for whole in _chosen(store, reader, args.id):
                    _export(sys.stdout, whole)
    return 0


def _read(store: Path, reader: JournalReader, sid: str) -> WholeSession:
    whole = reader.read(sid)
    if whole is None:
        raise NoSuchSession(str(store), sid)
    return whole


def _state(whole: WholeSession) -> State:
    return stored_state(whole.session.sid, whole.snapshot, whole.events)


def _delete(store: Path, ids: list[str]) -> None:
    with JournalReader(store) as reader:
        for sid in ids:
            _read(store, reader, sid)  # before anything is deleted
    with _opened(store) as database:
        database.begin_waiting()
        for sid in ids:
            Delete(sid, "").apply(database.connection)
        database.connection.execute("COMMIT")


def _delete_older(store: Path, before: float) -> int:
    """Delete those that were used last before then; how many there were."""
    with JournalReader(store):
        pass  # else a file that is not there would be made
    deleted = 0
    with _opened(store) as database:
        while True:
            database.begin_waiting()
            count = PruneSessions(before).apply(database.connection)
            database.connection.execute("COMMIT")
            deleted += count
            if not count:
                return deleted


@contextmanager
def _opened(store: Path) -> Generator[Database]:
    # Whoever has claimed a session is dead: else the file could not be opened.
    database = Database(store, recover=[recover_journal])
    database.open()
    try:
        yield database
    finally:
        database.close()


def _chosen(store: Path, reader: JournalReader, ids: list[str]) -> Iterator[WholeSession]:
    if ids:
        yield from (_read(store, reader, sid) for sid in ids)
        return
    for session in reader.sessions():
        whole = reader.read(session.sid)
        if whole is not None:  # else it was deleted meanwhile
            yield whole


def _export(out: TextIO, whole: WholeSession) -> None:
    out.write(f"{orjson.dumps(exported(whole.session, _state(whole))).decode()}\n")


# For people.


def _write_list(out: TextIO, sessions: Iterable[StoredSession], owner: str | None) -> None:
    lines = [_row(session) for session in sessions]
    if not lines:
        whose = "" if owner is None else f" of {_line(owner)}"
        out.write(f"no conversation{whose} is kept here\n")
        return
    for cells in (("id", "owner", "assistant", "used", "events", "title"), *lines):
        padded = (
            f"{_cut(_line(cell), width):<{width}}"
            for cell, width in zip(cells, _WIDTHS, strict=True)
        )
        out.write("  ".join(padded).rstrip() + "\n")


def _row(session: StoredSession) -> tuple[str, ...]:
    return (
        session.sid,
        session.owner,
        session.assistant,
        moment(session.touched),
        str(session.head),
        session.title,
    )


def _show(out: TextIO, whole: WholeSession) -> None:
    session, state = whole.session, _state(whole)
    out.write(f"{_line(session.title or session.sid)}\n")
    out.write(
        f"session {_line(session.sid)} of {_line(session.owner)} with {_line(session.assistant)}, "
        f"since {moment(session.created)}\n"
    )
    out.writelines(f"{line}\n" for line in _sums(state))
    for turn in state.turns:
        out.writelines(f"{printable(line)}\n" for line in _turn(turn))


def _sums(state: State) -> Iterator[str]:
    usage, about = state.usage, "~" if state.usage.estimated else ""
    unknown = f" + {_counted(state.unpriced, 'answer')} of unknown cost" if state.unpriced else ""
    yield (
        f"{_counted(len(state.turns), 'turn')}, {about}{usage.input:,} tokens read and "
        f"{about}{usage.output:,} written, ${dollars(state.cost)}{unknown}"
    )
    if state.summary is not None:
        yield f"models whose window is full are told instead of the beginning: {state.summary.text}"


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _turn(turn: PastTurn) -> Iterator[str]:
    yield f"\n[{turn.number}] {moment(turn.at)} user:"
    yield _said(turn.asked)
    for message in list(messages_of(turn))[1:]:
        who = turn.target if message.role == "assistant" else message.role
        yield f"{who}:"
        yield _said(message)
    match turn.stop:
        case "":
            yield "(under way, or interrupted)"
        case "end_turn":
            pass
        case stop if stop == INTERRUPTED:
            yield "(interrupted: its program was stopped)"
        case stop:
            yield f"({stop}{': ' if turn.error else ''}{turn.error})"


def _said(message: Message) -> str:
    pieces: list[str] = []
    for part in message.parts:
        match part:
            case TextPart():
                pieces.append(part.text)
            case ToolCallPart():
                pieces.append(f"(calls {part.name} with {part.args_json})")
            case ToolResultPart():
                pieces.append(f"({'error' if part.is_error else 'result'}: {part.content})")
            case _:
                pieces.append(f"({type(part).__name__})")
    return "\n".join(pieces)


def _line(text: str) -> str:
    """As one line: what clients call themselves is not to be trusted."""
    return printable(text or "-").replace("\n", "\\x0a")


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"
