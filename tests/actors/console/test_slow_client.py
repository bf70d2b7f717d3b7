"""A client that reads nothing costs no memory, however much happens meanwhile."""

import gc
import tracemalloc

import trio
import trio.testing

from tests.fakes.consoles import Opened, open_console
from tests.fakes.players import Life, Play, Player
from trouper.actors.console.protocol import TOPICS
from trouper.runtime import dynamic

ACTORS = 100


def traced() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


async def work(opened: Opened, seconds: int) -> None:
    """So many seconds in which each actor handles four messages a second."""
    children = opened.system.children("many", Player)
    for _ in range(seconds * 4):
        for number in range(ACTORS):
            ref = children.get(str(number))
            assert ref is not None
            await ref.ask(Life())
        await trio.sleep(0.25)


async def test_who_reads_nothing_is_told_nothing_more_and_nothing_waits_for_it(
    autojump_clock: trio.testing.MockClock,
) -> None:
    play = Play()
    async with open_console(dynamic("many", Player)) as opened:
        children = opened.system.children("many", Player)
        for number in range(ACTORS):
            await children.start(str(number), str(number), play)
        topics = ", ".join(f'"{topic}"' for topic in TOPICS)
        await opened.client.say(f'{{"op":"sub","topics":[{topics}],"hz":5}}')
        # Its socket holds some frames, until it is full.
        await work(opened, 12)
        tracemalloc.start()
        try:
            await work(opened, 2)
            before = traced()
            await work(opened, 6)
            grown = traced() - before
        finally:
            tracemalloc.stop()
        told = 0
        with trio.move_on_after(0.5):
            while True:
                told = (await opened.client.frame()).get("seq", told)

    # A frame of that many actors has 6 kB, and thirty of them were due.
    assert grown < 40_000
    assert told < 60
