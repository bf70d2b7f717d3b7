"""A program as an operator meets it at three in the morning: four providers of which one fails,
conversations under way, a mailbox that is full, an actor that crashes, a budget near its end.

`python -m tests.fakes.console_world` serves it and prints a link to the page; `--actors N` adds
so many idle ones.
"""

import argparse
import itertools
import random
import sys
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from unittest.mock import patch

import attrs
import trio

from tests.fakes.players import Crash, Hang, Note, Play, Player
from trouper.actors import app as app_module
from trouper.actors.app import App, open_app
from trouper.actors.config import (
    AppConfig,
    AssistantConfig,
    BudgetConfig,
    ConsoleConfig,
    ModelConfig,
    ProviderConfig,
    ServerConfig,
    TokenConfig,
)
from trouper.actors.simulator.script import Rule, Script, ScriptedReply, StatusError
from trouper.actors.simulator.server import serve_simulator
from trouper.runtime import Backoff, ChildSpec, Mailbox, MailboxFull, dynamic, supervisor

__all__ = ["TOKENS", "open_world"]

TOKENS = {
    "read": "token-of-a-reader",
    "operate": "token-of-an-operator",
    "admin": "token-of-an-admin",
}

_PROVIDERS = {
    "anthropic": "claude-sonnet",
    "openai": "gpt-5",
    "mistral": "mistral-large",
    "local": "qwen3",
}
_TEXT = "It depends on what you want to know, and on how much time there is. " * 6


def config(urls: dict[str, str], **console: Any) -> AppConfig:
    """Four providers, of which each is asked by a model of its own."""
    limits = {"anthropic": (400, 60_000), "openai": (900, 90_000), "mistral": (600, 80_000)}
    providers = {
        name: ProviderConfig(
            name=name,
            kind="openai",
            base_url=url,
            requests_per_minute=limits.get(name, (None, None))[0],
            tokens_per_minute=limits.get(name, (None, None))[1],
            max_in_flight=8,
        )
        for name, url in urls.items()
    }
    return AppConfig(
        server=ServerConfig(
            listen="127.0.0.1:0",
            tokens=[
                TokenConfig(secret=token, name=f"{role}er", scopes=[f"console:{role}"])
                for role, token in TOKENS.items()
            ],
        ),
        providers=providers,
        models={
            name: ModelConfig(targets=[f"{name}/{model}"]) for name, model in _PROVIDERS.items()
        },
        assistants={name: AssistantConfig(model=name) for name in _PROVIDERS},
        prices={
            f"{name}/*": {"input": 3.0 * n, "output": 9.0 * n}
            for n, name in enumerate(_PROVIDERS, 1)
        },
        budgets={
            "daily": BudgetConfig(limit_usd="20.00", per="day"),
            "nightly-jobs": BudgetConfig(
                limit_usd="0.10", per="day", scope="provider", only="openai"
            ),
        },
        console=ConsoleConfig(web=True, **console),
    )


def _workers(play: Play, more: int) -> Iterator[ChildSpec]:
    slow = Backoff(first=0.8, initial=0.8, jitter=0)
    yield supervisor(
        "workers",
        # (It hangs when all ends.)
        play.part("indexer", mailbox=Mailbox(32), shutdown=0.1),
        play.part("mailer", backoff=slow),
        play.part("thumbnails"),
        strategy="rest_for_one",
        intensity=1_000,
    )
    if more:
        yield dynamic("crowd", Player)


@asynccontextmanager
async def _simulators(pace: float) -> AsyncGenerator[dict[str, str]]:
    urls: dict[str, str] = {}
    reply = ScriptedReply(text=_TEXT, words_per_chunk=2, delay=6 * pace, pace=pace)
    async with trio.open_nursery() as nursery:
        for name in _PROVIDERS:
            fault = StatusError(status=529) if name == "mistral" else None
            slowly = Rule(contains="slowly", reply=attrs.evolve(reply, pace=0.1))
            script = Script(rules=(slowly, Rule(reply=reply, fault=fault)))
            (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
            urls[name] = f"http://127.0.0.1:{listener.socket.getsockname()[1]}/v1"
            await nursery.start(serve_simulator, [listener], script)
        yield urls
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def open_world(
    more: int = 0, *, busy: bool = True, **console: Any
) -> AsyncGenerator[tuple[App, str]]:
    """Run it; the application, and where it serves."""
    play, tree = Play(), vars(app_module)["tree"]

    def larger(*args: Any, **options: Any) -> Any:
        return (*tree(*args, **options), *_workers(play, more))

    # Where it is quiet, whoever asks something waits for the answer.
    async with _simulators(0.05 if busy else 0.002) as urls:
        with patch.object(app_module, "tree", larger):
            async with (
                open_app(config(urls, **console), serve=True, signals=False) as app,
                trio.open_nursery() as nursery,
            ):
                if more:
                    children = app.system.children("crowd", Player)
                    for number in range(more):
                        await children.start(str(number), f"p{number}", play)
                if busy:
                    nursery.start_soon(_live, app)
                assert app.listening is not None
                yield app, app.listening.url
                nursery.cancel_scope.cancel()


async def _live(app: App) -> None:
    dice = random.Random(7)
    people = ["ada", "grace", "edsger", "barbara", "tony", "leslie", "frances", "niklaus"]
    async with trio.open_nursery() as nursery:
        for number in range(24):
            name = f"{people[number % 8]}-{dice.randrange(16**4):04x}"
            provider = list(_PROVIDERS)[number % 4]
            nursery.start_soon(_talk, app, name, provider, people[number % 8], dice)
        indexer, mailer = (
            app.system.ref("workers/indexer", Player),
            app.system.ref("workers/mailer", Player),
        )
        nursery.start_soon(_hang, indexer)
        for number in range(60):
            with suppress(MailboxFull):
                indexer.tell(Note(f"document {number}"))
            if number % 20 == 0:
                mailer.tell(Crash(RuntimeError("the mail server said 451 try again later")))
                await trio.sleep(0.3)
        thumbnails = app.system.ref("workers/thumbnails", Player)
        for _ in itertools.count():
            thumbnails.tell(Note("a picture"))
            await trio.sleep(0.05)


async def _hang(indexer: Any) -> None:
    with suppress(Exception):
        await indexer.ask(Hang(1e6), timeout=1e6)


async def _talk(app: App, name: str, assistant: str, user: str, dice: random.Random) -> None:
    await trio.sleep(dice.random() * 2)
    session = await app.session(name, assistant=assistant, user=user)
    while True:
        with suppress(Exception):
            await session.ask("What is there to know?")
        await trio.sleep(dice.random() * 6)


async def _main(more: int, role: Any) -> None:
    async with open_world(more, web_role=role) as (app, _):
        print(app._watching.console.entry.link(trio.current_time()), flush=True)
        await trio.to_thread.run_sync(sys.stdin.read, abandon_on_cancel=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--actors", type=int, default=0)
    parser.add_argument("--role", default="admin")
    arguments = parser.parse_args()
    trio.run(_main, arguments.actors, arguments.role)
