"""The configured models as the gateway's HTTP asks them."""

from collections.abc import Callable, Sequence

import attrs

from .chat import ChatRequest, Completion
from .provider import request as provider_request
from .provider.call import Call
from .provider.route import Route

__all__ = ["ServedModels"]


class ServedModels:
    """Models by their names. `resolve` gives the route of a request, and the request with
    what the model's configuration says; it raises ProviderError for an unknown name."""

    def __init__(
        self,
        names: Sequence[str],
        resolve: Callable[[ChatRequest], tuple[Route, ChatRequest]],
    ) -> None:
        self.names = names
        self._resolve = resolve

    async def complete(self, request: ChatRequest, call: Call) -> Completion:
        """The whole answer. Raises ProviderError."""
        route, request = self._resolve(request)
        return await provider_request.complete(route, request, call)

    def stream(self, request: ChatRequest, call: Call) -> provider_request.AnswerStream:
        """The answer as it comes. Raises ProviderError."""
        route, request = self._resolve(request)
        if route.on_midstream == "restart":
            # Nothing on that wire takes back what was said.
            route = attrs.evolve(route, on_midstream="raise")
        return provider_request.stream(route, request, call)
