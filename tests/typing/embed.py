"""What those write who embed the application; both type checkers must accept it. Never run."""

from collections.abc import Awaitable, Callable
from contextlib import aclosing, closing
from typing import assert_type

from trouper.actors import (
    Answer,
    AppConfig,
    ChatRequest,
    Completion,
    Message,
    TextPart,
    TurnEvent,
    open_app,
)
from trouper.actors.chat import Chunk, Usage
from trouper.actors.embed import AsyncioApp, AsyncioBot, AsyncioSession, ThreadApp, ThreadBot
from trouper.actors.gateway.readiness import Readiness
from trouper.actors.session.answer import ToolUse
from trouper.actors.session.events import PermissionAsked, StopReason, TextAdded
from trouper.actors.tools import tool

REQUEST = ChatRequest(model="", messages=(Message("user", (TextPart("hello"),)),))


@tool(timeout=5, approval="always")
async def weather(city: str) -> str:
    """Tell the weather."""
    return city


@tool
def price(dish: str) -> float:
    """Tell a price."""
    return 7.0


assert_type(price("soup"), float)


async def beside_trio(config: AppConfig) -> None:
    async with open_app(config, tools=[weather, price]) as app:
        session = await app.session("alice", assistant="default", user="ann", kept=False)
        async with session.prompt("hello") as turn:
            async for event in turn:
                assert_type(event, TurnEvent)
            assert_type(turn.answer, Answer)
        assert_type(await session.ask("hello"), Answer)


async def beside_asyncio(config: AppConfig) -> None:
    async def approve(user: str, call: PermissionAsked) -> bool:
        return call.name == "weather"

    async with AsyncioApp(config, tools=[weather, price], serve=True, stop_timeout=5.0) as app:
        session = await app.session("alice", assistant="default", user="ann", kept=False)
        assert_type(session, AsyncioSession)
        async with session.prompt((TextPart("hello"),)) as turn:
            async for event in turn:
                assert_type(event, TurnEvent)
                if isinstance(event, TextAdded):
                    assert_type(event.text, str)
                elif isinstance(event, PermissionAsked):
                    assert_type(await session.permit(event.call_id, granted=True), bool)
            assert_type(turn.stop, StopReason | None)
        answer = await session.ask("hello")
        assert_type(answer.usage, Usage)
        assert_type(answer.cost, int | None)
        assert_type(answer.tools, tuple[ToolUse, ...])
        text: str = answer
        assert_type(text.upper(), str)
        assert_type(await app.complete(REQUEST, user="ann"), Completion)
        async with aclosing(app.stream(REQUEST)) as chunks:
            async for chunk in chunks:
                assert_type(chunk, Chunk)
        assert_type(await app.readiness(), Readiness)
        bot = AsyncioBot(app, prefix="/", approve=approve)
        async with aclosing(bot.respond("ann", "/help")) as lines:
            async for line in lines:
                assert_type(line, str)
        standings = app.portal.value.budgets.standings
        await app.portal.call(standings)


def beside_threads(config: AppConfig, say: Callable[[str], object]) -> None:
    with ThreadApp(config, tools=[weather, price]) as app:
        session = app.session("alice")
        with session.prompt("hello", timeout=60) as turn:
            for event in turn:
                assert_type(event, TurnEvent)
        assert_type(session.ask("hello", timeout=60), Answer)
        assert_type(app.complete(REQUEST), Completion)
        with closing(app.stream(REQUEST)) as chunks:
            for chunk in chunks:
                assert_type(chunk, Chunk)
        assert_type(app.readiness(), Readiness)
        ThreadBot(app).answer("ann", "!help", say)


async def handed_on(bot: AsyncioBot, say: Callable[[str], Awaitable[None]]) -> None:
    await bot.answer("ann", "!help", say, assistant="default")


async def in_a_notebook(config: AppConfig) -> None:
    app = await AsyncioApp(config).start()
    assert_type(app, AsyncioApp)
    await app.stop(timeout=5)
    assert_type(ThreadApp(config).start(), ThreadApp)
