"""What single values of the configuration must be like.

Each function gives the metadata of an attrs field. The check in it judges the
raw value, of whatever type, both when a file is read and when the class is made
in Python, so the two cannot differ. A fault is the second half of a sentence
whose first half is the path of the key.
"""

import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

import attrs

from ..errors import ConfigError
from ..wire.converter import ALLOWED, CHECK, Check, key_path, shown, suggestion

__all__ = [
    "Metadata",
    "base_url",
    "duration",
    "fault_of_origin",
    "fault_of_path",
    "is_loopback",
    "is_name",
    "items",
    "listen_address",
    "name",
    "one_of",
    "optional",
    "refuse_faults",
    "seconds",
    "share",
    "split_listen",
    "switch",
    "table",
    "text",
    "told",
    "whole",
    "within",
]

T = TypeVar("T")

Metadata = dict[str, Any]
"""What an attrs field takes as metadata."""

# Names become actors' paths, metrics' labels and the first half of a target.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_DURATION = re.compile(r"-?([0-9]+(\.[0-9]+)?(ms|s|m|h))+")
_LISTEN = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.%]+)\]|(?P<host>[^\s:\[\]]+)):(?P<port>[0-9]{1,5})")
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^\s/?#@*]+")


def _metadata(fits: Callable[[Any], bool], wanted: str) -> Metadata:
    def check(value: object) -> str | None:
        return None if fits(value) else f"must be {wanted}, not {shown(value)}"

    return {CHECK: check, ALLOWED: wanted}


def told(wanted: str) -> Metadata:
    """What a value must be that a converter or its own class judges; for the reference only."""
    return {ALLOWED: wanted}


def optional(metadata: Metadata) -> Metadata:
    """The same, or None, which stands for a key that is left out."""
    check: Check = metadata[CHECK]

    def unless_none(value: object) -> str | None:
        return None if value is None else check(value)

    return {**metadata, CHECK: unless_none}


def whole(low: int, high: int) -> Metadata:
    """A whole number."""
    return _metadata(
        lambda value: type(value) is int and low <= value <= high,
        f"a whole number from {low} to {high}",
    )


def within(low: float, high: float) -> Metadata:
    """A number; not a NaN, which is in no range."""
    return _metadata(
        lambda value: type(value) in (int, float) and low <= value <= high,
        f"a number from {low:g} to {high:g}",
    )


def share() -> Metadata:
    """A share of a whole."""
    return _metadata(
        lambda value: type(value) in (int, float) and 0 < value <= 1,
        "a number above 0 and up to 1",
    )


def table() -> Metadata:
    """A table whose keys are not ours to know, or are looked at elsewhere."""

    def is_table(value: object) -> bool:
        return isinstance(value, Mapping)

    return _metadata(is_table, "a table")


def switch() -> Metadata:
    """Yes or no."""

    def is_bool(value: object) -> bool:
        return type(value) is bool

    return _metadata(is_bool, "true or false")


def seconds(high: float = 86_400.0) -> Metadata:
    """A time in seconds, up to a day: there is no wait without an end."""
    return _metadata(
        lambda value: type(value) in (int, float) and 0 < value <= high,
        f"a number of seconds above 0 and up to {high:.12g}",
    )


def text(longest: int) -> Metadata:
    """Text of at most so many characters."""
    return _metadata(
        lambda value: isinstance(value, str) and len(value) <= longest,
        f"text of up to {longest} characters",
    )


def fault_of_path(path: object) -> str | None:
    """What is wrong with `path` as that of a file, if anything. Nobody looks for the file."""
    if isinstance(path, str) and 1 <= len(path) <= 4_096 and path.isprintable():
        return None
    return f"must be the path of a file, not {shown(path)}"


def duration() -> Metadata:
    """A time as Ollama takes it: Go's notation, or seconds."""
    return _metadata(
        lambda value: (
            _DURATION.fullmatch(value) is not None if isinstance(value, str) else type(value) is int
        ),
        'a time such as "10m" or "1h30m", or a whole number of seconds; below 0 is for ever',
    )


def is_name(value: object) -> bool:
    """Whether `value` may be the name of a provider, model or assistant."""
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def name() -> Metadata:
    """A name: letters, digits, dot, hyphen and underscore, up to 64 of them."""
    return _metadata(is_name, "a name of up to 64 letters, digits, dots, hyphens and underscores")


def one_of(what: str, known: Iterable[str]) -> Metadata:
    """One of the words of a closed set; `what` is a kind of thing, in the singular."""
    words = tuple(known)

    def check(value: object) -> str | None:
        if isinstance(value, str):
            if value in words:
                return None
            return (
                f"this version of trouper knows no {what} {shown(value)}; "
                f"{suggestion(value, words)}"
            )
        return f"must be one of {', '.join(words)}, not {shown(value)}"

    return {CHECK: check, ALLOWED: f"one of {', '.join(words)}"}


def base_url() -> Metadata:
    """The address of a provider's API, or "" for none. It is not quoted: one with a password
    in it is just what must not be shown."""
    wanted = (
        'an http or https URL without user, query and fragment, such as "https://api.openai.com/v1"'
    )

    def check(value: object) -> str | None:
        if value == "":
            return None
        if isinstance(value, str) and _is_base_url(value):
            return None
        return f"must be {wanted}"

    return {CHECK: check, ALLOWED: wanted}


def _is_base_url(value: str) -> bool:
    try:
        url = urlsplit(value)
        port_is_valid = url.port is None or url.port > 0
    except ValueError:
        return False
    return (
        port_is_valid
        and url.scheme in ("http", "https")
        and bool(url.hostname)
        and "@" not in url.netloc
        and not url.query
        and not url.fragment
        and value.isprintable()
        and " " not in value
    )


def listen_address() -> Metadata:
    """Where a server listens, as HOST:PORT."""
    return _metadata(
        lambda value: isinstance(value, str) and _match_listen(value) is not None,
        'HOST:PORT, such as "127.0.0.1:8700" (port 0 picks a free one)',
    )


def _match_listen(address: str) -> tuple[str, int] | None:
    match = _LISTEN.fullmatch(address)
    if match is None or int(match["port"]) > 65_535:
        return None
    return match["six"] or match["host"], int(match["port"])


def split_listen(address: str) -> tuple[str, int]:
    """Host and port of `address`, HOST:PORT or [IPV6]:PORT. Raises ValueError."""
    parts = _match_listen(address)
    if parts is None:
        raise ValueError(f'must be HOST:PORT, such as "127.0.0.1:8700", not {shown(address)}')
    return parts


def is_loopback(host: str) -> bool:
    """Whether only programs on this machine can reach `host`. A name other than localhost is
    not looked up: it may be anything tomorrow."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def fault_of_origin(origin: object) -> str | None:
    """What is wrong with `origin` as a browser's Origin header, if anything."""
    if isinstance(origin, str) and _ORIGIN.fullmatch(origin):
        return None
    return (
        'must be an origin as a browser sends it, such as "https://chat.example.org": '
        f"scheme and host in full, no path, no wildcard; not {shown(origin)}"
    )


def items(owner: str, key: str, values: Iterable[T]) -> tuple[T, ...]:
    """`values` of the field `key` of class `owner` as a tuple. Raises ConfigError."""
    # A str is an iterable of strings, too, and would become its characters.
    try:
        iterator = None if isinstance(values, (str, bytes)) else iter(values)
    except TypeError:
        iterator = None
    if iterator is None:
        raise ConfigError(owner, [f"{key}: must be a list, not {shown(values)}"])
    return tuple(iterator)


def _none() -> Iterator[str]:
    return iter(())


def refuse_faults(
    instance: "attrs.AttrsInstance", across: Callable[[], Iterator[str]] = _none
) -> None:
    """Raise ConfigError if a field of `instance` fails its check, or `across` finds faults.

    `across` gives whole sentences about how the fields go together. It is not
    asked while a field by itself is wrong, so it may rely on their types.
    """
    faults: list[str] = []
    for field in attrs.fields(type(instance)):
        check: Check | None = field.metadata.get(CHECK)
        fault = None if check is None else check(getattr(instance, field.name))
        if fault is not None:
            faults.append(f"{key_path('', field.alias or field.name)}: {fault}")
    faults = faults or list(across())
    if faults:
        raise ConfigError(type(instance).__name__, faults)
