"""The first page of the site: the project's README.md, laid out for a wide page.

It has no text of its own. The name, the first paragraph and the picture become the head,
and the list of what Trouper does becomes cards.
"""

import re

__all__ = ["landing"]

_PICTURE = re.compile(r"^!\[[^\]]*\]\([^)]*\)\n", re.MULTILINE)
_CARDS = re.compile(r"(?:^- .*\n(?:^  .*\n)*){3,}", re.MULTILINE)

_FRONT = """---
title: Trouper
hide: [navigation, toc]
---
"""


def landing(text: str) -> str:
    """The landing page out of the README's text, whose links are the site's already."""
    name, first, rest = text.split("\n\n", 2) if text.startswith("# ") else ("", "", text)
    picture = _PICTURE.search(rest)
    shown = picture[0] if picture else ""
    rest = rest.replace(shown, "", 1)
    buttons = _buttons(rest)
    head = f'<div class="hero" markdown>\n<div class="hero-words" markdown>\n{name}\n\n{first}\n\n'
    head += f'{buttons}\n\n</div>\n<div class="hero-picture" markdown>\n{shown}\n</div>\n</div>\n\n'
    return _FRONT + head + _CARDS.sub(_in_cards, rest, count=1)


def _buttons(text: str) -> str:
    """The first two links under "Read on", as buttons."""
    links = re.findall(r"\[[^\]]+\]\([^)]+\)", text.partition("\n## Read on\n")[2])[:3]
    kinds = ["{ .md-button .md-button--primary }", *["{ .md-button }"] * 2]
    return " ".join(f"{link}{kind}" for link, kind in zip(links, kinds, strict=False))


def _in_cards(match: re.Match[str]) -> str:
    # Four columns in front of what goes on: that is what a list's paragraph needs here.
    items = re.sub(r"^  (?=\S)", "    ", match[0], flags=re.MULTILINE)
    return f'<div class="grid cards" markdown>\n\n{items}\n</div>\n'
