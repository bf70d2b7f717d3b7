"""A long conversation that is kept: what was left out of it, told or forgotten stays so after a
restart. In virtual time."""

from trio.testing import MockClock

from tests.fakes.house import Listener, open_house, said
from tests.fakes.memory_journal import MemoryJournal
from tests.fakes.model import Model
from tests.fakes.provider import sse
from tests.fakes.talk import open_talk, texts
from trouper.actors.chat import TextPart
from trouper.actors.session.export import stored_state
from trouper.actors.session.messages import Attach, Prompt
from trouper.actors.session.state import conversation
from trouper.actors.session.turn import MAX_HISTORY

OPENING = "[Summary of the earlier part of this conversation]\n"


async def test_a_summary_is_not_written_again_after_a_restart(autojump_clock: MockClock) -> None:
    journal, model = MemoryJournal(), Model(1_500)
    async with open_talk("summarise", journal=journal, a=model) as talk:
        await talk.talk(28)
    summaries, shown = len(model.summaries), texts(model.bodies[-1])[1]
    again = Model(1_500)
    async with open_talk("summarise", journal=journal, a=again) as talk:
        await talk.talk(1)
        history = await said(talk.ref)

    kept = stored_state("s", None, await journal.read("s", limit=1_000)).summary
    assert kept is not None
    assert shown.startswith(f"{OPENING}{kept.text}")
    assert summaries > 1
    assert again.summaries == []
    assert texts(again.bodies[0])[1].startswith(f"{OPENING}{kept.text}")
    assert len(history) == 58


async def test_what_was_forgotten_at_the_bound_does_not_come_back(
    autojump_clock: MockClock,
) -> None:
    journal = MemoryJournal()
    async with open_house(sse("first"), sse("second"), sse("third"), journal=journal) as house:
        ref, listener = await house.open(id="s"), Listener()
        await ref.ask(Attach(listener))
        for turn, text in enumerate(("x" * 100, "y" * (MAX_HISTORY - 110), "five more"), 1):
            await ref.ask(Prompt((TextPart(text),)))
            await listener.ended(turn)
        before = await said(ref)
    async with open_house(journal=journal) as house:
        after = await said(await house.directory.reach("s", owner="me"))

    assert before == after == [("user", "five more"), ("assistant", "third")]
    state = stored_state("s", None, await journal.read("s"))
    assert [message.text for message in conversation(state)] == ["five more", "third"]
    assert state.number == 3
