"""Who may have a connection: a bounded pool, last in first out, with a fair waiting line.

Two rules make that no place is ever lost, wherever a caller is cancelled:

- A place is given away synchronously: whoever ends a lease makes the lease of the
  first in line in the same breath. There is no state "about to be assigned" that a
  cancellation could fall into. (trio's `wait_task_rescheduled` guarantees the other
  half: a task is either aborted, and then still in line, or gets its lease.)
- A lease ends once, and ending it is synchronous too, so that `except` and
  `finally` can do it while a cancellation is under way.

Nothing here does I/O. The pool has no task and no timer: what has been idle for too
long is closed when the pool is next used, or by `close_expired`.
"""

from collections import OrderedDict, deque
from collections.abc import Hashable
from typing import Generic, Protocol, TypeVar, cast

import attrs
import outcome
import trio

__all__ = ["ConnectionLease", "Pool", "Poolable", "TransportStatistics"]


class Poolable(Protocol):
    """What a pool holds."""

    idle_since: float

    def close(self) -> None:
        """Close at once; must not block."""
        ...


C = TypeVar("C", bound=Poolable)


@attrs.frozen
class TransportStatistics:
    """A look at a pool: `open` connections are `idle` or `leased`; `waiting` tasks are in line.

    A lease counts from the moment it is given, so connections that are being
    opened are among the leased ones.
    """

    open: int
    idle: int
    leased: int
    waiting: int


class ConnectionLease(Generic[C]):
    """A place in the pool, with a connection in it or leave to open one.

    Belongs to one request. `end` must be called, whatever happens.
    """

    __slots__ = ("_pool", "connection", "key")

    def __init__(self, pool: "Pool[C]", key: Hashable, connection: C | None) -> None:
        self._pool: Pool[C] | None = pool
        self.key = key
        self.connection = connection

    def drop_connection(self) -> None:
        """Close the connection and keep the place, to open another one in it."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def end(self, *, reusable: bool) -> None:
        """Give the place on; the connection is kept if it is `reusable`, else closed.

        Only the first call counts.
        """
        pool, self._pool = self._pool, None
        if pool is None:
            return
        if not reusable:
            self.drop_connection()
        pool.take_back(self)


@attrs.define(eq=False)
class _Waiter:
    key: Hashable
    task: trio.lowlevel.Task


class Pool(Generic[C]):
    """At most `max_connections` at once; more callers wait in line, first come, first served.

    `keepalive` is how many seconds a connection may lie idle and still be used.
    Connections of different keys (origins) share the places: an idle one of
    another key makes room when it must, the longest idle first.
    """

    def __init__(self, max_connections: int, keepalive: float) -> None:
        if max_connections < 1:
            raise ValueError(f"max_connections must be at least 1, not {max_connections}")
        if not keepalive >= 0:
            raise ValueError(f"keepalive must be 0 seconds or more, not {keepalive}")
        self._max = max_connections
        self._keepalive = keepalive
        self._idle: dict[Hashable, deque[C]] = {}
        self._idle_count = 0
        self._leased: set[ConnectionLease[C]] = set()
        self._waiting: OrderedDict[_Waiter, None] = OrderedDict()
        self._closed = False

    async def lease(self, key: Hashable) -> ConnectionLease[C]:
        """A place, at once if there is one, else in turn.

        Raises `trio.ClosedResourceError` when the pool is closed, also to those in line.
        """
        if self._closed:
            raise trio.ClosedResourceError("the pool is closed")
        lease = self._lease_nowait(key)
        if lease is not None:
            return lease
        waiter = _Waiter(key, trio.lowlevel.current_task())
        self._waiting[waiter] = None

        def leave_the_line(_: object) -> trio.lowlevel.Abort:
            del self._waiting[waiter]
            return trio.lowlevel.Abort.SUCCEEDED

        return cast("ConnectionLease[C]", await trio.lowlevel.wait_task_rescheduled(leave_the_line))

    def statistics(self) -> TransportStatistics:
        return TransportStatistics(
            open=self._open,
            idle=self._idle_count,
            leased=len(self._leased),
            waiting=len(self._waiting),
        )

    def close_expired(self) -> None:
        """Close what has been idle for longer than `keepalive`."""
        for key in list(self._idle):
            self._close_expired_of(key)

    def close(self) -> None:
        """Close every connection, also the leased ones, and send home those in line.

        Those who hold a lease find their connection closed; the leases stay
        theirs to end.
        """
        self._closed = True
        for line in self._idle.values():
            for connection in line:
                connection.close()
        self._idle.clear()
        self._idle_count = 0
        for lease in self._leased:
            if lease.connection is not None:
                lease.connection.close()
        while self._waiting:
            waiter, _ = self._waiting.popitem(last=False)
            error = trio.ClosedResourceError("the pool was closed")
            trio.lowlevel.reschedule(waiter.task, outcome.Error(error))

    @property
    def closed(self) -> bool:
        return self._closed

    def take_back(self, lease: ConnectionLease[C]) -> None:
        """What `ConnectionLease.end` calls: the place goes to the first in line, or lies idle."""
        self._leased.remove(lease)
        if self._waiting:
            waiter, _ = self._waiting.popitem(last=False)
            if waiter.key != lease.key:
                lease.drop_connection()
            granted = self._grant(waiter.key, lease.connection)
            trio.lowlevel.reschedule(waiter.task, outcome.Value(granted))
        elif lease.connection is not None:
            if self._closed:
                lease.drop_connection()
                return
            lease.connection.idle_since = trio.current_time()
            self._idle.setdefault(lease.key, deque()).append(lease.connection)
            self._idle_count += 1

    @property
    def _open(self) -> int:
        return self._idle_count + len(self._leased)

    def _grant(self, key: Hashable, connection: C | None) -> ConnectionLease[C]:
        lease = ConnectionLease(self, key, connection)
        self._leased.add(lease)
        return lease

    def _lease_nowait(self, key: Hashable) -> ConnectionLease[C] | None:
        # While somebody waits, nothing is idle and no place is free, so a
        # newcomer cannot overtake: it finds nothing to take.
        if key in self._idle:
            self._close_expired_of(key)
        line = self._idle.get(key)
        if line:
            self._idle_count -= 1
            connection = line.pop()
            if not line:
                del self._idle[key]
            return self._grant(key, connection)
        if self._open < self._max or self._make_room():
            return self._grant(key, None)
        return None

    def _make_room(self) -> bool:
        if not self._idle:
            return False
        key = min(self._idle, key=lambda key: self._idle[key][0].idle_since)
        self._close_oldest_of(key)
        return True

    def _close_oldest_of(self, key: Hashable) -> None:
        line = self._idle[key]
        line.popleft().close()
        self._idle_count -= 1
        if not line:
            del self._idle[key]

    def _close_expired_of(self, key: Hashable) -> None:
        best_before = trio.current_time() - self._keepalive
        while key in self._idle and self._idle[key][0].idle_since < best_before:
            self._close_oldest_of(key)
