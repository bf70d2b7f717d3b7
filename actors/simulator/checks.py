"""What a scripted header must be, so that a script cannot break the head that carries it."""

import re
from collections.abc import Mapping
from typing import Any

import attrs

__all__ = ["header_names_and_values"]

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 5.6.2, token
_VALUE = re.compile(r"[\x21-\x7e]([\x20-\x7e\t]*[\x21-\x7e])?|")
# The simulator frames its bodies itself; a second word on it would be a lie.
_OURS = frozenset({"connection", "content-length", "transfer-encoding"})


def header_names_and_values(
    _: Any, attribute: "attrs.Attribute[Mapping[str, str]]", headers: Mapping[str, str]
) -> None:
    """Raise ValueError for a header that cannot be sent, naming it."""
    for name, value in headers.items():
        if not _NAME.fullmatch(name):
            raise ValueError(f"'{attribute.name}' has no valid header name: {name!r}")
        if name.lower() in _OURS:
            raise ValueError(
                f"'{attribute.name}' may not set {name!r}: the simulator frames bodies"
            )
        if not _VALUE.fullmatch(value):
            raise ValueError(f"'{attribute.name}' has a value that is no printable ASCII: {name!r}")
