"""An XMPP bot: what people write to it is answered, a conversation a person, a tool, a budget.

    pip install trouper slixmpp
    XMPP_PASSWORD=... python xmpp_bot.py trouper.toml keeper@example.org

`!stop` ends an answer, `!new` forgets the conversation, `!help` tells more. In
trouper.toml, beside a provider and a model:

    [assistants.default]
    model = "default"
    tools = ["dice"]
    [budgets.each]
    limit_usd = "0.25"
    per = "day"
    scope = "user"
"""

import asyncio
import os
import random
import signal
import sys

from slixmpp import ClientXMPP
from slixmpp.stanza import Message

from trouper.actors import load_config
from trouper.actors.embed import AsyncioApp, AsyncioBot
from trouper.actors.tools import tool

AGAIN = 10.0  # seconds until a connection that is lost is made again
LONGEST = 10_000  # bytes of a message; servers let many more pass


@tool(timeout=2)
async def dice(sides: int = 6) -> int:
    """Roll a die."""
    return random.randint(1, sides)


class Keeper(ClientXMPP):
    """The account of the bot."""

    def __init__(self, jid: str, password: str, bot: AsyncioBot) -> None:
        super().__init__(jid, password)
        self.bot = bot
        # XMPP's servers let nobody write in another's name: a budget may trust it.
        self.add_event_handler("session_start", self.on_start)
        self.add_event_handler("message", self.on_message)

    async def on_start(self, _: object) -> None:
        self.send_presence()
        await self.get_roster()

    async def on_message(self, message: Message) -> None:
        if message["type"] not in ("chat", "normal") or not message["body"]:
            return

        async def say(line: str) -> None:
            self.send_message(mto=message["from"], mbody=line, mtype="chat")

        # In a task of its own, so that nobody waits for another, and !stop is heard. What
        # goes wrong with a provider is said in a line.
        await self.bot.answer(message["from"].bare, message["body"], say, assistant="default")


async def main(config: str, jid: str, server: str = "") -> None:
    async with AsyncioApp(load_config(config), tools=[dice]) as app:
        over = asyncio.create_task(app.wait_ended())  # by a crash, or by a signal
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, over.cancel)
        keeper = Keeper(jid, os.environ["XMPP_PASSWORD"], AsyncioBot(app, longest=LONGEST))
        where = ()
        if server:  # HOST:PORT on this machine, as a test has it: without TLS
            keeper.enable_plaintext = True
            keeper.enable_starttls = keeper.enable_direct_tls = False
            keeper.plugin["feature_mechanisms"].unencrypted_plain = True
            host, _, port = server.rpartition(":")
            where = (host, int(port))
        while not over.done():
            keeper.connect(*where)
            await asyncio.wait([over, keeper.disconnected], return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait([over], timeout=AGAIN)
        await keeper.disconnect()


asyncio.run(main(*sys.argv[1:]))
