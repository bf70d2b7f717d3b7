"""Who waits for whom: finds the asks that would wait for themselves, before they wait.

Exact, because all runs in one thread. An actor that handles a message in its
turn reads on when that handler ends; a handler goes on when all that it waits
for is done; a message in the line of a limited handler has its turn when any of
those before it ends. What runs in a task of its own holds up nobody.
"""

from .mailbox import Aside, Envelope, Line, Place

__all__ = ["closes_cycle", "waits_for_itself"]

# What is waited for, and the paths that lead there, the last first.
_Chain = tuple[str, "_Chain"] | None


def closes_cycle(hand: Envelope, target: Place | Envelope) -> tuple[str, ...] | None:
    """The cycle that `hand` would close by waiting for `target`, as paths; or None."""
    if isinstance(target, Envelope):
        if target.where is Aside.TASK and target.waiting is None:
            return None
    else:
        # What most asks of most actors find.
        current = target.current
        if current is None or (current is not hand and current.waiting is None):
            return None
    way = _way(target, hand)
    return (hand.cell.path, *way) if way is not None else None


def waits_for_itself(envelope: Envelope, line: Line) -> tuple[str, ...] | None:
    """The cycle that `envelope` would close by waiting in `line`, as paths; or None."""
    return _way_through(line, envelope)


def _way(start: Place | Envelope, hand: Envelope) -> tuple[str, ...] | None:
    """The paths from `start` to `hand` along what each waits for, if there is a way."""
    todo: list[tuple[Place | Envelope, _Chain]] = [(start, None)]
    seen: set[Place | Envelope] = set()
    while todo:
        node, before = todo.pop()
        if node in seen:
            continue
        seen.add(node)
        if isinstance(node, Envelope):
            if node is hand:
                return _paths((node.cell.path, before))
            if node.where is None:
                todo.append((node.cell, before))
                continue
            chain: _Chain = (node.cell.path, before)
            if isinstance(node.where, Line):
                way = _way_through(node.where, hand)
                if way is not None:
                    return (*_paths(before), *way)
                continue
            if isinstance(node.where, Envelope):
                todo.append((node.where, chain))
                continue
            waits = node.waiting
        else:
            current = node.current
            chain = (node.path, before)
            if current is hand:
                return _paths(chain)
            waits = current.waiting if current is not None else None
        if isinstance(waits, Envelope):
            todo.append((waits, chain))
        elif waits is not None:
            todo.extend((awaited, chain) for awaited in waits)
    return None


def _way_through(line: Line, hand: Envelope) -> tuple[str, ...] | None:
    """As `_way`, from a line: it moves as long as one of its tasks does."""
    found: tuple[str, ...] | None = None
    for running in line.running:
        way = _way(running, hand)
        if way is None:
            return None
        found = way
    return found


def _paths(chain: _Chain) -> tuple[str, ...]:
    paths: list[str] = []
    while chain is not None:
        path, chain = chain
        paths.append(path)
    return tuple(reversed(paths))
