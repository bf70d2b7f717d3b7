"""One provider alone: `open_provider(config)`, for who wants no sessions and no server."""

from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager

from ..runtime import System
from ..runtime.events import Observer
from .catalog.prices import PriceBook
from .chat import ChatRequest, Chunk, Completion
from .config import ProviderConfig
from .gate.router import Router
from .logs import log_by_default
from .provider import request as provider_request
from .provider.knowledge import Knowledge
from .provider.pace import Pace
from .provider.route import Route, make_route
from .redaction import redact_text
from .tree import ROUTER, find_target, providers_spec, router_spec

__all__ = ["Provider", "open_provider"]


class Provider:
    """A provider that is open. Every call is retried as its configuration says."""

    def __init__(self, route: Route) -> None:
        self._route = route

    async def complete(self, request: ChatRequest) -> Completion:
        """The whole answer to `request`. Raises ProviderError."""
        return await provider_request.complete(self._route, request)

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Chunk]:
        """The answer to `request` as it comes, chunk by chunk. Raises ProviderError.

        Close it (`contextlib.aclosing`) where it is left early, so that the
        provider stops at once.
        """
        async with aclosing(provider_request.stream(self._route, request)) as batches:
            async for batch in batches:
                for chunk in batch:
                    yield chunk


@asynccontextmanager
async def open_provider(
    config: ProviderConfig, *, observer: Observer | None = None, prices: PriceBook | None = None
) -> AsyncGenerator[Provider]:
    """Keep the provider of `config` for the length of the block, under supervision.

    Entering returns when it is ready; a provider of kind `local` has loaded its
    model by then. Costs are known where `prices` are given
    (`await load_price_book()`). `observer` is called with every event of the runtime.
    Signals are left to the program. Raises StartFailed, whose cause says why, if it
    cannot start.
    """
    log_by_default()
    system = System(
        providers_spec([config], Pace()),
        router_spec(),
        observer=observer,
        signals=False,
        name=config.name,
        redact=redact_text,
    )
    async with system:
        target = find_target(system, config, "", Knowledge(prices=prices), alone=True)
        router = system.ref(ROUTER, Router)
        yield Provider(make_route([target], router=router))
