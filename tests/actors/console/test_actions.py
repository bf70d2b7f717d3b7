"""What an operator can do, what is refused, and that all of it is written down."""

import io
import json
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import pytest
import structlog
import trio
import trio.testing

from tests.fakes.consoles import Opened, config, open_console
from tests.fakes.players import Life, Note, Notes, Play, Player
from trouper.actors.config import StoreConfig
from trouper.actors.console.log_level import LogLevel
from trouper.actors.console.protocol import ACTIONS
from trouper.actors.gate.circuit import Circuit
from trouper.actors.gate.circuit_messages import GetState
from trouper.actors.gate.limiter import Limiter
from trouper.actors.gate.limiter_messages import GetLevel
from trouper.actors.logs import configure_logging, current_level
from trouper.actors.tree import breaker_path, limiter_path
from trouper.runtime import Actor, child, on, supervisor

BREAKER, LIMITER = breaker_path("sim", "small"), limiter_path("sim")


@pytest.fixture
def play() -> Play:
    return Play()


async def act(opened: Opened, act: str, path: str = "", **values: Any) -> dict[str, Any]:
    return await opened.client.ask("act", act=act, path=path, **values)


def code(answer: dict[str, Any]) -> str:
    found: str = answer["err"]["code"]
    return found


async def events(opened: Opened) -> list[tuple[str, str, str]]:
    told = (await opened.client.get("events"))["ev"]
    return [
        (each["level"], each["path"], each["detail"])
        for each in told
        if each["msg"] == "console action"
    ]


async def test_an_actor_is_restarted_and_the_effect_names_what_went_along(play: Play) -> None:
    parts = [play.part("a"), play.part("b")]
    async with open_console(supervisor("s", *parts, strategy="rest_for_one")) as opened:
        done = await act(opened, "restart", "/s/a", gen=1, reason="it looked odd")

        assert done == {
            "t": "ack",
            "id": 1,
            "ok": True,
            "effect": {"gen": 1, "also": ["s/b"], "in_hand": 0, "waiting": 0},
        }
        assert await opened.system.ref("s/a", Player).ask(Life()) == 2
        (event,) = await events(opened)
        assert event[:2] == ("info", "s/a")
        assert "it looked odd" in event[2]


async def test_a_dry_run_changes_nothing_and_is_not_written_down(play: Play) -> None:
    async with open_console(play.part("a")) as opened:
        for name in ("restart", "stop", "drain", "suspend", "resume"):
            assert (await act(opened, name, "a", dry=True))["effect"]["gen"] == 1
        assert (await act(opened, "trip", BREAKER, dry=True))["effect"] == {}
        assert (await act(opened, "reset", BREAKER, dry=True))["effect"] == {}

        assert await opened.system.ref("a", Player).ask(Life()) == 1
        assert await events(opened) == []


async def test_an_act_on_an_earlier_life_is_stale(play: Play) -> None:
    async with open_console(play.part("a")) as opened:
        await act(opened, "restart", "a", gen=1)
        answer = await act(opened, "restart", "a", gen=1)

        assert code(answer) == "stale"
        assert await opened.system.ref("a", Player).ask(Life()) == 2


async def test_who_may_only_read_is_refused_each_act_on_the_server(play: Play) -> None:
    async with open_console(play.part("a"), role="read", inject=True) as opened:
        codes = {code(await act(opened, name, "a")) for name in ACTIONS}

        assert codes == {"read_only"}
        assert await opened.system.ref("a", Player).ask(Life()) == 1
        assert len(await events(opened)) == len(ACTIONS)


async def test_clients_and_what_they_did_are_counted(play: Play) -> None:
    async with open_console(play.part("a")) as opened:
        use = opened.console.use
        await act(opened, "suspend", "a")
        await act(opened, "resume", "a")
        await act(opened, "suspend", "a", gen=7)
        await act(opened, "limit", LIMITER, args={})
        there = dict(use.clients)

    assert there == {("unix", "operate"): 1}
    assert use.actions == {
        ("suspend", "done"): 1,
        ("resume", "done"): 1,
        ("suspend", "stale"): 1,
        ("limit", "denied"): 1,
    }
    assert use.clients == {("unix", "operate"): 0}


async def test_what_is_for_admins_is_refused_to_operators(play: Play) -> None:
    async with open_console(play.part("a")) as opened:
        assert code(await act(opened, "limit", LIMITER, args={})) == "denied"
        assert code(await act(opened, "send", "a", args={"type": "Life"})) == "denied"
        assert "send" not in (await opened.client.ask("hello"))["caps"]


async def test_nobody_and_nonsense_are_refused_in_words(play: Play) -> None:
    async with open_console(play.part("a"), role="admin") as opened:
        assert code(await act(opened, "stop", "nobody")) == "not_found"
        assert code(await act(opened, "trip", "a")) == "refused"
        assert code(await act(opened, "suspend", "s" * 2_000)) == "bad_request"
        assert code(await act(opened, "send", "a", args={"type": "Life"})) == "denied"
        for args in ({}, {"speed": 1}, {"requests_per_minute": 0}):
            assert code(await act(opened, "limit", LIMITER, args=args)) == "refused"
        assert code(await act(opened, "trip", BREAKER, args={"seconds": -1})) == "refused"


async def test_an_actor_is_suspended_resumed_drained_and_stopped(play: Play) -> None:
    async with open_console(play.part("a"), play.part("b")) as opened:
        await act(opened, "suspend", "a")
        assert (await opened.client.ask("inspect", path="a"))["state"] == "suspended"
        await act(opened, "resume", "a")
        assert await opened.system.ref("a", Player).ask(Life()) == 1
        await act(opened, "drain", "a")
        await act(opened, "stop", "b")
        found = (await opened.client.get("attention"))["attention"]

    assert {(each["path"], each["health"], each["detail"]) for each in found} == {
        (path, "stopped", "does not come back by itself: it was stopped by hand")
        for path in ("a", "b")
    }


async def test_a_circuit_is_opened_and_closed(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_console(play.part("a")) as opened:
        circuit = opened.system.ref(BREAKER, Circuit)
        tripped = await act(opened, "trip", BREAKER, reason="maintenance", args={"seconds": 60})
        assert tripped["effect"] == {"state": "open"}
        provider = (await opened.client.get("providers"))["providers"][0]
        assert provider["circuits"][0]["detail"].startswith("open, next probe in 1 min 00 s")
        assert "maintenance" in provider["circuits"][0]["cause"]
        found = (await opened.client.get("attention"))["attention"]
        assert [(each["path"], each["health"]) for each in found] == [(BREAKER, "tripped")]

        assert (await act(opened, "reset", BREAKER))["effect"] == {"state": "closed"}
        noted = [
            (each["level"], each["msg"])
            for each in (await opened.client.get("events"))["ev"]
            if each["path"] == BREAKER
        ]
        assert [each for each in noted if each[1].startswith("circuit")] == [
            ("warning", "circuit opened"),
            ("info", "circuit closed"),
        ]
        assert (await circuit.ask(GetState())).state == "closed"
        await act(opened, "trip", BREAKER)
        assert (await opened.client.get("providers"))["providers"][0]["circuits"][0]["until_reset"]


async def test_a_limiter_keeps_to_other_limits(play: Play) -> None:
    async with open_console(play.part("a"), role="admin") as opened:
        dry = await act(opened, "limit", LIMITER, dry=True, args={"requests_per_minute": 600})
        await act(opened, "limit", LIMITER, args={"requests_per_minute": 600})
        level = await opened.system.ref(LIMITER, Limiter).ask(GetLevel())

    assert dry["effect"]["limits"]["requests_per_minute"] == 600
    assert level.requests is not None
    assert level.requests.rate == 10.0


async def test_a_provider_without_limits_has_no_limiter_to_set(play: Play) -> None:
    settings = config(role="admin")
    free = attrs.evolve(settings.providers["sim"], requests_per_minute=None)
    settings = attrs.evolve(settings, providers={"sim": free})
    async with open_console(play.part("a"), settings=settings) as opened:
        answer = await act(opened, "limit", LIMITER, args={"requests_per_minute": 600})

    assert "has no limits" in answer["err"]["msg"]


async def test_the_log_level_goes_back_by_itself(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    configure_logging("warning")
    async with open_console(play.part("a")) as opened:
        done = await act(opened, "loglevel", args={"level": "debug", "seconds": 60})
        assert done["effect"] == {
            "level": "debug",
            "was": "warning",
            "then": "warning",
            "seconds": 60,
        }
        assert current_level() == "debug"
        again = await act(opened, "loglevel", args={"level": "info", "seconds": 120})
        assert again["effect"]["then"] == "warning"
        await trio.sleep(100)
        assert current_level() == "info"
        await trio.sleep(30)
        assert current_level() == "warning"
        await act(opened, "loglevel", args={"level": "error", "seconds": 500})
        for args in ({"level": "loud"}, {"level": 3}, {"level": "info", "seconds": 0}):
            assert code(await act(opened, "loglevel", args=args)) == "refused"

    assert current_level() == "warning"


class Chatty(Actor[Life | Note]):
    """Logs what it is told, and what the one beside it is asked."""

    def __init__(self, other: str = "") -> None:
        self._other = other

    @on(Note)
    async def note(self, message: Note) -> None:
        structlog.get_logger().debug("told", text=message.text)
        if self._other:
            await self.find(self._other, Chatty).ask(Life())

    @on(Life)
    def life(self, message: Life) -> int:
        structlog.get_logger().debug("asked")
        return 1


async def test_one_actor_logs_more_for_a_while_and_the_others_do_not(
    autojump_clock: trio.testing.MockClock,
) -> None:
    log = io.StringIO()
    configure_logging("warning", log)
    pair = supervisor(
        "s",
        child("a", partial(Chatty, "s/b")),
        child("b", Chatty),
        child("c", partial(Chatty, "s/a")),
    )
    async with open_console(pair) as opened:

        async def said() -> list[str]:
            """Who has said what, where all are told something."""
            log.truncate(log.seek(0))
            for name in ("a", "b", "c"):
                opened.system.ref(f"s/{name}", Chatty).tell(Note(name))
            await trio.sleep(0.1)
            found = [
                line.split() for line in log.getvalue().splitlines() if "msg=console" not in line
            ]
            return sorted(" ".join(each[2:]) for each in found if "level=DEBUG" in each)

        assert await said() == []
        done = await act(opened, "loglevel", "s/a", args={"level": "debug", "seconds": 60})
        assert done["effect"]["then"] == "warning"
        assert await said() == ["msg=asked actor=s/a", "msg=told actor=s/a text=a"]
        structlog.get_logger().info("of nobody")
        assert "of nobody" not in log.getvalue()
        await act(opened, "loglevel", "s", args={"level": "debug", "seconds": 120})
        await act(opened, "loglevel", "s/b", args={"level": "error", "seconds": 120})
        inner = await act(opened, "loglevel", "s/a", dry=True, args={"level": "info"})
        assert (inner["effect"]["was"], inner["effect"]["then"]) == ("debug", "debug")
        assert len(await said()) == 3  # not what s/b has said in the turn of s/a
        await trio.sleep(70)
        assert len(await said()) == 3  # not what s/b has said in the turn of s/a
        await trio.sleep(70)
        assert await said() == []
        assert code(await act(opened, "loglevel", "s/z", args={"level": "debug"})) == "not_found"

    assert current_level() == "warning"


def test_so_many_actors_have_log_levels_of_their_own_and_no_more() -> None:
    configure_logging("warning")

    async def main() -> None:
        levels = LogLevel(lambda: "")
        for number in range(32):
            levels.change("debug", 60, path=f"a/{number}")
        levels.change("info", 60, path="a/7")
        with pytest.raises(ValueError, match="32 actors have levels of their own"):
            levels.change("debug", 60, path="b")

    trio.run(main)
    configure_logging("warning")


async def test_the_log_level_of_a_program_with_its_own_logging_is_left_alone(play: Play) -> None:
    structlog.reset_defaults()
    async with open_console(play.part("a")) as opened:
        answer = await act(opened, "loglevel", args={"level": "debug"})

    assert "set up its logging by itself" in answer["err"]["msg"]


async def test_a_dead_letter_is_sent_again_once_and_that_is_told(play: Play) -> None:
    async with open_console(play.part("a"), play.part("b")) as opened:
        ref = opened.system.ref("a", Player)
        await opened.system.operator.stop("a")
        ref.tell(Note("sk-abcdefgh12345678"))
        while_down = code(await act(opened, "resend", "a", args={"n": 1}))
        await act(opened, "restart", "a")
        await opened.client.say('{"op":"sub","topics":["dead"],"hz":5}')
        (told,) = (await opened.client.until("snap"))["dead"]
        dry = await act(opened, "resend", "a", dry=True, args={"n": told["n"]})
        done = await act(opened, "resend", "a", gen=2, args={"n": told["n"]}, reason="it is back")
        assert await ref.ask(Notes()) == ("sk-abcdefgh12345678",)
        (again,) = (await opened.client.until("delta"))["dead"]
        await opened.client.say('{"op":"unsub"}')
        await opened.client.until("ack")
        codes = [
            code(await act(opened, "resend", path, gen=gen, args=args))
            for path, gen, args in (
                ("a", 2, {"n": 1}),  # sent already
                ("a", 1, {"n": 1}),  # another life
                ("b", 1, {"n": 1}),  # not its own
                ("a", 2, {"n": 7}),
                ("a", 2, {"n": "1"}),
                ("nobody", None, {"n": 1}),
            )
        ]
        told_of = await events(opened)

    assert while_down == "refused"
    assert dry["effect"] == done["effect"]
    assert done["effect"] == {"gen": 2, "also": [], "in_hand": 0, "waiting": 0, "message": "Note"}
    assert [(each["n"], each["msg"], each["resent"]) for each in (told, again)] == [
        (1, "Note", False),
        (1, "Note", True),
    ]
    assert codes == ["stale", "stale", "stale", "not_found", "not_found", "not_found"]
    assert "sk-abc" not in str([told, again, told_of])
    assert any("resend by" in detail and "it is back" in detail for _, _, detail in told_of)


async def test_an_admin_sends_a_message_where_that_is_switched_on(play: Play) -> None:
    async with open_console(play.part("a"), role="admin", inject=True) as opened:
        done = await act(opened, "send", "a", args={"type": "Note", "text": "by hand"})
        assert done["effect"] == {"message": "Note"}
        assert await opened.system.ref("a", Player).ask(Notes()) == ("by hand",)

        wrong = await act(opened, "send", "a", args={"type": "Note", "text": 3})
        assert wrong["err"]["msg"] == "text: must be text, not 3"
        unknown = await act(opened, "send", "a", args={"type": "Nonsense"})
        assert "Player has no message 'Nonsense'; it takes" in unknown["err"]["msg"]
        fields = await act(opened, "send", "a", args={"type": "Life", "text": 3})
        assert fields["err"]["msg"] == "Life has no fields"
        assert (await act(opened, "send", "a", dry=True, args={"type": "Life"}))["ok"]
        assert code(await act(opened, "send", "console", args={"type": "X"})) == "refused"


async def test_every_act_is_in_a_file_beside_the_store_without_secrets(
    play: Play, tmp_path: Path
) -> None:
    settings = attrs.evolve(config(), store=StoreConfig(path=tmp_path / "t.db"))
    async with open_console(play.part("a"), settings=settings) as opened:
        await act(opened, "suspend", "a", reason="key sk-abcdefgh12345678\nnext")
        await act(opened, "limit", LIMITER, args={"requests_per_minute": 5})

    text = "".join((tmp_path / f"t-{what}.jsonl").read_text() for what in ("audit", "refused"))
    lines = [json.loads(line) for line in text.splitlines()]
    assert [(line["act"], line["path"], line["result"], line["via"]) for line in lines] == [
        ("suspend", "a", "done", "unix"),
        ("limit", LIMITER, "denied", "unix"),
    ]
    assert lines[0]["by"].startswith("uid:")
    assert "sk-abc" not in str(lines)
    assert (tmp_path / "t-audit.jsonl").stat().st_mode & 0o777 == 0o600


async def test_four_requests_of_a_client_may_be_under_way(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_console(play.part("a")) as opened:
        client = opened.client
        for number in range(5):
            await client.say(f'{{"op":"trace","id":{number},"path":"a","seconds":5}}')
        first = await client.frame()
        ends = [await client.until("trace_end") for _ in range(4)]

    assert (first["id"], first["err"]["code"]) == (4, "busy")
    assert {end["id"] for end in ends} == {0, 1, 2, 3}
