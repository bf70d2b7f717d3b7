"""A configuration file into an AppConfig, or all that is wrong with it at once."""

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cattrs import BaseValidationError, Converter

from ..errors import ConfigError
from ..wire.converter import explain, key_path, make_converter, shown
from .app import AppConfig, Target, dangling
from .secret import Secret, resolve_secret

__all__ = ["load_config", "parse_config"]

# A thousand times what a large configuration needs; /dev/zero has more.
_LARGEST_FILE = 8 * 1_048_576


def load_config(
    path: str | os.PathLike[str], *, environ: Mapping[str, str] = os.environ
) -> AppConfig:
    """The configuration in the TOML file at `path`, with its secrets from `environ` and files.

    Relative paths in it are seen from the folder of the file.
    Raises ConfigError with every fault that can be seen at once.
    """
    source = os.fspath(path)
    try:
        with open(source, "rb") as file:
            content = file.read(_LARGEST_FILE + 1)
    except FileNotFoundError as error:
        raise ConfigError(source, ["there is no such file"]) from error
    except OSError as error:
        raise ConfigError(source, [f"cannot be read: {error.strerror}"]) from error
    if len(content) > _LARGEST_FILE:
        raise ConfigError(source, [f"is larger than {_LARGEST_FILE:,} bytes"])
    try:
        # Some editors begin a file with a byte order mark, which TOML does not know.
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(source, [f"line {line}: is not UTF-8 text"]) from error
    return parse_config(text, source=source, folder=Path(source).parent, environ=environ)


def parse_config(
    text: str,
    *,
    source: str = "configuration",
    folder: Path = Path(),
    environ: Mapping[str, str] = os.environ,
) -> AppConfig:
    """The configuration in the TOML `text`; `source` is what errors call it.

    Raises ConfigError, as `load_config` does.
    """
    try:
        raw = tomllib.loads(text)
    except ValueError as error:  # TOMLDecodeError is one, and so is a number of 5,000 digits
        raise ConfigError(source, [_syntax_fault(str(error), text)]) from error
    except RecursionError as error:
        raise ConfigError(source, ["is nested too deeply"]) from error
    faults = list(_name_providers(raw))
    try:
        config = _converter(folder, environ).structure(raw, AppConfig)
    except BaseValidationError as error:
        faults += explain(error)
    else:
        if not faults:
            return config
    # Where a table is faulty, no AppConfig was made that could look across
    # tables; where one was made, it has found the same, said once.
    faults += _dangling_in(raw)
    raise ConfigError(source, dict.fromkeys(faults))


def _syntax_fault(message: str, text: str) -> str:
    match = re.fullmatch(r"(?P<what>.*) \(at (?P<where>.*)\)", message, re.DOTALL)
    if match is None:
        return f"is not valid TOML: {message}"
    where = match["where"]
    if where == "end of document":
        lines = text.split("\n")
        where = f"line {len(lines)}, column {len(lines[-1]) + 1}"
    return f"{where}: is not valid TOML: {match['what']}"


def _name_providers(raw: dict[str, Any]) -> list[str]:
    """Write the name of each provider's table into it; the faults of those with a name key."""
    faults: list[str] = []
    for name, table in _tables(raw, "providers").items():
        if "name" in table:
            key = key_path(key_path("providers", name), "name")
            faults.append(f"{key}: the name of the table is the provider's name; leave this out")
        table["name"] = name
    return faults


def _converter(folder: Path, environ: Mapping[str, str]) -> Converter:
    def secret(value: object, _: object) -> Secret:
        return resolve_secret(value, environ=environ, folder=folder)

    def path(value: object, _: object) -> Path:
        if not isinstance(value, str) or not value:
            raise ValueError(f"must be the path of a file, not {shown(value)}")
        return folder / Path(value).expanduser()

    def target(value: object, _: object) -> Target:
        return Target.parse(value)

    converter = make_converter()
    converter.register_structure_hook(Secret, secret)
    converter.register_structure_hook(Path, path)
    converter.register_structure_hook(Target, target)
    return converter


def _dangling_in(raw: dict[str, Any]) -> list[str]:
    def target(value: object) -> Target | None:
        try:
            return Target.parse(value)
        except ValueError:
            return None

    def chain(value: object) -> list[Target | None]:
        return [target(item) for item in value] if isinstance(value, list) else []

    def word(value: object) -> str | None:
        return value if isinstance(value, str) else None

    # Of all that stand in the file, also those that are no tables: they are
    # faults of their own, and naming one is not another.
    targets = {name: chain(_get(table, "targets")) for name, table in _all(raw, "models").items()}
    models = {name: word(_get(table, "model")) for name, table in _all(raw, "assistants").items()}
    return list(dangling(_all(raw, "providers"), targets, models))


def _all(raw: dict[str, Any], key: str) -> dict[str, Any]:
    value = raw.get(key)
    return value if isinstance(value, dict) else {}


def _tables(raw: dict[str, Any], key: str) -> dict[str, dict[str, Any]]:
    return {name: table for name, table in _all(raw, key).items() if isinstance(table, dict)}


def _get(table: object, key: str) -> object:
    return table.get(key) if isinstance(table, dict) else None
