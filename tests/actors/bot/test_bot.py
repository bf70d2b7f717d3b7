"""What a bot says to people on a chat network: the simulated provider is behind it."""

from contextlib import aclosing

import pytest
import structlog
import trio
from structlog.testing import capture_logs

from tests.fakes.bots import ASKED, calls, open_bot, said, summarize
from tests.fakes.simulator import SimulatorProcess
from trouper.actors.bot import session_id
from trouper.actors.session.events import PermissionAsked

# The three conversations of the requirements.


async def test_what_can_you_do_is_answered_with_the_tools(simulator: SimulatorProcess) -> None:
    answer = "I can help you with tools like:\n\n- summarize: Shorten a text"
    simulator.script({"contains": "What can you do?", "reply": {"text": answer}})
    async with open_bot(simulator, summarize) as (bot, _):
        assert await said(bot, "!default What can you do?") == [
            "I can help you with tools like:",
            "- summarize: Shorten a text",
        ]

    # The model knows them from the request, and where it has no place for tools, from its prompt.
    body = simulator.requests()[-1]["body"]
    assert [one["function"]["name"] for one in body["tools"]] == ["summarize"]
    assert body["messages"][0]["content"] == (
        "You can use:\n- summarize: Shorten a text to its main points."
    )
    assert body["messages"][-1]["content"] == "What can you do?"


async def test_summarize_this_text_runs_a_tool(simulator: SimulatorProcess) -> None:
    simulator.script(
        {
            **calls("summarize", text="Once upon a time"),
            "reply": {
                "text": "Let me help you with that.",
                "tool_calls": [{"name": "summarize", "arguments": {"text": "Once upon a time"}}],
            },
        },
        {"reply": {"text": "Here is the summary: Once and so on"}},
    )
    async with open_bot(simulator, summarize) as (bot, _):
        assert await said(bot, "!default Summarize this text") == [
            "Let me help you with that.",
            "Using the summarize tool...",
            "Here is the summary: Once and so on",
        ]

    [result] = [
        message
        for message in simulator.requests()[-1]["body"]["messages"]
        if message["role"] == "tool"
    ]
    assert result["content"] == "Once and so on"


async def test_a_text_over_the_window_is_broken_up_and_that_is_said(
    simulator: SimulatorProcess,
) -> None:
    simulator.script(
        {"contains": "Put them together", "reply": {"text": "It is about\nfoxes."}},
        {"contains": "This is part", "reply": {"text": "A part about foxes."}},
    )
    text = "The quick brown fox jumps over the lazy dog. " * 100
    async with open_bot(simulator, window=600, long_text="split") as (bot, _):
        lines = await said(bot, f"!default Summarize this: {text}")

    assert lines == [
        (
            "That is longer than the model can read at once (about 1,211 tokens, where 535 fit), "
            "so I break it into 6 parts."
        ),
        *[f"Part {number} of 6 is read." for number in range(1, 7)],
        "It is about",
        "foxes.",
    ]
    asked = [request["last"] for request in simulator.requests()]
    assert all(one.startswith("Summarize this:\n\nThe text is too long") for one in asked[:6])
    parts = "".join(one.split("put together later.\n\n")[1] for one in asked[:6])
    assert parts.replace(" ", "") == text.replace(" ", "")
    assert asked[6].count("A part about foxes.") == 6


# Commands.


async def test_what_is_no_command_is_none_unless_somebody_is_asked_by_it(
    simulator: SimulatorProcess,
) -> None:
    async with open_bot(simulator) as (bot, _):
        assert await said(bot, "hello") == []
        assert await said(bot, "hello", assistant="other") == ["You said: hello"]
        assert await said(bot, " ", assistant="other") == []


async def test_the_help_tells_who_there_is_and_what_one_may_use(
    simulator: SimulatorProcess,
) -> None:
    async with open_bot(simulator, summarize, bot={"prefix": "."}) as (bot, _):
        assert (await said(bot, ".help"))[:3] == [
            "You can ask:",
            ".default TEXT - Answers guests",
            ".other TEXT",
        ]
        assert await said(bot, ".default") == [
            ".default TEXT - Answers guests",
            "default can use:",
            "- summarize: Shorten a text to its main points.",
        ]


async def test_who_is_unknown_is_said_with_the_name_that_was_meant(
    simulator: SimulatorProcess,
) -> None:
    async with open_bot(simulator) as (bot, _):
        lines = await said(bot, "!defualt hello")
        assert lines[:2] == [
            "There is no assistant called defualt; did you mean !default?",
            "You can ask:",
        ]
        assert (await said(bot, "!zzz"))[0] == "There is no assistant called zzz."


async def test_everybody_has_a_conversation_of_their_own_until_a_new_one(
    simulator: SimulatorProcess,
) -> None:
    async with open_bot(simulator) as (bot, app):
        await said(bot, "!default one", "ann/../bob")
        await said(bot, "!default two", "ann/../bob")
        await said(bot, "!default three", "bob")
        assert [len(one["body"]["messages"]) for one in simulator.requests()] == [2, 4, 2]
        ref = app.sessions.find("default:ann%2F..%2Fbob", owner="user:ann/../bob")
        assert ref.path == "sessions/default:ann%2F..%2Fbob"
        assert await said(bot, "!new", "bob") == ["The conversation with default is forgotten."]
        assert await said(bot, "!new", "bob") == ["There is no conversation with default yet."]
        assert await said(bot, "!new other", "bob") == ["There is no conversation with other yet."]
        await said(bot, "!default four", "bob")
        assert len(simulator.requests()[-1]["body"]["messages"]) == 2


async def test_lines_are_as_short_as_the_network_wants_them(simulator: SimulatorProcess) -> None:
    async with open_bot(simulator, bot={"longest": 30}) as (bot, _):
        lines = await said(bot, "!default " + "word " * 30)
        lines += await said(bot, "!help")

    assert max(len(line) for line in lines) <= 30
    assert " ".join(lines).startswith("You said: word word word")


async def test_a_failure_is_said_in_words(simulator: SimulatorProcess) -> None:
    simulator.script({"fault": {"kind": "status", "status": 401}})
    async with open_bot(simulator) as (bot, _):
        [line] = await said(bot, "!default hello")

    assert line.startswith("That did not work: ")


async def test_what_was_said_before_an_answer_broke_off_is_said(
    simulator: SimulatorProcess,
) -> None:
    simulator.script(
        {"reply": {"text": "one two three four"}, "fault": {"kind": "error_frame", "frame": 3}}
    )
    async with open_bot(simulator) as (bot, _):
        first, last = await said(bot, "!default hello")

    assert first == "one two"
    assert last.startswith("That did not work: ")


async def test_the_log_tells_who_was_asked_and_how_long_it_took_but_no_words(
    simulator: SimulatorProcess,
) -> None:
    # Without it only warnings are logged in a program that has not set up structlog.
    structlog.configure()
    with capture_logs() as entries:
        async with open_bot(simulator) as (bot, _):
            for line in ("!default hello", "!stop", "!defualt hello", "hello"):
                await said(bot, line)

    told = [entry for entry in entries if entry["event"].startswith("command")]
    assert [(entry["event"], entry["command"], entry.get("assistant")) for entry in told] == [
        ("command", "ask", "default"),
        ("command done", "ask", "default"),
        ("command", "stop", None),
        ("command done", "stop", None),
        ("command", "unknown", None),
        ("command done", "unknown", None),
    ]
    assert told[1]["seconds"] >= 0
    assert "hello" not in str(told)


async def test_an_answer_of_nothing_and_one_that_is_cut_are_said_to_be(
    simulator: SimulatorProcess,
) -> None:
    simulator.script(
        {"times": 1, "reply": {"text": " "}},
        {"reply": {"text": "cut", "finish_reason": "length"}},
    )
    async with open_bot(simulator) as (bot, _):
        assert await said(bot, "!default hello") == ["(The model said nothing.)"]
        assert await said(bot, "!default hello") == [
            "cut",
            "(The answer has reached its greatest length.)",
        ]


async def test_a_tool_that_fails_is_told(simulator: SimulatorProcess) -> None:
    simulator.script(calls("summarize", text=""), {"reply": {"text": "I could not."}})
    async with open_bot(simulator, summarize) as (bot, _):
        using, failed, last = await said(bot, "!default hello")

    assert using == "Using the summarize tool..."
    assert failed.startswith("The summarize tool gave no result: summarize failed: IndexError")
    assert last == "I could not."


# While an answer comes.


async def test_one_stops_an_answer_that_is_coming(simulator: SimulatorProcess) -> None:
    simulator.script({"reply": {"text": "one\n" * 500, "pace": 0.05}})
    async with open_bot(simulator) as (bot, _):
        lines: list[str] = []
        async with aclosing(bot.respond("ann", "!default hello")) as answer:
            async for line in answer:
                lines.append(line)
                if len(lines) == 2:
                    assert await said(bot, "!default again") == [
                        "I am still at your last one; !stop ends it."
                    ]
                    assert await said(bot, "!stop", "bob") == ["There is nothing to stop."]
                    assert await said(bot, "!stop") == []
        assert lines[-1] == "(Stopped.)"
        assert len(lines) < 500
        assert await said(bot, "!stop") == ["There is nothing to stop."]


async def test_one_stops_an_answer_that_has_not_begun(
    simulator: SimulatorProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stop that came while a text was measured found no turn, and the answer was made."""
    measuring, measured = trio.Event(), trio.Event()

    async def prompt_fit_of(*_: object, **__: object) -> None:
        measuring.set()
        await measured.wait()

    async with open_bot(simulator, long_text="split") as (bot, app), trio.open_nursery() as nursery:
        monkeypatch.setattr(app.assistants, "prompt_fit_of", prompt_fit_of)
        lines: list[str] = []

        async def ask() -> None:
            lines.extend(await said(bot, "!default hello"))

        nursery.start_soon(ask)
        await measuring.wait()
        assert await said(bot, "!stop") == []
        measured.set()
    assert lines == ["(Stopped.)"]
    assert simulator.requests() == []


async def test_who_says_yes_twice_agrees_to_one_call(simulator: SimulatorProcess) -> None:
    simulator.script(calls("delete", name="a.txt"), {"reply": {"text": "Well."}})
    async with open_bot(simulator, ASKED) as (bot, _):
        twice: list[str] = []
        async for line in bot.respond("ann", "!default hello"):
            if line.startswith("May I"):
                twice += [*await said(bot, "!yes"), *await said(bot, "!yes")]
    assert twice == ["There is nothing to agree to."]


async def test_no_two_people_have_one_conversation(simulator: SimulatorProcess) -> None:
    """A name with a dot was another's with another assistant; long ones were cut to the same."""
    assert session_id("b.c", "a") != session_id("c", "a.b")
    assert session_id("x" * 200 + "1", "a") != session_id("x" * 200 + "2", "a")
    async with open_bot(simulator) as (bot, _):
        for user in ("a/b:c", "x" * 200 + "1", "x" * 200 + "2", "\N{SNOWMAN}" * 60):
            assert await said(bot, "!default hello", user) == ["You said: hello"]


async def test_who_leaves_ends_the_answer(simulator: SimulatorProcess) -> None:
    simulator.script({"times": 1, "reply": {"text": "one\n" * 500, "pace": 0.05}})
    async with open_bot(simulator) as (bot, _):
        async with aclosing(bot.respond("ann", "!default hello")) as answer:
            assert await anext(answer) == "one"

        assert await said(bot, "!default again") == ["You said: again"]


async def test_who_is_cancelled_while_it_says_a_line_ends_the_answer(
    simulator: SimulatorProcess,
) -> None:
    simulator.script({"times": 1, "reply": {"text": "one\n" * 500, "pace": 0.05}})
    lines: list[str] = []
    scope = trio.CancelScope()

    async def say(line: str) -> None:
        lines.append(line)
        scope.cancel()
        await trio.sleep_forever()

    async with open_bot(simulator) as (bot, _):
        with scope:
            await bot.answer("ann", "!default hello", say)
        await bot.answer("ann", "hello", say)
        assert await said(bot, "!default again") == ["You said: again"]

    assert lines == ["one"]


async def test_a_person_is_asked_before_a_tool_runs_that_wants_it(
    simulator: SimulatorProcess,
) -> None:
    rules = (calls("delete", name="a.txt"), {"reply": {"text": "Well."}})
    for word, told in (
        ("!yes", []),
        (
            "!no",
            [
                "The delete tool gave no result: delete was not run: the user did not agree to this call"
            ],
        ),
    ):
        simulator.script(*rules)
        async with open_bot(simulator, ASKED) as (bot, _):
            lines: list[str] = []
            async for line in bot.respond("ann", "!default hello"):
                lines.append(line)
                if line.startswith("May I"):
                    assert await said(bot, word, "bob") == ["There is nothing to agree to."]
                    assert await said(bot, word) == []

            assert lines == [
                "Using the delete tool...",
                'May I run delete with {"name":"a.txt"}? Say !yes or !no.',
                *told,
                "Well.",
            ]
            assert await said(bot, word) == ["There is nothing to agree to."]


async def test_a_program_may_decide_itself_what_may_be_run(simulator: SimulatorProcess) -> None:
    asked: list[tuple[str, str]] = []

    async def approve(user: str, call: PermissionAsked) -> bool:
        asked.append((user, call.name))
        return True

    simulator.script(calls("delete", name="a.txt"), {"reply": {"text": "Well."}})
    async with open_bot(simulator, ASKED, bot={"approve": approve}) as (bot, _):
        assert await said(bot, "!default hello") == ["Using the delete tool...", "Well."]

    assert asked == [("ann", "delete")]
    assert simulator.requests()[-1]["body"]["messages"][-1]["content"] == "a.txt is gone"
