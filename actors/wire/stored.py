"""A completion as bytes that another process reads, and back.

What is read may be anything: what does not read as a completion of this version
is refused, and never guessed at.
"""

import functools
from typing import Any

import attrs
import orjson
from cattrs.strategies import configure_tagged_union

from ..chat import Completion, Part
from .converter import make_converter
from .encoded import dump_json

__all__ = ["Unreadable", "read_completion", "write_completion"]

_VERSION = 1


class Unreadable(ValueError):
    """These bytes are no completion of this version."""


@functools.cache
def _converter() -> Any:
    # When it is first needed: most programs keep no answers, and it takes 4 ms.
    converter = make_converter()
    configure_tagged_union(Part, converter, tag_name="type")
    return converter


def write_completion(completion: Completion) -> bytes:
    """The bytes of a completion, without how it came about (its trail)."""
    plain = _converter().unstructure(attrs.evolve(completion, trail=()))
    return dump_json({"v": _VERSION, "completion": plain})


def read_completion(stored: bytes) -> Completion:
    """The completion of these bytes. Raises Unreadable."""
    try:
        document = orjson.loads(stored)
        if document["v"] != _VERSION:
            raise Unreadable(
                f"it is of version {document['v']!r}, and this program's is {_VERSION}"
            )
        completion: Completion = _converter().structure(document["completion"], Completion)
    except Unreadable:
        raise
    except Exception as error:
        raise Unreadable("it is damaged") from error
    return completion
