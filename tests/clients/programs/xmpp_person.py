"""A person on XMPP: writes to a bot, and prints as JSON what the bot has written by then.

xmpp_person.py PORT BOT COUNT TEXT   waits for COUNT messages
"""
# pyright: basic, reportMissingImports=false

import asyncio
import json
import sys

from slixmpp import ClientXMPP
from slixmpp.stanza import Message


async def main(port: str, bot: str, count: str, text: str) -> None:
    heard: list[str] = []
    enough, started = asyncio.Event(), asyncio.Event()
    person = ClientXMPP("alice@localhost", "secret")
    person.enable_plaintext = True
    person.enable_starttls = person.enable_direct_tls = False
    person.plugin["feature_mechanisms"].unencrypted_plain = True

    def on_message(message: Message) -> None:
        heard.append(message["body"])
        if len(heard) >= int(count):
            enough.set()

    async def on_start(_: object) -> None:
        person.send_presence()
        started.set()

    person.add_event_handler("message", on_message)
    person.add_event_handler("session_start", on_start)
    person.connect("127.0.0.1", int(port))
    async with asyncio.timeout(30):
        await started.wait()
        person.send_message(mto=bot, mbody=text, mtype="chat")
        await enough.wait()
    await person.disconnect()
    print(json.dumps(heard))


asyncio.run(main(*sys.argv[1:]))
