"""What is kept when the console itself begins another life, and what is not."""

from typing import Any

import pytest
import trio
import trio.testing

from tests.fakes.consoles import Opened, connect, open_console
from tests.fakes.players import Hang, Note, Play, Player
from trouper.runtime import Mailbox


@pytest.fixture
def play() -> Play:
    return Play()


async def again(opened: Opened, op: str, **values: Any) -> dict[str, Any]:
    """Restart the console, and ask as somebody who comes back."""
    await opened.system.operator.restart("console/feed")
    client = await connect(opened.console)
    async with client.stream:
        return await client.get(*values["topics"]) if op == "get" else await client.ask(op)


async def test_who_comes_back_after_a_restart_is_told_another_boot(play: Play) -> None:
    async with open_console(play.part("a")) as opened:
        before = await opened.client.ask("hello")
        after = await again(opened, "hello")

    assert before["boot"] != after["boot"]
    assert before["pid"] == after["pid"]


async def test_two_clients_of_one_life_are_told_the_same_boot(play: Play) -> None:
    async with open_console(play.part("a")) as opened:
        other = await connect(opened.console)
        async with other.stream:
            assert (await other.ask("hello"))["boot"] == (await opened.client.ask("hello"))["boot"]


async def test_up_is_since_the_program_began_and_not_the_console(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_console(play.part("a")) as opened:
        await trio.sleep(100)
        hello = await again(opened, "hello")
        totals = (await again(opened, "get", topics=["totals"]))["tot"]

    assert 100 <= hello["up_s"] <= totals["up_s"] < 102


async def test_the_last_minute_is_remembered_through_a_restart(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_console(play.part("a", mailbox=Mailbox(5))) as opened:
        ref = opened.system.ref("a", Player)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ref.ask, Hang(3.5))
            await trio.testing.wait_all_tasks_blocked()
            ref.tell(Note("waits"))
            await trio.sleep(4)
        told = await again(opened, "get", topics=["totals", "tree"])

    assert told["tot"]["hist"]["queued"].count(1) == 3
    assert [sum(each["hist"]) for each in told["new"] if each["path"] == "a"] == [3]


async def test_nobody_looks_on_at_an_actor_once_the_console_has_ended(play: Play) -> None:
    async with open_console(play.part("a")) as opened:
        await opened.client.ask("inspect", path="a")
        inspector = opened.system.inspector
        tap = inspector.tap("a")
        assert tap is not None
        await opened.system.operator.restart("console/feed")

        assert not inspector.has(tap, "a")
