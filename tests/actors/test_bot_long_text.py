"""A text over the window, sent to a bot: in parts where it may, in words where it may not."""

import trio

from tests.fakes.bots import open_bot, said, summarize
from tests.fakes.simulator import SimulatorProcess
from trouper.actors import Bot


async def test_without_leave_to_break_it_up_a_long_text_is_an_error_in_words(
    simulator: SimulatorProcess,
) -> None:
    async with open_bot(simulator, window=200) as (bot, _):
        [line] = await said(bot, "!default " + "why " * 500)

    assert line.startswith("That did not work: ")
    assert "say less at once" in line
    assert simulator.requests() == []


async def test_a_text_that_takes_too_many_parts_is_not_begun(simulator: SimulatorProcess) -> None:
    text = "!default " + "why " * 5_000
    async with open_bot(simulator, window=600, long_text="split") as (bot, _):
        [line] = await said(bot, text)
    async with open_bot(simulator, window=100, long_text="split") as (bot, _):
        [other] = await said(bot, text)

    assert "more than I may read in 20 parts; send less of it." in line
    assert "more than I may read in 20 parts; send less of it." in other
    assert simulator.requests() == []


async def test_a_text_that_fits_is_not_broken_up(simulator: SimulatorProcess) -> None:
    async with open_bot(simulator, summarize, window=600, long_text="split") as (bot, _):
        assert await said(bot, "!default hello") == ["You said: hello"]
        assert await said(bot, "!default " + "why " * 300) != []
    async with open_bot(simulator, long_text="split") as (bot, _):
        assert await said(bot, "!default hello") == ["You said: hello"]


async def test_answers_that_are_too_long_together_are_said_one_by_one(
    simulator: SimulatorProcess,
) -> None:
    simulator.script({"contains": "This is part", "reply": {"text": "long, " * 150}})
    async with open_bot(simulator, window=600, long_text="split") as (bot, _):
        lines = await said(bot, "!default Read: " + "why " * 700)

    at = lines.index("The answers are too long together, too; here they are one by one.")
    assert lines[at + 1].startswith("Part 1: long, long,")


async def test_many_answers_become_fewer_before_they_become_one(
    simulator: SimulatorProcess,
) -> None:
    simulator.script(
        {"contains": "This is part", "reply": {"text": "long, " * 30}},
        {"contains": "Put them together", "reply": {"text": "short"}},
    )
    async with open_bot(simulator, window=600, long_text="split") as (bot, _):
        lines = await said(bot, "!default Read: " + "why " * 2_000)

    parts = lines[-3]
    assert lines[-2].startswith(f"{parts.split()[3]} answers have become ")
    assert lines[-1] == "short"


async def test_one_stops_the_reading_of_a_long_text(
    simulator: SimulatorProcess, nursery: trio.Nursery
) -> None:
    simulator.script({"reply": {"text": "one " * 500, "pace": 0.05}})
    async with open_bot(simulator, window=600, long_text="split") as (bot, _):
        lines: list[str] = []
        async for line in bot.respond("ann", "!default Read: " + "why " * 700):
            lines.append(line)
            if len(lines) == 1:
                # It has been told, and the first part is about to be read.
                nursery.start_soon(stop_later, bot)

    assert lines[1:] == ["(Stopped.)"]


async def stop_later(bot: Bot) -> None:
    await trio.sleep(0.2)
    assert await said(bot, "!stop") == []
