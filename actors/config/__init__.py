"""The configuration: frozen classes that check themselves, and a TOML file that makes them.

Reading order: `app` is the whole; `server` with `tokens`, `store`, `provider`
with `attempts`, `models` with `chain`, `assistants` with `kinds`, `tools`, `budgets` and
`telemetry` are its tables; `names` is what they call each other, `checks` and
`addresses` what single values must be like, `secret` what must not be shown,
`load` the file. `advice` says what is right and will do harm all the same.
"""

from .addresses import is_loopback, split_listen
from .app import AppConfig
from .assistants import AssistantConfig
from .attempts import BreakerConfig, RetryConfig, TimeoutConfig
from .budgets import BudgetConfig
from .chain import LinkConfig, Target, TargetConfig
from .console import ConsoleConfig
from .demo import demo_config
from .kinds import KindConfig
from .load import load_config, parse_config, structure_config
from .models import ModelConfig
from .provider import LocalConfig, ProviderConfig
from .secret import Secret
from .server import ServerConfig
from .store import StoreConfig
from .telemetry import TelemetryConfig
from .tokens import Scope, TokenConfig
from .tools import McpConfig, ToolConfig

__all__ = [
    "AppConfig",
    "AssistantConfig",
    "BreakerConfig",
    "BudgetConfig",
    "ConsoleConfig",
    "KindConfig",
    "LinkConfig",
    "LocalConfig",
    "McpConfig",
    "ModelConfig",
    "ProviderConfig",
    "RetryConfig",
    "Scope",
    "Secret",
    "ServerConfig",
    "StoreConfig",
    "Target",
    "TargetConfig",
    "TelemetryConfig",
    "TimeoutConfig",
    "TokenConfig",
    "ToolConfig",
    "demo_config",
    "is_loopback",
    "load_config",
    "parse_config",
    "split_listen",
    "structure_config",
]
