"""Which ends bring a child back, and who comes back with it."""

import pytest
import trio

from tests.fakes.players import Crash, Finish, Hang, Life, Note, Notes, Play, Player, until
from trouper.runtime import (
    ActorDown,
    ActorUnavailable,
    Backoff,
    DeadReason,
    System,
    child,
    supervisor,
)

AT_ONCE = Backoff(initial=0, maximum=0, jitter=0)


@pytest.fixture
def play() -> Play:
    return Play()


@pytest.mark.parametrize(
    ("restart", "end", "comes_back"),
    [
        ("permanent", Finish(), True),
        ("permanent", Crash(), True),
        ("transient", Finish(), False),
        ("transient", Crash(), True),
        ("temporary", Finish(), False),
        ("temporary", Crash(), False),
    ],
)
async def test_the_restart_type_says_which_ends_bring_a_child_back(
    play: Play,
    autojump_clock: trio.testing.MockClock,
    restart: str,
    end: Finish | Crash,
    comes_back: bool,
) -> None:
    async with System(play.part("a", restart=restart)) as system:
        ref = system.ref("a", Player)
        ref.tell(end)
        if comes_back:
            assert await ref.ask(Life()) == 2
            assert system.snapshot("a")[0].restarts == 1
        else:
            with pytest.raises(ActorDown, match="it ended"):
                await ref.ask(Life())
            assert system.snapshot("a")[0].state == "stopped"
            assert play.read()[-1] == "a ends: " + (
                "crashed" if isinstance(end, Crash) else "normal"
            )


@pytest.mark.parametrize(
    ("strategy", "again"),
    [
        ("one_for_one", ["b starts", "b is ready"]),
        (
            "one_for_all",
            [
                *("c ends: shutdown", "a ends: shutdown", "a starts", "a is ready"),
                *("b starts", "b is ready", "c starts", "c is ready"),
            ],
        ),
        (
            "rest_for_one",
            ["c ends: shutdown", "b starts", "b is ready", "c starts", "c is ready"],
        ),
    ],
)
async def test_the_strategy_says_who_comes_back_with_a_child(
    play: Play, autojump_clock: trio.testing.MockClock, strategy: str, again: list[str]
) -> None:
    parts = [play.part(name) for name in "abc"]
    async with System(supervisor("all", *parts, strategy=strategy)) as system:  # type: ignore[arg-type]
        play.read()
        system.ref("all/b", Player).tell(Crash())
        await trio.sleep(1)

        assert play.read() == ["b ends: crashed", *again]


async def test_what_waits_for_siblings_waits_on_while_their_group_restarts(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    answers: list[object] = []

    async def ask() -> None:
        answers.append(await sibling.ask(Notes(), timeout=60))

    async with (
        System(play.part("a"), play.part("b"), strategy="one_for_all") as system,
        trio.open_nursery() as nursery,
    ):
        sibling = system.ref("b", Player)
        sibling.tell(Hang(3))
        await trio.testing.wait_all_tasks_blocked()
        sibling.tell(Note("kept"))
        nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        system.ref("a", Player).tell(Crash())

    # Its message in hand may end; the queue is for the next life.
    assert answers == [("kept",)]
    assert play.lives == {"a": 2, "b": 2}


async def test_what_waits_below_a_supervisor_waits_on_while_it_is_restarted_with_a_sibling(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    deep = supervisor("sub", supervisor("deep", play.part("b", shutdown=1)))

    async with System(play.part("a"), deep, strategy="one_for_all") as system:
        ref = system.ref("sub/deep/b", Player)
        ref.tell(Hang())
        await trio.testing.wait_all_tasks_blocked()
        ref.tell(Note("kept"))
        system.ref("a", Player).tell(Crash())

        assert await ref.ask(Notes(), timeout=60) == ("kept",)
        assert await ref.ask(Life()) == 2


async def test_a_stop_while_a_group_restarts_ends_what_waits_below_it(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    told: list[str] = []

    async def ask() -> None:
        with pytest.raises(ActorDown) as caught:
            await ref.ask(Life(), timeout=60)
        told.append(f"{trio.current_time():g} s: {caught.value.path}")

    async with (
        trio.open_nursery() as nursery,
        System(
            play.part("a", backoff=Backoff(first=9, jitter=0)),
            supervisor("sub", play.part("b")),
            strategy="one_for_all",
        ) as system,
    ):
        ref = system.ref("sub/b", Player)
        system.ref("a", Player).tell(Crash())
        await until(system, "a", "backoff")
        nursery.start_soon(ask)
        await trio.sleep(1)
        since = trio.current_time()

    assert told == [f"{since:g} s: sub/b"]
    assert {actor.state for actor in system.snapshot()} == {"stopped"}


async def test_a_temporary_sibling_goes_with_its_group_and_does_not_come_back(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    parts = [play.part("a"), play.part("b", restart="temporary"), play.part("c")]
    sub = supervisor("sub", play.part("d"), restart="temporary")

    async with System(*parts, sub, strategy="one_for_all") as system:
        system.ref("a", Player).tell(Crash())
        assert await system.ref("c", Player).ask(Life(), timeout=60) in (1, 2)
        await trio.sleep(1)

        assert play.lives == {"a": 2, "b": 1, "c": 2, "d": 1}
        for gone in ("b", "sub/d"):
            with pytest.raises(ActorDown):
                await system.ref(gone, Player).ask(Life())


async def test_the_crash_of_a_temporary_child_moves_nobody_else(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    parts = [play.part("a"), play.part("b", restart="temporary"), play.part("c")]

    async with System(*parts, strategy="one_for_all") as system:
        system.ref("b", Player).tell(Crash())
        await trio.sleep(1)

        assert play.lives == {"a": 1, "b": 1, "c": 1}


async def test_siblings_that_do_not_queue_refuse_while_their_group_restarts(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    waiting = play.part("b", while_down="reject")

    async with (
        System(
            play.part("a", backoff=Backoff(first=9, jitter=0)), waiting, strategy="one_for_all"
        ) as system,
        trio.open_nursery() as nursery,
    ):
        ref = system.ref("b", Player)
        ref.tell(Hang(2))
        await trio.testing.wait_all_tasks_blocked()
        ref.tell(Note("kept"))

        @nursery.start_soon
        async def _() -> None:
            with pytest.raises(ActorUnavailable):
                await ref.ask(Life(), timeout=60)
            assert trio.current_time() == 2.0

        await trio.testing.wait_all_tasks_blocked()
        system.ref("a", Player).tell(Crash())
        await trio.sleep(3)
        with pytest.raises(ActorUnavailable):
            await ref.ask(Life())
        ref.tell(Note("lost"))
        assert system.dead_letters[-1].reason is DeadReason.UNAVAILABLE
        await trio.sleep(10)

        assert await ref.ask(Notes()) == ("kept",)


async def test_a_second_crash_while_the_group_comes_back_starts_it_anew_in_order(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    play.plan("b", None, 5.0)
    parts = [play.part(name, backoff=AT_ONCE) for name in "abc"]

    async with System(*parts, strategy="one_for_all") as system:
        system.ref("c", Player).tell(Crash())
        await trio.sleep(1)
        play.read()
        # Now a is ready in its second life, and b starts slowly in its second.
        system.ref("a", Player).tell(Crash())
        await trio.sleep(1)

        assert play.read() == [
            *("a ends: crashed", "b ends: shutdown", "a starts", "a is ready"),
            *("b starts", "b is ready", "c starts", "c is ready"),
        ]
        assert play.lives == {"a": 3, "b": 3, "c": 2}


async def test_the_crash_of_an_earlier_sibling_meanwhile_widens_the_group(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    play.plan("b", None, 5.0)
    parts = [play.part(name, backoff=AT_ONCE) for name in "abc"]

    async with System(*parts, strategy="rest_for_one") as system:
        system.ref("b", Player).tell(Crash())
        await trio.sleep(1)
        play.read()
        system.ref("a", Player).tell(Crash())
        await trio.sleep(10)

        assert play.read() == [
            *("a ends: crashed", "b ends: shutdown", "a starts", "a is ready"),
            *("b starts", "b is ready", "c starts", "c is ready"),
        ]
        assert {actor.state for actor in system.snapshot()} == {"running"}


async def test_crashes_while_siblings_are_being_stopped_are_judged_afterwards(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    play.ends["c"] = 2.0
    parts = [
        play.part("a", backoff=AT_ONCE),
        play.part("b", backoff=AT_ONCE),
        play.part("t", restart="temporary"),
        play.part("c", shutdown=5),
    ]

    async with System(*parts, strategy="one_for_all") as system:
        system.ref("a", Player).tell(Crash())
        await trio.sleep(1)
        system.ref("b", Player).tell(Crash())
        system.ref("t", Player).tell(Crash())
        await trio.sleep(10)

        assert play.lives == {"a": 2, "b": 2, "t": 1, "c": 2}
        assert await system.ref("b", Player).ask(Life()) == 2
        assert system.snapshot("t")[0].state == "stopped"


async def test_a_child_that_fails_to_start_again_is_tried_again_with_its_group(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    play.plan("b", None, OSError("not yet"))
    parts = [play.part(name) for name in "abc"]

    async with System(*parts, strategy="one_for_all") as system:
        system.ref("a", Player).tell(Crash())
        await trio.sleep(10)

        assert play.lives == {"a": 3, "b": 3, "c": 2}
        assert {actor.state for actor in system.snapshot()} == {"running"}


async def test_a_sibling_that_cannot_be_killed_keeps_its_place_and_holds_up_nobody(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    parts = [play.part("a"), play.part("b", shutdown=1), play.part("c")]

    async with System(*parts, strategy="one_for_all", intensity=9) as system:
        system.ref("b", Player).tell(Hang(20, shielded=True))
        await trio.testing.wait_all_tasks_blocked()
        system.ref("a", Player).tell(Crash())
        await trio.sleep(9)
        assert play.lives == {"a": 2, "b": 1, "c": 2}

        system.ref("c", Player).tell(Crash())
        await trio.sleep(5)
        assert play.lives == {"a": 3, "b": 1, "c": 3}

        await trio.sleep(20)
        assert play.lives == {"a": 3, "b": 2, "c": 3}
        assert await system.ref("b", Player).ask(Life()) == 2


async def test_the_end_of_any_significant_child_ends_its_supervisor(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    sub = supervisor(
        "sub",
        play.part("a", restart="transient", significant=True),
        play.part("b", restart="transient"),
        play.part("c", restart="transient", significant=True),
        auto_shutdown="any",
        restart="transient",
    )
    async with System(sub, play.part("d")) as system:
        system.ref("sub/b", Player).tell(Finish())
        await trio.sleep(1)
        assert play.alive == {"a", "c", "d"}
        system.ref("sub/a", Player).tell(Finish())
        await trio.sleep(1)

        assert play.alive == {"d"}
        assert system.snapshot("sub")[0].state == "stopped"


async def test_the_end_of_all_significant_children_ends_their_supervisor(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    parts = [play.part(name, restart="transient", significant=True) for name in "ab"]
    sub = supervisor("sub", *parts, auto_shutdown="all", restart="transient")

    async with System(sub, play.part("d")) as system:
        system.ref("sub/a", Player).tell(Finish())
        await trio.sleep(1)
        assert play.alive == {"b", "d"}
        system.ref("sub/b", Player).tell(Finish())
        await trio.sleep(1)

        assert play.alive == {"d"}


async def test_significant_work_that_is_done_while_its_supervisor_starts_is_no_failure(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def work() -> None:
        """Done at once."""

    job = child("job", work, restart="transient", significant=True)
    async with System(supervisor("sub", job, auto_shutdown="any", restart="transient")) as system:
        await trio.sleep(1)

        assert {actor.state for actor in system.snapshot()} == {"stopped"}


async def test_a_supervisor_without_children_is_ready_and_stops() -> None:
    async with System(supervisor("none")) as system:
        assert system.snapshot("none")[0].state == "running"

    assert system.snapshot("none")[0].state == "stopped"
