"""Every link of the documentation leads somewhere, and every page is led to."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]

_LINK = re.compile(r"\]\(([^)\s#]*)(?:#([^)\s]*))?\)")
_CODE = re.compile(r"```.*?```", re.DOTALL)


def links() -> Iterator[object]:
    for page in PAGES:
        for path, anchor in _LINK.findall(_CODE.sub("", page.read_text())):
            if "://" not in path:
                named = f"{page.relative_to(ROOT)}:{path}{'#' + anchor if anchor else ''}"
                yield pytest.param(page, path, anchor, id=named)


@cache
def anchors_of(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", _CODE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).strip().replace(" ", "-") for each in headings}


@pytest.mark.parametrize(("page", "path", "anchor"), list(links()))
def test_a_link_leads_to_what_is_there(page: Path, path: str, anchor: str) -> None:
    target = (page.parent / path).resolve() if path else page

    assert target.exists()
    assert not anchor or anchor in anchors_of(target)


def test_the_index_leads_to_every_page() -> None:
    index = DOCS / "README.md"
    found = {(DOCS / path).resolve() for path, _ in _LINK.findall(index.read_text())}

    missing = set(DOCS.rglob("*.md")) - found - {index}
    assert missing == set(), "name the page in docs/README.md"
