"""Children on demand: starting, stopping, finding, bounds, restarts."""

import functools

import pytest
import trio

from tests.fakes.players import (
    Crash,
    Finish,
    Hang,
    Life,
    Note,
    Notes,
    Play,
    Player,
    eventually,
)
from trouper.runtime import (
    Actor,
    ActorDown,
    ActorUnavailable,
    Backoff,
    ChildExists,
    Children,
    ChildSpec,
    SpecError,
    StartFailed,
    StartTimeout,
    System,
    TooManyChildren,
    child,
    dynamic,
    on,
    supervisor,
)

AT_ONCE = Backoff(initial=0, maximum=0, jitter=0)


@pytest.fixture
def play() -> Play:
    return Play()


def players(play: Play, **options: object) -> ChildSpec:
    return dynamic("players", functools.partial(Player, play=play), **options)  # type: ignore[arg-type]


def of(system: System) -> Children[Life | Note | Notes | Crash | Hang | Finish]:
    return system.children("players", Player)


async def test_children_are_started_found_counted_and_stopped_by_id(play: Play) -> None:
    async with System(players(play)) as system:
        children = of(system)
        first = await children.start("1", "first")
        await children.start("2", name="second")

        assert first.path == "players/1"
        assert children.get("1") == first == system.ref("players/1", Player)
        assert (list(children), len(children), "2" in children) == (["1", "2"], 2, True)

        await children.stop("1")
        await children.stop("nobody")
        assert (list(children), len(children), children.get("1")) == (["2"], 1, None)
        with pytest.raises(ActorDown, match="it was stopped"):
            await first.ask(Life())
        with pytest.raises(SpecError, match="no actor at 'players/1'; beside it are: players/2"):
            system.ref("players/1", Player)

    assert play.read()[-2:] == ["first ends: shutdown", "second ends: shutdown"]
    assert (len(children), list(children)) == (0, [])


async def test_ids_may_be_gone_through_while_children_come_and_go(play: Play) -> None:
    async with System(players(play)) as system:
        children = of(system)
        for id in "abc":
            await children.start(id, id)
        for id in children:
            await children.stop(id)
            await children.start(f"{id}2", f"{id}2")

        assert list(children) == ["a2", "b2", "c2"]


async def test_an_id_is_one_childs_until_its_end_and_then_free(play: Play) -> None:
    async with System(players(play)) as system:
        children = of(system)
        first = await children.start("1", "first")
        with pytest.raises(ChildExists, match="players/1: there is a child of this id already"):
            await children.start("1", "other")
        first.tell(Finish())
        await eventually(lambda: "1" not in children)
        second = await children.start("1", "second")

        assert await second.ask(Life()) == 1
        assert second != first
        with pytest.raises(ActorDown, match="it ended"):
            await first.ask(Life())


async def test_there_are_as_many_children_as_allowed_and_no_more(play: Play) -> None:
    async with System(players(play, max_children=2)) as system:
        children = of(system)
        await children.start("1", "a")
        await children.start("2", "b")
        with pytest.raises(TooManyChildren, match="it has 2 children already") as caught:
            await children.start("3", "c")
        assert caught.value.limit == 2
        await children.stop("1")
        await children.start("3", "c")

        assert list(children) == ["2", "3"]


@pytest.mark.parametrize("id", ["", "a/b"])
async def test_an_id_that_is_no_part_of_a_path_is_refused(play: Play, id: str) -> None:
    async with System(players(play)) as system:
        with pytest.raises(SpecError, match="not empty and has no slash"):
            await of(system).start(id, "a")


async def test_a_start_that_fails_is_the_starters_to_know_and_leaves_nothing(play: Play) -> None:
    cause = OSError("no")
    play.plan("a", cause)

    async with System(players(play, restart="permanent")) as system:
        children = of(system)
        with pytest.raises(StartFailed, match="players/1: it did not start") as caught:
            await children.start("1", "a")

        assert caught.value.__cause__ is cause
        assert (len(children), play.lives) == (0, {"a": 1})
        # At once free again, without a look at anything else in between.
        assert await (await children.start("1", "a")).ask(Life()) == 2
        with pytest.raises(StartFailed, match="unexpected keyword argument 'nme'"):
            await children.start("2", nme="b")


async def test_a_start_that_takes_too_long_is_a_start_timeout(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    play.plan("a", 60.0)

    async with System(players(play, start_timeout=3)) as system:
        with pytest.raises(StartTimeout):
            await of(system).start("1", "a")

        assert trio.current_time() == 3
        assert len(of(system)) == 0


async def test_a_starter_that_is_cancelled_leaves_no_half_started_child(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    play.plan("a", 5.0)

    async with System(players(play)) as system:
        children = of(system)
        with trio.move_on_after(1):
            await children.start("1", "a")
        await eventually(lambda: len(children) == 0)

        assert trio.current_time() == pytest.approx(1, abs=0.01)
        assert play.alive == set()
        assert system.snapshot("players/1") == ()
        await children.start("1", "a")


@pytest.mark.parametrize(
    ("restart", "end", "lives"),
    [
        ("temporary", Crash(), 1),
        ("temporary", Finish(), 1),
        ("transient", Crash(), 2),
        ("transient", Finish(), 1),
        ("permanent", Crash(), 2),
        ("permanent", Finish(), 2),
    ],
)
async def test_the_restart_type_says_which_ends_bring_a_child_back(
    play: Play, autojump_clock: trio.testing.MockClock, restart: str, end: object, lives: int
) -> None:
    async with System(players(play, restart=restart, backoff=AT_ONCE)) as system:
        ref = await of(system).start("1", "a")
        ref.tell(end)  # type: ignore[arg-type]
        await trio.sleep(1)

        assert play.lives == {"a": lives}
        assert of(system).get("1") == (ref if lives == 2 else None)
        if lives == 2:
            assert await ref.ask(Life()) == 2


async def test_a_kind_that_is_not_what_was_started_is_refused(play: Play) -> None:
    class Other(Actor[Note]):
        @on(Note)
        async def note(self, message: Note) -> None: ...

    async with System(players(play), supervisor("sub")) as system:
        wrong = system.children("players", Other)
        with pytest.raises(SpecError, match="players/1 is a Player, not a "):
            await wrong.start("1", "a")
        with pytest.raises(SpecError, match="players/1 is a Player, not a "):
            wrong.get("1")
        with pytest.raises(SpecError, match="sub is a supervisor and starts no children on demand"):
            system.children("sub", Player)


async def test_actors_start_children_of_a_dynamic_supervisor_by_its_path(play: Play) -> None:
    class Door(Actor[Note]):
        @on(Note)
        async def knock(self, message: Note) -> None:
            guest = await self.children("players", Player).start(message.text, message.text)
            await guest.ask(Life())

    from_the_door = supervisor("front", play.part("porter"))
    async with System(players(play), from_the_door, dynamic("doors", Door)) as system:
        door = await system.children("doors", Door).start("1")
        door.tell(Note("anna"))
        await eventually(lambda: list(of(system)) == ["anna"])


async def test_a_stopped_system_starts_no_children(play: Play) -> None:
    async with System(players(play)) as system:
        children = of(system)
        system.stop()
        await trio.testing.wait_all_tasks_blocked()

    with pytest.raises(ActorDown):
        await children.start("1", "a")


async def test_a_dynamic_supervisor_that_has_not_begun_starts_nobody_yet(play: Play) -> None:
    class Early(Actor[Note]):
        async def init(self) -> None:
            children = self.children("players", Player)
            assert (len(children), children.get("1")) == (0, None)
            await children.stop("1")
            with pytest.raises(ActorUnavailable):
                await children.start("1", "a")

        @on(Note)
        async def note(self, message: Note) -> None: ...

    async with System(child("early", Early), players(play)) as system:
        await of(system).start("1", "a")
