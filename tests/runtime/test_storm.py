"""A storm of askers, crashes, stops, cancels and timeouts: every ask ends, as it should.

What is right depends on what was asked: an answer is the answer to this very
question, and each error comes only where something happened that it tells of.
"""

import random
from collections import Counter
from math import inf
from typing import Any

import attrs
import pytest
import trio
from hypothesis import given, settings, strategies as st
from trio.testing import MockClock

from trouper.runtime import (
    Actor,
    ActorCrashed,
    ActorDown,
    ActorError,
    ActorUnavailable,
    AskCycle,
    AskTimeout,
    Backoff,
    ChildSpec,
    Mailbox,
    MailboxFull,
    Ref,
    Reject,
    Request,
    Sink,
    Streams,
    System,
    dynamic,
    on,
)

PEERS = 5


@attrs.frozen
class Order:
    """What a peer is to do with a question: itself, or with the help of others."""

    number: int
    what: str
    seconds: float
    onward: "tuple[Order, int] | None" = None

    def numbers(self) -> set[int]:
        return {self.number} | (self.onward[0].numbers() if self.onward else set())


@attrs.frozen(eq=False)
class Turn(Request[int]):
    order: Order


@attrs.frozen(eq=False)
class Aside(Request[int]):
    order: Order


@attrs.frozen(eq=False)
class InLine(Request[int]):
    order: Order


@attrs.frozen(eq=False)
class Run(Streams[int]):
    order: Order


KINDS = (Turn, Aside, InLine)


class Peer(Actor[Turn | Aside | InLine | Run]):
    """Works on orders, and counts how often it has begun each."""

    def __init__(self, begun: Counter[object]) -> None:
        self.begun = begun

    @on(Turn)
    async def turn(self, message: Turn) -> int:
        return await self.work(message)

    @on(Aside, task=True)
    async def aside(self, message: Aside) -> int:
        return await self.work(message)

    @on(InLine, task=True, limit=2)
    async def in_line(self, message: InLine) -> int:
        return await self.work(message)

    @on(Run)
    async def run(self, message: Run, sink: Sink[int]) -> None:
        for item in range(5):
            await sink.send(item)
            await trio.sleep(message.order.seconds / 5)
        await self.work(message)

    async def work(self, request: Turn | Aside | InLine | Run) -> int:
        self.begun[request] += 1
        order = request.order
        if order.seconds:
            await trio.sleep(order.seconds)
        match order.what:
            case "crash":
                raise ValueError(order.number)
            case "reject":
                raise Reject(str(order.number))
            case "stop":
                self.stop()
            case "ask" | "forward" | "both" if order.onward is not None:
                onward, peer = order.onward
                to = self.find(f"peers/{peer}", Peer)
                message = KINDS[onward.number % 3](onward)
                if order.what == "forward":
                    forwarded: int = to.forward(message)
                    return forwarded
                if order.what == "both":
                    async with trio.open_nursery() as nursery:
                        nursery.start_soon(to.ask, message, inf)
                        await to.ask(Aside(attrs.evolve(onward, what="answer", onward=None)), inf)
                elif await to.ask(message, timeout=inf) != onward.number:
                    raise AssertionError("an answer to another question")
            case _:
                pass
        return order.number


def check(error: ActorError, order: Order, timeout: float) -> None:
    """An error comes only where something happened that it tells of."""
    match error:
        case AskTimeout():
            assert timeout != inf
        case Reject():
            assert int(str(error)) in order.numbers()
        case ActorCrashed():
            assert error.__cause__ is not None
        case AskCycle():
            assert order.onward is not None
            assert len(error.cycle) > 1
        case _:
            assert error.path.startswith("peers")  # type: ignore[attr-defined]


class Storm:
    """The askers, and what they have seen."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.seen: Counter[str] = Counter()
        self.begun: Counter[object] = Counter()
        self.number = 0
        self.asked = self.ended = 0

    def order(self, depth: int = 0) -> Order:
        self.number += 1
        what = self.random.choices(
            ("answer", "crash", "reject", "stop", "ask", "forward", "both"),
            (10, 2, 2, 0.3, 6, 4, 3),
        )[0]
        onward = (self.order(depth + 1), self.random.randrange(PEERS)) if depth < 4 else None
        seconds = self.random.choice((0, 0, 0.1, 0.5, 2))
        return Order(self.number, what, seconds, onward)

    async def one(self, ref: Ref[Any]) -> None:
        order = self.order()
        timeout = self.random.choice((0.05, 1, 5, inf, inf))
        patience = self.random.choice((0.1, 2, inf, inf, inf))
        self.asked += 1
        outcome = "cancelled"
        with trio.move_on_after(patience):
            try:
                if self.random.random() < 0.2:
                    outcome = "left"
                    buffer = self.random.choice((0, 1, 16))
                    async with ref.stream(Run(order), buffer=buffer) as items:
                        got = [item async for item in items]
                        assert got == [0, 1, 2, 3, 4]
                    outcome = "streamed"
                elif self.random.random() < 0.1:
                    outcome = "not sent"
                    await ref.send(self.random.choice(KINDS)(order))
                    outcome = "sent"
                else:
                    answer = await ref.ask(self.random.choice(KINDS)(order), timeout=timeout)
                    assert answer == order.number or order.what == "forward"
                    outcome = "answered"
            except ActorError as error:
                outcome = type(error).__name__
                check(error, order, timeout)
        self.ended += 1
        self.seen[outcome] += 1

    async def asker(self, children: Any, asks: int) -> None:
        for _ in range(asks):
            peer = str(self.random.randrange(PEERS))
            ref = children.get(peer)
            if ref is None:
                try:
                    ref = await children.start(peer)
                except ActorError:
                    await trio.sleep(0.01)
                    continue
            await self.one(ref)

    async def meddler(self, children: Any) -> None:
        """Stops a peer now and then."""
        while True:
            await trio.sleep(self.random.uniform(0.5, 5))
            await children.stop(str(self.random.randrange(PEERS)))

    async def main(self, askers: int, asks: int, policy: Any, while_down: Any) -> None:
        peers = dynamic(
            "peers",
            lambda: Peer(self.begun),
            restart="transient",
            shutdown=1,
            while_down=while_down,
            poison=0,
            mailbox=Mailbox(self.random.choice((2, 16, 256)), policy),
            backoff=Backoff(initial=0.1, maximum=1, first=self.random.choice((0, 0.3))),
            intensity=1_000_000,
        )
        # Where an ask is lost, nothing else would end this.
        with trio.fail_after(100_000):
            await self.rage(peers, askers, asks)
        assert self.ended == self.asked

    async def rage(self, peers: ChildSpec, askers: int, asks: int) -> None:
        async with System(peers, signals=False) as system:
            children = system.children("peers", Peer)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.meddler, children)
                async with trio.open_nursery() as asking:
                    for _ in range(askers):
                        asking.start_soon(self.asker, children, asks)
                nursery.cancel_scope.cancel()
            await trio.sleep(30)
            for now in system.snapshot("peers")[1:]:
                assert now.in_hand == (), "nothing is in hand that nobody waits for"
            env = system._environment
            lives = {getattr(cell.life, "task", None) for cell in env.cells.values()}
            assert not env.hands.keys() - lives, "no task acts for a message that is done"


KNOWN = {
    *("answered", "streamed", "sent", "not sent", "cancelled", "left"),
    *(
        error.__name__
        for error in (
            ActorCrashed,
            ActorDown,
            ActorUnavailable,
            AskCycle,
            AskTimeout,
            MailboxFull,
            Reject,
        )
    ),
}


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**32),
    st.integers(1, 30),
    st.sampled_from(["reject", "drop_oldest", "drop_newest"]),
    st.sampled_from(["queue", "reject"]),
)
def test_in_any_storm_every_ask_ends_as_it_should(
    seed: int, askers: int, policy: str, while_down: str
) -> None:
    storm = Storm(seed)
    trio.run(storm.main, askers, 8, policy, while_down, clock=MockClock(autojump_threshold=0))

    assert set(storm.seen) <= KNOWN
    assert max(storm.begun.values(), default=1) == 1, "nothing is begun twice"


@pytest.mark.parametrize("policy", ["reject", "drop_oldest"])
def test_in_a_long_storm_each_outcome_is_met(policy: str) -> None:
    storm = Storm(7)
    trio.run(storm.main, 60, 60, policy, "queue", clock=MockClock(autojump_threshold=0))

    assert set(storm.seen) >= {"answered", "streamed", "sent", "cancelled", "ActorCrashed"}
    assert set(storm.seen) >= {"ActorDown", "AskCycle", "AskTimeout", "Reject"}
