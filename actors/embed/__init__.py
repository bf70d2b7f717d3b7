"""The application inside a program that runs on asyncio, or on plain threads.

    async with AsyncioApp(load_config("trouper.toml")) as app:
        session = await app.session("alice")
        async with session.prompt("What is on today?") as turn:
            async for event in turn:
                ...

`ThreadApp` has the same names without `async` and `await`, and so has `App` in
a trio program (`open_app`). The application runs in a thread of its own, so
neither side stops where the other one computes.

Read in this order: opening, embedded, host_loop, asyncio_app, thread_app, bots.
"""

from .asyncio_app import AsyncioApp, AsyncioSession, AsyncioTurn
from .bots import AsyncioBot, ThreadBot
from .thread_app import ThreadApp, ThreadSession, ThreadTurn

__all__ = [
    "AsyncioApp",
    "AsyncioBot",
    "AsyncioSession",
    "AsyncioTurn",
    "ThreadApp",
    "ThreadBot",
    "ThreadSession",
    "ThreadTurn",
]
