"""Where the code of many waits: once for all who wait in one place."""

import trio

from tests.fakes.consoles import open_console
from tests.fakes.players import Play, Player
from trouper.runtime import child, dynamic, supervisor


async def waits_here() -> None:
    await trio.sleep_forever()


async def waits_there() -> None:
    await trio.sleep_forever()


async def test_equal_stacks_are_one_and_the_most_common_comes_first() -> None:
    play = Play()
    pumps = [child("here", waits_here), child("there", waits_there), child("also", waits_here)]
    async with open_console(dynamic("many", Player), supervisor("s", *pumps)) as opened:
        children = opened.system.children("many", Player)
        for number in range(250):
            await children.start(str(number), str(number), play)
        many = await opened.client.ask("stacks", under="many")
        pumped = await opened.client.ask("stacks", under="/s")
        nobody = await opened.client.ask("stacks", under="nobody")

    players, alone = many["groups"]
    assert (many["actors"], players["count"], players["kinds"]) == (251, 250, {"Player": 250})
    assert len(players["paths"]) == 20
    assert (alone["count"], alone["paths"]) == (1, ["many"])
    assert [(each["count"], each["paths"]) for each in pumped["groups"]] == [
        (2, ["s/here", "s/also"]),
        (1, ["s"]),
        (1, ["s/there"]),
    ]
    assert any("waits_here" in frame for frame in pumped["groups"][0]["stack"])
    assert nobody["groups"] == []
