"""The pool hands its places round in turn, and none is ever lost."""

import attrs
import pytest
import trio
import trio.testing

from trouper.actors.transport.pool import ConnectionLease, Pool


@attrs.define(eq=False)
class FakeConnection:
    """Opens and closes without a socket."""

    idle_since: float = 0.0
    closed: bool = False

    def close(self) -> None:
        self.closed = True


FakePool = Pool[FakeConnection]


async def opened(
    pool: FakePool, key: str = "a"
) -> tuple[ConnectionLease[FakeConnection], FakeConnection]:
    lease = await pool.lease(key)
    assert lease.connection is None
    lease.connection = FakeConnection()
    return lease, lease.connection


async def test_the_connection_that_was_used_last_is_used_next() -> None:
    pool = FakePool(3, 30)
    first, _ = await opened(pool)
    second, used_last = await opened(pool)
    first.end(reusable=True)
    second.end(reusable=True)

    lease = await pool.lease("a")

    assert lease.connection is used_last
    assert pool.statistics().idle == 1


async def test_a_connection_that_was_idle_for_too_long_is_closed_and_not_given(
    mock_clock: trio.testing.MockClock,
) -> None:
    pool = FakePool(3, 30)
    old, connection = await opened(pool)
    old.end(reusable=True)
    mock_clock.jump(31)

    lease = await pool.lease("a")

    assert lease.connection is None
    assert connection.closed
    assert pool.statistics().open == 1


async def test_a_pool_that_nobody_uses_can_be_swept(mock_clock: trio.testing.MockClock) -> None:
    pool = FakePool(4, 30)
    leases = [(await opened(pool, key)) for key in "aab"]
    for lease, _ in leases[:2]:
        lease.end(reusable=True)
    mock_clock.jump(20)
    leases[2][0].end(reusable=True)
    mock_clock.jump(20)

    pool.close_expired()

    assert [connection.closed for _, connection in leases] == [True, True, False]
    assert pool.statistics().idle == 1


async def test_who_waits_is_served_in_turn(autojump_clock: trio.testing.MockClock) -> None:
    pool = FakePool(1, 30)

    served: list[str] = []

    async def customer(name: str) -> None:
        lease = await pool.lease("a")
        served.append(name)
        await trio.sleep(1)
        lease.end(reusable=False)

    async with trio.open_nursery() as customers:
        for name in "abcdefgh":
            customers.start_soon(customer, name)
            await trio.testing.wait_all_tasks_blocked()

    assert "".join(served) == "abcdefgh"
    assert pool.statistics().open == 0


async def test_a_connection_goes_straight_to_the_first_in_line(nursery: trio.Nursery) -> None:
    pool = FakePool(1, 30)
    lease, connection = await opened(pool)
    got: list[ConnectionLease[FakeConnection]] = []

    async def wait() -> None:
        got.append(await pool.lease("a"))

    nursery.start_soon(wait)
    await trio.testing.wait_all_tasks_blocked()
    assert pool.statistics().waiting == 1
    lease.end(reusable=True)
    await trio.testing.wait_all_tasks_blocked()

    assert got[0].connection is connection
    assert pool.statistics().leased == 1


async def test_who_wants_another_origin_gets_the_place_and_not_the_connection(
    nursery: trio.Nursery,
) -> None:
    pool = FakePool(1, 30)
    lease, connection = await opened(pool, "a")
    got: list[ConnectionLease[FakeConnection]] = []

    async def wait() -> None:
        got.append(await pool.lease("b"))

    nursery.start_soon(wait)
    await trio.testing.wait_all_tasks_blocked()
    lease.end(reusable=True)
    await trio.testing.wait_all_tasks_blocked()

    assert got[0].connection is None
    assert connection.closed


async def test_the_longest_idle_connection_makes_room_for_another_origin(
    mock_clock: trio.testing.MockClock,
) -> None:
    pool = FakePool(2, 30)
    first, longest_idle = await opened(pool, "a")
    second, other = await opened(pool, "b")
    first.end(reusable=True)
    mock_clock.jump(1)
    second.end(reusable=True)

    await pool.lease("c")

    assert longest_idle.closed
    assert not other.closed
    assert pool.statistics().open == 2


async def test_a_place_is_not_lost_when_a_waiter_is_cancelled() -> None:
    pool = FakePool(1, 30)
    lease, _ = await opened(pool)

    with trio.move_on_after(0):
        await pool.lease("a")
    assert pool.statistics().waiting == 0
    lease.end(reusable=True)

    assert pool.statistics().idle == 1


async def test_a_place_is_not_lost_when_its_getter_is_cancelled_in_the_same_breath(
    nursery: trio.Nursery,
) -> None:
    """httpcore's lost slot: assigned, and cancelled before the task has run."""
    pool = FakePool(1, 30)
    lease, _ = await opened(pool)
    scope = trio.CancelScope()
    outcomes: list[str] = []

    async def wait() -> None:
        with scope:
            mine = await pool.lease("a")
            outcomes.append("leased")
            try:
                await trio.sleep_forever()
            finally:
                mine.end(reusable=False)

    nursery.start_soon(wait)
    await trio.testing.wait_all_tasks_blocked()
    lease.end(reusable=True)
    scope.cancel()
    await trio.testing.wait_all_tasks_blocked()

    assert outcomes == ["leased"]
    assert pool.statistics().open == 0


async def test_a_lease_ends_once() -> None:
    pool = FakePool(1, 30)
    lease, connection = await opened(pool)

    lease.end(reusable=True)
    lease.end(reusable=False)

    assert not connection.closed
    assert pool.statistics().idle == 1


async def test_a_place_can_be_kept_without_its_connection() -> None:
    pool = FakePool(1, 30)
    lease, connection = await opened(pool)

    lease.drop_connection()
    lease.drop_connection()

    assert connection.closed
    assert pool.statistics().leased == 1


async def test_a_closed_pool_closes_all_and_sends_everybody_home(nursery: trio.Nursery) -> None:
    pool = FakePool(2, 30)
    idle, first = await opened(pool)
    busy, second = await opened(pool)
    idle.end(reusable=True)
    opening = await pool.lease("b")
    sent_home: list[str] = []

    async def wait() -> None:
        with pytest.raises(trio.ClosedResourceError):
            await pool.lease("a")
        sent_home.append("yes")

    nursery.start_soon(wait)
    await trio.testing.wait_all_tasks_blocked()
    pool.close()
    await trio.testing.wait_all_tasks_blocked()

    assert (first.closed, second.closed, sent_home) == (True, True, ["yes"])
    busy.end(reusable=True)
    opening.end(reusable=True)
    assert pool.statistics().open == 0
    with pytest.raises(trio.ClosedResourceError):
        await pool.lease("a")


@pytest.mark.parametrize(
    ("max_connections", "keepalive"), [(0, 30.0), (-1, 30.0), (1, -1.0), (1, float("nan"))]
)
def test_limits_that_make_no_sense_are_refused(max_connections: int, keepalive: float) -> None:
    with pytest.raises(ValueError, match="must be"):
        FakePool(max_connections, keepalive)
