"""A Telegram bot that streams its answers: a conversation a user, a tool, a budget a user.

    pip install trouper 'python-telegram-bot>=22'
    TELEGRAM_TOKEN=... python telegram_bot.py trouper.toml

In trouper.toml, beside a provider and a model:

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
from contextlib import suppress

from telegram import Message, Update
from telegram.error import BadRequest
from telegram.ext import Application, CommandHandler, ContextTypes, MessageHandler, filters

from trouper.actors import load_config
from trouper.actors.embed import AsyncioApp
from trouper.actors.errors import TurnInProgress, UnknownSession
from trouper.actors.tools import tool
from trouper.runtime import TrouperError

Context = ContextTypes.DEFAULT_TYPE

EDIT_EVERY = 1.0  # seconds; Telegram slows down who edits more often
LONGEST = 4096  # characters of a message

running: dict[str, asyncio.Task[None]] = {}


@tool(timeout=2)
async def dice(sides: int = 6) -> int:
    """Roll a die."""
    return random.randint(1, sides)


async def show(message: Message, text: str) -> None:
    with suppress(BadRequest):  # it says that already
        await message.edit_text(text[:LONGEST] or "(nothing)")


async def respond(app: AsyncioApp, user: str, text: str, shown: Message) -> None:
    loop = asyncio.get_running_loop()
    try:
        # Not kept: a bot has more users than there are places for conversations.
        session = await app.session(f"telegram.{user}", user=user, kept=False)
        async with session.prompt(text) as turn:
            last = loop.time()
            async for _ in turn:
                if turn.answer and loop.time() - last >= EDIT_EVERY:
                    await show(shown, turn.answer + " ...")
                    last = loop.time()
        await show(shown, turn.answer)
    except TurnInProgress:
        await show(shown, "I am still at your last one; /stop ends it.")
    except TrouperError as error:  # a provider is down, a budget is used up: it says which
        await show(shown, f"That did not work: {error}")
    except asyncio.CancelledError:
        await show(shown, "Stopped.")
        raise


async def on_text(update: Update, context: Context) -> None:
    message, user = update.effective_message, update.effective_user
    if message is None or user is None or message.text is None:
        return
    shown = await message.reply_text("...")
    task = asyncio.create_task(respond(context.bot_data["app"], str(user.id), message.text, shown))
    running.setdefault(str(user.id), task)
    task.add_done_callback(
        lambda done: running.get(str(user.id)) is done and running.pop(str(user.id))
    )


async def on_stop(update: Update, context: Context) -> None:
    if update.effective_user and (task := running.get(str(update.effective_user.id))):
        task.cancel()


async def on_new(update: Update, context: Context) -> None:
    if update.effective_user is None or update.effective_message is None:
        return
    user, app = str(update.effective_user.id), context.bot_data["app"]
    with suppress(UnknownSession):
        await app.end_session(f"telegram.{user}", user=user)
    await update.effective_message.reply_text("Forgotten.")


async def main() -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    url = os.environ.get("TELEGRAM_URL", "https://api.telegram.org/bot")
    async with AsyncioApp(load_config(sys.argv[1]), tools=[dice]) as app:
        telegram = Application.builder().token(os.environ["TELEGRAM_TOKEN"]).base_url(url).build()
        telegram.bot_data["app"] = app
        telegram.add_handler(CommandHandler("stop", on_stop))
        telegram.add_handler(CommandHandler("new", on_new))
        telegram.add_handler(MessageHandler(filters.TEXT, on_text))
        async with telegram:
            await telegram.start()
            await telegram.updater.start_polling()
            await stopped.wait()
            await telegram.updater.stop()
            await asyncio.gather(*running.values(), return_exceptions=True)
            await telegram.stop()


asyncio.run(main())
