"""A Telegram bot that streams its answers: a conversation a user, a tool, a budget a user.

    pip install trouper 'python-telegram-bot[rate-limiter]>=22'
    TELEGRAM_TOKEN=... python telegram_bot.py trouper.toml

Step by step: docs/how-to/embed-in-asyncio.md. In trouper.toml, beside a provider and a model:

    [assistants.default]
    model = "default"
    tools = ["dice"]
    [budgets]
    each = { limit_usd = "0.25", per = "day", scope = "user" }
"""

import asyncio
import os
import random
import signal
import sys
import time
from contextlib import suppress

from telegram import Message, Update
from telegram.error import TelegramError
from telegram.ext import AIORateLimiter, Application, CommandHandler, MessageHandler, filters

from trouper.actors import load_config
from trouper.actors.embed import AsyncioApp
from trouper.actors.errors import TurnInProgress, UnknownSession
from trouper.actors.tools import tool
from trouper.runtime import TrouperError

EDIT_EVERY = 1.0  # seconds; Telegram slows down who edits more often
LONGEST = 4096  # characters of a message


@tool(timeout=2)
async def dice(sides: int = 6) -> int:
    """Roll a die."""
    return random.randint(1, sides)


async def show(message: Message, text: str) -> None:
    """Let the message say that, and messages after it what it has no room for."""
    for start in range(0, len(text), LONGEST):
        write = message.reply_text if start else message.edit_text
        await write(text[start : start + LONGEST])


class Keeper:
    """What people write to the bot, and what it answers."""

    def __init__(self, app: AsyncioApp) -> None:
        self.app = app
        self.running: dict[int, asyncio.Task[None]] = {}

    async def respond(self, user: int, text: str, shown: Message) -> None:
        end = shown.edit_text  # instead of "..."; what has been read of an answer stays
        try:
            # Not kept: a bot has more users than there are places for conversations.
            session = await self.app.session(f"telegram.{user}", user=str(user), kept=False)
            async with session.prompt(text) as turn:
                edited = time.monotonic()
                async for _ in turn:
                    if turn.answer and time.monotonic() - edited >= EDIT_EVERY:
                        end = shown.reply_text
                        with suppress(TelegramError):  # the next one says more
                            await shown.edit_text(f"{turn.answer[: LONGEST - 4]} ...")
                        edited = time.monotonic()
            await show(shown, turn.answer or "(nothing)")
        except TurnInProgress:
            await end("I am still at your last one; /stop ends it.")
        except TrouperError as error:  # a provider is down, a budget is used up: it says which
            await end(f"That did not work: {error}"[:LONGEST])
        except asyncio.CancelledError:
            await end("Stopped.")
            raise

    async def on_text(self, update: Update, _: object) -> None:
        user, message = update.effective_user.id, update.effective_message
        shown = await message.reply_text("...")
        task = asyncio.create_task(self.respond(user, message.text, shown))
        if self.running.setdefault(user, task) is task:
            task.add_done_callback(lambda _: self.running.pop(user))

    async def on_stop(self, update: Update, _: object) -> None:
        if task := self.running.get(update.effective_user.id):
            task.cancel()

    async def on_new(self, update: Update, _: object) -> None:
        user = update.effective_user.id
        with suppress(UnknownSession):
            await self.app.end_session(f"telegram.{user}", user=str(user))
        await update.effective_message.reply_text("A new conversation; /stop ends an answer.")


async def main() -> None:
    url = os.environ.get("TELEGRAM_URL", "https://api.telegram.org/bot")
    async with AsyncioApp(load_config(sys.argv[1]), tools=[dice]) as app:
        over = asyncio.create_task(app.wait_ended())  # by a crash, or by a signal
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, over.cancel)
        keeper, text = Keeper(app), filters.TEXT & ~filters.COMMAND & filters.UpdateType.MESSAGE
        builder = Application.builder().token(os.environ["TELEGRAM_TOKEN"]).base_url(url)
        telegram = builder.rate_limiter(AIORateLimiter(max_retries=3)).build()
        telegram.add_handler(MessageHandler(text, keeper.on_text))
        telegram.add_handler(CommandHandler("stop", keeper.on_stop))
        telegram.add_handler(CommandHandler(["start", "new"], keeper.on_new))
        async with telegram:
            await telegram.start()
            await telegram.updater.start_polling()
            await asyncio.wait([over])
            await telegram.updater.stop()
            answers = asyncio.gather(*keeper.running.values(), return_exceptions=True)
            with suppress(TimeoutError):  # what takes longer than 3 s is cancelled, and says so
                await asyncio.wait_for(answers, 3)
            await telegram.stop()


asyncio.run(main())
