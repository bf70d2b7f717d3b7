"""Which pages the site has, and where each of them comes from: docs/README.md says it, once.

The second-level headings of that page are the tabs of the site, its third-level headings are
their sections, and the links in its tables are the pages, in their order. What it leads to
outside of docs/ is in the site as well: Markdown as a page, any other file as its text.

Paths of the project are posix paths seen from its root; addresses are mkdocs' `src_uri`.
"""

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

__all__ = [
    "FENCES",
    "INDEX",
    "ROOT",
    "address_of",
    "links_of",
    "navigation",
    "outside",
    "rewritten",
    "target_of",
]

ROOT = Path(__file__).resolve().parents[2]
INDEX = "docs/README.md"

# Pages that are called otherwise in the site than in the project.
_CALLED = {"README.md": "index.md", INDEX: "documentation.md", "CHANGELOG.md": "changelog.md"}

# Blocks of code, in which nothing is a link.
FENCES = re.compile(r"^(`{3,}).*?^\1`*\s*$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"(?<=\]\()([^)\s#]+)(#[^)\s]*)?(?=\))")
_HEADING = re.compile(r"^(##|###) (.+)$")
# (A row that leads into the middle of a page is for who reads on; the page has a row of its own.)
_ENTRY = re.compile(r"\| \[([^\]]+)\]\(([^)\s#]+)\)")


def address_of(path: str) -> str:
    """Where the site has what is at `path` in the project; a text of it, if it is no page."""
    if path in _CALLED:
        return _CALLED[path]
    inside = path.removeprefix("docs/")
    if inside != path and inside.endswith((".md", ".png", ".svg")):
        return inside
    return f"source/{path}.md"


def target_of(page: str, link: str) -> str | None:
    """The path in the project that a link of a page leads to; None if it leads out of it."""
    if "://" in link or link.startswith("mailto:"):
        return None
    path = posixpath.normpath(posixpath.join(posixpath.dirname(page), link))
    return path if (ROOT / path).exists() else None


def links_of(text: str) -> Iterator[str]:
    """The targets of all links in a page, without their anchors, as they are written."""
    return (match[1] for match in _LINK.finditer(FENCES.sub("", text)))


def outside(paths: list[str]) -> set[str]:
    """What the pages at `paths` lead to that is no page: it is shown as a text."""
    found: set[str] = set()
    for path in paths:
        for link in links_of((ROOT / path).read_text()):
            target = target_of(path, link)
            if target is not None and address_of(target).startswith("source/"):
                found.add(target)
    return found


def rewritten(text: str, page: str) -> str:
    """The text of a page with its links as the site needs them; what is code stays as it is."""
    here = posixpath.dirname(address_of(page))

    def to(match: re.Match[str]) -> str:
        target = target_of(page, match[1])
        if target is None:
            return match[0]
        return posixpath.relpath(address_of(target), here or ".") + (match[2] or "")

    parts: list[str] = []
    end = 0
    for fence in FENCES.finditer(text):
        parts += [_LINK.sub(to, text[end : fence.start()]), fence[0]]
        end = fence.end()
    return "".join([*parts, _LINK.sub(to, text[end:])])


def navigation(index: str) -> list[dict[str, object]]:
    """The tabs, sections and pages of the site, as mkdocs takes them, out of the index's text."""
    tabs: list[dict[str, object]] = []
    here: list[object] = []
    tab: list[object] = here
    for line in index.splitlines():
        if heading := _HEADING.match(line):
            here = []
            if heading[1] == "##":
                tab = here
                tabs.append({heading[2]: here})
            else:
                tab.append({heading[2]: here})
        elif entry := _ENTRY.match(line):
            target = target_of(INDEX, entry[2])
            here.append({entry[1]: address_of(target) if target else entry[2]})
    return tabs
