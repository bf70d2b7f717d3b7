"""Who waits for whom: finds the asks that would wait for themselves, before they wait.

Exact, because all runs in one thread. An actor that handles a message in its
turn reads on when that handler ends; a handler goes on when all that it waits
for is done; a message in the line of a limited handler has its turn when any of
those before it ends. What runs in a task of its own holds up nobody.
"""

from collections import defaultdict, deque
from collections.abc import Iterable
from math import inf

from .mailbox import Destination, Envelope, LimitedHandler, Waits

__all__ = ["closes_cycle", "waits_for_itself"]

_Node = Envelope | LimitedHandler | Destination


def closes_cycle(hand: Envelope, target: Destination | Envelope) -> tuple[str, ...] | None:
    """The cycle that `hand` would close by waiting for `target`, as paths; or None."""
    if not isinstance(target, Envelope):
        # What most asks of most actors find.
        current = target.current
        if current is None or (current is not hand and current.waiting is None):
            return None
    way = _way(target, hand)
    return (hand.cell.path, *way) if way is not None else None


def waits_for_itself(envelope: Envelope, line: LimitedHandler) -> tuple[str, ...] | None:
    """The cycle that `envelope` would close by waiting in `line`, as paths; or None."""
    if any(running.waiting is None for running in line.running):
        return None  # as in nearly all lines
    way = _way(line, envelope)
    return way * 2 if way is not None and len(way) == 1 else way


def _way(start: _Node, hand: Envelope) -> tuple[str, ...] | None:
    """The paths from `start` to `hand`, where `start` cannot go on unless `hand` does."""
    stuck = _stuck(start, hand)
    if start not in stuck:
        return None
    came_from: dict[_Node, _Node | None] = {start: None}
    todo: deque[_Node] = deque([start])
    while hand not in came_from:
        node = todo.popleft()
        for awaited in stuck[node]:
            if awaited in stuck and awaited not in came_from:
                came_from[awaited] = node
                todo.append(awaited)
    paths: list[str] = []
    step: _Node | None = hand
    while step is not None:
        path = _path(step)
        if path is not None and paths[-1:] != [path]:
            paths.append(path)
        step = came_from[step]
    return tuple(reversed(paths))


def _stuck(start: _Node, hand: Envelope) -> dict[_Node, list[_Node]]:
    """Of all that `start` leads to, what cannot go on unless `hand` does.

    Found by letting everything go that can: first what waits for nothing, then
    what waits only for that, and so on. A walk along the chain would not do:
    lines may lead to each other in circles and move all the same.
    """
    leads: dict[_Node, list[_Node]] = {hand: []}
    followers: defaultdict[_Node, list[_Node]] = defaultdict(list)
    holds: dict[_Node, float] = {hand: inf}
    todo = [start]
    while todo:
        node = todo.pop()
        if node in leads:
            continue
        leads[node] = awaited = list(_awaited(node, hand))
        # A line moves with the first of its tasks, all else waits for the last.
        holds[node] = min(1, len(awaited)) if isinstance(node, LimitedHandler) else len(awaited)
        for other in awaited:
            followers[other].append(node)
        todo.extend(awaited)
    free = [node for node, count in holds.items() if not count]
    while free:
        node = free.pop()
        del leads[node]
        for follower in followers[node]:
            holds[follower] -= 1
            if not holds[follower]:
                free.append(follower)
    return leads


def _awaited(node: _Node, hand: Envelope) -> Iterable[_Node]:
    """What a node waits for directly."""
    if isinstance(node, LimitedHandler):
        # A handler that has forwarded and works on waits for what it says, and
        # not for what it forwarded: it is let go here, which errs to the safe side.
        forwarded = any(isinstance(running.where, Envelope) for running in node.running)
        return () if forwarded else node.running
    if isinstance(node, Envelope):
        if node.where is None:
            return (node.cell,)
        if isinstance(node.where, (LimitedHandler, Envelope)):
            return (node.where,)
        return _members(node.waiting)
    current = node.current
    if current is hand:
        return (hand,)
    return _members(current.waiting) if current is not None else ()


def _members(waits: Waits) -> Iterable[Envelope]:
    if waits is None:
        return ()
    return (waits,) if isinstance(waits, Envelope) else waits


def _path(node: _Node) -> str | None:
    """How a node is named in the error: a message by the actor that has it."""
    if isinstance(node, LimitedHandler):
        return None
    return node.cell.path if isinstance(node, Envelope) else node.path
