"""Bots for people on a chat network: commands in, lines out.

Read in this order: commands (what a line asks for), lines and saying (what is
said of a turn), bot.
"""

from .bot import Approve, Bot, session_id

__all__ = ["Approve", "Bot", "session_id"]
