"""A configuration file into an AppConfig, or all that is wrong with it at once."""

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cattrs import BaseValidationError, Converter

from ..errors import ConfigError
from ..wire.converter import explain, key_path, make_converter, shown
from .app import AppConfig
from .chain import LinkConfig, Target
from .names import Names, NamesOfAssistant
from .secret import Secret, SecretOrText, resolve_secret, resolve_text
from .store import MEMORY, StorePath
from .tokens import TokenConfig

__all__ = ["load_config", "parse_config", "structure_config"]

# A thousand times what a large configuration needs; /dev/zero has more.
_LARGEST_FILE = 8 * 1_048_576


def load_config(
    path: str | os.PathLike[str], *, environ: Mapping[str, str] = os.environ
) -> AppConfig:
    """The configuration in the TOML file at `path`, with its secrets from `environ` and files.

    Relative paths in it are seen from the folder of the file, which has 8 MiB at most.
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

    Paths in it are relative to `folder`, and `env:NAME` is looked up in `environ`.
    Raises ConfigError, as `load_config` does.
    """
    try:
        raw = tomllib.loads(text)
    except ValueError as error:  # TOMLDecodeError is one, and so is a number of 5,000 digits
        raise ConfigError(source, [_syntax_fault(str(error), text)]) from error
    except RecursionError as error:
        raise ConfigError(source, ["is nested too deeply"]) from error
    return structure_config(raw, source=source, folder=folder, environ=environ)


def structure_config(
    tables: Mapping[str, Any],
    *,
    source: str = "configuration",
    folder: Path = Path(),
    environ: Mapping[str, str] = os.environ,
) -> AppConfig:
    """The configuration in `tables`, as a TOML parser gives them: for who reads it elsewhere.

    `source`, `folder` and `environ` are as for `parse_config`. Raises ConfigError, as
    `load_config` does.
    """
    raw = dict(tables)
    faults = _name_providers(raw)
    try:
        config = _converter(folder, environ).structure(raw, AppConfig)
    except BaseValidationError as error:
        faults += explain(error)
    else:
        if not faults:
            return config
    # Where a table is faulty, no AppConfig was made that could look across
    # tables; where one was made, it has found the same, said once.
    faults += _names_in(raw).faults()
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
    providers = raw.get("providers")
    if not isinstance(providers, dict):
        return faults
    named = raw["providers"] = dict(providers)
    for name, table in providers.items():
        if isinstance(table, dict):
            if "name" in table:
                key = key_path(key_path("providers", name), "name")
                faults.append(
                    f"{key}: the name of the table is the provider's name; leave this out"
                )
            named[name] = {**table, "name": name}
    return faults


def _converter(folder: Path, environ: Mapping[str, str]) -> Converter:
    def secret(value: object, _: object) -> Secret:
        return resolve_secret(value, environ=environ, folder=folder)

    def secret_or_text(value: object, _: object) -> Secret | str:
        return resolve_text(value, environ=environ, folder=folder)

    def path(value: object, _: object) -> Path:
        if not isinstance(value, str) or not value:
            raise ValueError(f"must be the path of a file, not {shown(value)}")
        return folder / Path(value).expanduser()

    def store_path(value: object, _: object) -> StorePath:
        return StorePath(MEMORY if value == MEMORY else str(path(value, Path)))

    def link(value: object, _: object) -> LinkConfig:
        return LinkConfig.of(value)

    def token(value: object, target: type[TokenConfig]) -> TokenConfig:
        if isinstance(value, dict):
            made: TokenConfig = token_table(value, target)
            return made
        return TokenConfig.of(secret(value, Secret))

    converter = make_converter()
    converter.register_structure_hook(Secret, secret)
    token_table = converter.get_structure_hook(TokenConfig)
    converter.register_structure_hook(TokenConfig, token)
    converter.register_structure_hook(SecretOrText, secret_or_text)
    converter.register_structure_hook(Path, path)
    converter.register_structure_hook(StorePath, store_path)
    converter.register_structure_hook(LinkConfig, link)
    return converter


def _names_in(raw: dict[str, Any]) -> Names:
    # Of all that stand in the file, also those that are no tables: they are
    # faults of their own, and naming one is not another.
    assistants, budgets = _all(raw, "assistants"), _all(raw, "budgets")
    only: dict[str, tuple[str, str]] = {}
    for name, table in budgets.items():
        scope, one = _get(table, "scope"), _get(table, "only")
        if isinstance(scope, str) and isinstance(one, str):
            only[name] = (scope, one)
    return Names(
        providers=tuple(_all(raw, "providers")),
        targets={
            name: tuple(_places(_get(table, "targets")))
            for name, table in _all(raw, "models").items()
        },
        assistants={name: _names_of(table) for name, table in assistants.items()},
        tools=_all(raw, "tools"),
        servers=_all(raw, "mcp"),
        budgets=budgets,
        only=only,
        facts=_all(raw, "facts"),
        prices=_all(raw, "prices"),
    )


def _names_of(assistant: object) -> NamesOfAssistant:
    return NamesOfAssistant(
        _word(_get(assistant, "model")),
        _word(_get(assistant, "small_model")),
        tuple(str(tool) for tool in _items(_get(assistant, "tools"))),
    )


def _places(targets: object) -> Iterator[tuple[str, Target]]:
    for index, value in enumerate(_items(targets)):
        equals = _items(value) if isinstance(value, list) else [value]
        for inner, entry in enumerate(equals):
            try:
                target = Target.parse(_get(entry, "target") or entry)
            except ValueError:
                continue
            yield f"[{index}]" if len(equals) == 1 else f"[{index}][{inner}]", target


def _items(value: object) -> list[object]:
    return list(value) if isinstance(value, list) else []


def _word(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _all(raw: dict[str, Any], key: str) -> dict[str, Any]:
    value = raw.get(key)
    return value if isinstance(value, dict) else {}


def _get(table: object, key: str) -> object:
    return table.get(key) if isinstance(table, dict) else None
