"""What operators do is done and written down, whoever leaves meanwhile."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
import trio.testing

from tests.fakes.consoles import config, connect, open_console
from tests.fakes.players import Hang, Life, Play, Player, eventually
from trouper.actors.config import AppConfig, StoreConfig
from trouper.runtime import ActorError
from trouper.runtime.operator import Operator


@pytest.fixture
def play() -> Play:
    return Play()


@pytest.fixture
def kept(tmp_path: Path) -> AppConfig:
    """A program whose record is in files."""
    return attrs.evolve(config(), store=StoreConfig(path=tmp_path / "t.db"))


def lines(folder: Path, what: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / f"t-{what}.jsonl").read_text().splitlines()]


def record(folder: Path) -> list[tuple[str, str, str, str]]:
    return [
        (each["act"], each["path"], each["result"], each.get("why", ""))
        for each in lines(folder, "audit")
    ]


async def hang(player: Any) -> None:
    """Let it be busy for a minute, whoever wants it to stop."""
    with suppress(ActorError):
        await player.ask(Hang(60, shielded=True), timeout=600)


async def test_who_leaves_at_once_has_done_what_was_asked_and_it_is_written_down(
    play: Play, kept: AppConfig, tmp_path: Path
) -> None:
    async with open_console(play.part("a"), settings=kept) as opened:
        leaver = await connect(opened.console)
        await leaver.say('{"op":"act","act":"restart","path":"a","reason":"bye"}')
        await leaver.stream.aclose()
        await eventually(lambda: opened.system.operator.life("a") == 2)

    assert record(tmp_path) == [("restart", "a", "done", "")]


async def test_what_takes_longer_than_its_client_stays_has_its_end_in_the_record(
    play: Play, kept: AppConfig, tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    parts = [play.part("a", shutdown=90.0), play.part("b", shutdown=90.0)]
    async with open_console(*parts, settings=kept) as opened, trio.open_nursery() as nursery:
        nursery.start_soon(hang, opened.system.ref("a", Player))
        nursery.start_soon(hang, opened.system.ref("b", Player))
        leaver = await connect(opened.console)
        await leaver.say('{"op":"act","act":"stop","path":"a"}')
        await trio.testing.wait_all_tasks_blocked()
        await leaver.stream.aclose()
        told = await opened.client.ask("act", act="stop", path="b")
        assert "goes on" in told["effect"]["note"]
        assert (await opened.client.ask("inspect", path="b"))["state"] != "stopped"
        await trio.sleep(60)

    (longer,) = [line for line in record(tmp_path) if line[2] == "begun"]
    assert longer == ("stop", "b", "begun", "it takes longer than 10 s and goes on")
    ended = [line for line in record(tmp_path) if line[2] == "done"]
    assert sorted(ended) == [("stop", "a", "done", ""), ("stop", "b", "done", "")]


async def test_the_console_restarts_itself_and_says_so_before_and_after(
    play: Play, kept: AppConfig, tmp_path: Path
) -> None:
    async with open_console(play.part("a"), settings=kept) as opened:
        told = await opened.client.ask("act", act="restart", path="console/feed")
        assert told["ok"]
        assert "connect again" in told["effect"]["note"]
        assert await opened.client.hangs_up()
        await eventually(lambda: opened.system.operator.life("console/feed") == 2)
        again = await connect(opened.console)
        async with again.stream:
            assert (await again.ask("ping"))["t"] == "pong"

    ((act, path, result, why),) = record(tmp_path)
    assert (act, path, result) == ("restart", "console/feed", "begun")
    assert "connect again" in why


async def test_the_console_is_not_stopped_by_itself(play: Play) -> None:
    async with open_console(play.part("a")) as opened:
        told = [
            await opened.client.ask("act", act=act, path=path, dry=dry)
            for act in ("stop", "drain")
            for path in ("console", "console/feed")
            for dry in (True, False)
        ]
        assert {each["err"]["code"] for each in told} == {"refused"}
        assert "does not end itself" in told[0]["err"]["msg"]
        assert (await opened.client.ask("ping"))["t"] == "pong"


async def test_what_is_under_way_when_the_console_ends_is_written_down_as_begun(
    play: Play, kept: AppConfig, tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    part = play.part("a", shutdown=90.0)
    async with open_console(part, settings=kept) as opened, trio.open_nursery() as nursery:
        nursery.start_soon(hang, opened.system.ref("a", Player))
        await opened.client.say('{"op":"act","act":"stop","path":"a"}')
        await trio.sleep(1)
        await opened.system.operator.restart("console/feed")

    assert record(tmp_path) == [("stop", "a", "begun", "the console ended before it did")]


async def test_a_fault_of_one_action_ends_neither_the_console_nor_the_connection(
    play: Play, kept: AppConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_console(play.part("a"), settings=kept) as opened:

        def broken(_: Operator, path: str) -> None:
            raise RuntimeError(f"no {path}")

        monkeypatch.setattr(Operator, "suspend", broken)
        told = await opened.client.ask("act", act="suspend", path="a")
        assert told["err"]["msg"] == "a fault of the console: RuntimeError: no a"
        assert (await opened.client.ask("ping"))["t"] == "pong"
        assert await opened.system.ref("a", Player).ask(Life()) == 1

    assert record(tmp_path) == [("suspend", "a", "failed", "RuntimeError: no a")]


async def test_who_may_do_nothing_cannot_push_out_what_was_done(
    play: Play, kept: AppConfig, tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_console(play.part("a"), settings=kept) as opened:
        client = opened.client
        await client.ask("act", act="suspend", path="a", reason="evidence")
        for _ in range(300):
            await client.ask("act", act="limit", path="a", reason="x" * 500)
        await client.ask("session", session="a", text=True)
        await trio.sleep(61)
        await client.ask("act", act="limit", path="a")
        told = (await client.get("events"))["ev"]
        counted = opened.console.use.actions["limit", "denied"]

    assert record(tmp_path) == [("suspend", "a", "done", "")]
    refused = lines(tmp_path, "refused")
    assert [each["msg"] for each in refused] == [
        *["console action"] * 20,
        "console refusals",
        "console action",
    ]
    assert refused[20]["n"] == 281
    assert [each["detail"] for each in told if each["msg"] == "console refusals"] == [
        f"281 more of {refused[0]['by']}"
    ]
    assert len([each for each in told if each["msg"] == "console action"]) == 22
    assert counted == 301
