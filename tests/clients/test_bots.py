"""The bots of docs/examples on the libraries and servers that they are written for."""

import signal
import socket
import time
from collections.abc import Generator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import attrs
import pytest

from tests.fakes.botapi import bot_api
from tests.fakes.embedded import LONG
from tests.fakes.programs import BUDGET, DEAR, DOWN, EXAMPLES, ROLL, program, written_config
from tests.fakes.simulator import SimulatorProcess

from .debian import free_port, serving, unpack
from .environments import Client

# As Debian 12 has it; 13 and later have names of their own for the libraries.
PROSODY = ("prosody", "lua5.4", "lua-expat", "lua-filesystem", "lua-bitop", "lua-socket", "lua-sec")
CONFIG = """
data_path = "{folder}/data"
pidfile = "{folder}/prosody.pid"
interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {port} }}
modules_enabled = {{ "roster", "saslauth", "disco" }}
modules_disabled = {{ "s2s", "tls" }}
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
authentication = "internal_plain"
run_as_root = true
log = {{ info = "*console" }}
VirtualHost "localhost"
"""

# What a bot begins with, and then crashes its application as a bug in trio would.
CRASHING = """as app:
        async def crash() -> None:
            raise RuntimeError("struck by lightning")

        await app.portal.call_sync(__import__("trio").lowlevel.spawn_system_task, crash)
"""

pytestmark = pytest.mark.clients


@attrs.frozen
class Xmpp:
    """A server of XMPP, and how it is run."""

    command: tuple[str, ...]
    port: int
    folder: Path
    environ: dict[str, str]

    def serving(self) -> AbstractContextManager[None]:
        return serving(self.command, self.port, self.folder, self.environ)

    def wait_for_bot(self) -> None:
        """Wait until the bot has logged in: what comes before is not for it."""
        end = time.monotonic() + 30
        while "keeper@localhost" not in (log := (self.folder / "log").read_text()):
            assert time.monotonic() < end, log
            time.sleep(0.05)


def test_telegram(simulator: SimulatorProcess, tmp_path: Path, bots: Client) -> None:
    words = (str(EXAMPLES / "telegram_bot.py"), str(written_config(tmp_path, simulator, BUDGET)))
    python = bots.command("python")
    with bot_api() as api:
        environ = {"TELEGRAM_TOKEN": "1:token", "TELEGRAM_URL": api.url}
        with program(*words, python=python, environ=environ, folder=tmp_path) as bot:
            api.writes(7, "/start")
            api.until("A new conversation; /stop ends an answer.")
            api.writes(7, "hello")
            assert api.until("You said: hello") == ["...", "You said: hello"]

            simulator.script(*ROLL)
            api.writes(7, "Roll a die!")
            api.until("You rolled: 1")

            simulator.script(DOWN)
            api.writes(8, "hello")
            assert "the provider is overloaded" in api.until_any("That did not work: ")

            simulator.script({"times": 1, **LONG})
            api.writes(7, "A book, please")
            shown = api.until_any("word word")
            assert shown.endswith(" ...")
            api.writes(7, "and now?")
            api.until("I am still at your last one; /stop ends it.")
            api.writes(7, "/stop")
            api.until("Stopped.")

            simulator.script({"times": 1, "reply": {"text": "x" * 5000}})
            api.writes(7, "A long word, please")
            assert api.until("x" * 904)[-2] == "x" * 4096

            api.writes(7, "/new")
            api.until("A new conversation; /stop ends an answer.")
            simulator.script({"reply": {"text": "You said: {last}"}})
            api.writes(7, "Who am I?")
            api.until("You said: Who am I?")
            assert len(simulator.requests()[-1]["body"]["messages"]) == 1

            simulator.script(DEAR)
            for _ in range(2):
                api.writes(9, "hello")
                shown = api.until_any(" is ")
            assert "That did not work: the money set aside for this is used up" in shown

            # An answer under way is brought to its end.
            simulator.script({"reply": {"text": "one two three", "pace": 0.2}})
            api.writes(7, "Count, please")
            api.until("...")
            assert bot.end(signal.SIGTERM) == 0, bot.seen
            api.until("one two three")


@pytest.mark.parametrize("name", ["telegram_bot", "xmpp_bot"])
def test_a_bot_ends_with_its_application_and_says_why(
    simulator: SimulatorProcess, tmp_path: Path, bots: Client, name: str
) -> None:
    """They waited for a signal only: nobody restarted what answered nobody any more."""
    text = (EXAMPLES / f"{name}.py").read_text()
    assert text.count("as app:\n") == 1
    struck = tmp_path / "bot.py"
    struck.write_text(text.replace("as app:\n", CRASHING))
    words = [str(struck), str(written_config(tmp_path, simulator, BUDGET))]
    if name == "xmpp_bot":  # at an address where no server is
        words += ["keeper@localhost", f"127.0.0.1:{free_port()}"]
    with bot_api() as api:
        environ = {"TELEGRAM_TOKEN": "1:t", "TELEGRAM_URL": api.url, "XMPP_PASSWORD": "secret"}
        with program(
            *words, python=bots.command("python"), environ=environ, folder=tmp_path
        ) as bot:
            bot.line("struck by lightning")
            assert bot.process.wait(30) == 1, bot.seen


@pytest.fixture
def xmpp(tmp_path: Path) -> Xmpp:
    """Debian's prosody, with the accounts keeper and alice."""
    root, port = unpack("prosody", *PROSODY), free_port()
    accounts = tmp_path / "data" / "localhost" / "accounts"
    accounts.mkdir(parents=True)
    for name in ("keeper", "alice"):
        (accounts / f"{name}.dat").write_text('return { ["password"] = "secret"; };\n')
    config = tmp_path / "prosody.cfg.lua"
    config.write_text(CONFIG.format(folder=tmp_path, port=port))
    script = (root / "usr/bin/prosody").read_text()
    (tmp_path / "prosody").write_text(script.replace("'/usr/lib/", f"'{root}/usr/lib/"))
    share, [libraries] = root / "usr/share/lua/5.4", (root / "usr/lib").glob("*-linux-gnu*")
    environ = {
        "LUA_PATH": f"{share}/?.lua;{share}/?/init.lua",
        "LUA_CPATH": f"{libraries}/lua/5.4/?.so",
        "LD_LIBRARY_PATH": str(libraries),
    }
    lua = str(root / "usr/bin/lua5.4")
    command = (lua, str(tmp_path / "prosody"), "--config", str(config), "-F")
    return Xmpp(command, port, tmp_path, environ)


def test_xmpp(simulator: SimulatorProcess, tmp_path: Path, bots: Client, xmpp: Xmpp) -> None:
    config, impatient = written_config(tmp_path, simulator, BUDGET), tmp_path / "bot.py"
    text = (EXAMPLES / "xmpp_bot.py").read_text()
    impatient.write_text(text.replace("AGAIN = 10.0", "AGAIN = 0.01"))
    words = (str(impatient), str(config), "keeper@localhost", f"127.0.0.1:{xmpp.port}")
    environ, python = {"XMPP_PASSWORD": "secret"}, bots.command("python")

    def asked(count: int, text: str) -> list[str]:
        return bots.program("xmpp_person.py", str(xmpp.port), "keeper@localhost", str(count), text)

    with ExitStack() as server:
        server.enter_context(xmpp.serving())
        with program(*words, python=python, environ=environ, folder=tmp_path) as bot:
            xmpp.wait_for_bot()
            assert asked(1, "hello") == ["You said: hello"]
            simulator.script(*ROLL)
            assert asked(2, "Roll a die!") == ["Using the dice tool...", "You rolled: 1"]
            simulator.script(DOWN)
            assert asked(1, "hello")[0].startswith("That did not work: the provider is overloaded")
            simulator.script(DEAR)
            assert asked(1, "hello") == ["That is dear."]
            assert "the money set aside for this is used up" in asked(1, "hello")[0]

            # A server that is restarted finds the bot there again.
            server.close()
            server.enter_context(xmpp.serving())
            xmpp.wait_for_bot()
            assert asked(2, "!help")
            assert bot.end(signal.SIGTERM) == 0, bot.seen


@pytest.fixture
def ircd(tmp_path: Path) -> Generator[int]:
    """The port of Debian's ngircd."""
    root, port = unpack("ngircd", "ngircd", "libident"), free_port()
    config = tmp_path / "ngircd.conf"
    config.write_text(
        "[Global]\nName = irc.localhost\nInfo = Test\nListen = 127.0.0.1\n"
        f"Ports = {port}\nPidFile = {tmp_path}/ngircd.pid\n"
        "[Options]\nIdent = no\nDNS = no\nPAM = no\n"
    )
    [libraries] = (root / "usr/lib").glob("*-linux-gnu*")
    command = (str(root / "usr/sbin/ngircd"), "-n", "-f", str(config))
    with serving(command, port, tmp_path, {"LD_LIBRARY_PATH": str(libraries)}):
        yield port


def test_irc(simulator: SimulatorProcess, tmp_path: Path, ircd: int) -> None:
    config = str(written_config(tmp_path, simulator, BUDGET))
    words = (str(EXAMPLES / "irc_bot.py"), config, f"127.0.0.1:{ircd}", "#dragon", "keeper")
    with (
        program(*words, folder=tmp_path) as bot,
        socket.create_connection(("127.0.0.1", ircd), 30) as alice,
        alice.makefile("r", newline="\r\n", errors="replace") as heard,
    ):

        def hears(part: str) -> str:
            return next(line for line in heard if part in line)

        alice.sendall(b"NICK alice\r\nUSER alice 0 * :Alice\r\nJOIN #dragon\r\n")
        if "keeper" not in hears(" 353 "):
            hears(":keeper!")
        alice.sendall(b"PRIVMSG #dragon :!default hello\r\n")
        assert hears(":keeper!").endswith("PRIVMSG #dragon :You said: hello\r\n")
        simulator.script(*ROLL)
        alice.sendall(b"PRIVMSG #dragon :!default Roll a die!\r\n")
        assert hears("tool").endswith(":Using the dice tool...\r\n")
        assert hears(":keeper!").endswith(":You rolled: 1\r\n")
        simulator.script(DOWN)
        alice.sendall(b"PRIVMSG #dragon :!default hello\r\n")
        assert "That did not work: the provider is overloaded" in hears(":keeper!")
        simulator.script(DEAR)
        alice.sendall(b"PRIVMSG #dragon :!default hello\r\n")
        assert "That is dear." in hears(":keeper!")
        alice.sendall(b"PRIVMSG #dragon :!default hello\r\n")
        assert "the money set aside for this is used up" in hears(":keeper!")
        assert bot.end(signal.SIGTERM) == 0, bot.seen
        assert "QUIT" in hears(":keeper!")
