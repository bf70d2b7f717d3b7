"""Where an application keeps its models' answers: nowhere, unless a model says for how long."""

from functools import partial

from ..runtime import Backoff, ChildSpec, System, child
from .config import AppConfig, ProviderConfig
from .gate.response_cache import ResponseCache
from .provider.caching import Caching
from .store.cache import AnswerStore, MemoryAnswers
from .store.cache_file import AnswerFile
from .store.database import MEMORY
from .store.ledger import Ledger
from .wire.canonical import RequestKeys

__all__ = ["ResponseCacheSetup"]

_CACHE = "response-cache"

# A request that finds it down goes to its provider, so it need not be back at once.
_BACKOFF = Backoff(initial=0.2, maximum=5.0, reset_after=30.0)


class ResponseCacheSetup:
    """The kept answers of one application."""

    def __init__(self, config: AppConfig) -> None:
        self._config = config
        self._keys = RequestKeys()
        self._settings = {each.name: _settings(each) for each in config.providers.values()}

    def children(self) -> tuple[ChildSpec, ...]:
        """What must run before those who ask; nothing where no model keeps its answers."""
        if all(model.cache is None for model in self._config.models.values()):
            return ()
        store = self._config.store
        writers: tuple[ChildSpec, ...] = ()
        answers: AnswerStore
        if store.cache_path == MEMORY:
            answers = MemoryAnswers(store.cache_max_bytes)
        else:
            answers = file = AnswerFile(store.cache_path, store.cache_max_bytes)
            writers = (file.spec(),)
        cache = child(_CACHE, partial(ResponseCache, answers), backoff=_BACKOFF, poison=0)
        return (*writers, cache)

    def caching(self, system: System, model: str, ledger: Ledger) -> Caching | None:
        """How the model of that name keeps its answers, in a system with these children."""
        keep_for = self._config.models[model].cache
        if keep_for is None:
            return None
        return Caching(
            cache=system.ref(_CACHE, ResponseCache),
            keep_for=keep_for,
            keys=self._keys,
            settings=self._settings,
            ledger=ledger,
        )


def _settings(provider: ProviderConfig) -> str:
    """What of a provider's configuration changes its answers, besides its kind and address."""
    options = sorted((name, repr(value)) for name, value in provider.options.items())
    return repr((provider.api_version, provider.num_ctx, provider.local.context_tokens, options))
