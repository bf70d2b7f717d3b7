"""A program of plain threads: it reads lines, and answers them line by line as the answers come.

    pip install trouper
    python thread_loop.py trouper.toml

It reads `NAME TEXT` from its input, as `alice Roll a die!`; a real one reads from
whatever its library gives it. In trouper.toml, beside a provider and a model:

    [assistants.default]
    model = "default"
    tools = ["dice"]
    [budgets.each]
    limit_usd = "0.25"
    per = "day"
    scope = "user"
"""

import random
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from trouper.actors import load_config
from trouper.actors.embed import ThreadApp
from trouper.actors.errors import TurnInProgress
from trouper.actors.session.events import TextAdded
from trouper.actors.tools import tool
from trouper.runtime import TrouperError
from trouper.runtime.portal import PortalClosed

AT_ONCE = 8  # answers
TIMEOUT = 60.0  # seconds of an answer


@tool(timeout=2)
def dice(sides: int = 6) -> int:
    """Roll a die."""
    return random.randint(1, sides)


def answer(app: ThreadApp, user: str, text: str) -> Iterator[str]:
    """The lines of the answer, each as soon as it is whole."""
    try:
        # Not kept: a bot has more users than there are places for conversations.
        session = app.session(f"lines.{user}", user=user, kept=False)
        line = ""
        with session.prompt(text, timeout=TIMEOUT) as turn:
            for event in turn:
                if isinstance(event, TextAdded):
                    *lines, line = (line + event.text).split("\n")
                    yield from lines
        yield line
    except TurnInProgress:
        yield "I am still at your last one."
    except TimeoutError:
        yield "That took too long."
    except PortalClosed:
        yield "I am stopping; ask me again later."
    except TrouperError as error:  # a provider is down, a budget is used up: it says which
        yield f"That did not work: {error}"


def respond(app: ThreadApp, user: str, text: str) -> None:
    for line in answer(app, user, text):
        # In one piece, so that lines of two people do not mix.
        sys.stdout.write(f"{user}: {line}\n")
        sys.stdout.flush()


def stop(*_: object) -> None:
    sys.exit()


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    config = load_config(sys.argv[1])
    # Left from right to left: a signal stops the application in order, which ends the
    # answers under way, and then the threads have nothing more to wait for.
    with ThreadPoolExecutor(AT_ONCE) as pool, ThreadApp(config, tools=[dice]) as app:
        for line in sys.stdin:
            user, _, text = line.strip().partition(" ")
            if user and text:
                pool.submit(respond, app, user, text)
        pool.shutdown()  # nobody asks any more: what has been asked is answered first


main()
