"""The pages of `trouper top`: providers, calls, sessions, events, one actor; and any key on them."""

from collections.abc import Sequence

import pytest

from tests.fakes.top import NOW, TRIPPED, World, snapshot
from tests.fakes.top_frames import ACTOR, FRAMES


@pytest.fixture
def world() -> World:
    world = World()
    world.hear(snapshot())
    return world


def test_one_actor_has_a_page_of_its_own_looked_at_each_second(world: World) -> None:
    world.press("end", "enter")
    assert world.sent[-1] == {"op": "inspect", "path": "sessions/ada"}
    assert world.shows("sessions/ada  ...")

    world.hear(ACTOR)
    world.hear({**ACTOR, "path": "sessions/of-before"})

    shown = world.show()
    assert shown[2] == "sessions/ada  Session  running  life 1"
    assert shown[3].startswith("  mailbox full: 32 of 32, senders of new messages are refused;")
    assert shown[4] == "    min 08 s and more"
    world.press("page down")
    assert not world.shows("life 1")
    world.desk.tick()
    assert world.sent[-1]["op"] == "inspect"
    world.press("esc")
    assert world.shows("▾ providers")


PAGES = {
    "3": [
        "sim  openai  1 in flight",
        "  circuit small                 open       13 of 15 failed  ·x",
        "    open, next probe in 8.0 s",
        "  limit  requests [#####-----] 30 of 60 left                              2 wait",
        "budget daily             all, day             $0.1000 of $1.0000 spent",
    ],
    "4": [
        "ASKED OF              PHASE              FOR          AGE TRY SESSION",
        "sim/small             streaming        0.9 s         12 s   2 ada",
        "default               routing              -            -   1 -",
    ],
    "5": [
        "SESSION               DOES             TURNS    TOKENS       COST MODEL",
        "ada                   turn 4               3       742    $0.0100 default",
        "bob                   asks permission      0         0          - -",
    ],
}


@pytest.mark.parametrize("key", PAGES)
def test_a_page_of_its_own_shows(world: World, key: str) -> None:
    lines = PAGES[key]
    world.press(key)
    empty = world.show()
    world.hear({"t": "delta", **FRAMES[key]})

    assert any(line.startswith("   no ") for line in empty)
    assert world.show()[2 : 2 + len(lines)] == lines


def test_events_come_the_last_one_first_and_lead_to_their_actor(world: World) -> None:
    event = {"at": NOW, "level": "error", "msg": "actor crashed", "path": "sessions/ada"}
    events = [{"n": n, "detail": f"number {n}", **event} for n in (1, 2)]
    world.press("6")
    world.hear({"t": "delta", "ev": events})

    assert [line[9:] for line in world.show()[2:4]] == [
        "actor crashed  sessions/ada  number 2",
        "actor crashed  sessions/ada  number 1",
    ]
    world.press("enter")
    assert world.sent[-1] == {"op": "inspect", "path": "sessions/ada"}


KEYS: Sequence[str] = [
    *map(str, range(10)),
    *"abcdefghijklmnoprstuvwxyzABCDEFGHIJKLMNOPRSTUVWXYZ /?:\x00é字",
    *("up", "down", "left", "right", "home", "end", "page up", "page down", "enter", "esc"),
    *("tab", "shift tab", "backspace", "delete", "insert", "f1", "meta x", "ctrl a", "<0>"),
]


@pytest.mark.parametrize("page", ["1", "2", "3", "4", "5", "6"])
def test_no_key_fails_on_any_page_whatever_is_there(page: str) -> None:
    for frames in ([], [snapshot()], [snapshot(attention=[TRIPPED], **FRAMES["3"])]):
        world = World()
        for frame in frames:
            world.hear(frame)
        for key in KEYS:
            for second in ("", "down", "y"):
                world.press(page, *filter(None, (key, second)))
                world.show()
                world.press("esc", "esc")
