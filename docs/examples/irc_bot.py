"""An IRC bot on trio: commands in, lines out, a conversation a nick, a tool, a budget a nick.

    pip install trouper
    python irc_bot.py trouper.toml irc.example.org:6667 '#dragon' keeper

In the channel: `!help`, `!default Roll a die!`, `!stop`, `!new`. In trouper.toml,
beside a provider and a model:

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
                        case [source, "PRIVMSG", self.channel, text]:
                            user = source[1:].partition("!")[0]
                            # Each in a task, so that nobody waits for another, and !stop is
                            # heard. What goes wrong with a provider is said in the channel.
                            nursery.start_soon(bot.answer, user, text[1:], self.say)
                        case _:
                            pass
            nursery.cancel_scope.cancel()


async def main(config: str, server: str, channel: str, nick: str) -> None:
    host, _, port = server.rpartition(":")
    # SIGTERM and SIGINT stop the application in order, and with it this block.
    async with open_app(load_config(config), tools=[dice]) as app:
        stream = await trio.open_tcp_stream(host, int(port))
        async with stream:
            irc = Irc(stream, channel, nick)
            try:
                await irc.run(Bot(app))
            finally:
                with trio.move_on_after(1, shield=True):
                    await irc.send("QUIT :Good night")


file, where, channel, nick = sys.argv[1:]
trio.run(main, file, where, channel, nick)
