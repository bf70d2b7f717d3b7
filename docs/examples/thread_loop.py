"""A program of plain threads: it reads lines and answers them, each person's in turn.

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
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

from trouper.actors import load_config
from trouper.actors.embed import ThreadApp
from trouper.actors.tools import tool
from trouper.runtime import TrouperError

TIMEOUT = 60.0  # seconds of an answer

talking: dict[str, threading.Lock] = {}


@tool(timeout=2)
def dice(sides: int = 6) -> int:
    """Roll a die."""
    return random.randint(1, sides)


def answer(app: ThreadApp, user: str, text: str) -> str:
    try:
        # Not kept: a bot has more users than there are places for conversations.
        session = app.session(f"lines.{user}", user=user, kept=False)
        return session.ask(text, timeout=TIMEOUT)
    except TimeoutError:
        return "That took too long."
    except TrouperError as error:  # a provider is down, a budget is used up: it says which
        return f"That did not work: {error}"


def respond(app: ThreadApp, user: str, text: str) -> None:
    # A conversation has one turn at a time; the others go on meanwhile.
    with talking[user]:
        said = answer(app, user, text)
    sys.stdout.write(f"{user}: {said}\n")
    sys.stdout.flush()


def main() -> None:
    config = load_config(sys.argv[1])
    # Leaving waits for the answers under way, and then stops the application in order.
    with ThreadApp(config, tools=[dice]) as app, ThreadPoolExecutor(8) as pool:
        for line in sys.stdin:
            user, _, text = line.strip().partition(" ")
            if user and text:
                talking.setdefault(user, threading.Lock())
                pool.submit(respond, app, user, text)


main()
