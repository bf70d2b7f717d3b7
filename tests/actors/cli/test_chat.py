"""`trouper chat`: one question, a script's questions, and a person at a terminal."""

import signal
import socket
import socketserver
import subprocess
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.commands import TROUPER, Done, Server, config, server, trouper, trouper_process
from tests.fakes.simulator import SimulatorProcess
from tests.fakes.terminal import Terminal, terminal

NOBODY = 'kind = "openai"\nbase_url = "http://127.0.0.1:9/v1"'
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


@contextmanager
def answering(answer: bytes) -> Generator[str]:
    """A server that says the same to everybody."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(65536)
            self.request.sendall(answer)

    with socketserver.TCPServer(("127.0.0.1", 0), Handler) as one:
        thread = threading.Thread(target=one.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{one.server_address[1]}"
        one.shutdown()
        thread.join()


class TestWithoutATerminal:
    """Standard output has the answers and nothing else."""

    def test_one_question_gets_one_answer(self, running: Server) -> None:
        assert chat(running, "hello") == Done(0, "You said: hello\n", "")

    def test_the_lines_of_standard_input_are_one_conversation(
        self, running: Server, simulator: SimulatorProcess
    ) -> None:
        assert chat(running, stdin="first\n\nsecond") == Done(
            0, "You said: first\nYou said: second\n", ""
        )
        asked = [message["content"] for message in simulator.requests()[-1]["body"]["messages"]]
        assert asked == ["first", "You said: first", "second"]

    def test_an_assistant_is_asked_for_by_name(
        self, running: Server, simulator: SimulatorProcess
    ) -> None:
        assert chat(running, "--assistant", "terse", "hello").code == 0
        assert simulator.requests()[-1]["body"]["messages"][0]["content"] == "Be terse."

    def test_an_unknown_assistant_is_told_with_those_that_there_are(self, running: Server) -> None:
        assert chat(running, "--assistant", "nobody", "hello") == Done(
            1, "", "trouper: no assistant 'nobody'; configured are: default, terse\n"
        )

    def test_a_model_cannot_send_terminal_sequences(
        self, running: Server, simulator: SimulatorProcess
    ) -> None:
        simulator.script({"reply": {"text": "\x1b]0;owned\x07a\tb\r\nc\x9b2J", "chunks": 5}})

        assert chat(running, "hello").out == "\\x1b]0;owned\\x07a\tb\nc\\x9b2J\n"

    def test_a_turn_that_fails_is_said_on_standard_error(
        self, running: Server, simulator: SimulatorProcess
    ) -> None:
        simulator.script({"contains": "bad", "fault": {"kind": "status", "status": 400}})

        done = chat(running, stdin="bad\ngood\n")

        assert (done.code, done.out) == (1, "You said: good\n")
        assert done.err == (
            "trouper: the provider does not accept this request; change it (sim: invalid_request)\n"
        )

    def test_bytes_that_are_no_text_are_no_end(self, running: Server) -> None:
        environ = {"PYTHONIOENCODING": "ascii"}

        done = trouper_process("chat", "--url", running.url, "h\udce4llo \u2603", environ=environ)

        assert (done.code, done.err) == (0, "")
        assert done.out == "You said: h?llo \\u2603\n"

    @pytest.mark.parametrize("words", [["endless"], []])
    def test_ctrl_c_cancels_and_leaves(
        self, running: Server, simulator: SimulatorProcess, words: list[str]
    ) -> None:
        simulator.script(ENDLESS)
        command = [*TROUPER, "chat", "--url", running.url, *words]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe) as script:
            assert script.stdin is not None
            assert script.stdout is not None
            script.stdin.write(b"" if words else b"endless\n")
            script.stdin.flush()
            assert script.stdout.read(10) == b"on and on "

            script.send_signal(signal.SIGINT)
            out, err = script.communicate(timeout=20)

        assert script.returncode == 130
        assert out.endswith(b"\n")
        assert err == b""


class TestWhereThereIsNoServer:
    """Each says what is the matter and what to do."""

    def test_nothing_listens(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]

        done = trouper("chat", "--url", f"http://127.0.0.1:{port}", "hello")

        assert done == Done(
            1,
            "",
            f"trouper: nothing listens at ws://127.0.0.1:{port}/acp; start a server there, as "
            "with: trouper serve --config FILE\n",
        )

    def test_another_path_of_a_server(self, running: Server) -> None:
        done = trouper("chat", "--url", f"{running.url}/elsewhere", "hello")

        assert done.code == 1
        assert "/elsewhere has no sessions there (404): nothing at '/elsewhere'" in done.err

    def test_a_provider_in_place_of_a_server(self, simulator: SimulatorProcess) -> None:
        done = trouper("chat", "--url", simulator.url, "hello")

        assert done.code == 1
        assert "/acp has no sessions there (404): Unknown request URL" in done.err

    def test_a_web_server_that_is_none_of_ours(self) -> None:
        with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello") as url:
            done = trouper("chat", "--url", url, "hello")

        assert done.code == 1
        assert (
            "is no trouper server: it answers with HTTP status 200; check the address" in done.err
        )

    def test_something_that_is_no_web_server(self) -> None:
        with answering(b"220 mail.example ESMTP\r\n") as url:
            done = trouper("chat", "--url", url, "hello")

        assert done.code == 1
        assert "is no trouper server: it does not speak HTTP; check the address" in done.err

    @pytest.mark.parametrize("url", ["ftp://x", "http://", "http://x:99999", "http://me:pw@x"])
    def test_an_address_that_is_none(self, url: str) -> None:
        done = trouper("chat", "--url", url, "hello")

        assert done.code == 2
        assert f"must be an address as http://127.0.0.1:8700, not {url!r}" in done.err

    def test_a_server_that_goes_away_during_an_answer(
        self, tmp_path: Path, simulator: SimulatorProcess
    ) -> None:
        simulator.script(ENDLESS)
        provider = f'kind = "openai"\nbase_url = "{simulator.base_url}"'
        with (
            server(tmp_path, config(provider)) as running,
            at_terminal(running, "--patience", "0") as person,
        ):
            person.wait_for("you> ")
            person.type("endless\r")
            person.wait_for("on and on")

            running.process.send_signal(signal.SIGTERM)

            said, code = person.leave()
        assert code == 1
        assert said.endswith(
            "trouper: the server is stopping or restarting; connect again in a moment\n"
        )

    def test_a_server_that_is_killed_during_an_answer(
        self, tmp_path: Path, simulator: SimulatorProcess
    ) -> None:
        simulator.script(ENDLESS)
        provider = f'kind = "openai"\nbase_url = "{simulator.base_url}"'
        with (
            server(tmp_path, config(provider)) as running,
            at_terminal(running, "--patience", "0") as person,
        ):
            person.wait_for("you> ")
            person.type("endless\r")
            person.wait_for("on and on")

            running.process.kill()

            said, code = person.leave()
        assert code == 1
        assert f"trouper: the connection to {running.acp} was lost; see whether" in said


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    environ = {"GATE": "right-token"}
    text = config(NOBODY, server='tokens = ["env:GATE"]')
    with server(tmp_path_factory.mktemp("guarded"), text, environ=environ) as running:
        yield running
        assert "right-token" not in running.log
        assert "wrong-token" not in running.log


class TestTokens:
    """From the environment, and nowhere else."""

    def test_none_is_asked_for(self, guarded: Server) -> None:
        assert chat(guarded, "hello") == Done(
            1,
            "",
            f"trouper: the server at {guarded.acp} wants a token: put it into TROUPER_TOKEN\n",
        )

    def test_a_wrong_one_is_refused(self, guarded: Server) -> None:
        done = chat(guarded, "hello", environ={"TROUPER_TOKEN": "wrong-token"})

        assert done.code == 1
        assert done.err == (
            f"trouper: the server at {guarded.acp} wants a token: "
            "TROUPER_TOKEN holds none that it accepts\n"
        )

    def test_one_that_no_header_can_carry_is_told_and_not_shown(self, guarded: Server) -> None:
        done = chat(guarded, "hello", environ={"TROUPER_TOKEN": "right\nwrong-token"})

        assert done.code == 1
        assert done.err.startswith("TROUPER_TOKEN: has a space, a line break or a character")
        assert "wrong-token" not in done.err

    def test_the_right_one_gets_as_far_as_the_provider(self, guarded: Server) -> None:
        done = chat(guarded, "hello", environ={"TROUPER_TOKEN": "right-token"})

        assert (done.code, done.out) == (1, "")
        assert "the provider cannot be reached; check base_url and the network" in done.err
