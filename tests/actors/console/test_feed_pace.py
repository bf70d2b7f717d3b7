"""A feed that takes too much becomes slower, says so, and comes back."""

from typing import Any

import attrs
import pytest
import trio
import trio.testing
from hypothesis import given, strategies as st

from tests.fakes.consoles import open_console
from tests.fakes.players import Play
from trouper.actors.console.feed import Feed, slowed


@attrs.define(eq=False)
class Reader:
    """Reads each frame for so many seconds; remembers what it was told, and when."""

    seconds: float = 0.0
    told: list[tuple[float, dict[str, Any]]] = attrs.field(factory=list)

    async def send(self, frame: dict[str, Any]) -> None:
        await trio.sleep(self.seconds if frame["t"] == "delta" else 0)
        self.told.append((trio.current_time(), frame))

    def slow(self) -> list[dict[str, Any]]:
        return [frame for _, frame in self.told if frame["t"] == "slow"]


@pytest.mark.parametrize(
    ("before", "taken", "after"),
    [
        (0.25, 0.0, 0.25),
        (0.25, 0.012, 0.25),
        (0.25, 0.013, 0.5),
        (0.25, 0.04, 1.0),
        (0.25, 60.0, 10.0),
        # No faster for a little, so that it does not swing to and fro.
        (1.0, 0.02, 1.0),
        (1.0, 0.012, 0.25),
    ],
)
def test_it_is_halved_until_a_frame_takes_a_twentieth_of_the_time(
    before: float, taken: float, after: float
) -> None:
    assert slowed(before, 0.25, taken) == after


@given(
    st.floats(0.2, 100.0), st.lists(st.floats(0.0, 100.0), min_size=1, max_size=9), st.floats(0, 2)
)
def test_it_is_never_faster_than_was_asked_for_nor_slower_than_needed(
    asked: float, before: list[float], taken: float
) -> None:
    interval = asked
    for each in (*before, taken):
        interval = slowed(interval, asked, each)

    assert asked <= interval <= max(asked, 10.0)
    assert interval >= min(10.0, taken * 20)
    assert slowed(interval, asked, 0.0) == asked


async def test_who_reads_slowly_is_told_less_often_and_is_told_that(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_console(Play().part("a")) as opened, trio.open_nursery() as nursery:
        place = opened.console._service
        assert place is not None
        reader = Reader(seconds=0.09)
        feed = Feed(place.picture, reader.send, topics=["totals"])
        nursery.start_soon(feed.run, 4)
        await trio.sleep(20)
        reader.seconds = 0.0
        await trio.sleep(20)
        nursery.cancel_scope.cancel()

    slower, back = reader.slow()
    assert (slower["hz"], slower["asked_hz"], slower["took_ms"]) == (0.5, 4.0, 90)
    assert (back["hz"], back["asked_hz"], back["took_ms"]) == (4.0, 4.0, 0)
    deltas = [at for at, frame in reader.told if frame["t"] == "delta"]
    assert 7 <= sum(at < deltas[0] + 18 for at in deltas) <= 11
    # Each frame has a number, so that a gap means that one was lost.
    assert [frame["seq"] for _, frame in reader.told] == list(range(1, len(reader.told) + 1))
