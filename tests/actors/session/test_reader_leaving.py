"""Who leaves a turn is let go and its turn ends, however full or broken the session is."""

import pytest
import trio
from trio.testing import MockClock

from tests.fakes.house import Listener, open_house
from tests.fakes.provider import DONE, FINISH, ROLE, Body, delta, sse
from trouper.actors.session.events import SessionEvent, StopReason, TextAdded, TurnEnded
from trouper.actors.session.messages import Detach, Prompt
from trouper.actors.session.reader import Turn
from trouper.runtime import ActorDown, MailboxFull

LONG = (ROLE, delta("once "), delta("upon "), 5.0, delta("a time"), 60.0, FINISH, DONE)


class Full:
    """The ref of a session whose mailbox is full while `full`."""

    def __init__(self) -> None:
        self.told: list[object] = []
        self.full = False

    @property
    def heard(self) -> list[str]:
        return [type(message).__name__ for message in self.told]

    async def ask(self, message: object) -> object:
        await trio.lowlevel.checkpoint()
        return 1 if isinstance(message, Prompt) else None

    def tell(self, message: object) -> None:
        if self.full:
            raise MailboxFull("sessions/s", 1_000)
        self.told.append(message)

    async def send(self, message: object) -> None:
        await trio.sleep_forever()


def text(seq: int) -> SessionEvent:
    return TextAdded(first=seq, seq=seq, turn=1, text="a")


def end(seq: int) -> SessionEvent:
    return TurnEnded(first=seq, seq=seq, turn=1, stop=StopReason.CANCELLED)


async def test_a_full_mailbox_takes_no_cancellation_from_who_leaves(
    autojump_clock: MockClock,
) -> None:
    # The bug: MailboxFull took the place of Cancelled, and the program went on behind its scope.
    ref = Full()
    with trio.move_on_after(1) as scope:
        async with Turn(ref, ()):  # type: ignore[arg-type]
            ref.full = True
            await trio.sleep_forever()

    assert scope.cancelled_caught
    assert ref.told == []


async def test_a_full_mailbox_hides_no_error_of_who_leaves(autojump_clock: MockClock) -> None:
    ref = Full()
    with pytest.raises(KeyError, match="mine"):
        async with Turn(ref, ()):  # type: ignore[arg-type]
            ref.full = True
            raise KeyError("mine")


async def test_a_full_mailbox_hides_not_why_a_turn_was_not_begun() -> None:
    class Refuses(Full):
        async def ask(self, message: object) -> object:
            if isinstance(message, Prompt):
                self.full = True
                raise KeyError("mine")
            return await super().ask(message)

    with pytest.raises(KeyError, match="mine"):
        async with Turn(Refuses(), ()):  # type: ignore[arg-type]
            pass


async def test_what_found_a_full_mailbox_is_told_in_order_with_the_next_event(
    autojump_clock: MockClock,
) -> None:
    # The bug: the turn ran on and was paid for, and its reader was attached for ever.
    ref = Full()
    turn = Turn(ref, ())  # type: ignore[arg-type]
    async with turn:
        ref.full = True
    turn.deliver(text(1))
    assert ref.told == []

    ref.full = False
    turn.deliver(text(2))
    turn.deliver(text(3))
    assert ref.heard == ["CancelTurn", "Detach"]


async def test_a_session_that_did_not_hear_of_it_is_told_again_behind_its_turn(
    autojump_clock: MockClock,
) -> None:
    # As where it crashed with that in its mailbox: its audience outlives it.
    ref = Full()
    turn = Turn(ref, ())  # type: ignore[arg-type]
    async with turn:
        pass
    assert ref.heard == ["CancelTurn", "Detach"]

    turn.deliver(text(1))
    turn.deliver(end(2))
    assert ref.heard == ["CancelTurn", "Detach", "Detach"]


async def test_a_turn_that_is_left_before_a_full_mailbox_ends_as_soon_as_there_is_room(
    autojump_clock: MockClock,
) -> None:
    async with open_house(Body(*LONG), sse("fine")) as house:
        session = await house.handle()
        ref = house.directory.find("s", owner="me")
        with pytest.raises(KeyError, match="while nobody reads"):
            async with session.prompt("tell") as turn:
                await anext(turn)
                with pytest.raises(MailboxFull):
                    while True:
                        ref.tell(Detach(Listener()))
                raise KeyError("out of the block, while nobody reads the mailbox")

        assert await session.ask("again") == "fine"
        assert trio.current_time() < 1
        assert (await session.transcript()).state.turns[0].stop == "cancelled"


async def test_a_session_that_has_ended_is_not_waited_for(autojump_clock: MockClock) -> None:
    class Down(Full):
        async def send(self, message: object) -> None:
            turn.deliver(end(1))
            raise ActorDown("sessions/s", "it ended")

    ref = Down()
    turn = Turn(ref, ())  # type: ignore[arg-type]
    async with turn:
        ref.full = True
    assert trio.current_time() == 0
