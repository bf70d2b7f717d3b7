"""What a person does to actors that run, and what comes of it."""

import pytest
import trio
import trio.testing

from tests.fakes.players import Crash, Hang, Life, Note, Notes, Play, Player, eventually
from trouper.runtime import (
    ActorDown,
    AskTimeout,
    Backoff,
    Mailbox,
    MailboxFull,
    SpecError,
    System,
    child,
    dynamic,
    supervisor,
)
from trouper.runtime.operator import Effect


@pytest.fixture
def play() -> Play:
    return Play()


def state(system: System, path: str) -> str:
    found = system.inspector.snapshot(path)
    return found.state if found is not None else "gone"


async def test_a_restart_gives_the_actor_a_new_life_with_what_waits(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    async with System(play.part("a"), signals=False) as system:
        ref = system.ref("a", Player)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ref.ask, Hang(1.0))
            await trio.testing.wait_all_tasks_blocked()
            ref.tell(Note("for the next one"))
            await system.operator.restart("a")

        assert await ref.ask(Life()) == 2
        assert await ref.ask(Notes()) == ("for the next one",)
        assert system.operator.life("a") == 2


async def test_a_restart_takes_along_whom_the_strategy_names(play: Play) -> None:
    parts = [play.part(name) for name in ("a", "b", "c")]
    async with System(supervisor("s", *parts, strategy="rest_for_one"), signals=False) as system:
        effect = system.operator.effect("s/b", restart=True)
        await system.operator.restart("s/b")
        await eventually(
            lambda: system.operator.life("s/c") == 2 and state(system, "s/c") == "running"
        )

        assert effect == Effect(("s/c",), 0, 0)
        assert [system.operator.life(f"s/{name}") for name in ("a", "b", "c")] == [1, 2, 2]
        assert system.operator.effect("s/b", restart=False).also == ()


async def test_an_effect_counts_what_is_in_hand_and_waits_below(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    async with System(supervisor("s", play.part("a")), signals=False) as system:
        ref = system.ref("s/a", Player)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ref.ask, Hang(1.0))
            await trio.testing.wait_all_tasks_blocked()
            ref.tell(Note("one"))

            assert system.operator.effect("s", restart=True) == Effect((), 1, 1)


async def test_a_restart_of_a_supervisor_restarts_what_is_below(play: Play) -> None:
    async with System(supervisor("s", play.part("a")), signals=False) as system:
        ref = system.ref("s/a", Player)
        await system.operator.restart("s")
        await eventually(lambda: state(system, "s/a") == "running")

        assert await ref.ask(Life()) == 2


async def test_who_backs_off_is_restarted_at_once(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    spec = play.part("a", backoff=Backoff(first=60.0, initial=60.0, maximum=60.0, jitter=0))
    async with System(spec, signals=False) as system:
        ref = system.ref("a", Player)
        ref.tell(Crash())
        await eventually(lambda: state(system, "a") == "backoff")
        began = trio.current_time()
        await system.operator.restart("a")

        assert await ref.ask(Life()) == 2
        assert trio.current_time() - began < 1.0


async def test_a_stop_loses_what_waits_and_a_restart_brings_the_actor_back(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    async with System(play.part("a"), play.part("b"), signals=False) as system:
        ref = system.ref("a", Player)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ref.ask, Hang(1.0))
            await trio.testing.wait_all_tasks_blocked()
            ref.tell(Note("never read"))
            await system.operator.stop("a")
        with pytest.raises(ActorDown, match="stopped by hand"):
            await ref.ask(Life())
        assert [letter.message for letter in system.dead_letters] == [Note("never read")]
        assert sum(system.dead_letter_counts.values()) == 1

        await system.operator.restart("a")

        assert await ref.ask(Life()) == 2
        assert await system.ref("b", Player).ask(Life()) == 1


async def test_a_drained_actor_handles_what_waits_and_takes_nothing_new(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    async with System(play.part("a"), play.part("b"), signals=False) as system:
        ref = system.ref("a", Player)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ref.ask, Hang(1.0))
            await trio.testing.wait_all_tasks_blocked()
            ref.tell(Note("still read"))
            nursery.start_soon(system.operator.drain, "a")
            await trio.testing.wait_all_tasks_blocked()
            with pytest.raises(ActorDown):
                await ref.ask(Life())

        assert state(system, "a") == "stopped"
        assert system.dead_letters == ()


async def test_a_suspended_actor_reads_nothing_until_it_is_resumed(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    async with System(play.part("a"), signals=False) as system:
        ref = system.ref("a", Player)
        await ref.ask(Life())
        system.operator.suspend("a")
        ref.tell(Note("one"))
        with pytest.raises(AskTimeout):
            await ref.ask(Life(), timeout=1.0)
        assert state(system, "a") == "suspended"

        system.operator.resume("a")
        system.operator.resume("a")

        assert await ref.ask(Notes()) == ("one",)
        assert state(system, "a") == "running"


async def test_what_is_in_hand_comes_to_its_end_before_the_suspension(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    async with System(play.part("a"), signals=False) as system:
        ref = system.ref("a", Player)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ref.ask, Hang(1.0))
            await trio.testing.wait_all_tasks_blocked()
            system.operator.suspend("a")
        ref.tell(Note("waits"))
        await trio.sleep(5)

        row = next(iter(system.inspector.rows(["a"])))
        assert (row.depth, row.in_hand, row.state) == (1, 0, "suspended")


async def test_a_suspended_actor_can_be_stopped_restarted_and_drained(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    async with System(play.part("a"), play.part("b"), signals=False) as system:
        for path in ("a", "b"):
            system.ref(path, Player).tell(Note("one"))
            system.operator.suspend(path)
        await system.operator.restart("a")
        began = trio.current_time()
        await system.operator.drain("b")

        assert await system.ref("a", Player).ask(Life()) == 2
        assert trio.current_time() == began
        with pytest.raises(ActorDown, match="not running"):
            system.operator.suspend("b")


async def test_children_of_a_dynamic_supervisor_are_restarted_and_ended(play: Play) -> None:
    async with System(dynamic("many", Player), signals=False) as system:
        children = system.children("many", Player)
        ref = await children.start("1", "one", play)
        await system.operator.restart("many/1")

        assert await ref.ask(Life()) == 2
        assert system.operator.effect("many/1", restart=True).also == ()

        await system.operator.stop("many/1")

        assert list(children) == []
        with pytest.raises(SpecError, match="no actor at 'many/1'"):
            await system.operator.restart("many/1")


async def test_a_child_that_does_not_end_is_left_to_its_supervisor(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    async with System(
        dynamic("many", Player, shutdown=0.1), play.part("a", shutdown=0.1), signals=False
    ) as system:
        ref = await system.children("many", Player).start("1", "one", play)
        async with trio.open_nursery() as nursery:
            for each in (ref, system.ref("a", Player)):
                nursery.start_soon(_lost, each)
            await trio.testing.wait_all_tasks_blocked()
            await system.operator.restart("many/1")
            await system.operator.restart("a")
            assert state(system, "many/1") == "stopped"
        await eventually(lambda: system.operator.life("a") == 2)

        assert await system.ref("a", Player).ask(Life()) == 2
        assert "1" not in system.children("many", Player)


async def _lost(ref: object) -> None:
    with pytest.raises(ActorDown):
        await ref.ask(Hang(10.0, shielded=True))  # type: ignore[attr-defined]


async def test_what_cannot_be_done_is_refused_in_words(play: Play) -> None:
    async with System(child("f", trio.sleep_forever), play.part("a"), signals=False) as system:
        with pytest.raises(SpecError, match="cannot be suspended"):
            system.operator.suspend("f")
        with pytest.raises(SpecError, match="no actor at 'nobody'"):
            await system.operator.stop("nobody")
        await system.operator.restart("f")
        await eventually(lambda: state(system, "f") == "running")

        assert system.operator.life("f") == 2
    with pytest.raises(ActorDown):
        await system.operator.restart("a")


async def test_a_dead_letter_is_sent_again_once_to_the_life_that_runs_now(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    async with System(play.part("a"), signals=False) as system:
        ref = system.ref("a", Player)
        await system.operator.stop("a")
        ref.tell(Note("too late"))
        ref.tell(Note("also too late"))
        with pytest.raises(ActorDown):
            system.operator.resend(1)
        await system.operator.restart("a")
        await eventually(lambda: state(system, "a") == "running")
        sent = system.operator.resend(1)

        assert await ref.ask(Life()) == 2
        assert await ref.ask(Notes()) == ("too late",)
        assert (sent.number, sent.message) == (1, Note("too late"))
        assert [(each.number, each.resent) for each in system.dead_letters] == [
            (1, True),
            (2, False),
        ]
        with pytest.raises(SpecError, match="dead letter 1 has been sent again already"):
            system.operator.resend(1)
        assert sum(system.dead_letter_counts.values()) == 2


async def test_a_dead_letter_that_is_kept_no_more_or_whose_actor_has_gone_is_not_sent(
    play: Play,
) -> None:
    async with System(dynamic("crowd", Player), signals=False) as system:
        children = system.children("crowd", Player)
        ref = await children.start("one", "a", play)
        await children.stop("one")
        for number in range(300):
            ref.tell(Note(str(number)))
        with pytest.raises(SpecError, match="no dead letter 1 is kept"):
            system.operator.resend(1)
        with pytest.raises(SpecError, match="no actor at 'crowd/one'"):
            system.operator.resend(300)

        assert len(system.dead_letters) == 256


async def test_a_dead_letter_is_not_sent_where_it_would_push_out_another_message(
    play: Play,
) -> None:
    full = play.part("a", mailbox=Mailbox(1, "drop_oldest"))
    async with System(full, signals=False) as system:
        ref = system.ref("a", Player)
        system.operator.suspend("a")
        ref.tell(Note("dropped"))
        ref.tell(Note("waits"))
        with pytest.raises(MailboxFull):
            system.operator.resend(1)
        system.operator.resume("a")
        await trio.testing.wait_all_tasks_blocked()
        system.operator.resend(1)
        await trio.testing.wait_all_tasks_blocked()

        assert await ref.ask(Notes()) == ("waits", "dropped")
        assert [each.resent for each in system.dead_letters] == [True]
