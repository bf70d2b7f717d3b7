"""`trouper demo`: the first thing that anybody sees of us, with the real model."""

import signal
import time
from pathlib import Path

import psutil
import pytest

from tests.fakes.commands import TROUPER, trouper
from tests.fakes.terminal import CTRL_C, CTRL_D, terminal

DEMO = [*TROUPER, "demo"]

# So small a model does not always find an end.
CUT_OFF = "trouper: cut off: the answer is as long as max_output_tokens allows\n"


def test_without_the_model_it_says_how_to_get_it(tmp_path: Path) -> None:
    done = trouper("demo", "--say", "hello", environ={"XDG_CACHE_HOME": str(tmp_path)})

    assert (done.code, done.out) == (1, "")
    assert done.err == (
        f"trouper: the local model is not installed ({tmp_path}/trouper/models/"
        "SmolLM2-135M-Instruct.Q4_1.gguf); run: trouper local install\n"
    )


@pytest.mark.usefixtures("model")
def test_one_question_is_answered_on_standard_output() -> None:
    done = trouper("demo", "--say", "Name three fruits.")

    assert (done.code, done.err.replace(CUT_OFF, "")) == (0, "")
    # What it says is not always about fruits.
    assert len(done.out.split()) >= 3
    assert done.out.endswith("\n")


@pytest.mark.usefixtures("model")
def test_a_line_of_a_script_is_a_question() -> None:
    done = trouper("demo", stdin="Say hello.\n")

    assert (done.code, done.err.replace(CUT_OFF, "")) == (0, "")
    # (What so small a model says to it is its own matter.)
    assert done.out.strip()


@pytest.mark.usefixtures("model")
def test_a_person_talks_cancels_and_leaves() -> None:
    with terminal(DEMO, columns=80) as person:
        greeting = person.wait_for("you> ")
        (child,) = psutil.Process(person.process.pid).children()
        person.type("Write a very long story about a ship.\r")
        person.wait_for("smollm2> ")
        person.wait_for(" ")
        person.type(CTRL_C)
        person.wait_for("\n\n[cancelled]\n\nyou> ")
        person.type("Say hello.\r")
        answer = person.wait_for("\n\nyou> ")
        person.type(CTRL_D)

        assert person.leave() == ("\n", 0)
    assert greeting == (
        "This is SmolLM2-135M-Instruct on your own machine: no key, nothing leaves it.\n"
        "Ctrl-C cancels an answer, Ctrl-D leaves.\n\n"
    )
    assert answer.startswith("Say hello.\nsmollm2> ")
    assert not child.is_running()


@pytest.mark.usefixtures("model")
def test_the_model_may_die_and_the_conversation_goes_on() -> None:
    with terminal(DEMO, columns=80) as person:
        person.wait_for("you> ")
        (child,) = psutil.Process(person.process.pid).children()
        person.type("Write a very long story about a ship.\r")
        person.wait_for("smollm2> ")
        person.wait_for(" ")
        child.kill()
        said = person.wait_for("\nyou> ")
        began = time.monotonic()
        person.type("Say hello.\r")
        person.wait_for("smollm2> ")
        person.wait_for(" ")
        # To its first words; how long the answer is, is the model's affair.
        assert time.monotonic() - began < 10
        answer = person.wait_for("\n\nyou> ")

        assert answer
        assert said.endswith(
            "\n\ntrouper: the provider's answer was cut off; ask again; what you have seen of "
            "the answer is kept (local: stream_truncated)\n"
        )
        assert "time=" not in person.shown
        assert person.process.poll() is None


@pytest.mark.usefixtures("model")
def test_sigterm_ends_the_model_too() -> None:
    with terminal(DEMO) as person:
        person.wait_for("you> ")
        (child,) = psutil.Process(person.process.pid).children()

        person.process.send_signal(signal.SIGTERM)

        assert person.leave()[1] == 128 + signal.SIGTERM
    assert not child.is_running()
