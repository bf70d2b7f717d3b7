"""`trouper top` on a large terminal, 132 columns by 40 lines: each page, word for word.

After a change that is meant, with TZ=UTC: `python -m tests.actors.cli.test_top_wide`, and look
at what has become of the file.
"""

import time
from collections.abc import Generator, Iterator
from itertools import groupby
from pathlib import Path

import pytest

from tests.fakes.top import NOW, TRIPPED, World, rows, snapshot
from tests.fakes.top_frames import ACTOR, FRAMES

SCREENS = Path(__file__).with_name("top-132x40.txt")

EVENT = {"at": NOW, "level": "error", "msg": "actor crashed", "path": "sessions/ada"}
ILL = {
    "t": "delta",
    "rows": rows(
        breaker={"health": "tripped", "detail": TRIPPED["detail"]},
        ada={"depth": 7, "oldest_ms": 6_400, "restarts": 2, "health": "backlogged"},
    ),
    "attention": [TRIPPED, {**TRIPPED, "path": "sessions/ada", "severity": 1}],
    "ev": [{"n": n, "detail": f"ValueError: number {n}", **EVENT} for n in range(1, 61)],
}


def pages() -> Iterator[tuple[str, list[str]]]:
    """Each page by its name, as it stands on the screen."""
    world = World()
    world.hear(snapshot(mono=100.0))
    world.hear({**ILL, "mono": 104.0})
    for frame in FRAMES.values():
        world.hear({"t": "delta", **frame})
    names = ("tree", "problems", "providers", "requests", "sessions", "events")
    for key, name in enumerate(names, 1):
        world.press(str(key))
        yield name, world.show(132, 40)
    world.press("1", "end", "enter")
    world.hear(ACTOR)
    yield "one actor", world.show(132, 40)
    world.press("esc", "?")
    yield "keys", world.show(132, 40)
    world.press("?", "R")
    world.hear({"t": "ack", "id": len(world.sent), "effect": {"gen": 1, "also": []}})
    yield "a question", world.show(132, 40)
    world.desk.lose("it has closed the connection")
    yield "lost", world.show(132, 40, later=5.0)


def written() -> str:
    """All of them, with empty lines counted."""
    told: list[str] = []
    for name, lines in pages():
        told.append(f"=== {name}")
        for line, same in groupby(lines):
            count = len(list(same))
            told += [f"({count} empty lines)"] if not line and count > 1 else [line] * count
    return "\n".join(told) + "\n"


@pytest.fixture
def _utc(monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("_utc")
def test_each_page_is_as_it_was_looked_at() -> None:
    assert written() == SCREENS.read_text()


def test_a_program_that_tells_less_often_than_it_is_asked_says_so_in_the_head() -> None:
    world = World()
    world.hear(snapshot())
    world.hear({"t": "slow", "hz": 0.625, "asked_hz": 4.0, "took_ms": 80})
    slower = world.show(132, 40)[0]
    world.hear({"t": "slow", "hz": 4.0, "asked_hz": 4.0, "took_ms": 2})

    assert slower.endswith("  each 1.6 s  operate")
    assert "each" not in world.show(132, 40)[0]


if __name__ == "__main__":
    SCREENS.write_text(written())
