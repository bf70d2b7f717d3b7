"""Looks at the site that `make docs` has built: `python -m tests.documentation_site`.

Whatever the reference names is there, and no page asks another host for anything: who reads
is told to nobody, and a copy on a disk is whole.
"""

import importlib
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import ModuleType

__all__ = ["directives", "faults", "value_of"]

ROOT = Path(__file__).resolve().parents[1]
SITE = ROOT / "build" / "site"
REFERENCE = ROOT / "docs" / "reference" / "api"

_DIRECTIVE = re.compile(r"^::: (\S+)$", re.MULTILINE)
_ANCHOR = re.compile(r'\bid="?(trouper\.[\w.]+)')
# What a browser fetches by itself; a link that a reader may follow is not that.
_FETCHED = re.compile(
    r"""<(?:script|img|iframe|source|video|audio|embed)\b[^>]*\bsrc=["']?((?:https?:)?//[^"'\s>]+)"""
    r"""|<link\b(?![^>]*\brel=["']?(?:canonical|next|prev))[^>]*\bhref=["']?((?:https?:)?//[^"'\s>]+)"""
)
# What was to be a table or a list, and has become a paragraph.
_UNMADE = re.compile(r"<p>[^<]*(?:<(?!/p>)[^<]*)*?(?:\|\s?-{3}|\n(?:- |1\. ))")
_FETCHED_BY_STYLE = re.compile(r"""(?:@import\s+|url\()["']?((?:https?:)?//[^"')\s]+)""")


def directives() -> list[str]:
    """The dotted names that the pages of the reference ask for: modules, and names in them."""
    pages = sorted(REFERENCE.glob("*.md"))
    return [name for page in pages for name in _DIRECTIVE.findall(page.read_text())]


def faults(site: Path) -> Iterator[str]:
    """What is wrong with the site in that folder, in sentences."""
    pages = sorted(site.rglob("*.html"))
    anchors: set[str] = set()
    for page in pages:
        text = page.read_text()
        anchors.update(_ANCHOR.findall(text))
        for match in _FETCHED.finditer(text):
            yield f"{page.relative_to(site)} asks another host: {match[1] or match[2]}"
        if unmade := _UNMADE.search(text):
            line = unmade[0][3:63].replace("\n", " ")
            yield f"{page.relative_to(site)} has a table or a list as text: {line}..."
    for style in sorted(site.rglob("*.css")):
        for address in _FETCHED_BY_STYLE.findall(style.read_text()):
            yield f"{style.relative_to(site)} asks another host: {address}"
    for name in _asked_for():
        if name not in anchors:
            yield f"{name} is not in the reference: has it a docstring?"


def value_of(name: str) -> object:
    """What a dotted name stands for: a module, or something in one."""
    with suppress(ModuleNotFoundError):
        return importlib.import_module(name)
    module, _, last = name.rpartition(".")
    return getattr(importlib.import_module(module), last)


def _asked_for() -> Iterator[str]:
    for name in directives():
        value = value_of(name)
        if isinstance(value, ModuleType):
            yield from (f"{name}.{one}" for one in value.__all__)
        else:
            yield name


def main() -> None:
    if not SITE.is_dir():
        sys.exit(f"{SITE} is not there: `make docs` builds it")
    found = list(faults(SITE))
    sys.exit("\n".join(found) or None)


if __name__ == "__main__":
    main()
