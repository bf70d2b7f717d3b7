"""An IRC bot on trio: commands in, lines out, a conversation a nick, a tool, a budget a nick.

    pip install trouper
    python irc_bot.py trouper.toml irc.example.org:6697 '#dragon' keeper

Port 6697 is spoken to by TLS. In the channel: `!help`, `!default Roll a die!`, `!stop`,
`!new`. In trouper.toml, beside a provider and a model:

    [assistants.default]
    model = "default"
    tools = ["dice"]
    [budgets.each]
    limit_usd = "0.25"
    per = "day"
    scope = "user"
"""

import random
import sys

import trio

from trouper.actors import Bot, load_config, open_app
from trouper.actors.tools import tool

PAUSE = 0.5  # seconds between lines; networks throw out who is faster for long
AGAIN = 10.0  # seconds until a connection that is lost is made again
LONGEST = 16_384  # bytes of a line of the server, of which IRC allows 512, with tags 8,191


@tool(timeout=2)
async def dice(sides: int = 6) -> int:
    """Roll a die."""
    return random.randint(1, sides)


class Irc:
    """A connection to a server, in one channel."""

    def __init__(self, stream: trio.abc.Stream, channel: str, nick: str) -> None:
        self.stream, self.channel, self.nick = stream, channel, nick
        self._turn = trio.Lock()

    async def send(self, line: str) -> None:
        # A line that somebody else has begun must be whole before the next one.
        async with self._turn:
            await self.stream.send_all(f"{line}\r\n".encode())

    async def say(self, line: str) -> None:
        await self.send(f"PRIVMSG {self.channel} :{line}")
        await trio.sleep(PAUSE)

    async def run(self, bot: Bot) -> None:
        """Answer until the server says goodbye."""
        await self.send(f"NICK {self.nick}")
        await self.send(f"USER {self.nick} 0 * :{self.nick}")
        held = b""
        async with trio.open_nursery() as nursery:
            async for data in self.stream:
                *lines, held = (held + data).split(b"\n")
                if len(held) > LONGEST:
                    raise ValueError("this is no IRC server: its line does not end")
                for line in lines:
                    match line.decode(errors="replace").rstrip("\r").split(" ", 3):
                        case ["PING", *token]:
                            await self.send(" ".join(["PONG", *token]))
                        case [_, "001", *_]:
                            await self.send(f"JOIN {self.channel}")
                        case [_, "433", *_]:  # somebody is called so
                            self.nick += "_"
                            await self.send(f"NICK {self.nick}")
                        case [source, "PRIVMSG", self.channel, text]:
                            user = source[1:].partition("!")[0]
                            # Each in a task, so that nobody waits for another, and !stop is
                            # heard. What goes wrong with a provider is said in the channel.
                            nursery.start_soon(bot.answer, user, text[1:], self.say)
                        case _:
                            pass
            nursery.cancel_scope.cancel()


async def connect(server: str) -> trio.abc.Stream:
    host, _, port = server.rpartition(":")
    opened = trio.open_ssl_over_tcp_stream if port == "6697" else trio.open_tcp_stream
    return await opened(host, int(port))


async def main(config: str, server: str, channel: str, nick: str) -> None:
    # SIGTERM and SIGINT stop the application in order, and with it this block.
    async with open_app(load_config(config), tools=[dice]) as app:
        bot = Bot(app)
        while True:
            try:
                async with await connect(server) as stream:
                    irc = Irc(stream, channel, nick)
                    try:
                        await irc.run(bot)
                    finally:
                        with trio.move_on_after(1, shield=True):
                            await irc.send("QUIT :Good night")
            except* (OSError, trio.BrokenResourceError) as lost:
                sys.stderr.write(f"No connection: {lost.exceptions[0]!r}\n")
            await trio.sleep(AGAIN)


file, where, channel, nick = sys.argv[1:]
trio.run(main, file, where, channel, nick)
