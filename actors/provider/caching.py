"""That answers of a route are kept: where, for how long, and under which keys."""

from collections.abc import Iterable, Mapping

import attrs

from ...runtime import Ref
from ..chat import ChatRequest
from ..gate.response_cache_messages import Share
from ..store.ledger import Ledger
from ..wire.canonical import RequestKeys
from .target import Target

__all__ = ["Caching"]


@attrs.frozen(kw_only=True)
class Caching:
    """How a route keeps answers.

    `keep_for` is in seconds. `settings` says, by provider, what else of its
    configuration changes an answer (a version of its wire, a window). Requests
    that did not have to be made are rows of `ledger`, where there is one.
    `keys` is best shared by all routes, since it knows the messages.
    """

    cache: Ref[Share] = attrs.field(repr=False)
    keep_for: float
    keys: RequestKeys = attrs.field(factory=RequestKeys, repr=False, eq=False)
    settings: Mapping[str, str] = attrs.field(factory=dict[str, str], hash=False)
    ledger: Ledger | None = attrs.field(default=None, repr=False, eq=False)

    def key(self, targets: Iterable[Target], request: ChatRequest) -> bytes:
        """The key of `request`, asked of these. Raises ProviderError as its wire would."""
        named = [
            (
                each.provider,
                each.model,
                each.kind,
                each.base_url,
                self.settings.get(each.provider, ""),
            )
            for each in targets
        ]
        if all(model for _, model, *_ in named):
            request = attrs.evolve(request, model="")  # which is never sent
        return self.keys.key(request, named)
