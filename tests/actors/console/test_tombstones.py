"""Who has gone is gone; that one was there, and why it ended, is told for a while."""

import time
from typing import Any

import pytest
import trio
import trio.testing

from tests.fakes.consoles import Opened, open_console
from tests.fakes.players import Crash, Play, Player
from trouper.actors.console.tombstones import Tombstones
from trouper.runtime import dynamic
from trouper.runtime.events import ActorStarted, ActorStopped


@pytest.fixture
def play() -> Play:
    return Play()


async def gone(opened: Opened) -> dict[str, Any]:
    """The next frame that says who has gone."""
    while "gone" not in (frame := await opened.client.until("delta")):
        pass
    return frame


async def test_the_feed_says_why_somebody_has_gone(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_console(dynamic("many", Player)) as opened:
        children = opened.system.children("many", Player)
        for name in ("stopped", "crashed"):
            await children.start(name, name, play)
        first = await opened.client.ask("sub", topics=["tree"], under="many", hz=5)
        numbers = {each["name"]: each["id"] for each in first["new"]}
        await children.stop("stopped")
        assert (await gone(opened))["gone"] == [[numbers["stopped"], "it was stopped"]]
        opened.system.ref("many/crashed", Player).tell(Crash())

        ((number, why),) = (await gone(opened))["gone"]
        assert number == numbers["crashed"]
        assert why == "it ended (crashed: ValueError: boom)"


async def test_who_asks_for_one_that_has_gone_is_told_what_became_of_it(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_console(dynamic("many", Player)) as opened:
        children = opened.system.children("many", Player)
        await children.start("1", "one", play)
        await children.stop("1")
        await trio.sleep(12)
        said = [
            (await opened.client.ask(op, path="many/1"))["err"]["msg"]
            for op in ("inspect", "trace")
        ]
        nobody = (await opened.client.ask("inspect", path="many/2"))["err"]["msg"]

    assert said[0] == "no actor at 'many/1'; one ended 12 s ago: it was stopped"
    assert said[1].startswith(said[0])
    assert nobody == "no actor at 'many/2'"


async def test_the_first_picture_says_when_it_was_made(play: Play) -> None:
    async with open_console(play.part("a")) as opened:
        before = time.time()
        snap = await opened.client.ask("sub", topics=["tree"])
        totals = await opened.client.get("totals")

    assert before - 1 <= snap["ts"] <= totals["ts"] <= time.time() + 1


async def test_the_last_two_hundred_are_remembered() -> None:
    ended = Tombstones()
    ended.observe(ActorStarted("sessions/0", 1))
    for number in range(201):
        ended.observe(ActorStopped(f"sessions/{number}", "it was stopped"))

    assert ended.why("sessions/0") is None
    assert ended.why("sessions/1") == ended.why("sessions/200") == "it was stopped"


async def test_who_ends_again_is_remembered_by_its_last_end_and_without_secrets() -> None:
    ended = Tombstones()
    ended.observe(ActorStopped("a", "it was stopped"))
    ended.observe(ActorStopped("a", "it ended (crashed: bad key sk-abcdefgh12345678\x1b[31m)"))
    why = ended.why("a")

    assert why is not None
    assert why.startswith("it ended (crashed: bad key")
    assert "abcdefgh" not in why
    assert "\x1b" not in why
