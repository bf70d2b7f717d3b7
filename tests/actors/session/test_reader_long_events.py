"""One event may be longer than all that may wait for a slow reader."""

import pytest
import trio
from trio.testing import MockClock

from tests.fakes.house import open_house
from tests.fakes.provider import DONE, FINISH, ROLE, Body, delta
from trouper.actors.errors import SessionError

BOUND = 256 * 1024


async def test_a_reader_was_called_too_slow_for_one_long_delta(autojump_clock: MockClock) -> None:
    body = Body(ROLE, delta("x" * 2 * BOUND), delta("y" * BOUND), FINISH, DONE)
    async with open_house(body) as house:
        answer = await (await house.handle()).ask("hi")

    assert len(answer) == 3 * BOUND


async def test_beside_the_longest_event_the_bound_holds(autojump_clock: MockClock) -> None:
    letters = [delta("y" * (BOUND // 8))] * 10
    async with open_house(Body(ROLE, delta("x" * 2 * BOUND), *letters, 1e6)) as house:
        session = await house.handle()
        with pytest.raises(SessionError, match="too far behind"):
            async with session.prompt("hi") as turn:
                await trio.sleep(10)
                await anext(turn)


async def test_a_long_event_that_was_read_counts_no_more(autojump_clock: MockClock) -> None:
    half = delta("y" * (BOUND // 2 + 1))
    async with open_house(Body(ROLE, delta("x" * 2 * BOUND), 1.0, half, half, half, 1e6)) as house:
        session = await house.handle()
        with pytest.raises(SessionError, match="too far behind"):
            async with session.prompt("hi") as turn:
                await anext(turn)
                await trio.sleep(10)
                await anext(turn)
