"""The reference of the configuration says what the classes say, of every key."""

import attrs
import pytest

from trouper.actors.config import AppConfig, LinkConfig, Target
from trouper.actors.wire.converter import HIDDEN

from .configuration_reference import TARGET, allowed, keys, page, words_of
from .configuration_sections import SECTIONS, Section


def test_the_reference_is_up_to_date() -> None:
    assert TARGET.read_text() == page(), (
        "a class of the configuration has changed; write the reference anew: "
        "`.venv/bin/python -m tests.configuration_reference`"
    )


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.title)
def test_every_key_says_what_it_is_for_and_what_it_may_be(section: Section) -> None:
    words = words_of(section.cls)
    shown = [field for field in attrs.fields(section.cls) if HIDDEN not in field.metadata]

    assert shown
    for field in shown:
        assert words[field.name].meaning.endswith("."), field.name
        assert allowed(field), field.name


def test_a_default_that_is_a_number_has_a_reason() -> None:
    numbers = [
        (section.title, field.name, words_of(section.cls)[field.name].reason)
        for section in SECTIONS
        for field in attrs.fields(section.cls)
        if type(field.default) in (int, float)
    ]

    assert ("`[providers.NAME.retry]`", "attempts") in {told[:2] for told in numbers}
    assert [told for told in numbers if not told[2]] == []


def test_every_table_has_a_section() -> None:
    reached: set[object] = set()

    def walk(cls: type) -> None:
        if cls not in reached:
            reached.add(cls)
            for field in attrs.fields(cls):
                for inner in _classes(field.type):
                    walk(inner)

    walk(AppConfig)

    # A link is written as its targets are, a target as text, a tier as the prices that it is of.
    assert reached - {section.cls for section in SECTIONS} == {LinkConfig, Target}


def _classes(kind: object) -> list[type]:
    inside = getattr(kind, "__args__", ())
    found = [cls for one in inside for cls in _classes(one)]
    named = isinstance(kind, type) and attrs.has(kind) and kind.__module__.startswith("trouper")
    return [*found, kind] if named else found  # type: ignore[list-item]


def test_the_page_names_every_key() -> None:
    text = page()
    named = [key for section in SECTIONS for key in keys(section.cls)]

    assert "requests_per_minute" in named
    assert [key for key in named if f"| `{key}` |" not in text] == []
