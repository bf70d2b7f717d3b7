"""The first page of the site: the project's README.md, laid out for a wide page.

It has no text of its own. The name, the first paragraph and the picture become the head,
and the list of what Trouper does becomes cards.
"""

import re

__all__ = ["landing"]

_PICTURE = re.compile(r"^!\[([^\]]*)\]\((.*)(\.png)\)\n", re.MULTILINE)
_CARDS = re.compile(r"(?:^- .*\n(?:^  .*\n)*){3,}", re.MULTILINE)
_LINK = re.compile(r"\[([^\]]+)\](\([^)]+\))")
_SENTENCE = re.compile(r"(?<=\.)\s+(?=[A-Z])")

_HEAD = """<div class="hero" markdown>
<div class="hero-words" markdown>

{name}

{first}

{{ .lead }}

{rest}

{buttons}

</div>
<div class="hero-picture" markdown>

{pictures}

</div>
</div>

"""


def landing(text: str) -> str:
    """The landing page out of the README's text, whose links are the site's already.

    Raises ValueError where the README has no heading or no paragraph below it.
    """
    name, paragraph, body = text.split("\n\n", 2)
    first, rest = _SENTENCE.split(paragraph, 1)
    picture = _PICTURE.search(body)
    head = _HEAD.format(
        name=name,
        first=first,
        rest=rest,
        buttons=_buttons(body),
        pictures=_in_both_colours(picture) if picture else "",
    )
    # The lead is said to be one by a list of attributes, which stands right below it.
    head = head.replace("\n\n{ .lead }", "\n{ .lead }")
    body = body.replace(picture[0], "", 1) if picture else body
    return head + _CARDS.sub(_in_cards, body, count=1)


def _in_both_colours(picture: re.Match[str]) -> str:
    """The picture for light pages, and the one beside it, NAME-dark.png, for dark ones."""
    said, path, kind = picture.groups()
    return f"![{said}]({path}{kind}#only-light)\n![{said}]({path}-dark{kind}#only-dark)"


def _buttons(text: str) -> str:
    """The first and the third link below "Read on", the tutorial and the index, as buttons."""
    links = _LINK.findall(text.partition("\n## Read on\n")[2])[0:3:2]
    kinds = ("{ .md-button .md-button--primary }", "{ .md-button }")
    return " ".join(
        f"[{said[0].upper()}{said[1:]}]{to}{kind}"
        for (said, to), kind in zip(links, kinds, strict=False)
    )


def _in_cards(match: re.Match[str]) -> str:
    # Four columns in front of what goes on: that is what a list's paragraph needs here.
    items = re.sub(r"^  (?=\S)", "    ", match[0], flags=re.MULTILINE)
    return f'<div class="grid cards" markdown>\n\n{items}\n</div>\n'
