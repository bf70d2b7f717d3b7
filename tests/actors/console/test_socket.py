"""The console's socket: for one user, safe against whoever talks nonsense or does not listen."""

import os
import socket
from pathlib import Path
from typing import cast

import pytest
import trio
import trio.testing
from structlog.testing import capture_logs

from tests.fakes.consoles import config, connect, no_budgets, open_console, short_folder
from tests.fakes.players import Crash, Life, Note, Play, Player, eventually
from trouper.actors.console import socket as console_socket
from trouper.actors.console.console import Console
from trouper.actors.console.peer import Peer
from trouper.actors.console.protocol import LONGEST_LINE, Role
from trouper.actors.console.where import folder
from trouper.runtime import System, dynamic


@pytest.fixture
def play() -> Play:
    return Play()


async def test_the_socket_is_for_its_user_alone_and_gone_at_the_end(play: Play) -> None:
    async with open_console(play.part("a"), name="demo") as opened:
        path = opened.console.path
        assert path is not None
        assert path.name == f"demo-{os.getpid()}.sock"
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o777 == 0o700

    assert not path.exists()


async def test_two_systems_of_a_process_have_a_socket_each(play: Play) -> None:
    async with open_console(play.part("a")) as one:
        path = one.console.path
        assert path is not None
        listener, other = console_socket.listen(path)
        await listener.aclose()
        other.unlink()

    assert other.name == f"trouper-{os.getpid()}-2.sock"


async def test_what_a_killed_program_left_is_taken_over(play: Play) -> None:
    with short_folder():
        left = console_socket.socket_path("trouper")
        left.parent.mkdir(mode=0o700)
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(left))
        listener, path = console_socket.listen(left)
        await listener.aclose()

    assert path == left


async def test_what_killed_programs_left_is_swept_away_and_nothing_else() -> None:
    with short_folder():
        folder().mkdir(mode=0o700)
        gone = await trio.lowlevel.open_process(["true"])
        await gone.wait()
        names = [f"a-{gone.pid}.sock", f"b-c-{gone.pid}-2.sock", f"d-{os.getpid()}.sock", "e.sock"]
        for name in names:
            with socket.socket(socket.AF_UNIX) as dead:
                dead.bind(str(folder() / name))
        with socket.socket(socket.AF_UNIX) as full:
            full.bind(str(folder() / f"f-{gone.pid}.sock"))
            full.listen(0)
            with socket.socket(socket.AF_UNIX) as first:
                first.connect(str(folder() / f"f-{gone.pid}.sock"))
                listener, path = console_socket.listen(console_socket.socket_path("x"))
        await listener.aclose()
        left = {found.name for found in folder().iterdir()}

    assert left == {path.name, f"d-{os.getpid()}.sock", "e.sock", f"f-{gone.pid}.sock"}


async def test_a_folder_of_others_is_not_used_and_the_program_runs_without(play: Play) -> None:
    with short_folder() as base, capture_logs() as logs:
        (base / "trouper").write_text("no folder")
        console = Console(config())
        system = System(play.part("a"), *console.children(), signals=False)
        console.begin(system, no_budgets)
        async with system:
            await trio.testing.wait_all_tasks_blocked()
            assert console.path is None
            assert await system.ref("a", Player).ask(Life()) == 1

    assert [line["event"] for line in logs] == ["console has no socket"]


async def test_a_folder_that_others_may_enter_is_closed_to_them() -> None:
    with short_folder():
        folder().mkdir(mode=0o755)
        listener, path = console_socket.listen(console_socket.socket_path("x"))
        await listener.aclose()
        assert path.parent.stat().st_mode & 0o777 == 0o700


async def test_a_path_that_is_too_long_for_the_kernel_is_said(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="at most 107 bytes"):
        console_socket.listen(tmp_path / ("x" * 120))


def test_without_a_folder_of_the_session_there_is_one_in_tmp(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)

    assert folder().name == f"trouper-{os.getuid()}"


async def test_another_user_is_turned_away(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    def of_another(connected: object) -> int:
        return os.getuid() + 1

    monkeypatch.setattr(console_socket, "_uid_of", of_another)
    with capture_logs() as logs:
        async with open_console(play.part("a")) as opened:
            assert await opened.client.hangs_up()

    assert [line["event"] for line in logs] == ["console refused another user"]


async def test_a_name_with_anything_in_it_is_one_line_of_the_tree(play: Play) -> None:
    async with open_console(dynamic("many", Player)) as opened:
        await opened.system.children("many", Player).start("two\nlines\x1b[31m", "a", play)
        await opened.client.say("tree many")
        lines = [await opened.client.line() for _ in range(2)]

    assert lines[1] == "  two lines\\x1b[31m  Player running"


async def test_people_with_nothing_but_nc_are_answered_in_words(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_console(play.part("a")) as opened:
        client = opened.client

        async def said(words: str) -> str:
            """All until a question that is not understood, whose answer is known."""
            await client.say(f"{words}\nmark")
            lines: list[str] = []
            while (line := await client.line()) != "? mark":
                lines.append(line)
            for _ in range(6):
                await client.line()
            return "\n".join(lines)

        tree = (await said("tree")).splitlines()
        assert tree[0].startswith("a  Player running")
        assert tree.index("providers  supervisor running") + 1 == tree.index(
            "  sim  supervisor running"
        )
        assert await said("tree /a") == "a  Player running"
        assert await said("tree nobody") == "no actor at 'nobody'"
        assert await said("problems") == "nothing needs attention"
        assert (await said("help")).startswith("You are uid:")
        opened.system.operator.suspend("a")
        opened.system.ref("a", Player).tell(Note("one"))
        assert await said("problems") == ("a  suspended: by hand; 1 message has waited 0.0 s")
        assert "  waits: Note for 0.0 s" in await said("inspect a")
        opened.system.operator.resume("a")
        opened.system.ref("a", Player).tell(Crash())
        await eventually(lambda: opened.system.operator.life("a") == 2)
        assert "  last crash:" in await said("inspect a")
        assert await said("inspect nobody") == "no actor at 'nobody'"
        assert "actor crashed  a" in await said("events")


async def test_nonsense_is_answered_and_the_connection_lives(play: Play) -> None:
    async with open_console(play.part("a")) as opened:
        client = opened.client
        for line in ('{"op":', "{}", '{"op":"fly"}', '{"op":"sub","hz":"fast"}'):
            await client.say(line)
            assert (await client.frame())["err"]["code"] == "bad_request"
        await client.say("")
        assert (await client.ask("ping"))["t"] == "pong"


async def test_a_line_without_an_end_costs_bounded_memory(play: Play) -> None:
    async with open_console(play.part("a")) as opened:
        client = opened.client
        await client.stream.send_all(b'{"x":"' + b"x" * (3 * LONGEST_LINE) + b'"}\n')
        answer = await client.frame()
        pong = await client.ask("ping")

    assert "at most 65536 characters" in answer["err"]["msg"]
    assert pong["t"] == "pong"


async def test_a_last_line_without_a_newline_is_heard(play: Play) -> None:
    async with open_console(play.part("a")) as opened:
        await opened.client.stream.send_all(b'{"op":"ping","id":4}')
        await opened.client.stream.send_eof()

        assert await opened.client.frame() == {"t": "pong", "id": 4}
        assert await opened.client.hangs_up()


@pytest.mark.parametrize(
    ("asked", "last"),
    [
        ('{"op":"act","act":"restart","path":"a"}', "ack"),
        ('{"op":"trace","path":"a","seconds":2.5}', "trace_end"),
        ('{"op":"dump"}', "done"),
    ],
)
async def test_who_has_closed_its_half_is_answered_to_the_end(
    play: Play, autojump_clock: trio.testing.MockClock, asked: str, last: str
) -> None:
    async with open_console(play.part("a")) as opened:
        await opened.client.stream.send_all(asked.encode())
        await opened.client.stream.send_eof()

        assert (await opened.client.until(last))["t"] == last
        assert await opened.client.hangs_up()


async def test_who_has_closed_its_half_hears_the_feed_until_it_leaves(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_console(play.part("a")) as opened:
        other = await connect(opened.console)
        await other.say('{"op":"sub"}\n{"op":"watch","path":"a"}')
        await other.stream.send_eof()
        await other.until("snap")
        await opened.client.ask("act", act="restart", path="a")
        await other.until("delta")
        await trio.sleep(30)
        assert (await opened.client.get("totals"))["tot"]["clients"] == 2
        await other.stream.aclose()
        await trio.sleep(5)
        assert (await opened.client.get("totals"))["tot"]["clients"] == 1


async def test_who_has_closed_its_half_is_let_go_where_there_is_nothing_more_to_tell(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_console(dynamic("many", play.player("x"))) as opened:
        await opened.system.children("many", Player).start("x")
        other = await connect(opened.console)
        await other.say('{"op":"watch","path":"many/x"}')
        await other.stream.send_eof()
        await other.until("actor")
        await opened.system.children("many", Player).stop("x")
        assert (await other.until("err"))["err"]["code"] == "not_found"
        while not await other.hangs_up():
            pass
        await other.stream.aclose()


async def test_who_reads_nothing_for_half_a_minute_is_dropped_and_nobody_else_waits(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_console(play.part("a")) as opened:
        silent = await connect(opened.console)
        # More answers than a socket's buffers hold.
        asked = b'{"op":"get","topics":["tree","totals"]}\n' * 200
        with trio.move_on_after(1):
            await silent.stream.send_all(asked)
        await trio.sleep(10)
        assert (await opened.client.ask("ping"))["t"] == "pong"
        assert (await opened.client.get("totals"))["tot"]["clients"] == 2
        await trio.sleep(40)
        assert (await opened.client.get("totals"))["tot"]["clients"] == 1
        await silent.stream.aclose()


async def test_who_looks_on_by_the_web_keeps_no_operator_out(play: Play) -> None:
    told: list[str] = []

    async def stay() -> None:
        await trio.sleep_forever()

    async def send(line: str) -> None:
        told.append(line)

    async with open_console(play.part("a")) as opened, trio.open_nursery() as nursery:
        for role in cast("list[Role]", ["read"] * 7 + ["operate"] * 3):
            peer = Peer("somebody", "web", role)
            nursery.start_soon(opened.console.converse, peer, stay, send)
            await trio.testing.wait_all_tasks_blocked()
        clients = [await connect(opened.console) for _ in range(8)]
        *others, late = clients
        answers = [*[await client.ask("ping") for client in others], await late.frame()]
        use = dict(opened.console.use.clients)
        for client in clients:
            await client.stream.aclose()
        nursery.cancel_scope.cancel()

    assert use == {("web", "read"): 6, ("web", "operate"): 2, ("unix", "operate"): 8}
    assert ["too many consoles" in line for line in told] == [True, True]
    assert [answer["t"] for answer in answers] == ["pong"] * 7 + ["err"]


async def test_without_a_socket_there_is_no_child_for_it(play: Play) -> None:
    assert Console(config(socket=False)).children() == ()
    (spec,) = Console(config(socket=False, web=True)).children()
    assert spec.id == "console"
