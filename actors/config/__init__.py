"""The configuration: frozen classes that check themselves, and a TOML file that makes them.

Reading order: `provider`, `attempts`, `server` and `app` hold the classes, `secret` what
must not be shown, `checks` what single values must be like, `load` the file.
"""

from .app import AppConfig, AssistantConfig
from .attempts import BreakerConfig, RetryConfig, TimeoutConfig
from .budgets import BudgetConfig
from .checks import is_loopback, split_listen
from .demo import demo_config
from .load import load_config, parse_config, structure_config
from .models import LinkConfig, ModelConfig, Target, TargetConfig
from .provider import LocalConfig, ProviderConfig
from .secret import Secret
from .server import ServerConfig
from .store import StoreConfig
from .telemetry import TelemetryConfig

__all__ = [
    "AppConfig",
    "AssistantConfig",
    "BreakerConfig",
    "BudgetConfig",
    "LinkConfig",
    "LocalConfig",
    "ModelConfig",
    "ProviderConfig",
    "RetryConfig",
    "Secret",
    "ServerConfig",
    "StoreConfig",
    "Target",
    "TargetConfig",
    "TelemetryConfig",
    "TimeoutConfig",
    "demo_config",
    "is_loopback",
    "load_config",
    "parse_config",
    "split_listen",
    "structure_config",
]
