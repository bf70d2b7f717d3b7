"""A planted secret is on none of the console's surfaces: feed, words, dump, crash file, audit file."""

from pathlib import Path

import attrs
import pytest

from tests.fakes.consoles import config, open_console
from tests.fakes.players import Crash, Note, Play, Player, eventually
from trouper.actors.config import Secret, StoreConfig
from trouper.actors.console.protocol import TOPICS

PLANTED = "planted-value-of-no-known-look"


@pytest.fixture
def play() -> Play:
    return Play()


async def test_a_planted_secret_is_nowhere(play: Play, tmp_path: Path) -> None:
    secret = Secret(PLANTED, "test").reveal()
    settings = attrs.evolve(config(role="admin"), store=StoreConfig(path=tmp_path / "t.db"))
    said: list[str] = []
    async with open_console(play.part("a"), play.part("b"), settings=settings) as opened:
        client = opened.client
        await client.say('{"op":"trace","path":"a","limit":1,"bodies":true}')
        await client.ask("act", act="suspend", path="b", reason=f"because of {secret}")
        ref = opened.system.ref("a", Player)
        ref.tell(Note(secret))
        said.append(str(await client.until("trace")))
        ref.tell(Crash(ValueError(f"refused: {secret}")))
        await eventually(lambda: opened.system.operator.life("a") == 2)
        said.append(str(await client.until("trace_end")))
        said.append(str(await client.get(*TOPICS)))
        said.append(str(await client.ask("inspect", path="a")))
        await client.say('{"op":"dump"}')
        while (frame := await client.frame())["t"] == "dump":
            said.append(str(frame))
        for words in ("inspect a", "events", "tree"):
            await client.say(f"{words}\nmark")
            while (line := await client.line()) != "? mark":
                said.append(line)
            for _ in range(6):
                await client.line()

    files = _files(tmp_path)
    assert set(files) == {"t-crashes.jsonl", "t-audit.jsonl"}
    assert "ValueError" in files["t-crashes.jsonl"]
    assert [text for text in (*said, *files.values()) if PLANTED in text] == []


def _files(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.glob("*.jsonl")}
