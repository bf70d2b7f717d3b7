"""The configuration of `trouper demo --incident`: a program in which several things go wrong."""

from pathlib import Path

from .app import AppConfig
from .assistants import AssistantConfig
from .attempts import BreakerConfig, RetryConfig
from .budgets import BudgetConfig
from .chain import Target
from .console import ConsoleConfig
from .models import ModelConfig
from .provider import ProviderConfig
from .server import ServerConfig
from .store import StoreConfig

__all__ = ["incident_config"]

# Seconds: the most that may be. Nobody probes it then, so it stays open until it is reset.
_OPEN = 60.0
# Dollars a million tokens, and tokens: one report takes 95 % of its budget.
_PRICE = 1.0
_REPORT = 950_000


def incident_config(url: str, folder: Path, tool: str) -> AppConfig:
    """Two providers at `url`, and assistants one of which has `tool`; files are in `folder`.

    What is asked of mistral/large fails, and openai/reporter is dear.
    """
    return AppConfig(
        server=ServerConfig(listen="127.0.0.1:0"),
        store=StoreConfig(path=str(folder / "trouper.db")),
        console=ConsoleConfig(web=True, web_role="operate"),
        providers={
            name: ProviderConfig(
                name=name,
                kind="openai",
                base_url=url,
                requests_per_minute=600,
                retry=RetryConfig(attempts=1),
                breaker=BreakerConfig(min_calls=5, open_for=_OPEN),
            )
            for name in ("mistral", "openai")
        },
        models={
            "small": ModelConfig(targets=(Target("openai", "small"), Target("mistral", "large"))),
            "large": ModelConfig(targets=(Target("mistral", "large"), Target("openai", "small"))),
            "reporter": ModelConfig(
                targets=(Target("openai", "reporter"),), max_output_tokens=_REPORT
            ),
        },
        assistants={
            "default": AssistantConfig(model="small", tools=(tool,)),
            "large": AssistantConfig(model="large"),
            "reporter": AssistantConfig(model="reporter"),
        },
        prices={
            "openai/*": {"input": _PRICE, "output": _PRICE},
            "mistral/*": {"input": _PRICE, "output": _PRICE},
        },
        budgets={
            "reports": BudgetConfig(
                limit_usd="1.00", per="day", scope="model", only="openai/reporter"
            )
        },
    )
