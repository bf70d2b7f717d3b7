"""The configuration of `trouper demo`: a small model on this machine, for nobody else."""

from .app import AppConfig
from .assistants import AssistantConfig
from .chain import Target
from .models import ModelConfig
from .provider import LocalConfig, ProviderConfig
from .server import ServerConfig

__all__ = ["demo_config"]


def demo_config() -> AppConfig:
    """One `local` provider, one model, one assistant, on a free port of the loopback."""
    return AppConfig(
        server=ServerConfig(listen="127.0.0.1:0"),
        # One person talks: one slot, with the whole window that SmolLM2 was trained for.
        providers={
            "local": ProviderConfig(
                name="local", kind="local", local=LocalConfig(slots=1, context_tokens=8_192)
            )
        },
        # A small model does not always find an end; this is some 400 words.
        models={
            "default": ModelConfig(
                targets=(Target("local", "smollm2"),), temperature=0.2, max_output_tokens=512
            )
        },
        assistants={
            "default": AssistantConfig(model="default", prompt="You are a helpful assistant.")
        },
    )
