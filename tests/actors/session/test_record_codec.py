"""Records as bytes: all come back as they were, old ones up to date, and newer ones not at all."""

import attrs
import orjson
import pytest
from hypothesis import given

from tests.fakes.records import answered, records
from trouper.actors.chat import ToolResultPart
from trouper.actors.errors import SessionUnreadable
from trouper.actors.session.record import ModelSwitched, Record, Titled, ToolReturned
from trouper.actors.session.record_codec import (
    Codec,
    Kind,
    read_record,
    read_state,
    write_record,
    write_state,
)
from trouper.actors.session.state import State
from trouper.actors.store.journal import Snapshot, StoredEvent


@attrs.frozen
class Note:
    """Version 3: a list of texts. Version 1 had one, version 2 another name for it."""

    texts: tuple[str, ...]


NOTES = Codec(
    {
        "note": Kind(
            Note,
            3,
            {
                1: lambda old: {"words": old["word"]},
                2: lambda old: {"texts": [old["words"]]},
            },
        )
    }
)


@given(records)
def test_a_record_comes_back_as_it_was(record: Record) -> None:
    event = write_record(record, 5.0)

    again = read_record("s", StoredEvent(1, event.kind, event.v, event.at, event.body))

    assert again == record
    assert type(again) is type(record)
    orjson.loads(event.body)


@pytest.mark.parametrize(
    ("v", "body"), [(1, b'{"word":"a"}'), (2, b'{"words":"a"}'), (3, b'{"texts":["a"]}')]
)
def test_what_an_earlier_version_has_written_is_brought_up_to_date(v: int, body: bytes) -> None:
    assert NOTES.read("note", v, body) == Note(("a",))


@pytest.mark.parametrize(
    ("kind", "body", "record"),
    [
        ("title", b'{"title":"a"}', Titled(title="a")),
        ("model", b'{"model":"m"}', ModelSwitched(model="m")),
        (
            "result",
            b'{"turn":1,"result":{"call_id":"c","content":"x","is_error":false}}',
            ToolReturned(turn=1, result=ToolResultPart("c", "x")),
        ),
        (
            "answer",
            b"""{"turn":1,"first":2,"seq":2,"cuts":[2],"message":{"role":"assistant","parts":
            [{"type":"TextPart","text":"hi"}],"name":""},"finish":"stop","target":"sim/m",
            "model":"","usage":null,"cost":null}""",
            answered(),
        ),
    ],
)
def test_records_of_the_time_before_tools_were_run_are_read(
    kind: str, body: bytes, record: Record
) -> None:
    assert read_record("s", StoredEvent(1, kind, 1, 0.0, body)) == record


def test_what_is_written_is_of_todays_version() -> None:
    assert NOTES.write(Note(("a", "b"))) == ("note", 3, b'{"texts":["a","b"]}')


@pytest.mark.parametrize(
    ("kind", "v", "body", "why"),
    [
        ("turn", 99, b"{}", "'turn' of version 99, which this program does not know"),
        ("dream", 1, b"{}", "a later trouper has written it"),
        ("turn", 1, b"{", "'turn' of version 1 is damaged"),
        ("turn", 1, b'{"turn":1,"seq":1,"parts":[{"type":"Smell"}]}', "is damaged"),
        ("turn", 1, b'{"turn":1,"seq":1,"parts":[],"more":1}', "is damaged"),
        ("turn", 1, b"[]", "is damaged"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(kind: str, v: int, body: bytes, why: str) -> None:
    with pytest.raises(SessionUnreadable, match=f"session s cannot be opened: event 7: .*{why}"):
        read_record("s", StoredEvent(7, kind, v, 0.0, body))


def test_a_snapshot_that_cannot_be_read_is_refused_by_its_number() -> None:
    snapshot = write_state(State(owner="alice"), 12)
    assert read_state("s", snapshot) == State(owner="alice")
    assert read_state("s", None) == State()

    with pytest.raises(SessionUnreadable, match=r"its snapshot of event 12: .*later trouper"):
        read_state("s", attrs.evolve(snapshot, v=2))
    with pytest.raises(SessionUnreadable, match="damaged"):
        read_state("s", Snapshot(1, 1, b""))
