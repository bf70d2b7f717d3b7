"""Where the store of a configuration is, for commands that need nothing else of it."""

import tomllib
from pathlib import Path

from ..config import StoreConfig
from ..errors import ConfigError

__all__ = ["store_of"]


def store_of(config: Path) -> Path:
    """The store's file. Only that is read: whoever looks at it need not have the keys.

    Raises ConfigError where it is in memory, or the file cannot be read.
    """
    source = str(config)
    try:
        tables = tomllib.loads(config.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(source, [f"is not valid TOML: {error}"]) from error
    table = tables.get("store", {})
    path = table.get("path", StoreConfig().path) if isinstance(table, dict) else None
    if not isinstance(path, str):
        raise ConfigError(source, ["store.path: must be the path of a file"])
    if path == StoreConfig().path:
        raise ConfigError(
            source,
            ["store.path: the store is in memory, and gone with its server; name a file there"],
        )
    return config.parent / path
