"""Bounded mailboxes: what waits, in what order, and what becomes of one message too many."""

from math import inf

import attrs
import pytest
import trio
from trio.testing import MockClock

from tests.fakes.player import (
    Do,
    Note,
    Player,
    after,
    answer,
    boom,
    elapsed,
    player,
    playing,
)
from trouper.runtime import (
    ActorDown,
    Backoff,
    DeadReason,
    Mailbox,
    MailboxFull,
    Reject,
)


@attrs.frozen
class Shout(Note):
    """A note of a kind that no handler names."""


def test_a_mailbox_holds_at_least_one_message_and_has_a_known_policy() -> None:
    assert Mailbox() == Mailbox(1024, "reject")
    with pytest.raises(ValueError, match="capacity"):
        Mailbox(0)
    with pytest.raises(ValueError, match="overflow"):
        Mailbox(1, "drop_all")  # type: ignore[arg-type]


async def test_tell_neither_blocks_nor_lets_others_run(autojump_clock: MockClock) -> None:
    heard: list[object] = []
    async with playing(player("a", heard)) as stage:
        for number in range(100):
            stage["a"].tell(Note(number))
        assert heard == []
        await trio.testing.wait_all_tasks_blocked()
        assert heard == list(range(100))


async def test_reject_raises_at_the_sender_and_keeps_what_waits(
    autojump_clock: MockClock,
) -> None:
    heard: list[object] = []
    async with playing(player("a", heard, mailbox=Mailbox(2))) as stage:
        for number in range(2):
            stage["a"].tell(Note(number))
        with pytest.raises(MailboxFull, match="holds 2 messages already; use send") as caught:
            stage["a"].tell(Note("one too many"))
        assert (caught.value.path, caught.value.capacity) == ("a", 2)
        await trio.testing.wait_all_tasks_blocked()
        assert heard == [0, 1]
        assert stage.dead() == []


async def test_drop_newest_makes_the_newcomer_a_dead_letter(autojump_clock: MockClock) -> None:
    heard: list[object] = []
    async with playing(player("a", heard, mailbox=Mailbox(2, "drop_newest"))) as stage:
        for number in range(4):
            stage["a"].tell(Note(number))
        watch = elapsed()
        with pytest.raises(MailboxFull):
            await stage["a"].ask(Do(answer(1)))
        assert watch() == 0
        await trio.testing.wait_all_tasks_blocked()
        assert heard == [0, 1]
        assert stage.dead() == [("overflow", 2), ("overflow", 3)]


async def test_drop_oldest_makes_room_for_the_newcomer(autojump_clock: MockClock) -> None:
    heard: list[object] = []
    async with playing(player("a", heard, mailbox=Mailbox(2, "drop_oldest"))) as stage:
        for number in range(4):
            stage["a"].tell(Note(number))
        await trio.testing.wait_all_tasks_blocked()
        assert heard == [2, 3]
        assert stage.dead() == [("overflow", 0), ("overflow", 1)]


async def test_an_ask_that_is_dropped_is_told_at_once(autojump_clock: MockClock) -> None:
    told: list[float] = []
    async with playing(player("a", mailbox=Mailbox(1, "drop_oldest"))) as stage:
        watch = elapsed()
        stage["a"].tell(Do(after(9)))
        await trio.testing.wait_all_tasks_blocked()
        async with trio.open_nursery() as nursery:

            async def ask() -> None:
                with pytest.raises(MailboxFull):
                    await stage["a"].ask(Do(answer(1)), timeout=inf)
                told.append(watch())

            nursery.start_soon(ask)
            await trio.testing.wait_all_tasks_blocked()
            stage["a"].tell(Note("newer"))
    assert told == [0]


@pytest.mark.parametrize("waiting", [1, 3])
async def test_drop_oldest_keeps_the_newest_though_others_wait_for_room(
    waiting: int, autojump_clock: MockClock
) -> None:
    heard: list[object] = []
    spec = player("a", heard, mailbox=Mailbox(2, "drop_oldest"))
    async with playing(spec) as stage, trio.open_nursery() as nursery:
        stage["a"].tell(Do(after(1)))
        await trio.testing.wait_all_tasks_blocked()
        for number in range(2):
            stage["a"].tell(Note(number))
        for number in range(waiting):
            nursery.start_soon(stage["a"].send, Note(f"sent {number}"))
            await trio.testing.wait_all_tasks_blocked()
        stage["a"].tell(Note("newest"))
        await trio.sleep(2)
        assert heard == [f"sent {waiting - 1}", "newest"]
        assert len(stage.dead()) == 1 + waiting


async def test_send_waits_for_room(autojump_clock: MockClock) -> None:
    heard: list[object] = []
    async with playing(player("a", heard, mailbox=Mailbox(1))) as stage:
        watch = elapsed()
        stage["a"].tell(Do(after(2)))
        await stage["a"].send(Note("there is room"))
        assert watch() == 0
        await stage["a"].send(Note("there is none"))
        assert watch() == 2
        await stage["a"].ask(Do(answer(1)))
        assert heard == ["there is room", "there is none"]


async def test_a_handler_may_wait_for_room_elsewhere(autojump_clock: MockClock) -> None:
    async def send_to_b(actor: Player) -> float:
        for number in range(3):
            await actor.find("b", Player).send(Note(number))
        return watch()

    heard: list[object] = []
    async with playing("a", player("b", heard, mailbox=Mailbox(1))) as stage:
        watch = elapsed()
        stage["b"].tell(Do(after(2)))
        assert await stage["a"].ask(Do(send_to_b)) == 2
        await stage["b"].ask(Do(answer(1)))
        assert heard == [0, 1, 2]


async def test_a_sender_that_is_cancelled_while_it_waits_has_sent_nothing(
    autojump_clock: MockClock,
) -> None:
    heard: list[object] = []
    async with playing(player("a", heard, mailbox=Mailbox(1))) as stage:
        stage["a"].tell(Do(after(2)))
        await stage["a"].send(Note("sent"))
        with trio.move_on_after(1) as scope:
            await stage["a"].send(Note("not sent"))
        await trio.sleep(2)
        assert scope.cancelled_caught
        assert heard == ["sent"]


async def test_senders_that_wait_are_told_when_the_actor_stops(
    autojump_clock: MockClock,
) -> None:
    told: list[tuple[str, float]] = []
    spec = player("a", mailbox=Mailbox(1), restart="temporary")
    async with playing(spec) as stage, trio.open_nursery() as nursery:
        watch = elapsed()
        stage["a"].tell(Do(boom(ValueError("the end"), seconds=1)))
        await trio.testing.wait_all_tasks_blocked()
        stage["a"].tell(Note("in the mailbox"))

        async def send() -> None:
            with pytest.raises(ActorDown, match="the end"):
                await stage["a"].send(Note("not accepted"))
            told.append(("ActorDown", watch()))

        for _ in range(2):
            nursery.start_soon(send)
    assert told == [("ActorDown", 1)] * 2
    assert ("down", "in the mailbox") in stage.dead()
    assert "not accepted" not in [text for _, text in stage.dead()]


async def test_sending_to_a_dead_actor_raises_and_telling_makes_a_dead_letter(
    autojump_clock: MockClock,
) -> None:
    async with playing(player("a", restart="temporary")) as stage:
        stage["a"].tell(Do(boom(ValueError())))
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(ActorDown):
            await stage["a"].send(Note("sent"))
        stage["a"].tell(Note("told"))
        assert stage.dead()[1:] == [("down", "told")]


async def test_refusing_asks_while_down_keeps_messages_in_order_though_senders_wait(
    autojump_clock: MockClock,
) -> None:
    heard: list[object] = []
    backoff = Backoff(first=3, jitter=0)
    spec = player("a", heard, mailbox=Mailbox(2), backoff=backoff, while_down="reject")
    async with playing(spec) as stage, trio.open_nursery() as nursery:
        stage["a"].tell(Do(boom(ValueError(), seconds=1)))
        await trio.testing.wait_all_tasks_blocked()
        for number in range(2):
            stage["a"].tell(Note(number))
        nursery.start_soon(stage["a"].send, Note("waits for room"))
        await trio.sleep(5)
        assert heard == [0, 1, "waits for room"]


# Dead letters.


async def test_each_dead_letter_says_why(autojump_clock: MockClock) -> None:
    refuse = Note("no handler takes this away")
    async with playing(
        player("a", mailbox=Mailbox(1, "drop_newest"), shutdown=1, restart="temporary"),
        player("b", backoff=Backoff(first=9, jitter=0), while_down="reject"),
    ) as stage:
        a, b = stage["a"], stage["b"]
        a.tell(Do(boom(Reject("refused"))))
        await trio.testing.wait_all_tasks_blocked()
        a.tell(Stranger())
        await trio.testing.wait_all_tasks_blocked()
        b.tell(Do(boom(ValueError())))
        await trio.testing.wait_all_tasks_blocked()
        b.tell(refuse)
        a.tell(Do(after(60)))
        await trio.testing.wait_all_tasks_blocked()
        a.tell(Note("queued"))
        a.tell(Note("one too many"))
        stage.system.stop()
        await stage.system.stopped()
        letters = [(d.path, d.reason) for d in stage.system.dead_letters]

    assert letters == [
        ("a", DeadReason.REFUSED),
        ("a", DeadReason.UNKNOWN),
        ("b", DeadReason.CRASHED),
        ("b", DeadReason.UNAVAILABLE),
        ("a", DeadReason.OVERFLOW),
        ("a", DeadReason.STOPPED),
        ("a", DeadReason.DOWN),
    ]
    assert {reason for _, reason in letters} == set(DeadReason)


class Stranger:
    pass


async def test_the_last_dead_letters_are_kept_and_no_more(autojump_clock: MockClock) -> None:
    async with playing(player("a", restart="temporary")) as stage:
        stage["a"].tell(Do(boom(ValueError())))
        await trio.testing.wait_all_tasks_blocked()
        for number in range(1000):
            stage["a"].tell(Note(number))
        assert len(stage.system.dead_letters) == 256
        assert stage.dead()[-1] == ("down", 999)


async def test_a_message_of_a_subclass_goes_to_the_handler_of_its_base(
    autojump_clock: MockClock,
) -> None:
    heard: list[object] = []
    async with playing(player("a", heard)) as stage:
        stage["a"].tell(Shout("loud"))
        await trio.testing.wait_all_tasks_blocked()
        assert heard == ["loud"]


async def test_a_busy_actor_lets_others_run_after_every_32_messages(
    autojump_clock: MockClock,
) -> None:
    heard: list[object] = []
    between: list[int] = []
    async with playing(player("a", heard)) as stage:
        for number in range(320):
            stage["a"].tell(Note(number))
        while len(heard) < 320:
            seen = len(heard)
            await trio.lowlevel.checkpoint()
            between.append(len(heard) - seen)
    # trio shuffles the tasks of a pass, so it may have two turns in a row.
    assert max(between) <= 64


async def test_the_queue_is_where_the_snapshot_looks_for_it(autojump_clock: MockClock) -> None:
    """The runtime reads trio's own deque, which no public name shows."""
    async with playing("a") as stage:
        stage["a"].tell(Do(after(5)))
        await trio.testing.wait_all_tasks_blocked()
        for number in range(3):
            stage["a"].tell(Note(number))
        await trio.sleep(1)
        queue = stage["a"]._cell.receiving._state.data
        assert [envelope.message.text for envelope in queue] == [0, 1, 2]
        now = stage.system.snapshot("a")[0]
        assert (now.depth, now.oldest) == (3, 1)
