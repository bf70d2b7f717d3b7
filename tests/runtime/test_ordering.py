"""In order, once, and nothing lost but what a crash has in hand."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import attrs
import trio
from hypothesis import given, settings, strategies as st
from trio.testing import MockClock

from tests.fakes.player import (
    Do,
    InTask,
    Note,
    after,
    answer,
    boom,
    player,
    playing,
)
from trouper.runtime import (
    Actor,
    ActorError,
    Backoff,
    Mailbox,
    System,
    child,
    on,
    supervisor,
)


@attrs.frozen
class Shout(Note):
    """A note of a kind that no handler names."""


class Listener(Actor[Note | Do | InTask]):
    """Writes down who said what; crashes on what says crash."""

    def __init__(self, heard: list[tuple[int, int]]) -> None:
        self.heard = heard

    @on(Note)
    async def note(self, message: Note) -> None:
        self.heard.append(message.text)  # type: ignore[arg-type]
        if type(message) is Shout:
            raise RuntimeError("crash")

    @on(Do)
    async def do(self, message: Do) -> None:
        await message.act(self)  # type: ignore[arg-type]

    @on(InTask, task=True)
    async def in_task(self, message: InTask) -> None:
        await message.act(self)  # type: ignore[arg-type]


steps = st.lists(
    st.tuples(
        st.sampled_from(["tell", "send", "ask", "ask and leave", "pause", "crash"]),
        st.sampled_from([0.0, 0.5, 1.0]),
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(steps, min_size=1, max_size=4),
    st.integers(1, 6),
    st.sampled_from(["reject", "drop_oldest", "drop_newest"]),
)
def test_messages_of_one_sender_are_handled_in_order_and_once(
    senders: list[list[tuple[str, float]]], capacity: int, policy: Any
) -> None:
    heard: list[tuple[int, int]] = []
    accepted: set[tuple[int, int]] = set()
    letters: list[tuple[int, int]] = []

    def write(pair: tuple[int, int]) -> Callable[[Any], Any]:
        async def act(actor: Any) -> None:
            actor.heard.append(pair)

        return act

    async def send_all(ref: Any, me: int, plan: list[tuple[str, float]]) -> None:
        for number, (how, pause) in enumerate(plan):
            pair = (me, number)
            with suppress(ActorError):
                match how:
                    case "tell":
                        ref.tell(Note(pair))
                    case "crash":
                        ref.tell(Shout(pair))
                    case "send":
                        await ref.send(Note(pair))
                    case "ask":
                        await ref.ask(Do(write(pair)))
                    case "ask and leave":
                        with trio.move_on_after(pause):
                            await ref.ask(Do(write(pair)))
                        continue
                    case _:
                        await trio.sleep(pause)
                        continue
                accepted.add(pair)

    async def main() -> None:
        spec = child(
            "ear",
            lambda: Listener(heard),
            mailbox=Mailbox(capacity, policy),
            backoff=Backoff(initial=0.5, maximum=0.5, first=0.5, jitter=0),
            poison=0,
        )
        async with System(spec, intensity=1000, signals=False) as system:
            ref = system.ref("ear", Listener)
            async with trio.open_nursery() as nursery:
                for me, plan in enumerate(senders):
                    nursery.start_soon(send_all, ref, me, plan)
            await trio.sleep(60)
        dead = [letter.message for letter in system.dead_letters]
        letters.extend(one.text for one in dead if isinstance(one, Note))  # type: ignore[misc]

    trio.run(main, clock=MockClock(autojump_threshold=0))

    assert len(heard) == len(set(heard)), "nothing is handled twice"
    for me in range(len(senders)):
        mine = [number for sender, number in heard if sender == me]
        assert mine == sorted(mine), "in the order sent"
    lost = accepted - set(heard)
    assert lost <= set(letters), "what was accepted is handled, or a dead letter"


async def test_a_crash_loses_the_message_in_hand_and_nothing_else(
    autojump_clock: MockClock,
) -> None:
    heard: list[object] = []
    async with playing(player("a", heard)) as stage:
        for number in range(10):
            stage["a"].tell(Note(number))
            if number % 3 == 0:
                stage["a"].tell(Do(boom(ValueError(number))))
        await trio.testing.wait_all_tasks_blocked()
        assert heard == list(range(10))
        assert [reason for reason, _ in stage.dead()] == ["crashed"] * 4
        assert stage.system.snapshot("a")[0].restarts == 4


async def test_a_subtree_that_restarts_with_a_sibling_keeps_what_waits(
    autojump_clock: MockClock,
) -> None:
    heard: list[object] = []
    tree = supervisor("sub", player("b", heard))
    async with playing(player("a"), tree, strategy="one_for_all") as stage:
        b = stage["sub/b"]
        b.tell(Do(after(1)))
        await trio.testing.wait_all_tasks_blocked()
        b.tell(Note("queued"))
        stage["a"].tell(Do(boom(ValueError())))
        assert await b.ask(Do(answer("answered after the restart"))) == "answered after the restart"
        assert heard == ["queued"]
        assert stage.system.snapshot("sub/b")[0].life == 2
