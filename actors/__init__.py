"""The domain: providers, sessions and a gateway, as supervised actors.

Reading order: chat and errors (values), config, tree (what runs under whom),
app (`open_app`), single (`open_provider`); then session, provider, gateway, and
below them wire and policy, which do no I/O.

The names below are imported when they are first used: a command that only
prints must not wait for an HTTP stack.
"""

from typing import TYPE_CHECKING

from .lazy_names import lazy_names

if TYPE_CHECKING:
    from .app import App, open_app
    from .bot import Bot
    from .chat import ChatRequest, Completion, Message, TextDelta, TextPart
    from .config import AppConfig, ProviderConfig, demo_config, load_config
    from .errors import ConfigError, ErrorKind, ProviderError, SessionError
    from .gate.limiter_messages import Priority
    from .session.answer import Answer, TurnEvent
    from .session.reader import SessionHandle, Turn
    from .single import Provider, open_provider

__all__ = [
    "Answer",
    "App",
    "AppConfig",
    "Bot",
    "ChatRequest",
    "Completion",
    "ConfigError",
    "ErrorKind",
    "Message",
    "Priority",
    "Provider",
    "ProviderConfig",
    "ProviderError",
    "SessionError",
    "SessionHandle",
    "TextDelta",
    "TextPart",
    "Turn",
    "TurnEvent",
    "demo_config",
    "load_config",
    "open_app",
    "open_provider",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "app": ("App", "open_app"),
        "bot": ("Bot",),
        "chat": ("ChatRequest", "Completion", "Message", "TextDelta", "TextPart"),
        "config": ("AppConfig", "ProviderConfig", "demo_config", "load_config"),
        "errors": ("ConfigError", "ErrorKind", "ProviderError", "SessionError"),
        "gate.limiter_messages": ("Priority",),
        "session.answer": ("Answer", "TurnEvent"),
        "session.reader": ("SessionHandle", "Turn"),
        "single": ("Provider", "open_provider"),
    },
)
