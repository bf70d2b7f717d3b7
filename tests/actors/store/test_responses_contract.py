"""What every store of responses promises; each test runs through each implementation."""

from pathlib import Path

import pytest

from tests.fakes.stored_responses import NOON, STORES, Clock, OpenStore, response
from trouper.actors.store.responses import MOST_LINKS, ResponseStore, Retention

DAY = 86_400.0
WHOLE = 1_000_000


@pytest.fixture(params=STORES)
def open_store(request: pytest.FixtureRequest) -> OpenStore:
    return STORES[request.param]


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def ids(store: ResponseStore, id: str, most_bytes: int = WHOLE) -> list[str] | None:
    chain = await store.chain(id, owner="alice", most_bytes=most_bytes)
    return None if chain is None else [each.id for each in chain.responses]


async def test_what_was_put_is_found_as_it_was(
    open_store: OpenStore, clock: Clock, tmp_path: Path
) -> None:
    put = response("a", previous="z", input=b"[1]", body=b"\x00\xff")
    async with open_store(tmp_path, Retention(), clock) as store:
        await store.put(put)

        assert await store.find("a", owner="alice") == put
        assert await store.find("b", owner="alice") is None


async def test_a_response_is_there_for_its_owner_only(
    open_store: OpenStore, clock: Clock, tmp_path: Path
) -> None:
    async with open_store(tmp_path, Retention(), clock) as store:
        await store.put(response("a"))

        assert await store.find("a", owner="mallory") is None
        assert await store.chain("a", owner="mallory", most_bytes=WHOLE) is None
        assert await store.delete("a", owner="mallory") is False
        assert await store.find("a", owner="alice") is not None


async def test_a_chain_is_read_from_its_beginning(
    open_store: OpenStore, clock: Clock, tmp_path: Path
) -> None:
    async with open_store(tmp_path, Retention(), clock) as store:
        await store.put(response("a"))
        await store.put(response("b", previous="a"))
        await store.put(response("another way", previous="a"))
        await store.put(response("c", previous="b"))

        assert await ids(store, "c") == ["a", "b", "c"]
        assert await ids(store, "another way") == ["a", "another way"]
        assert await ids(store, "none") is None


async def test_a_chain_with_a_gap_is_none(
    open_store: OpenStore, clock: Clock, tmp_path: Path
) -> None:
    async with open_store(tmp_path, Retention(), clock) as store:
        await store.put(response("a"))
        await store.put(response("b", previous="a"))
        await store.put(response("c", previous="b"))

        assert await store.delete("b", owner="alice") is True
        assert await store.delete("b", owner="alice") is False

        assert await ids(store, "c") is None
        assert await ids(store, "a") == ["a"]


async def test_a_chain_that_is_too_long_gives_its_end(
    open_store: OpenStore, clock: Clock, tmp_path: Path
) -> None:
    async with open_store(tmp_path, Retention(), clock) as store:
        for before, id in zip(["", *"abc"], "abcd", strict=True):
            await store.put(response(id, previous=before, input=b"x" * 98, body=b".."))

        chain = await store.chain("d", owner="alice", most_bytes=250)

        assert chain is not None
        assert ([each.id for each in chain.responses], chain.whole) == (["c", "d"], False)
        exact = await store.chain("d", owner="alice", most_bytes=400)
        assert exact is not None
        assert exact.whole


async def test_a_chain_has_a_bound_in_links(clock: Clock, tmp_path: Path) -> None:
    """One implementation only: a commit for each of so many takes its time on a disk."""
    async with STORES["dicts"](tmp_path, Retention(), clock) as store:
        for number in range(MOST_LINKS + 1):
            await store.put(response(str(number), previous=str(number - 1) if number else ""))

        chain = await store.chain(str(MOST_LINKS), owner="alice", most_bytes=2**40)

        assert chain is not None
        assert (len(chain.responses), chain.whole) == (MOST_LINKS, False)


async def test_what_is_too_old_is_gone(open_store: OpenStore, clock: Clock, tmp_path: Path) -> None:
    async with open_store(tmp_path, Retention(seconds=30 * DAY), clock) as store:
        await store.put(response("old"))
        await store.put(response("new", previous="old", at=NOON + 2 * DAY))

        clock.now = NOON + 31 * DAY

        assert await store.find("old", owner="alice") is None
        assert await store.delete("old", owner="alice") is False
        assert await store.find("new", owner="alice") is not None
        assert await ids(store, "new") is None


async def test_the_oldest_of_an_owner_go_where_there_are_too_many(
    open_store: OpenStore, clock: Clock, tmp_path: Path
) -> None:
    async with open_store(tmp_path, Retention(most=2), clock) as store:
        await store.put(response("bob's", owner="bob"))
        for id in "abcd":
            await store.put(response(id))

        there = [id for id in "abcd" if await store.find(id, owner="alice")]
        assert there == ["c", "d"]
        assert await store.find("bob's", owner="bob") is not None


async def test_the_oldest_of_an_owner_go_where_they_are_too_large(
    open_store: OpenStore, clock: Clock, tmp_path: Path
) -> None:
    async with open_store(tmp_path, Retention(most_bytes=1000), clock) as store:
        for id, size in (("a", 300), ("b", 300), ("c", 398), ("d", 300)):
            await store.put(response(id, input=b"x" * size, body=b""))
        assert [id for id in "abcd" if await store.find(id, owner="alice")] == ["b", "c", "d"]

        # Larger than all that may be kept: it is there all the same, alone.
        await store.put(response("e", input=b"x" * 2000))
        assert [id for id in "abcde" if await store.find(id, owner="alice")] == ["e"]
