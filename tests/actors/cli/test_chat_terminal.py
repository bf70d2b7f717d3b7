"""`trouper chat` at a terminal: a person types, reads, changes their mind."""

import re
import signal
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.commands import TROUPER, Done, Server, config, server, trouper
from tests.fakes.simulator import SimulatorProcess
from tests.fakes.terminal import CTRL_C, CTRL_D, Terminal, terminal

ENDLESS = {"contains": "endless", "reply": {"text": "on and on ", "repeat": 1000, "pace": 0.01}}


def chat(running: Server, *words: str, **options: Any) -> Done:
    return trouper("chat", "--url", running.url, *words, **options)


@contextmanager
def at_terminal(
    running: Server, *words: str, environ: Mapping[str, str] | None = None
) -> Generator[Terminal]:
    command = [*TROUPER, "chat", "--url", running.url, *words]
    with terminal(command, environ, columns=72) as person:
        yield person


class TestAtATerminal:
    """A person types, reads, changes their mind."""

    def test_a_conversation(self, running: Server) -> None:
        with at_terminal(running) as person:
            greeting = person.wait_for("you> ")
            person.type("hello\r")
            person.wait_for("trouper> You said: hello\n\nyou> ")
            person.type("again\r")
            person.wait_for("trouper> You said: again\n\nyou> ")
            person.type(CTRL_D)

            assert person.leave() == ("\n", 0)
            assert person.echoes
        assert greeting == (
            f"You are talking to the default assistant at {running.acp}.\n"
            "Ctrl-C cancels an answer, Ctrl-D leaves.\n\n"
        )

    def test_an_answer_comes_while_it_is_made_and_breaks_between_words(
        self, running: Server, simulator: SimulatorProcess
    ) -> None:
        simulator.script({"reply": {"text": "wonderful " * 12, "pace": 0.05}})
        with at_terminal(running) as person:
            person.wait_for("you> ")
            person.type("hello\r")
            person.wait_for("wonderful wonderful ")
            early = person.shown
            person.wait_for("you> ")

            assert early.count("wonderful") < 12
            assert max(map(len, person.shown.split("\n"))) <= 72
            assert person.shown.count("wonderful") == 12

    def test_ctrl_c_cancels_the_answer_and_the_conversation_goes_on(
        self, running: Server, simulator: SimulatorProcess
    ) -> None:
        simulator.script(ENDLESS)
        with at_terminal(running, "--assistant", "terse") as person:
            person.wait_for("you> ")
            person.type("endless\r")
            person.wait_for("terse> on and on on and on")
            person.type("typed too early")
            person.type(CTRL_C)
            said = person.wait_for("\n\n[cancelled]\n\nyou> ")
            person.type("hello\r")
            person.wait_for("terse> You said: hello\n\nyou> ")

            assert "typed" not in said

    def test_ctrl_c_drops_what_is_typed_and_leaves_where_there_is_nothing(
        self, running: Server
    ) -> None:
        with at_terminal(running) as person:
            person.wait_for("you> ")
            person.type("half a li")
            person.wait_for("half a li")
            person.type(CTRL_C)
            person.wait_for("you> ")
            person.type(CTRL_C)

            assert person.leave() == ("\n", 130)
            assert person.echoes

    def test_a_second_ctrl_c_leaves_after_the_first_has_cancelled(
        self, running: Server, simulator: SimulatorProcess
    ) -> None:
        simulator.script(ENDLESS)
        with at_terminal(running) as person:
            person.wait_for("you> ")
            person.type("endless\r")
            person.wait_for("on and on")
            person.type(CTRL_C)
            person.wait_for("you> ")
            person.type(CTRL_C)

            assert person.leave() == ("\n", 130)

    def test_the_last_question_comes_back_with_the_arrow(self, running: Server) -> None:
        with at_terminal(running) as person:
            person.wait_for("you> ")
            person.type("hello\r")
            person.wait_for("You said: hello\n\nyou> ")
            person.type("\x1b[A there\r")

            person.wait_for("trouper> You said: hello there\n")

    def test_a_failed_turn_is_told_and_the_conversation_goes_on(
        self, running: Server, simulator: SimulatorProcess
    ) -> None:
        simulator.script({"contains": "bad", "fault": {"kind": "status", "status": 400}})
        with at_terminal(running) as person:
            person.wait_for("you> ")
            person.type("bad\r")
            person.wait_for("\ntrouper: the provider does not accept this request; change it")
            person.wait_for("you> ")
            person.type("good\r")
            person.wait_for("You said: good\n")

    @pytest.mark.parametrize("when", ["at the prompt", "during an answer"])
    def test_sigterm_leaves_the_terminal_as_it_was(
        self, running: Server, simulator: SimulatorProcess, when: str
    ) -> None:
        simulator.script(ENDLESS)
        with at_terminal(running) as person:
            person.wait_for("you> ")
            if when == "during an answer":
                person.type("endless\r")
                person.wait_for("on and on")

            person.process.send_signal(signal.SIGTERM)

            assert person.leave()[1] == 128 + signal.SIGTERM
            assert person.echoes

    def test_tools_are_shown_and_run_only_with_leave(
        self, tmp_path: Path, simulator: SimulatorProcess
    ) -> None:
        call = {"name": "greet", "arguments": {}}
        simulator.script(
            {"contains": "greet", "times": 1, "reply": {"tool_calls": [call]}},
            {"reply": {"text": "So be it."}},
        )
        more = """
            [assistants.careful]
            model = "default"
            tools = ["greet"]
            [tools.greet]
            command = ["echo", "good morning"]
            description = "Greets."
            approval = "always"
        """
        text = config(f'kind = "openai"\nbase_url = "{simulator.base_url}"', more=more)
        with (
            server(tmp_path, text) as running,
            at_terminal(running, "--assistant", "careful") as person,
        ):
            person.wait_for("you> ")
            person.type("greet me\r")
            person.wait_for("May greet be run with {}? [y/N] ")
            person.type("y\r")
            said = person.wait_for("So be it.\n\nyou> ")
            person.type(CTRL_D)
            _, code = person.leave()

        assert code == 0
        assert "[greet gave: good morning]" in said

    def test_a_kept_conversation_is_shown_and_goes_on(self, running: Server) -> None:
        first = chat(running, "--assistant", "terse", "hello")
        [session] = re.findall(r"session=(sess_\w+)", running.log)[-1:]
        with at_terminal(running, "--session", session) as person:
            before = person.wait_for("You said: hello")
            person.wait_for("you> ")
            person.type("again\r")
            person.wait_for("You said: again\n\nyou> ")
            person.type(CTRL_D)
            _, code = person.leave()

        assert (first.code, code) == (0, 0)
        assert "you> hello" in before

    def test_an_answer_as_long_as_it_may_be_says_so(
        self, running: Server, simulator: SimulatorProcess
    ) -> None:
        simulator.script({"reply": {"text": "Once upon", "finish_reason": "length"}})
        with at_terminal(running) as person:
            person.wait_for("you> ")
            person.type("a story\r")

            person.wait_for(
                "> Once upon\n\n[cut off: the answer is as long as max_output_tokens allows]\n\nyou"
            )
