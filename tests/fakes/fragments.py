"""A piece of a configuration, as documents show it, made whole so that the real parser takes it.

What a piece leaves out comes from a configuration that has every kind of
provider and the names that documents use; what it says itself goes before.
"""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trouper.actors.config import AppConfig, parse_config, structure_config

__all__ = ["is_of_a_configuration", "parse_fragment"]

WHOLE = """
[providers.openai]
kind = "openai"
base_url = "https://api.openai.com/v1"
[providers.anthropic]
kind = "anthropic"
base_url = "https://api.anthropic.com"
[providers.ollama]
kind = "ollama"
base_url = "http://127.0.0.1:11434"
[providers.box]
kind = "ollama"
base_url = "http://127.0.0.1:11434"
[providers.local]
kind = "local"
[models.default]
targets = ["openai/some-model"]
[assistants.default]
model = "default"
[mcp.github]
url = "https://mcp.example.org/mcp"
"""

# Tables of pyproject.toml, which a page on packages may show; and of a script for the simulator.
_OTHERS = ({"build-system", "project", "tool"}, {"rules", "rule"})

_REFERENCE = re.compile(r'"env:([A-Za-z_][A-Za-z0-9_]*)"')


def is_of_a_configuration(text: str) -> bool:
    """Whether it is a piece of one at all. Anything that is nothing else must be."""
    tables = set(tomllib.loads(text))
    return not any(tables <= others for others in _OTHERS)


def parse_fragment(text: str, source: str, folder: Path) -> AppConfig:
    """The configuration that `text` is a piece of; each variable that it refers to is set."""
    environ = {name: f"value-of-{name}" for name in _REFERENCE.findall(text)}
    tables = tomllib.loads(text)
    if {"providers", "models", "assistants"} <= set(tables):
        return parse_config(text, source=source, folder=folder, environ=environ)
    return structure_config(
        _over(tomllib.loads(WHOLE), tables), source=source, folder=folder, environ=environ
    )


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of both; where both have one, what is above, and tables key by key."""
    return {
        **below,
        **{
            key: _over(below[key], value)
            if isinstance(value, dict) and isinstance(below.get(key), dict)
            else value
            for key, value in above.items()
        },
    }
