"""What a snapshot shows, field by field."""

import pytest
import trio

from tests.fakes.players import Crash, Finish, Hang, Life, Note, Play, Player, until
from trouper.runtime import (
    Actor,
    ActorSnapshot,
    Backoff,
    Mailbox,
    Request,
    System,
    child,
    dynamic,
    on,
    supervisor,
)
from trouper.runtime.inspection import InHand


@pytest.fixture
def play() -> Play:
    return Play()


class Slow(Request[None]):
    """Take ten seconds, beside what else there is."""


class Look(Request[ActorSnapshot]):
    """What do you see of yourself?"""


class Worker(Actor[Slow | Note | Look]):
    system: System

    @on(Slow, task=True, limit=2)
    async def work(self, message: Slow) -> None:
        await trio.sleep(10)

    @on(Note)
    async def note(self, message: Note) -> None:
        await trio.sleep(3)

    @on(Look)
    async def look(self, message: Look) -> ActorSnapshot:
        return self.system.snapshot(self.path)[0]


async def test_the_kind_at_a_path_is_the_one_of_its_snapshot(play: Play) -> None:
    sub = supervisor("sub", play.part("a"), child("f", trio.sleep_forever))
    async with System(sub, signals=False) as system:
        kinds = {actor.path: system.kind_of(actor.path) for actor in system.snapshot()}

        assert kinds == {actor.path: actor.kind for actor in system.snapshot()}
        assert set(kinds) == {"sub", "sub/a", "sub/f"}
        assert system.kind_of("sub/nobody") == ""


async def test_a_snapshot_shows_the_tree_parents_before_children(play: Play) -> None:
    sub = supervisor("sub", play.part("a"), supervisor("inner", play.part("b")))
    async with System(sub, dynamic("many", Player), child("f", trio.sleep_forever)) as system:
        await system.children("many", Player).start("1", "c", play)

        actors = system.snapshot()
        assert [(a.path, a.kind.rpartition(".")[2], a.state) for a in actors] == [
            ("sub", "supervisor", "running"),
            ("many", "dynamic supervisor", "running"),
            ("f", "sleep_forever", "running"),
            ("sub/a", "Player", "running"),
            ("sub/inner", "supervisor", "running"),
            ("sub/inner/b", "Player", "running"),
            ("many/1", "Player", "running"),
        ]
        assert [a.path for a in system.snapshot("sub/inner")] == ["sub/inner", "sub/inner/b"]
        assert system.snapshot("su") == ()


async def test_it_shows_what_is_in_hand_and_what_waits_and_for_how_long(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    async with System(child("w", Worker, mailbox=Mailbox(8))) as system:
        ref = system.ref("w", Worker)
        Worker.system = system
        for _ in range(3):
            ref.tell(Slow())
        await trio.sleep(1)
        ref.tell(Note("in hand"))
        await trio.sleep(1)
        ref.tell(Note("waits"))
        ref.tell(Note("waits"))
        await trio.sleep(1)

        (seen,) = system.snapshot("w")
        assert seen == ActorSnapshot(
            path="w",
            kind="Worker",
            state="running",
            life=1,
            restarts=0,
            handled=0,
            # One in the line of `work`, for three seconds, and two in the mailbox.
            depth=3,
            capacity=8,
            oldest=3.0,
            in_hand=(InHand("Note", 2.0), InHand("Slow", 3.0), InHand("Slow", 3.0)),
            retry_in=None,
            stopped_because=None,
            last_crash=None,
        )
        await trio.sleep(3)
        (seen,) = system.snapshot("w")
        assert (seen.handled, seen.depth, seen.in_hand[0]) == (1, 2, InHand("Note", 2.0))
        system.stop()
        await trio.sleep(1)
        assert system.snapshot("w")[0].state == "draining"


async def test_a_handler_that_looks_at_itself_has_had_no_time(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    async with System(child("w", Worker)) as system:
        Worker.system = system
        ref = system.ref("w", Worker)
        await trio.sleep(7)
        ref.tell(Note("before"))
        await trio.sleep(7)

        assert (await ref.ask(Look())).in_hand == (InHand("Look", 0.0),)


async def test_it_shows_the_last_crash_with_its_traceback_and_when_the_next_life_is_due(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    part = play.part("a", backoff=Backoff(first=10, initial=10, jitter=0))
    async with System(part) as system:
        ref = system.ref("a", Player)
        ref.tell(Crash(KeyError("first")))
        await trio.sleep(11)
        ref.tell(Crash(ValueError("x" * 5000)))
        await until(system, "a", "backoff")
        since = trio.current_time()
        await trio.sleep(4)

        (seen,) = system.snapshot("a")
        assert (seen.state, seen.life, seen.restarts) == ("backoff", 3, 2)
        assert seen.retry_in is not None
        crash = seen.last_crash
        assert crash is not None
        assert crash.ago == pytest.approx(trio.current_time() - since, abs=0.01)
        assert crash.message == "Crash"
        assert crash.error.startswith("ValueError: xxx")
        assert len(crash.error) == 1000
        assert "raise message.error" in crash.traceback
        assert crash.traceback.endswith("x\n")
        await trio.sleep(20)

        (seen,) = system.snapshot("a")
        assert (seen.state, seen.retry_in) == ("running", None)
        assert seen.last_crash is not None


async def test_it_shows_why_an_actor_has_stopped(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    async with System(play.part("a", restart="temporary"), play.part("b")) as system:
        system.ref("a", Player).tell(Finish())
        await until(system, "a", "stopped")

        assert [a.stopped_because for a in system.snapshot()] == ["it ended (normal)", None]
    assert system.snapshot("b")[0].stopped_because == "it was stopped"


async def test_an_error_that_cannot_say_what_it_is_does_not_break_the_look(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    class Speechless(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    async with System(play.part("a")) as system:
        ref = system.ref("a", Player)
        ref.tell(Crash(Speechless()))
        assert await ref.ask(Life()) == 2

        crash = system.snapshot("a")[0].last_crash
        assert crash is not None
        assert crash.error == "Speechless"
        assert "Speechless" in crash.traceback


async def test_a_start_is_seen_while_it_lasts(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    play.plan("a", None, 5.0)
    async with System(play.part("a"), play.part("b"), strategy="one_for_all") as system:
        system.ref("a", Player).tell(Crash())
        await trio.sleep(2)

        assert [a.state for a in system.snapshot()] == ["starting", "down"]


async def test_it_shows_thousands_and_any_one_of_them(play: Play) -> None:
    class Idle(Actor[Hang]):
        @on(Hang)
        async def hang(self, message: Hang) -> None: ...

    async with System(dynamic("many", Idle, max_children=2000)) as system:
        children = system.children("many", Idle)
        for number in range(2000):
            await children.start(str(number))

        assert len(system.snapshot()) == 2001
        assert len(system.snapshot("many/7")) == 1
