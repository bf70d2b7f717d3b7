"""The programs in docs/examples, before real servers on loopback. (Those that need packages
which are not ours are tried in tests/clients.)"""

import json
import re
import signal
import socket
import time
from pathlib import Path

import httpx
import pytest

from tests.fakes.programs import BUDGET, DEAR, DOWN, EXAMPLES, ROLL, program, written_config
from tests.fakes.simulator import SimulatorProcess


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_an_example_is_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 120


def test_the_notebook_is_short_and_has_no_output() -> None:
    cells = json.loads((EXAMPLES / "notebook.ipynb").read_text())["cells"]
    assert sum(len(cell["source"]) for cell in cells) <= 120
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)


def test_a_loop_of_threads_answers_everybody(simulator: SimulatorProcess, tmp_path: Path) -> None:
    config = written_config(tmp_path, simulator, BUDGET)
    with program(str(EXAMPLES / "thread_loop.py"), str(config), folder=tmp_path) as loop:
        simulator.script({"times": 1, "reply": {"text": "two\nlines"}})
        loop.write("alice hello")
        assert [loop.line("alice:"), loop.line("alice:")] == ["alice: two", "alice: lines"]
        simulator.script(DOWN)
        loop.write("bob hello")
        assert loop.line("bob:").startswith("bob: That did not work: the provider is overloaded")
        simulator.script(*ROLL)
        loop.write("bob Roll a die!")
        assert loop.line("bob:") == "bob: You rolled: 1"
        simulator.script(DEAR)
        loop.write("eve hello")
        assert loop.line("eve:") == "eve: That is dear."
        loop.write("eve hello")
        assert "the money set aside for this is used up" in loop.line("eve:")
        # What has been asked is answered before it ends.
        simulator.script({"times": 1, "reply": {"text": "one\ntwo", "pace": 0.2}})
        loop.write("alice hello")
        assert loop.end(None) == 0
        assert [loop.line("alice:"), loop.line("alice:")] == ["alice: one", "alice: two"]


def test_a_loop_of_threads_ends_at_once_when_it_is_told_to(
    simulator: SimulatorProcess, tmp_path: Path
) -> None:
    config = written_config(tmp_path, simulator)
    with program(str(EXAMPLES / "thread_loop.py"), str(config), folder=tmp_path) as loop:
        simulator.script({"times": 1, "reply": {"text": "a\n" * 200, "pace": 0.1}})
        loop.write("alice A poem, please")
        assert loop.line("alice:") == "alice: a"
        loop.write("alice And now?")
        assert loop.line("at your") == "alice: I am still at your last one."
        assert loop.end(signal.SIGTERM) == 0
        assert loop.line("stopping") == "alice: I am stopping; ask me again later."


def test_an_endpoint_streams_and_stops_the_model_when_its_reader_goes_away(
    simulator: SimulatorProcess, tmp_path: Path
) -> None:
    config = written_config(tmp_path, simulator, BUDGET)
    uvicorn = ("-m", "uvicorn", "--app-dir", str(EXAMPLES), "--port", "0", "fastapi_stream:api")
    environ = {"TROUPER_CONFIG": str(config)}
    with program(*uvicorn, folder=tmp_path, environ=environ) as server:
        found = re.search(r"http://127\.0\.0\.1:\d+", server.line("running on"))
        assert found is not None
        with httpx.Client(base_url=found[0], trust_env=False, headers={"x-user": "ann"}) as http:
            assert http.post("/talk", content="hello").text == "You said: hello"
            assert http.get("/healthz").status_code == 200
            # A body that is no UTF-8 was a 500.
            assert http.post("/talk", content=b"gr\xfcn").text == "You said: gr\ufffdn"

            simulator.script(DOWN)
            assert "That did not work" in http.post("/talk", content="hello").text

            simulator.script(DEAR)
            eve = {"x-user": "eve"}
            assert http.post("/talk", content="hello", headers=eve).text == "That is dear."
            said = http.post("/talk", content="hello", headers=eve).text
            assert "the money set aside for this is used up" in said

            simulator.script({"times": 1, "reply": {"text": "word " * 500, "pace": 0.05}})
            with http.stream("POST", "/talk", content="a book, please") as answer:
                assert next(answer.iter_text()).startswith("word")
            # The turn would take 25 s. It ends with its reader, once the server has seen that.
            end = time.monotonic() + 10
            while (said := http.post("/talk", content="and now?").text) != "You said: and now?":
                assert "still answering" in said
                assert time.monotonic() < end
                time.sleep(0.02)
        assert server.end(signal.SIGINT) in (0, -signal.SIGINT)


class IrcServer:
    """The part of an IRC server that one bot in one channel sees."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(30)
        self.port = int(self._listener.getsockname()[1])

    def accept(self) -> None:
        self._socket, _ = self._listener.accept()
        self._socket.settimeout(30)
        self._lines = self._socket.makefile("r", newline="\r\n")

    def line(self) -> str:
        return self._lines.readline().rstrip("\r\n")

    def says(self, line: str) -> None:
        self._socket.sendall(f"{line}\r\n".encode())

    def hang_up(self) -> None:
        self._lines.close()
        self._socket.close()

    def close(self) -> None:
        self.hang_up()
        self._listener.close()


def test_a_bot_answers_on_irc(simulator: SimulatorProcess, tmp_path: Path) -> None:
    config, irc = written_config(tmp_path, simulator), IrcServer()
    impatient = tmp_path / "irc_bot.py"
    impatient.write_text(
        (EXAMPLES / "irc_bot.py").read_text().replace("AGAIN = 10.0", "AGAIN = 0.01")
    )
    words = (
        str(impatient),
        str(config),
        f"127.0.0.1:{irc.port}",
        "#dragon",
        "keeper",
    )
    with program(*words, folder=tmp_path) as bot:
        irc.accept()
        assert [irc.line(), irc.line()] == ["NICK keeper", "USER keeper 0 * :keeper"]
        irc.says("PING :1")
        irc.says(":srv 001 keeper :Welcome")
        assert [irc.line(), irc.line()] == ["PONG :1", "JOIN #dragon"]
        irc.says(":alice!a@host PRIVMSG #dragon :!default hello")
        assert irc.line() == "PRIVMSG #dragon :You said: hello"
        simulator.script(*ROLL)
        irc.says(":bob!b@host PRIVMSG #dragon :!default Roll a die!")
        assert [irc.line(), irc.line()] == [
            "PRIVMSG #dragon :Using the dice tool...",
            "PRIVMSG #dragon :You rolled: 1",
        ]
        # A connection that is lost is made again, and a name that is taken is not insisted on.
        irc.hang_up()
        irc.accept()
        assert irc.line() == "NICK keeper"
        irc.says(":srv 433 * keeper :Nickname is already in use")
        assert [irc.line(), irc.line()] == ["USER keeper 0 * :keeper", "NICK keeper_"]
        assert bot.end(signal.SIGTERM) == 0, bot.seen
        assert irc.line() == "QUIT :Good night"
    irc.close()
