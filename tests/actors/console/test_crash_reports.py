"""What a crash report has: the fault, what came before, who restarts it, and who was beside it."""

from functools import partial

import pytest
import trio
import trio.testing

from tests.fakes.consoles import Opened, open_console
from tests.fakes.players import Crash, Hang, Play, Player, eventually
from trouper.actors.config import Secret
from trouper.actors.redaction import MASK
from trouper.runtime import child, dynamic, supervisor
from trouper.runtime.events import ChildCrashed


def lives(opened: Opened, life: int) -> bool:
    return opened.system.operator.life("s/b") == life


@pytest.fixture
def play() -> Play:
    return Play()


async def test_a_crash_is_shown_with_its_traceback_and_what_came_before(play: Play) -> None:
    secret = Secret("a-very-secret-key", "test").reveal()
    async with open_console(play.part("a")) as opened:
        opened.system.ref("a", Player).tell(Crash(ValueError(f"refused {secret}")))
        await eventually(lambda: opened.system.operator.life("a") == 2)
        told = await opened.client.ask("inspect", path="a", want=["crashes"])

    (crash,) = told["crashes"]
    assert (crash["error"], crash["message"], crash["life"]) == (
        f"ValueError: refused {MASK}",
        "Crash",
        1,
    )
    assert "players.py" in crash["traceback"]
    assert secret not in str(told)
    assert any("actor started a" in line for line in crash["before"])
    assert "trio" in crash["versions"]


async def test_a_crash_says_who_restarts_it_and_what_its_siblings_did(play: Play) -> None:
    parts = [play.part(name, shutdown=0.1) for name in ("a", "b", "c")]
    sub = supervisor("s", *parts, strategy="rest_for_one", intensity=4, period=60)
    async with open_console(sub) as opened, trio.open_nursery() as nursery:
        nursery.start_soon(opened.system.ref("s/a", Player).ask, Hang())
        await trio.testing.wait_all_tasks_blocked()
        for life in (2, 3):
            opened.system.ref("s/b", Player).tell(Crash())
            await eventually(partial(lives, opened, life))
        told = await opened.client.ask("inspect", path="s/b", want=["crashes"])
        nursery.cancel_scope.cancel()

    second, first = told["crashes"]
    above = {"path": "s", "strategy": "rest_for_one", "restarts": 4, "period": 60.0}
    assert (first["supervisor"], second["supervisor"]) == (above | {"used": 0}, above | {"used": 1})
    hangs, rests = first["siblings"]
    assert hangs.startswith("s/a running, Hang in hand for 0.")
    assert hangs.endswith("Player.hang")
    assert rests == "s/c running"


async def test_a_crash_at_the_top_is_under_the_system_and_one_of_many_names_no_siblings(
    play: Play,
) -> None:
    async with open_console(play.part("a"), dynamic("many", Player)) as opened:
        children, book = opened.system.children("many", Player), opened.console._crashes
        for name in ("1", "2"):
            await children.start(name, name, play)
        for path in ("a", "many/1"):
            opened.system.ref(path, Player).tell(Crash())
        await eventually(lambda: book.count == 2)
        (top,), (one_of_many,) = book.of("a"), book.of("many/1")

    assert top.supervisor is not None
    assert top.supervisor["path"] == ""
    assert [each.split()[0] for each in top.siblings[:2]] == ["many", "providers"]
    assert one_of_many.supervisor is not None
    assert (one_of_many.supervisor["path"], one_of_many.siblings) == ("many", ())


async def test_a_crash_before_its_siblings_have_begun_says_so_and_one_of_nobody_is_kept(
    play: Play,
) -> None:
    falls = iter([True])

    async def falls_once() -> None:
        if next(falls, False):
            raise ValueError("at once")
        await trio.sleep_forever()

    async with open_console(
        supervisor("s", child("first", falls_once), play.part("later"))
    ) as opened:
        book = opened.console._crashes
        book.observe(ChildCrashed("nobody", 1, ValueError("who?"), None))
        (early,), (nobodys,) = book.of("s/first"), book.of("nobody")

    assert early.siblings == ("s/later down",)
    assert (nobodys.kind, nobodys.supervisor, nobodys.siblings) == ("", None, ())


async def test_of_many_siblings_the_first_twenty_are_told_with_where_the_code_is(
    play: Play,
) -> None:
    async def waits() -> None:
        await trio.sleep_forever()

    others = [child(f"w{number}", waits) for number in range(25)]
    async with open_console(supervisor("s", play.part("a"), *others)) as opened:
        opened.system.ref("s/a", Player).tell(Crash())
        await eventually(lambda: opened.console._crashes.count == 1)
        (crash,) = opened.console._crashes.of("s/a")

    assert len(crash.siblings) == 20
    assert crash.siblings[0].startswith("s/w0 running, at ")
    assert crash.siblings[0].endswith("waits")
