"""Hearing that another actor has stopped for good."""

import attrs
import pytest
import trio

from tests.fakes.players import Crash, Finish, Life, Note, Play, Player, eventually
from trouper.runtime import (
    Actor,
    Backoff,
    Down,
    Mailbox,
    Ref,
    SpecError,
    StartFailed,
    System,
    child,
    dynamic,
    on,
    supervisor,
)

AT_ONCE = Backoff(initial=0, maximum=0, jitter=0)


@attrs.frozen
class Watch:
    path: str


class Watcher(Actor[Watch | Down | Crash]):
    """Watches whom it is told to, and some from its start on."""

    def __init__(self, heard: list[str], at_start: tuple[str, ...] = ()) -> None:
        self.heard = heard
        self.at_start = at_start

    async def init(self) -> None:
        for path in self.at_start:
            self.watch(self.find(path, Player))

    @on(Watch)
    async def begin(self, message: Watch) -> None:
        self.watch(self.find(message.path, Player))

    @on(Down)
    async def down(self, message: Down) -> None:
        self.heard.append(f"{message.ref.path}: {message.reason}")

    @on(Crash)
    async def crash(self, message: Crash) -> None:
        raise message.error


@pytest.fixture
def play() -> Play:
    return Play()


@pytest.fixture
def heard() -> list[str]:
    return []


async def test_a_watcher_hears_of_the_end_and_not_of_a_restart(
    play: Play, heard: list[str], autojump_clock: trio.testing.MockClock
) -> None:
    part = play.part("a", restart="transient", backoff=AT_ONCE)
    async with System(part, child("w", lambda: Watcher(heard))) as system:
        system.ref("w", Watcher).tell(Watch("a"))
        ref = system.ref("a", Player)
        ref.tell(Crash())
        assert await ref.ask(Life()) == 2
        assert heard == []
        ref.tell(Finish())
        await trio.sleep(1)

        assert heard == ["a: it ended (normal)"]


async def test_a_watch_of_what_has_stopped_is_told_at_once(
    play: Play, heard: list[str], autojump_clock: trio.testing.MockClock
) -> None:
    part = play.part("a", restart="temporary")
    async with System(part, child("w", lambda: Watcher(heard))) as system:
        system.ref("a", Player).tell(Finish())
        await trio.sleep(1)
        system.ref("w", Watcher).tell(Watch("a"))
        await trio.sleep(1)

        assert heard == ["a: it ended (normal)"]


async def test_a_watch_outlives_the_watchers_restarts_and_is_told_once(
    play: Play, heard: list[str], autojump_clock: trio.testing.MockClock
) -> None:
    part = play.part("a", restart="temporary")
    watcher = child("w", lambda: Watcher(heard, ("a",)), backoff=AT_ONCE)
    async with System(part, watcher) as system:
        system.ref("w", Watcher).tell(Crash())
        system.ref("w", Watcher).tell(Watch("a"))
        await trio.sleep(1)
        system.ref("a", Player).tell(Finish())
        await trio.sleep(1)

        assert heard == ["a: it ended (normal)"]


async def test_a_full_mailbox_keeps_nobody_from_hearing_of_an_end(
    play: Play, heard: list[str], autojump_clock: trio.testing.MockClock
) -> None:
    class Busy(Watcher):
        @on(Watch)
        async def begin(self, message: Watch) -> None:
            await trio.sleep(5)

    part = play.part("a", restart="temporary")
    watcher = child("w", lambda: Busy(heard, ("a",)), mailbox=Mailbox(1))
    async with System(part, watcher) as system:
        ref = system.ref("w", Busy)
        ref.tell(Watch("slowly"))
        await trio.testing.wait_all_tasks_blocked()
        ref.tell(Watch("slowly"))
        system.ref("a", Player).tell(Finish())
        await trio.sleep(11)

        assert heard == ["a: it ended (normal)"]


async def test_watchers_that_are_gone_leave_nothing_behind(
    play: Play, heard: list[str], autojump_clock: trio.testing.MockClock
) -> None:
    many = dynamic("many", Watcher)
    async with System(play.part("a"), many, child("w", lambda: Watcher(heard))) as system:
        children = system.children("many", Watcher)
        for number in range(10):
            await children.start(str(number), heard, ("a",))
        watched = system.ref("a", Player)._cell
        assert len(watched.watchers or ()) == 10
        for id in children:
            await children.stop(id)

        assert not watched.watchers
    assert heard == []


async def test_watched_that_are_gone_leave_nothing_behind(
    play: Play, heard: list[str], autojump_clock: trio.testing.MockClock
) -> None:
    many = dynamic("many", Player)
    async with System(many, child("w", lambda: Watcher(heard))) as system:
        children, watcher = system.children("many", Player), system.ref("w", Watcher)
        for number in range(10):
            ref = await children.start(str(number), str(number), play)
            watcher.tell(Watch(ref.path))
            await trio.sleep(0.1)
            ref.tell(Finish())
        await eventually(lambda: len(heard) == 10)

        assert not watcher._cell.watchers


async def test_two_that_watch_each_other_hear_of_each_other(
    heard: list[str], autojump_clock: trio.testing.MockClock
) -> None:
    class Peer(Actor[Ref[Note] | Down | Finish]):
        @on(Ref)
        async def meet(self, message: Ref[Note]) -> None:
            self.watch(message)

        @on(Down)
        async def down(self, message: Down) -> None:
            heard.append(message.ref.path)

        @on(Finish)
        async def finish(self, message: Finish) -> None:
            self.stop()

    async with System(
        child("a", Peer, restart="temporary"), child("b", Peer, restart="temporary")
    ) as system:
        a, b = system.ref("a", Peer), system.ref("b", Peer)
        a.tell(b)  # type: ignore[arg-type]
        b.tell(a)  # type: ignore[arg-type]
        await trio.sleep(1)
        a.tell(Finish())
        await trio.sleep(1)

        assert heard == ["a"]


async def test_a_subtree_that_gives_up_ends_its_actors_even_if_it_comes_back(
    play: Play, heard: list[str], autojump_clock: trio.testing.MockClock
) -> None:
    sub = supervisor("sub", play.part("a"), intensity=0, backoff=AT_ONCE)
    watcher = child("w", lambda: Watcher(heard, ("sub/a",)))
    async with System(sub, watcher) as system:
        ref = system.ref("sub/a", Player)
        ref.tell(Crash())
        await trio.sleep(1)
        assert heard == ["sub/a: it ended (crashed: ValueError: boom), and its supervisor gave up"]

        # It is another one behind the same ref, to be watched anew.
        assert await ref.ask(Life()) == 2
        system.ref("w", Watcher).tell(Watch("sub/a"))
        ref.tell(Crash())
        await trio.sleep(1)
        assert len(heard) == 2


async def test_to_watch_takes_a_handler_for_down(play: Play) -> None:
    class Deaf(Actor[Note]):
        async def init(self) -> None:
            self.watch(self.find("a", Player))

        @on(Note)
        async def note(self, message: Note) -> None: ...

    with pytest.raises(StartFailed, match="Deaf watches a but has no handler for Down") as caught:
        async with System(play.part("a"), child("deaf", Deaf)):
            pytest.fail("entered")
    assert isinstance(caught.value.__cause__, SpecError)
