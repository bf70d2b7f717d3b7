"""A server with a tool, to be killed: `python -m tests.fakes.busy_server CONFIG NOTES`.

Its tool writes down each run, one line in one write, before it does its work,
which takes a moment: so whoever looks knows how often each call was run.
"""

import os
import sys
from pathlib import Path

import structlog
import trio

from trouper.actors import load_config, open_app
from trouper.actors.tools import ToolContext, tool


async def main(config: str, notes: str) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    file = os.open(notes, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    @tool(concurrency=100)
    async def note(text: str, context: ToolContext) -> str:
        """Write something down.

        Args:
            text: what to write
        """
        os.write(file, f"{context.session} {context.call_id} {text}\n".encode())
        await trio.sleep(0.01)
        return "noted"

    async with open_app(load_config(Path(config)), serve=True, tools=[note]):
        os.write(1, b"ready\n")
        await trio.sleep_forever()


if __name__ == "__main__":
    trio.run(main, sys.argv[1], sys.argv[2])
