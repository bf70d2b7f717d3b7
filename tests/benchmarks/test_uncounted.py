"""The reference without counters handles messages as the runtime does, and counts nothing."""

import pytest

from tests.benchmarks import _uncounted
from tests.benchmarks._uncounted import CountersMoved, uncounted
from tests.fakes.players import Note, Notes, Play, Player
from trouper.runtime import System
from trouper.runtime.ref import Ref


async def handled(play: Play) -> int:
    async with System(play.part("a"), signals=False) as system:
        ref = system.ref("a", Player)
        ref.tell(Note("told"))
        await ref.send(Note("sent"))
        assert await ref.ask(Notes()) == ("told", "sent")
        (row,) = system.inspector.rows(["a"])
        return row.handled


async def test_a_message_is_handled_without_being_counted() -> None:
    with uncounted():
        assert await handled(Play()) == 0
    assert await handled(Play()) == 3


def test_a_function_that_counts_nothing_any_more_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_uncounted, "_COUNTED", ((Ref, "is_free_for"),))

    with pytest.raises(CountersMoved, match="is_free_for counts nothing"), uncounted():
        pass
