"""What `trouper top` shows and does, without a terminal: frames and keys in, lines out."""

from typing import Any

import pytest

from tests.fakes.top import HELLO, TRIPPED, World, rows, snapshot
from trouper.actors.cli.main import main
from trouper.actors.cli.top.cells import fit, width_of


@pytest.fixture
def world() -> World:
    world = World()
    world.hear(snapshot())
    return world


@pytest.fixture
def ill(world: World) -> World:
    seen = {"health": "tripped", "detail": TRIPPED["detail"]}
    world.hear({"t": "delta", "rows": rows(breaker=seen), "attention": [TRIPPED]})
    return world


def test_it_subscribes_to_all_that_it_shows() -> None:
    world = World()

    assert [each["op"] for each in world.sent] == ["hello", "sub"]
    assert "attention" in world.sent[1]["topics"]


def test_the_tree_at_80_by_24_says_first_that_nothing_is_wrong(world: World) -> None:
    assert world.show()[:9] == [
        " bot 4711  up 3.0 s  actors 0  queued 0  calls 0  crashes 0  $0.00  la… operate",
        " 1 tree  2 problems  3 providers  4 requests  5 sessions  6 events",
        "   nothing needs attention",
        "ACTOR                          STATE             MAILBOX       OLDEST MSGS/S RST",
        "▾ providers                    ● running               -            -      -   -",
        "  ▾ sim                        ● running               -            -      -   -",
        "      breaker                  ● running            0/64            -      -   -",
        "▾ sessions                     ● running               -            -      -   -",
        "    ada                        ● running            0/32            -      -   -",
    ]


def test_what_is_wrong_stands_above_the_tree_in_words_and_in_its_row_by_shape(ill: World) -> None:
    shown = ill.show()

    assert shown[2].startswith("!! tripped  providers/sim/breaker: open, next probe in 8.0 s; 13")
    assert "■ tripped" in next(line for line in shown if line.startswith("      breaker"))
    assert " 2 problems 1 " in shown[1]


def test_a_budget_is_named_although_it_is_no_actor(world: World) -> None:
    budget = {"what": "budget", "path": "", "name": "daily", "health": "nearly spent"}
    told = {**budget, "detail": "95% used: $0.95 of $1.00", "severity": 1}
    world.hear({"t": "delta", "attention": [told, *[TRIPPED] * 5]})

    assert world.show()[2] == " ! nearly spent  budget daily: 95% used: $0.95 of $1.00"
    assert world.shows("   and 2 more: 2 shows all")
    world.press("2", "R")
    assert world.shows(" nothing is chosen to restart")


def test_problems_have_a_page_with_their_whole_words(ill: World) -> None:
    ill.press("2")

    assert ill.show()[2:4] == [
        "!! tripped      providers/sim/breaker",
        "   open, next probe in 8.0 s; 13 of 15 calls failed",
    ]


def test_a_filter_keeps_what_has_its_letters_and_escape_brings_all_back(ill: World) -> None:
    ill.press("/", *"TRIPX", "backspace", "enter")

    assert not ill.shows("ada")
    assert ill.shows("breaker")
    assert ill.show()[1].endswith("/TRIP")
    ill.press("/", "z", "enter")
    assert ill.shows("nothing has these letters")
    ill.press("enter", "down", " ", "R", "esc")
    assert ill.shows("ada")


def test_folded_rows_add_up_what_is_below(ill: World) -> None:
    seen = {"health": "tripped", "detail": "open", "depth": 3, "restarts": 2}
    ill.hear({"t": "delta", "rows": rows(breaker=seen)})
    ill.press("home", " ")

    row = ill.show()[4]
    assert row.split() == ["▸", "providers", "▲", "1", "below", "3", "-", "-", "2"]
    assert not ill.shows("  ▾ sim")
    ill.press(" ")
    assert ill.shows("  ▾ sim")


def test_the_tree_is_sorted_by_what_is_worst_and_does_not_jump(world: World) -> None:
    world.hear({"t": "delta", "rows": rows(ada={"depth": 9, "oldest_ms": 61_000})})
    world.press("s")

    assert world.show()[4].split()[:1] == ["sessions/ada"]
    assert world.show()[4].split()[3:5] == ["9/32", "1"]
    assert world.show()[1].endswith("by mailbox")
    world.hear({"t": "delta", "rows": rows(breaker={"depth": 20})})
    assert world.show()[4].split()[0] == "sessions/ada"
    world.now += 4
    assert world.show()[4].split()[0] == "providers/sim/breaker"
    world.press("s", "s", "s", "s")
    assert world.shows("▾ providers")


def test_messages_a_second_are_counted_over_some_seconds(world: World) -> None:
    world.hear({"t": "delta", "mono": 102.0, "rows": rows(ada={"n": 10})})
    world.hear({"t": "delta", "mono": 105.0, "rows": rows(ada={"n": 20})})

    assert next(line for line in world.show() if "ada" in line).split()[-2] == "4.0"


def test_who_comes_and_goes_is_in_the_tree_and_not_any_more(world: World) -> None:
    bob = {
        "id": 9,
        "name": "bob",
        "path": "sessions/bob",
        "kind": "Session",
        "parent": 3,
        "cap": 32,
    }
    row = rows()[4]
    world.hear({"t": "delta", "new": [bob, bob], "rows": [[9, *row[1:]], [77, *row[1:]]]})
    assert world.shows("    bob")

    world.press("end")
    world.hear({"t": "delta", "gone": [[9, "it ended"], [9, None]]})

    assert not world.shows("bob")
    world.press("R")
    assert world.sent[-1]["path"] == "providers"


def test_the_chosen_row_stays_in_sight(world: World) -> None:
    shown = []
    for _ in range(5):
        lines = world.lines(80, 10)
        (row,) = [line for line in lines if line[0][0] == "chosen"]
        shown.append("".join(text for _, text in row).split("●")[0].strip())
        world.press("j")

    assert shown == ["▾ providers", "▾ sim", "breaker", "▾ sessions", "ada"]
    world.press("page up", "g")
    assert world.show(80, 10)[4].startswith("▾ providers")


def ask(world: World, key: str, effect: dict[str, Any]) -> dict[str, Any]:
    """Press a key that begins an act on the third actor; what was sent."""
    world.press("home", "down", "down", key)
    world.hear({"t": "ack", "id": len(world.sent), "ok": True, "effect": effect})
    return world.sent[-1]


def test_an_act_says_what_goes_along_and_is_done_after_a_yes_to_the_life_that_was_seen(
    world: World,
) -> None:
    dry = ask(world, "R", {"gen": 7, "also": ["providers/sim/limiter"], "in_hand": 2})

    assert dry == {"op": "act", "act": "restart", "path": "providers/sim/breaker", "dry": True}
    assert world.show()[-2:] == [
        " Restart providers/sim/breaker; and with it providers/sim/limiter; 2 in hand",
        " may be cancelled? [y/N]",
    ]
    world.press("y")
    assert world.sent[-1] == {
        "op": "act",
        "act": "restart",
        "path": "providers/sim/breaker",
        "gen": 7,
    }
    world.hear({"t": "ack", "id": len(world.sent), "ok": True, "effect": {}})
    assert world.show()[-1].startswith(" done: restart providers/sim/breaker; and with it")


@pytest.mark.parametrize("key", ["n", "enter", "esc", "q", "R", " "])
def test_nothing_but_a_yes_is_a_yes(world: World, key: str) -> None:
    ask(world, "X", {"gen": 1})
    before = len(world.sent)
    world.press(key)

    assert len(world.sent) == before
    assert world.show()[-1] == " left as it is"
    assert not world.desk.leaving


def test_a_refusal_is_said_in_its_words(world: World) -> None:
    world.press("T")
    error = {"code": "read_only", "msg": "this console is read-only"}
    world.hear({"t": "err", "id": len(world.sent), "ok": False, "err": error})

    assert world.show()[-1] == " not done: this console is read-only"
    world.hear({"t": "ack", "id": 999, "ok": True, "effect": {}})
    assert world.desk.question is None


def test_a_lost_connection_greys_the_page_and_says_from_when_it_is(world: World) -> None:
    world.away = True
    world.press("R")

    shown = world.show(later=5.0)
    assert shown[0].endswith("LOST")
    assert "5.0 s ago; nothing below is current" in shown[2]
    assert shown[3] == " trying again: nobody is connected"
    (row,) = [line for line in world.lines() if "▾ providers" in line[0][1]]
    assert {colour for colour, _ in row} == {"lost"}


def test_a_program_that_comes_back_is_a_new_picture(ill: World) -> None:
    ask(ill, "R", {"gen": 1})
    ill.desk.lose("the program has closed the connection")
    assert ill.desk.question is None
    ill.desk.greet()
    ill.hear({**HELLO, "boot": "b", "pid": 4712})
    ill.hear(snapshot())

    assert ill.show()[0].startswith(" bot 4712")
    assert ill.shows("nothing needs attention")


def test_a_program_that_says_nothing_more_is_not_shown_as_alive(world: World) -> None:
    shown = world.show(later=20.0)

    assert shown[0].endswith("LOST")
    assert shown[3] == " it has said nothing since: its event loop may stand still"


def test_the_help_names_every_act_and_any_key_ends_it(world: World) -> None:
    world.press("?")
    assert all(world.shows(word) for word in ("restart", "drain", "suspend", "trip", "reset"))
    world.press("x")
    assert world.shows("▾ providers")


def test_tabs_go_round(world: World) -> None:
    for _ in range(6):
        world.press("tab")
    assert world.shows("▾ providers")
    world.press("shift tab")
    assert world.shows("no events")
    world.press("q")
    assert world.desk.leaving


@pytest.mark.parametrize("size", [(39, 24), (80, 9)])
def test_a_terminal_that_is_too_small_is_told_so(world: World, size: tuple[int, int]) -> None:
    assert world.show(*size)[0] == "too small"


def test_wide_characters_and_what_would_move_the_cursor_keep_their_columns() -> None:
    assert fit("字字字", 5) == "字字…"
    assert fit("ab", 4, right=True) == "  ab"
    assert fit("a\x1b[31mb\n", 20).rstrip().isprintable()
    assert width_of("e\u0301") == 1


def test_without_a_terminal_it_says_what_does_not_need_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["top"]) == 2
    assert "trouper ps" in capsys.readouterr().err
