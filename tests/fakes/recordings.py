"""Recorded exchanges with real providers, and the ways in which their bytes may come.

They lie beside the checkout on machines that have them, in ../shared/cassettes.
"""

import json
import random
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

__all__ = [
    "MODES",
    "ROOT",
    "body_of",
    "by_mode",
    "in_sizes",
    "needs_recordings",
    "recorded",
    "rows",
]

ROOT = Path(__file__).resolve().parents[3] / "shared" / "cassettes"

needs_recordings = pytest.mark.skipif(not ROOT.is_dir(), reason=f"no recorded exchanges at {ROOT}")

MODES = ["whole", "byte", "rand-1", "rand-2", "rand-3", "line", "crlf", "len"]

_LINES = re.compile(rb"[^\n]*\n|[^\n]+")


def rows(name: str) -> list[dict[str, Any]]:
    """The rows of a file of the recordings; none where there are no recordings."""
    if not ROOT.is_dir():
        return []
    with (ROOT / name).open() as lines:
        return [json.loads(line) for line in lines]


def recorded(endpoint: str) -> dict[str, dict[str, Any]]:
    """The exchanges with one endpoint, by their ids."""
    return {
        row["id"]: json.loads((ROOT / row["path"]).read_text())
        for row in rows("index.jsonl")
        if row["endpoint"] == endpoint
    }


def body_of(exchange: dict[str, Any]) -> bytes:
    """The body of the answer."""
    return str(exchange["response"]["body"]).encode()


def by_mode(body: bytes, mode: str) -> Iterable[bytes]:
    """The bytes of a body as reads may give them: see MODES."""
    match mode.partition("-"):
        case "byte", _, _:
            return (body[i : i + 1] for i in range(len(body)))
        case "rand", _, seed:
            return in_sizes(body, random.Random(int(seed)), 17)
        case "line", _, _:
            return _LINES.findall(body)
        case "crlf", _, _:
            return _LINES.findall(body.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
        case "len", _, _:  # not chunked: a read ends where the kernel has no more
            return in_sizes(body, random.Random(0), 65536)
        case _:
            return (body,)


def in_sizes(body: bytes, dice: random.Random, most: int) -> Iterable[bytes]:
    """The bytes of a body in pieces of 1 to `most` bytes."""
    place = 0
    while place < len(body):
        size = dice.randint(1, most)
        yield body[place : place + size]
        place += size
