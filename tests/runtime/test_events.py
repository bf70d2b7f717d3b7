"""What an observer is told, and that it can do no harm."""

import logging

import pytest
import trio

from tests.fakes.players import Crash, Finish, Life, Note, Play, Player, until
from trouper.runtime import Backoff, DeadReason, SupervisorGaveUp, System, supervisor
from trouper.runtime.events import (
    ActorStarted,
    ActorStopped,
    ChildCrashed,
    ChildRestarting,
    DeadLetter,
    GaveUp,
    Poisoned,
    RuntimeEvent,
)

AT_ONCE = Backoff(initial=0, maximum=0, jitter=0)


@pytest.fixture
def play() -> Play:
    return Play()


async def test_each_event_is_told_once_and_in_order(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    seen: list[RuntimeEvent] = []
    boom, bang = ValueError("boom"), ValueError("bang")
    sub = supervisor("sub", play.part("a", backoff=Backoff(first=2, jitter=0)), intensity=1)

    with pytest.raises(SupervisorGaveUp) as caught:
        async with System(sub, play.part("b"), observer=seen.append, intensity=0) as system:
            ref = system.ref("sub/a", Player)
            ref.tell(Crash(boom))
            assert await ref.ask(Life()) == 2
            ref.tell(Crash(bang))
            ref.tell(Note("too late"))
            await trio.sleep_forever()

    fallen = caught.value.__cause__
    assert isinstance(fallen, SupervisorGaveUp)
    lost, late = Crash(bang), Note("too late")
    reason = "it ended (crashed: ValueError: bang), and its supervisor gave up"
    assert seen == [
        ActorStarted("sub/a", 1),
        ActorStarted("sub", 1),
        ActorStarted("b", 1),
        ActorStarted("", 1),
        DeadLetter("sub/a", Crash(boom), DeadReason.CRASHED, 0.0),
        ChildCrashed("sub/a", 1, boom, "Crash"),
        ChildRestarting("sub/a", 2, 2.0),
        ActorStarted("sub/a", 2),
        DeadLetter("sub/a", lost, DeadReason.CRASHED, 2.0),
        ChildCrashed("sub/a", 2, bang, "Crash"),
        GaveUp("sub", 1, 5.0),
        DeadLetter("sub/a", late, DeadReason.DOWN, 2.0),
        ActorStopped("sub/a", reason),
        ChildCrashed("sub", 1, fallen, None),
        GaveUp("system", 0, 5.0),
        ActorStopped(
            "sub", f"it ended (crashed: SupervisorGaveUp: {fallen}), and its supervisor gave up"
        ),
        ActorStopped("b", "its supervisor gave up"),
        ChildCrashed("", 1, caught.value, None),
    ]


async def test_poison_is_told_with_its_message(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    seen: list[RuntimeEvent] = []
    async with System(play.part("a", poison=1), observer=seen.append) as system:
        system.ref("a", Player).tell(Crash())
        await until(system, "a", "stopped")

    assert [type(event) for event in seen][-3:] == [ChildCrashed, Poisoned, ActorStopped]
    assert seen[-2] == Poisoned("a", "Crash", 1)


async def test_an_observer_that_raises_harms_nothing_and_is_logged(
    play: Play, autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    def observe(event: RuntimeEvent) -> None:
        raise RuntimeError("an observer's fault")

    with caplog.at_level(logging.ERROR, "trouper.runtime"):
        async with System(play.part("a", backoff=AT_ONCE), observer=observe) as system:
            ref = system.ref("a", Player)
            ref.tell(Crash())
            assert await ref.ask(Life()) == 2

    assert play.alive == set()
    assert "the observer failed on ActorStarted(path='a', life=1)" in caplog.text
    assert "an observer's fault" in caplog.text


async def test_an_observer_may_look_and_act(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    def observe(event: RuntimeEvent) -> None:
        if isinstance(event, ChildCrashed):
            assert system.snapshot(event.path)[0].in_hand
            system.ref("b", Player).tell(Note(event.path))
        if isinstance(event, ActorStopped) and event.path == "a":
            system.stop()

    async with System(
        play.part("a", restart="transient", backoff=AT_ONCE), play.part("b"), observer=observe
    ) as system:
        ref = system.ref("a", Player)
        ref.tell(Crash())
        assert await ref.ask(Life()) == 2
        ref.tell(Finish())
        await trio.sleep_forever()

    assert system.snapshot("b")[0].handled == 1
