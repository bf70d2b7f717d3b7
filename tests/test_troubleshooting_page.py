"""docs/troubleshooting.md has a place for every error, and quotes what is really said."""

import ast
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import trouper.actors
import trouper.runtime
from trouper.actors.errors import ErrorKind
from trouper.runtime.errors import TrouperError

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text()

# Nobody outside meets these: they become an HTTP status, an error of a wire, or words in a log.
INTERNAL = {"HttpFault", "McpServerLost", "Refused", "RpcFault"}
# The bases of all: what is said of them is what is said of what derives from them.
ROOTS = {"ActorError", "TrouperError"}

# Not our words: Python's, trio's, the kernel's and OpenSSL's.
OF_OTHERS = {
    "Attempted to call run() from inside a run()",
    "CERTIFICATE_VERIFY_FAILED",
    "Connection refused",
    "Name or service not known",
    "Permission denied",
    "WRONG_VERSION_NUMBER",
    "asyncio.run() cannot be called from a running event loop",
    "ensurepip is not available",
}
# A placeholder of ours: `TurnFailed` names the provider and the kind of its failure.
SHAPES = {"(provider: kind)"}


def errors() -> set[str]:
    """Every error that a module of ours offers."""
    found: set[str] = set()
    for package in (trouper.runtime, trouper.actors):
        for each in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if each.name.endswith("__main__"):
                continue
            module = importlib.import_module(each.name)
            offered = [getattr(module, name) for name in getattr(module, "__all__", ())]
            found |= {
                value.__name__
                for value in offered
                if isinstance(value, type) and issubclass(value, TrouperError)
            }
    return found


def strings() -> str:
    """All texts of the code, with a gap where a value is put in."""
    found: list[str] = []
    for folder in ("runtime", "actors"):
        for file in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.JoinedStr):
                    parts = (
                        str(part.value) if isinstance(part, ast.Constant) else "\0"
                        for part in node.values
                    )
                    found.append("".join(parts))
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    found.append(node.value)
    return "\1".join(found)


def quoted() -> list[str]:
    """What stands in code in the first column of a table, but for the names of classes."""
    cells = re.findall(r"^\| (.*?) \|", PAGE, re.MULTILINE)
    found = [text for cell in cells for text in re.findall(r"``? ?(.+?) ?``?(?!`)", cell)]
    return [text for text in found if not re.fullmatch(r"[A-Z][a-z]+[A-Z]\w+", text)]


def test_every_error_has_its_place() -> None:
    named = set(re.findall(r"`([A-Z]\w+)`", PAGE))

    missing = errors() - named - INTERNAL - ROOTS - {"ProviderError"}
    assert missing == set(), "say in docs/troubleshooting.md what its reader may do"
    assert errors() >= INTERNAL | ROOTS


@pytest.mark.parametrize("kind", list(ErrorKind), ids=lambda kind: kind.value)
def test_every_kind_of_a_providers_failure_has_its_place(kind: ErrorKind) -> None:
    assert re.search(rf"^\| [^|]*`{kind.value}`[^|]*\|", PAGE, re.MULTILINE)


def test_what_is_quoted_is_what_is_said() -> None:
    said = strings()
    kinds = {kind.value for kind in ErrorKind}
    pieces = {
        piece.strip()
        for text in quoted()
        if text not in OF_OTHERS | SHAPES | kinds
        for piece in text.split("…")
    }

    assert {piece for piece in pieces if piece not in said} == set()
    assert len(pieces) > 90
