"""What every journal promises; each test runs through each implementation."""

import pickle
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import trio

from tests.fakes.journals import JOURNALS, NOON, all_sessions, event, new, opened
from trouper.actors.store.errors import (
    EventConflict,
    Fenced,
    Gap,
    JournalError,
    NoSuchSession,
    NotOwner,
    StoreError,
)
from trouper.actors.store.journal import Journal, NewEvent, Snapshot, StoredEvent


@pytest.fixture(params=JOURNALS)
async def journal(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Journal]:
    async with JOURNALS[request.param](tmp_path) as opened:
        yield opened


def stored(seq: int, new: NewEvent) -> StoredEvent:
    return StoredEvent(seq, new.kind, new.v, new.at, new.body)


async def texts(journal: Journal, sid: str = "s", from_seq: int = 1) -> list[tuple[int, str]]:
    return [(one.seq, one.body.decode()) for one in await journal.read(sid, from_seq)]


# To claim a session.


async def test_a_session_is_made_where_there_is_none(journal: Journal) -> None:
    claim = await opened(journal, owner="alice", assistant="poet")

    session = claim.session
    assert (claim.fence, claim.head, claim.snapshot) == (1, 0, None)
    assert (session.owner, session.assistant, session.node) == ("alice", "poet", "here")
    assert (session.created, session.touched, session.title) == (NOON, NOON, "")
    assert await journal.find("s") == session


async def test_a_session_that_is_there_is_not_made_anew(journal: Journal) -> None:
    first = await opened(journal, owner="alice")
    await journal.append("s", first.fence, 1, [event()])
    await journal.release("s", first.fence)

    again = await opened(journal, owner="bob", assistant="other")

    assert (again.session.owner, again.session.assistant) == ("alice", "default")
    assert (again.fence, again.head) == (2, 1)


async def test_a_session_that_nobody_has_made_cannot_be_claimed(journal: Journal) -> None:
    with pytest.raises(NoSuchSession, match="session s: it is not there"):
        await journal.open("s", "here")
    assert await journal.find("s") is None


async def test_a_session_belongs_to_one_node(journal: Journal) -> None:
    claim = await opened(journal, node="one")

    with pytest.raises(NotOwner, match="one has it") as caught:
        await journal.open("s", "two")

    assert (caught.value.sid, caught.value.node, caught.value.fence) == ("s", "one", claim.fence)
    assert await journal.append("s", claim.fence, 1, [event()]) == 1


async def test_what_was_given_back_may_be_claimed_by_anybody(journal: Journal) -> None:
    claim = await opened(journal, node="one")

    await journal.release("s", claim.fence)

    assert (await journal.open("s", "two")).fence > claim.fence


async def test_the_claim_of_a_dead_node_is_taken_away_once(journal: Journal) -> None:
    dead = await opened(journal, node="dead")

    taken = await journal.open("s", "two", steal_from=dead.fence)

    with pytest.raises(NotOwner, match="two has it"):
        await journal.open("s", "three", steal_from=dead.fence)
    with pytest.raises(Fenced):
        await journal.append("s", dead.fence, 1, [event("from the dead")])
    assert await journal.append("s", taken.fence, 1, [event("from two")]) == 1
    assert await texts(journal) == [(1, "from two")]


async def test_a_later_claim_of_the_same_node_ends_its_earlier_one(journal: Journal) -> None:
    first = await opened(journal)
    second = await journal.open("s", "here")

    with pytest.raises(Fenced, match=r"fence 1 is over, it has 2 now") as caught:
        await journal.append("s", first.fence, 1, [event()])

    assert (caught.value.fence, caught.value.now) == (first.fence, second.fence)


async def test_an_old_claim_cannot_be_given_back(journal: Journal) -> None:
    old = await opened(journal)
    new_claim = await journal.open("s", "here")

    await journal.release("s", old.fence)
    await journal.release("nobody", 1)

    with pytest.raises(NotOwner):
        await journal.open("s", "other")
    assert await journal.append("s", new_claim.fence, 1, [event()]) == 1


# To add events.


async def test_events_are_there_as_they_were_added(journal: Journal) -> None:
    claim = await opened(journal)
    first, second = event("one", kind="a", v=3, at=NOON + 1), event("\0\xff", at=NOON + 2)

    assert await journal.append("s", claim.fence, 1, [first, second]) == 2
    assert await journal.append("s", claim.fence, 3, [event("three")]) == 3

    assert await journal.read("s") == [
        stored(1, first),
        stored(2, second),
        stored(3, event("three")),
    ]
    session = await journal.find("s")
    assert session is not None
    # The clock was set back; who was used last stays so.
    assert (session.head, session.touched) == (3, NOON + 2)


async def test_the_same_events_again_change_nothing(journal: Journal) -> None:
    claim = await opened(journal)
    events = [event("one"), event("two")]

    heads = [await journal.append("s", claim.fence, 1, events) for _ in range(3)]

    assert heads == [2, 2, 2]
    assert await texts(journal) == [(1, "one"), (2, "two")]


async def test_what_was_sent_in_part_before_is_added_as_far_as_it_is_new(journal: Journal) -> None:
    claim = await opened(journal)
    await journal.append("s", claim.fence, 1, [event("one"), event("two")])

    assert await journal.append("s", claim.fence, 2, [event("two"), event("three")]) == 3

    assert await texts(journal) == [(1, "one"), (2, "two"), (3, "three")]


async def test_another_event_of_a_number_is_refused_with_all_that_came_with_it(
    journal: Journal,
) -> None:
    claim = await opened(journal)
    await journal.append("s", claim.fence, 1, [event("one"), event("two")])

    with pytest.raises(EventConflict, match="event 2 is another one") as caught:
        await journal.append("s", claim.fence, 1, [event("one"), event("2"), event("three")])

    assert caught.value.seq == 2
    assert await texts(journal) == [(1, "one"), (2, "two")]


async def test_no_number_is_left_out(journal: Journal) -> None:
    claim = await opened(journal)
    await journal.append("s", claim.fence, 1, [event("one")])

    with pytest.raises(Gap, match="event 3 does not follow its last one, 1") as caught:
        await journal.append("s", claim.fence, 3, [event("three")])

    assert (caught.value.seq, caught.value.head) == (3, 1)
    assert await texts(journal) == [(1, "one")]


async def test_nothing_is_added_to_a_session_that_is_not_there(journal: Journal) -> None:
    with pytest.raises(NoSuchSession):
        await journal.append("s", 1, 1, [event()])


async def test_a_title_stays_until_there_is_another(journal: Journal) -> None:
    claim = await opened(journal)
    await journal.append("s", claim.fence, 1, [event()], title="Cats")
    await journal.append("s", claim.fence, 2, [event()])
    kept = await journal.find("s")
    await journal.append("s", claim.fence, 3, [], title="Dogs")
    other = await journal.find("s")

    assert kept is not None
    assert other is not None
    assert (kept.title, kept.head) == ("Cats", 2)
    assert (other.title, other.head) == ("Dogs", 2)


async def test_a_refused_append_takes_no_other_with_it(journal: Journal) -> None:
    claims = {sid: await opened(journal, sid) for sid in ("a", "b", "c")}
    outcomes: dict[str, object] = {}

    async def append(sid: str, first_seq: int) -> None:
        try:
            outcomes[sid] = await journal.append(sid, claims[sid].fence, first_seq, [event(sid)])
        except JournalError as error:
            outcomes[sid] = type(error)

    async with trio.open_nursery() as nursery:
        for sid, first_seq in (("a", 1), ("b", 2), ("c", 1)):
            nursery.start_soon(append, sid, first_seq)

    assert outcomes == {"a": 1, "b": Gap, "c": 1}
    assert [await texts(journal, sid) for sid in "abc"] == [[(1, "a")], [], [(1, "c")]]


async def test_sessions_do_not_mix(journal: Journal) -> None:
    claims = {sid: await opened(journal, sid) for sid in ("a", "b")}

    async def say(sid: str) -> None:
        for seq in range(1, 21):
            await journal.append(sid, claims[sid].fence, seq, [event(f"{sid}{seq}")])

    async with trio.open_nursery() as nursery:
        for sid in claims:
            nursery.start_soon(say, sid)

    for sid in claims:
        assert await texts(journal, sid) == [(seq, f"{sid}{seq}") for seq in range(1, 21)]


# To read them.


async def test_events_are_read_from_any_number_on_and_so_many_at_a_time(journal: Journal) -> None:
    claim = await opened(journal)
    await journal.append("s", claim.fence, 1, [event(str(n)) for n in range(1, 8)])

    assert [one.seq for one in await journal.read("s", 3, 2)] == [3, 4]
    assert [one.seq for one in await journal.read("s", 6)] == [6, 7]
    assert await journal.read("s", 8) == []
    assert await journal.read("nobody") == []


# Snapshots.


async def test_a_snapshot_takes_the_place_of_the_events_before_it(journal: Journal) -> None:
    claim = await opened(journal)
    await journal.append("s", claim.fence, 1, [event(str(n)) for n in range(1, 6)])
    snapshot = Snapshot(3, 2, b"the first three")

    await journal.snapshot("s", claim.fence, snapshot)

    assert await texts(journal) == [(4, "4"), (5, "5")]
    again = await journal.open("s", "here")
    assert (again.snapshot, again.head) == (snapshot, 5)


async def test_what_is_in_a_snapshot_may_be_sent_again(journal: Journal) -> None:
    claim = await opened(journal)
    events = [event("1"), event("2")]
    await journal.append("s", claim.fence, 1, events)
    await journal.snapshot("s", claim.fence, Snapshot(2, 1, b"both"))

    assert await journal.append("s", claim.fence, 1, events) == 2
    assert await journal.append("s", claim.fence, 2, [event("2"), event("3")]) == 3

    assert await texts(journal) == [(3, "3")]


async def test_an_earlier_snapshot_than_there_is_changes_nothing(journal: Journal) -> None:
    claim = await opened(journal)
    await journal.append("s", claim.fence, 1, [event(str(n)) for n in range(1, 6)])
    await journal.snapshot("s", claim.fence, Snapshot(4, 1, b"four"))

    await journal.snapshot("s", claim.fence, Snapshot(2, 1, b"two"))

    assert (await journal.open("s", "here")).snapshot == Snapshot(4, 1, b"four")
    assert await texts(journal) == [(5, "5")]


async def test_a_snapshot_is_of_what_is_there_by_who_has_the_session(journal: Journal) -> None:
    old = await opened(journal)
    claim = await journal.open("s", "here")
    await journal.append("s", claim.fence, 1, [event()])

    with pytest.raises(Gap):
        await journal.snapshot("s", claim.fence, Snapshot(2, 1, b""))
    with pytest.raises(Fenced):
        await journal.snapshot("s", old.fence, Snapshot(1, 1, b""))
    with pytest.raises(NoSuchSession):
        await journal.snapshot("nobody", 1, Snapshot(0, 1, b""))

    assert len(await journal.read("s")) == 1


# To list and delete them.


async def test_sessions_are_listed_by_their_last_use(journal: Journal) -> None:
    for number, sid in enumerate("abc"):
        await opened(journal, sid, owner="bob" if sid == "b" else "alice", at=NOON + number)
    claim = await journal.open("a", "here")
    await journal.append("a", claim.fence, 1, [event(at=NOON + 10)])

    assert [one.sid for one in await all_sessions(journal)] == ["a", "c", "b"]
    assert [one.sid for one in await all_sessions(journal, "alice")] == ["a", "c"]
    assert await all_sessions(journal, "nobody") == []


async def test_many_sessions_are_listed_each_once(journal: Journal) -> None:
    for number in range(450):
        await opened(journal, f"s{number}", at=NOON + number // 7)

    listed = [one.sid for one in await all_sessions(journal)]

    assert listed == [f"s{number}" for number in reversed(range(450))]


async def test_a_session_that_is_deleted_is_gone_with_all_it_had(journal: Journal) -> None:
    claim = await opened(journal)
    await journal.append("s", claim.fence, 1, [event("1"), event("2")])
    await journal.snapshot("s", claim.fence, Snapshot(1, 1, b"one"))

    assert await journal.delete("s", "here") is True

    assert await journal.delete("s", "here") is False
    assert await journal.find("s") is None
    assert await journal.read("s") == []
    with pytest.raises(NoSuchSession):
        await journal.append("s", claim.fence, 3, [event("3")])
    again = await opened(journal)
    assert (again.head, again.snapshot) == (0, None)


async def test_nobody_deletes_what_another_node_has(journal: Journal) -> None:
    claim = await opened(journal, node="one")

    for node in ("", "two"):
        with pytest.raises(NotOwner):
            await journal.delete("s", node)
    await journal.release("s", claim.fence)

    assert await journal.delete("s") is True


def test_a_refusal_can_be_copied_and_sent_to_another_process() -> None:
    errors: list[StoreError] = [
        NoSuchSession("f", "s"),
        NotOwner("f", "s", "n", 3),
        Fenced("f", "s", 1, 2),
        Gap("f", "s", 3, 1),
        EventConflict("f", "s", 2),
    ]
    for error in errors:
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))


async def test_a_new_session_is_given_by_its_values(journal: Journal) -> None:
    claim = await journal.open("x", "here", create=new("carol", at=1.5))

    assert (claim.session.owner, claim.session.created) == ("carol", 1.5)
