"""A gate hands a request on with its reply, and is free for the next one."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from tests.fakes.player import (
    Act,
    Do,
    InTask,
    Items,
    Limited,
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
    ActorCrashed,
    ActorDown,
    AskTimeout,
    Mailbox,
    MailboxFull,
    Reject,
    Sink,
    SpecError,
)


def forward_to(path: str, message: Any) -> Act:
    async def act(actor: Player) -> Any:
        return actor.find(path, Player).forward(message)

    return act


kinds = pytest.mark.parametrize("kind", [Do, InTask, Limited])


@kinds
async def test_the_answer_travels_straight_to_who_asked(
    kind: Any, autojump_clock: MockClock
) -> None:
    async with playing("gate", "b") as stage:
        watch = elapsed()
        gate = stage["gate"]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(
                gate.ask, kind(forward_to("b", Do(after(3, "slow")))), name="through the gate"
            )
            await trio.testing.wait_all_tasks_blocked()
            # The gate is free while b works.
            assert await gate.ask(kind(answer("gate"))) == "gate"
            assert watch() == 0
        assert watch() == 3


@kinds
@pytest.mark.parametrize(
    ("act", "error"),
    [(boom(Reject("no")), Reject), (boom(ValueError()), ActorCrashed)],
    ids=["Reject", "crash"],
)
async def test_what_ends_the_forwarded_request_ends_the_ask(
    act: Act, error: type[Exception], kind: Any, autojump_clock: MockClock
) -> None:
    async with playing("gate", "b") as stage:
        watch = elapsed()
        with pytest.raises(error):
            await stage["gate"].ask(Do(forward_to("b", kind(act))))
        assert watch() == 0
        assert stage.system.snapshot("gate")[0].life == 1


async def test_a_request_may_be_forwarded_many_times(autojump_clock: MockClock) -> None:
    async with playing("a", "b", "c", "d") as stage:
        hops = Do(forward_to("b", InTask(forward_to("c", Do(forward_to("d", Do(answer(1))))))))
        assert await stage["a"].ask(hops) == 1


async def test_forwarding_to_a_full_mailbox_tells_the_asker(autojump_clock: MockClock) -> None:
    async with playing("gate", player("b", mailbox=Mailbox(1))) as stage:
        stage["b"].tell(Do(after(9)))
        await trio.testing.wait_all_tasks_blocked()
        stage["b"].tell(Note("fills it"))
        watch = elapsed()
        with pytest.raises(MailboxFull) as caught:
            await stage["gate"].ask(Do(forward_to("b", Do(answer(1)))))
        assert caught.value.path == "b"
        assert watch() == 0


@pytest.mark.parametrize("policy", ["drop_newest", "drop_oldest"])
async def test_a_forwarded_request_that_is_dropped_tells_the_asker(
    policy: Any, autojump_clock: MockClock
) -> None:
    async with playing("gate", player("b", mailbox=Mailbox(1, policy))) as stage:
        stage["b"].tell(Do(after(9)))
        await trio.testing.wait_all_tasks_blocked()
        stage["b"].tell(Note("fills it"))
        watch = elapsed()
        async with trio.open_nursery() as nursery:

            async def through() -> None:
                with pytest.raises(MailboxFull):
                    await stage["gate"].ask(Do(forward_to("b", Do(answer(1)))))
                assert watch() == 0

            nursery.start_soon(through)
            await trio.testing.wait_all_tasks_blocked()
            if policy == "drop_oldest":
                stage["b"].tell(Note("drops the forwarded one"))


async def test_forwarding_to_a_dead_actor_tells_the_asker(autojump_clock: MockClock) -> None:
    async with playing("gate", player("b", restart="temporary")) as stage:
        stage["b"].tell(Do(boom(ValueError())))
        await trio.testing.wait_all_tasks_blocked()
        watch = elapsed()
        with pytest.raises(ActorDown, match="b: it ended"):
            await stage["gate"].ask(Do(forward_to("b", Do(answer(1)))))
        assert watch() == 0


async def test_a_gate_may_try_another_where_the_first_is_down(autojump_clock: MockClock) -> None:
    async def try_both(actor: Player) -> Any:
        try:
            return actor.find("b", Player).forward(Do(answer("from b")))
        except ActorDown:
            return actor.find("c", Player).forward(Do(answer("from c")))

    async with playing("gate", player("b", restart="temporary"), "c") as stage:
        stage["b"].tell(Do(boom(ValueError())))
        await trio.testing.wait_all_tasks_blocked()
        assert await stage["gate"].ask(Do(try_both)) == "from c"


async def test_an_asker_that_leaves_cancels_the_task_its_request_was_forwarded_to(
    autojump_clock: MockClock,
) -> None:
    trace: list[str] = []

    async def long(_: Player) -> None:
        try:
            await trio.sleep(60)
        except trio.Cancelled:
            trace.append("cancelled")
            raise

    async with playing("gate", "b") as stage:
        with pytest.raises(AskTimeout):
            await stage["gate"].ask(InTask(forward_to("b", InTask(long))), timeout=1)
        await trio.testing.wait_all_tasks_blocked()
        assert trace == ["cancelled"]


async def test_what_a_gate_does_after_it_forwarded_is_its_own_affair(
    autojump_clock: MockClock,
) -> None:
    async def forward_and_crash(actor: Player) -> None:
        actor.find("b", Player).forward(Do(after(1, "answered by b")))
        raise ValueError

    async def forward_and_refuse(actor: Player) -> None:
        actor.find("b", Player).forward(Do(answer("answered by b")))
        raise Reject("too late")

    async def forward_and_forget(actor: Player) -> str:
        actor.find("b", Player).forward(Do(answer("answered by b")))
        return "not this"

    async with playing("gate", "b") as stage:
        for act in (forward_and_crash, forward_and_refuse, forward_and_forget):
            assert await stage["gate"].ask(Do(act)) == "answered by b"
        reasons = [reason for reason, _ in stage.dead()]
        assert reasons == ["crashed", "refused"]


async def test_a_request_is_handed_on_once(autojump_clock: MockClock) -> None:
    async def twice(actor: Player) -> Any:
        actor.find("b", Player).forward(Do(answer(1)))
        with pytest.raises(SpecError, match="no request in hand"):
            actor.find("b", Player).forward(Do(answer(2)))

    async with playing("gate", "b") as stage:
        assert await stage["gate"].ask(Do(twice)) == 1


async def test_only_a_handler_that_owes_an_answer_forwards(autojump_clock: MockClock) -> None:
    failed: list[str] = []

    async def forward(actor: Player) -> None:
        try:
            actor.find("b", Player).forward(Do(answer(1)))
        except SpecError as error:
            failed.append(str(error))

    async with playing("gate", "b") as stage:
        with pytest.raises(SpecError, match="forward to b: there is no request in hand"):
            stage["b"].forward(Do(answer(1)))
        stage["gate"].tell(Do(forward))
        await stage["gate"].ask(Do(answer(1)))
        assert failed == ["forward to b: there is no request in hand to hand on"]


async def count_to(number: int) -> AsyncIterator[int]:
    for item in range(number):
        yield item


async def test_a_stream_is_forwarded_with_its_reader(autojump_clock: MockClock) -> None:
    async def three(_: Player, sink: Sink[Any]) -> None:
        async for item in count_to(3):
            await sink.send(item)

    async def onward(actor: Player, _: Sink[Any]) -> None:
        return actor.find("b", Player).forward(Items(three))

    async with playing("gate", "b") as stage, stage["gate"].stream(Items(onward)) as items:
        assert [item async for item in items] == [0, 1, 2]


async def test_a_stream_is_not_forwarded_as_an_ask_nor_an_ask_as_a_stream(
    autojump_clock: MockClock,
) -> None:
    refused: list[str] = []

    async def stream_as_ask(actor: Player, sink: Sink[Any]) -> None:
        try:
            actor.find("b", Player).forward(Do(answer(1)))
        except SpecError as error:
            refused.append(str(error))

    async def ask_as_stream(actor: Player) -> None:
        try:
            actor.find("b", Player).forward(Items(stream_as_ask))
        except SpecError as error:
            refused.append(str(error))

    async with playing("gate", "b") as stage:
        async with stage["gate"].stream(Items(stream_as_ask)) as items:
            assert [item async for item in items] == []
        await stage["gate"].ask(Do(ask_as_stream))
        assert refused == ["forward to b: Do is no Streams", "forward to b: Items is no Request"]
