"""An HTTP endpoint that streams, and stops the model when its reader goes away.

    pip install trouper fastapi uvicorn
    TROUPER_CONFIG=trouper.toml uvicorn --timeout-graceful-shutdown 10 fastapi_stream:api
    curl -N localhost:8000/talk -H 'x-user: alice' -d 'Roll a die!'

In trouper.toml, beside a provider and a model:

    [assistants.default]
    model = "default"
    tools = ["dice"]
    [budgets.each]
    limit_usd = "0.25"
    per = "day"
    scope = "user"
"""

import os
import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Body, FastAPI, Header, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from trouper.actors import load_config
from trouper.actors.embed import AsyncioApp
from trouper.actors.session.events import TextAdded
from trouper.actors.tools import tool
from trouper.runtime import TrouperError


@tool(timeout=2)
async def dice(sides: int = 6) -> int:
    """Roll a die."""
    return random.randint(1, sides)


@asynccontextmanager
async def lifespan(api: FastAPI) -> AsyncGenerator[None]:
    # uvicorn forks no workers: each process has an application of its own.
    async with AsyncioApp(load_config(os.environ["TROUPER_CONFIG"]), tools=[dice]) as app:
        api.state.app = app
        yield


api = FastAPI(lifespan=lifespan)


async def said(app: AsyncioApp, user: str, text: str) -> AsyncGenerator[str]:
    try:
        # Not kept: a service has more users than there are places for conversations.
        session = await app.session(f"web.{user}", user=user, kept=False)
        # Where the reader goes away, this is closed or cancelled, and so is the turn.
        async with session.prompt(text) as turn:
            async for event in turn:
                if isinstance(event, TextAdded):
                    yield event.text
    except TrouperError as error:  # a provider is down, a budget is used up: it says which
        yield f"\nThat did not work: {error}\n"


@api.post("/talk")
async def talk(
    request: Request,
    # Of whatever lets people in; here everybody is believed.
    x_user: Annotated[str, Header(max_length=64)],
    text: Annotated[bytes, Body(media_type="text/plain", max_length=16_000)],
) -> Response:
    app: AsyncioApp = request.app.state.app
    answer = said(app, x_user, text.decode(errors="replace"))
    return StreamingResponse(answer, media_type="text/plain")


@api.get("/healthz")
async def healthz(request: Request) -> Response:
    readiness = await request.app.state.app.readiness()
    body = {"reasons": readiness.reasons, "warnings": readiness.warnings}
    return JSONResponse(body, status_code=200 if readiness.ready else 503)
