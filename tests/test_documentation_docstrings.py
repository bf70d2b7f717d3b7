"""What the reference makes of docstrings and of classes, shown with a package of one file."""

from pathlib import Path
from textwrap import dedent

import griffe
import pytest
from docstrings import Docstrings

SOURCE = '''
    import enum
    from typing import Generic

    import attrs

    class Pace(enum.Enum):
        """How quick."""
        SLOW = "slow"
        FAST = "fast"

    @attrs.frozen(kw_only=True)
    class Base:
        name: str

    @attrs.frozen
    class Trip(Base, Generic[int]):
        """A trip at a `Pace`, made by `start`; see Trip.start and `ActorDown`.

        It ends at a list[str]:

            trip = Trip(1)
        """
        miles: int
        stops: list[str] = attrs.field(factory=list)
        pace: Pace = attrs.field(default=Pace.SLOW, converter=Pace)
        _seen: int = attrs.field(init=False)

        def start(self, pace: Pace, miles: int) -> None:
            """Go at `pace` for `miles`."""
            self.at = 3
            """Where it is."""
'''


@pytest.fixture
def trips(tmp_path: Path) -> griffe.Object:
    (tmp_path / "trouper").mkdir()
    (tmp_path / "trouper" / "__init__.py").write_text(dedent(SOURCE))
    extensions = griffe.load_extensions(Docstrings)
    found = griffe.load("trouper", search_paths=[tmp_path], extensions=extensions)
    assert isinstance(found, griffe.Object)
    return found


def docstring_of(found: griffe.Object, name: str) -> str:
    docstring = found[name].docstring
    assert docstring is not None
    return str(docstring.value)


def test_a_class_of_attrs_has_the_signature_that_attrs_makes(trips: griffe.Object) -> None:
    parameters = trips["Trip.__init__"].parameters

    assert [(p.name, str(p.default) if p.default else None) for p in parameters] == [
        ("self", None),
        ("miles", None),
        ("stops", "..."),
        ("pace", "Pace.SLOW"),
        ("name", None),
    ]
    assert parameters["name"].kind is griffe.ParameterKind.keyword_only


def test_of_a_field_its_default_is_shown_and_not_how_it_is_made(trips: griffe.Object) -> None:
    assert str(trips["Trip.pace"].value) == "Pace.SLOW"
    assert trips["Trip.stops"].value is None


def test_names_lead_to_where_they_are_told_of(trips: griffe.Object) -> None:
    text = docstring_of(trips, "Trip")

    assert '<autoref optional identifier="trouper.Pace">`Pace`</autoref>' in text
    assert '<autoref optional identifier="trouper.Trip.start">`start`</autoref>' in text
    assert '<autoref optional identifier="trouper.Trip.start">`Trip.start`</autoref>' in text
    assert '<autoref optional identifier="trouper.runtime.ActorDown">`ActorDown`</autoref>' in text
    assert "ends at a list\\[str\\]" in text


def test_a_parameter_leads_nowhere(trips: griffe.Object) -> None:
    assert docstring_of(trips, "Trip.start") == "Go at `pace` for `miles`."


def test_an_indented_block_is_code_with_its_language(trips: griffe.Object) -> None:
    assert "\n\n```python\ntrip = Trip(1)\n```\n" in docstring_of(trips, "Trip")


def test_an_enum_says_its_members(trips: griffe.Object) -> None:
    assert docstring_of(trips, "Pace").endswith("- `SLOW` = `'slow'`\n- `FAST` = `'fast'`")


def test_type_variables_are_no_bases_that_a_reader_looks_for(trips: griffe.Object) -> None:
    assert [str(base) for base in trips["Trip"].bases] == ["Base"]
