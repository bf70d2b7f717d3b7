"""The commands that look at all actors at once: sorted, over a window, and by where they wait."""

import threading
from collections.abc import Generator

import pytest
import trio

from tests.fakes.console_programs import Program, Run, open_program, runner
from tests.fakes.players import Hang, Life, Note, Player, eventually


@pytest.fixture(scope="module")
def program() -> Generator[Program]:
    with open_program() as opened:
        yield opened


@pytest.fixture
def trouper(program: Program, capsys: pytest.CaptureFixture[str]) -> Run:
    return runner(program, capsys)


@pytest.fixture(scope="module")
def hanging(program: Program) -> Generator[None]:
    """`company/a` and `spare` hang in one place, and three messages wait for the latter."""
    done = trio.Event()

    async def hang() -> None:
        async with trio.open_nursery() as nursery:
            system = program.opened.system
            for path in ("company/a", "spare"):
                nursery.start_soon(system.ref(path, Player).ask, Hang())
            await eventually(
                lambda: all(row.in_hand for row in system.inspector.rows(["company/a", "spare"]))
            )
            for _ in range(3):
                system.ref("spare", Player).tell(Note("waits"))
            begun.set()
            await done.wait()
            nursery.cancel_scope.cancel()

    begun = threading.Event()
    thread = threading.Thread(target=program.run, args=(hang,))
    thread.start()
    assert begun.wait(10)
    yield
    trio.from_thread.run_sync(done.set, trio_token=program.token)
    thread.join(10)


@pytest.mark.usefixtures("hanging")
def test_actors_that_wait_in_one_place_are_told_once(trouper: Run) -> None:
    done = trouper("stacks")
    lines = done.out.splitlines()

    assert done.code == 0
    at = lines.index("2 at one place: 2 Player")
    assert lines[at + 1].endswith("Player.hang")
    assert lines[at + 2].strip() == "spare, company/a"
    assert not any("/trouper/runtime/" in line for line in lines[at : at + 3])
    # Those that rest are together as well.
    (rest,) = (at for at, line in enumerate(lines) if "it waits for a message" in line)
    assert "Player" in lines[rest - 1]
    assert "company" in lines[rest + 1]


@pytest.mark.usefixtures("hanging")
def test_the_stacks_of_a_part_of_the_tree_and_with_all_frames(trouper: Run) -> None:
    one = trouper("stacks", "spare")
    whole = trouper("stacks", "spare", "--all-frames")
    (group,) = trouper("stacks", "/spare", "-o", "json").json["stacks"]

    assert one.out.splitlines()[0] == "1 Player"
    assert len(whole.out.splitlines()) > len(one.out.splitlines())
    assert (group["count"], group["kinds"], group["paths"]) == (1, {"Player": 1}, ["spare"])
    assert group["stack"] == [line.strip() for line in whole.out.splitlines()[1:-1]]
    assert trouper("stacks", "nobody").code == 3


@pytest.mark.usefixtures("hanging")
def test_ps_sorts_by_what_waits_and_for_how_long(trouper: Run) -> None:
    for order in ("mailbox", "oldest"):
        done = trouper("ps", "--sort", order)
        assert done.rows[1][0] == "spare"
        assert done.rows[1][3] == "3/1024"
    assert trouper("ps", "--sort", "weight").code == 2


def test_ps_sorts_by_restarts(trouper: Run) -> None:
    trouper("restart", "company/b", "--yes")
    first = trouper("ps", "--sort", "restarts", "-o", "json").json["actors"][0]

    assert (first["path"], first["restarts"]) == ("company/b", 1)


def test_a_window_counts_messages_and_the_busy_share(program: Program, trouper: Run) -> None:
    stop = threading.Event()

    async def talk() -> None:
        ref = program.opened.system.ref("company/b", Player)
        while not stop.is_set():
            await ref.ask(Life())
            await ref.ask(Hang(0.02))

    thread = threading.Thread(target=program.run, args=(talk,))
    thread.start()
    done = trouper("ps", "--sort", "rate", "--window", "200ms")
    actors = trouper("ps", "company", "--window", "200ms", "-o", "json").json["actors"]
    stop.set()
    thread.join(10)

    titles, first = done.rows[0], dict(zip(done.rows[0], done.rows[1], strict=True))
    assert titles[-3:] == ["msgs/s", "busy", "attention"]
    assert first["actor"] == "company/b"
    assert float(first["msgs/s"]) > 5
    assert first["busy"].endswith("%")
    rates = {each["path"]: (each["msgs_s"], each["busy_share"]) for each in actors}
    assert rates["company/b"][0] > 5
    assert 0.3 < rates["company/b"][1] <= 1.1
    assert rates["company/slow"] == (0, 0)
