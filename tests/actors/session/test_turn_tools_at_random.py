"""Turns with tools, leave, cancels, titles and switches, all at once and on a slow journal: what
clients were told has no gap, and is what they are told after a restart. In virtual time."""

from collections.abc import Mapping
from itertools import pairwise
from random import Random
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from tests.fakes.acting import Bench, answer, calling, wants
from tests.fakes.history import history_of
from tests.fakes.house import Listener, open_house
from tests.fakes.memory_journal import MemoryJournal
from tests.fakes.provider import DONE, FINISH, ROLE, Body, delta
from trouper.actors.chat import TextPart, ToolCallPart
from trouper.actors.session.events import PermissionAsked, SessionEvent, TextAdded, ToolEnded
from trouper.actors.session.messages import (
    Attach,
    CancelTurn,
    GetTranscript,
    Permit,
    Prompt,
    Retitle,
    SessionMessage,
    SwitchModel,
)
from trouper.runtime import Ref

TURNS = 5

# Told while it lasts, and not written down.
PASSING = ("ToolProgressed", "PermissionAsked", "PermissionSettled")


class Slow(MemoryJournal):
    """A journal on a disk that has other things to do."""

    def __init__(self, random: Random) -> None:
        super().__init__()
        self._random = random

    async def append(self, *args: Any, **more: Any) -> int:
        await trio.sleep(self._random.choice([0.0, 0.01, 0.3]))
        return await super().append(*args, **more)


class Model(list[Any]):
    """Answers that call tools half of the time."""

    def __init__(self, random: Random) -> None:
        super().__init__()
        self._random = random

    def pop(self, _index: object = 0) -> Body:
        random = self._random
        if random.random() < 0.5:
            return calling(*(self._call() for _ in range(random.randrange(1, 4))), text="so ")
        if random.random() < 0.5:
            return answer("yes", "no", tokens=(10, 2))
        return Body(ROLE, delta("a"), 0.5, delta("b"), 0.5, delta("c"), FINISH, DONE)

    def _call(self) -> dict[str, Any]:
        id, seconds = f"c{self._random.randrange(10**9)}", self._random.choice([0.0, 0.2, 3.0])
        if self._random.random() < 0.3:
            return wants("report", id=id, times=3, between=0.2)
        return wants(self._random.choice(["work", "look", "none"]), id=id, name=id, seconds=seconds)


class Person(Listener):
    """Answers some of what is asked, some time later."""

    def __init__(self, random: Random, nursery: trio.Nursery, ref: Ref[SessionMessage]) -> None:
        super().__init__()
        self._random, self._nursery, self._ref = random, nursery, ref

    def deliver(self, event: SessionEvent) -> None:
        super().deliver(event)
        if isinstance(event, PermissionAsked) and self._random.random() < 0.8:
            self._nursery.start_soon(self._permit, event.call_id)

    async def _permit(self, call_id: str) -> None:
        await trio.sleep(self._random.choice([0.0, 0.1, 1.0]))
        await self._ref.ask(Permit(call_id, self._random.random() < 0.7))

    async def meddle(self) -> None:
        """Want this and that, for ever."""
        number = 0
        while True:
            await trio.sleep(self._random.uniform(0.05, 2.0))
            number += 1
            want = self._random.choice([Retitle(f"t{number}"), SwitchModel("large"), None])
            if want is None:
                self._ref.tell(CancelTurn())
            else:
                await self._ref.ask(want, timeout=60.0)


def whole(events: list[SessionEvent]) -> list[object]:
    """What was told, without what was told in passing; texts that follow each other are one."""
    told: list[object] = []
    for event in events:
        if type(event).__name__ in PASSING:
            continue
        if isinstance(event, TextAdded):
            if told and isinstance(told[-1], str):
                told[-1] += event.text
            else:
                told.append(event.text)
        else:
            told.append((type(event).__name__, event.seq, event.turn))
    return told


def gapless(events: list[SessionEvent]) -> bool:
    return all(later.first == earlier.seq + 1 for earlier, later in pairwise(events))


def takes_long(arguments: Mapping[str, Any]) -> bool:
    return bool(arguments.get("seconds", 0.0) > 0)


@pytest.mark.parametrize("seed", range(12))
async def test_whatever_happens_is_told_without_a_gap_and_again_after_a_restart(
    autojump_clock: MockClock, seed: int
) -> None:
    random = Random(seed)
    journal, bench = Slow(random), Bench()
    tools = bench.tools(approval=takes_long)
    async with open_house(tools=tools, journal=journal, approval_seconds=5.0) as house:
        house.answers.answers = Model(random)
        ref = await house.open(id="s")
        async with trio.open_nursery() as nursery:
            listener = Person(random, nursery, ref)
            await ref.ask(Attach(listener))
            nursery.start_soon(listener.meddle)
            for _ in range(TURNS):
                turn = await ref.ask(Prompt((TextPart("go"),)), timeout=60.0)
                await listener.ended(turn)
            nursery.cancel_scope.cancel()
        before = (await ref.ask(GetTranscript())).state
        history = await history_of(ref)

    events = listener.events
    assert gapless(events)
    assert events[0].first == 1
    # No tool was run twice, and each call has one end.
    assert len(set(bench.ran)) == len(bench.ran)
    ends = [event.call_id for event in events if isinstance(event, ToolEnded)]
    calls = [part.id for said in history for part in said.parts if isinstance(part, ToolCallPart)]
    assert sorted(ends) == sorted(calls)

    async with open_house(journal=journal) as house:
        ref = await house.directory.reach("s", owner="me")
        assert (await ref.ask(GetTranscript())).state == before
        assert await history_of(ref) == history
        for event in [None, *events]:
            seen, again = 0 if event is None else event.seq, Listener()
            await ref.ask(Attach(again, after=seen))
            assert gapless(again.events)
            assert whole(again.events) == whole([one for one in events if one.seq > seen])
