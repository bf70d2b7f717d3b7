"""A request as a short key: equal requests have equal ones, in every process and on every day.

All that reaches a wire is in it: each field of the request, also those that are
added later, since fields are read and not listed. Whose request it is is not.
"""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any, cast

import attrs

from ..chat import ChatRequest
from .encoded import Encoded, dump_json

__all__ = ["RequestKeys"]

# Counts the meanings of keys: with another one, nothing that is kept is found again.
_VERSION = 1

# From here on a float is whole, and no longer exact.
_EXACT = 2**53


class RequestKeys:
    """Makes keys. Messages that it has seen before cost it nothing: a turn costs what is new."""

    def __init__(self) -> None:
        self._messages = Encoded(lambda message: sha256(_written(message)).digest())

    def key(self, request: ChatRequest, targets: Iterable[Sequence[str]]) -> bytes:
        """32 bytes for `request`, asked of any of these targets.

        A target is all that says who answers: names, address, settings of its
        wire. `request.model` counts too; leave it "" where the targets name the
        model. Raises ProviderError where the request cannot be written as JSON.
        """
        rest = {
            field.name: getattr(request, field.name)
            for field in attrs.fields(ChatRequest)
            if field.name != "messages"
        }
        digest = sha256(_written([_VERSION, [list(target) for target in targets], rest]))
        for message in request.messages:
            digest.update(self._messages.get(message))
        return digest.digest()


def _written(value: Any) -> bytes:
    return dump_json(_canonical(value))


def _canonical(value: Any) -> Any:
    """`value` as JSON that says one thing only: lists that begin with what they are."""
    match value:
        # Nearly everything is text.
        case str() | bool() | None | int():
            return value
        case float():
            # 1.0 equals 1, and is the same number to who reads it.
            return int(value) if value.is_integer() and abs(value) < _EXACT else value
        case Mapping():
            pairs = cast(Mapping[object, object], value).items()
            members = [[str(name), _canonical(member)] for name, member in pairs]
            return ["{", *sorted(members, key=lambda member: str(member[0]))]
        case list() | tuple():
            return ["[", *map(_canonical, cast(Sequence[object], value))]
        case _ if attrs.has(type(value)):
            fields = attrs.fields(type(value))
            values = (_canonical(getattr(value, field.name)) for field in fields)
            return [type(value).__name__, *values]
        case _:
            return value  # no JSON has a word for it, which dump_json says
