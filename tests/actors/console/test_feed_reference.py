"""docs/reference/feed.md says all there is, and nothing that there is not."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import trio
import trio.testing

from tests.fakes.consoles import open_console
from tests.fakes.conversations import Talk
from tests.fakes.players import Crash, Hang, Life, Note, Play, Player, eventually
from trouper.actors.chat import ChatRequest
from trouper.actors.console.following import Followed
from trouper.actors.console.protocol import ACTIONS, COLUMNS, TOPICS, WANTS
from trouper.actors.console.reading import _OPS
from trouper.actors.policy.attention import Thresholds
from trouper.actors.telemetry.observer import AttemptBegan, AttemptEnded, RequestBegan
from trouper.runtime import supervisor

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "feed.md"

# Keys that are data: names of reasons, of limits, of what somebody has called something.
_DATA = {"hist", "dead_by", "thresholds", "limits", "kinds"}


def words() -> set[str]:
    """All that stands in backticks."""
    return {
        word
        for quoted in re.findall(r"`([^`\n]+)`", re.sub(r"(?s)```.*?```", "", PAGE.read_text()))
        for word in re.findall(r"\w+", quoted)
    }


def table(heading: str) -> list[str]:
    """The first column of the table that follows a heading."""
    _, _, rest = PAGE.read_text().partition(f"\n{heading}")
    rows = re.findall(r"^\|(.+?)\|", rest.partition("\n#")[0], re.MULTILINE)
    return [name for row in rows for name in re.findall(r"`(\w+)`", row)]


def keys(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            if key not in _DATA:
                yield from keys(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from keys(inner)


def test_the_page_lists_requests_topics_columns_and_acts() -> None:
    assert sorted(table("## Requests")) == sorted(_OPS)
    assert table("## Acts") == list(ACTIONS)
    assert [name for name in table("**A row**") if name in COLUMNS][: len(COLUMNS)] == list(COLUMNS)
    assert set(TOPICS) | set(WANTS) <= words()
    assert {field.name for field in attrs.fields(Thresholds)} - {"budget"} <= words()


async def test_every_key_of_every_frame_is_on_the_page() -> None:
    play = Play()
    told: list[Any] = []
    async with open_console(
        supervisor("s", play.part("a"), play.part("b")), role="admin"
    ) as opened:
        client, book = opened.client, opened.console.book
        asked = book.began(
            RequestBegan(request_id="r", request=ChatRequest(model="default", messages=()))
        )
        tried = asked.attempted(AttemptBegan(number=1, provider="sim", model="small"))
        other = asked.attempted(AttemptBegan(number=2, provider="sim", model="small"))
        other.ended(AttemptEnded(result="ok", cost=3))
        tried.sent()
        ref = opened.system.ref("s/a", Player)
        ref.tell(Crash())
        await eventually(lambda: opened.system.operator.life("s/a") == 2)
        await opened.system.operator.stop("s/b")
        opened.system.ref("s/b", Player).tell(Note("x"))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ref.ask, Hang(0.2))
            await trio.sleep(0.05)
            ref.tell(Note("waits"))
            told.append(await client.ask("inspect", path="s/a"))
        await client.say('{"op":"trace","id":1,"path":"s/a","limit":1,"bodies":true}')
        await trio.testing.wait_all_tasks_blocked()
        await ref.ask(Life())
        told += [await client.frame(), await client.frame()]
        told.append(await client.ask("inspect", path="s/a"))
        told.append(await client.ask("hello"))
        told.append(await client.ask("act", act="restart", path="s/a", dry=True))
        told.append(await client.ask("act", act="restart", path="nobody"))
        told.append(await client.ask("stacks"))
        told.append(await client.get(*TOPICS))
        await client.say('{"op":"dump"}')
        told.append(await client.frame())

    assert sorted(set(keys(told)) - words()) == []


def test_every_key_of_a_conversation_that_is_followed_is_on_the_page() -> None:
    talk = Talk()
    talk.streams("hello ")
    followed = Followed("a", lambda: talk, text=True)
    told = [followed.next()]
    talk.streams("world ")
    told.append(followed.next())
    talk.calls()
    told.append(followed.next())

    assert [frame["t"] for frame in told if frame] == ["session", "said", "said"]
    assert "more" in set(keys(told))
    assert sorted(set(keys(told)) - words()) == []
