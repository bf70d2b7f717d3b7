"""Every public name says in its docstring what its signature does not.

The rules are few, and fail only where a reader of the reference would have to
read the code: what it is, what its options and numbers are and in which unit,
what its attributes are, and which errors of ours it raises by itself.
"""

import ast
import builtins
import re
from collections.abc import Iterator
from functools import cache

import pytest

from trouper.runtime.errors import TrouperError

from .public_names import Function, Member, Public, public_names, raised_by

# What a number measures, and what it counts.
_MEASURED = (
    r"second|\bm?s\b|minute|hour|\bdays?\b|byte|\b[KM]iB\b|character|token|dollar|share|ratio|parts?\b"
    r"|from -?\d|\btimes\b"
)
_UNITS = re.compile(
    rf"{_MEASURED}|message|request|call|event|item|chunk|connection|child|session|restart|crash"
    r"|at once|line|letter|how many|record|task",
    re.IGNORECASE,
)
_UNITS_OF_FLOATS = re.compile(_MEASURED, re.IGNORECASE)
# A temperature has no unit.
_SAID_BY_NAME = re.compile(
    r"seconds|bytes|tokens|characters|per_minute|nano_dollars|_usd|temperature"
)
_MEASURES = re.compile(
    r"limit|size|capacity|buffer|longest|most|max|budget|cost|interval|timeout|delay|period"
    r"|\bage|length|window|grace|patience"
)
_SEE = re.compile(r"\b(?:see|as|by|of|in|for) (?:`(\w+(?:\.\w+)?)`|([A-Z]\w+(?:\.\w+)?))")


@cache
def _said() -> dict[str, str]:
    """What is said of each name and member, by `Class` and `Class.member`."""
    said: dict[str, str] = {}
    for public in public_names():
        short = public.name.rpartition(".")[2]
        said[short] = public.text
        said |= {f"{short}.{m.name}": m.text or public.text for m in public.members}
    return said


def _followed(text: str) -> str:
    """`text`, with what stands where it points to: "see App.session"."""
    return " ".join([text, *(_said().get(a or b, "") for a, b in _SEE.findall(text))])


def _tells_of(name: str, text: str) -> bool:
    return re.search(rf"\b{re.escape(name)}\b", text, re.IGNORECASE) is not None


def _has_unit(name: str, annotation: str, text: str) -> bool:
    """Whether a sentence that names it has a unit, too."""
    units = _UNITS_OF_FLOATS if "float" in annotation else _UNITS
    sentences = re.split(r"(?<=[.;])\s+", " ".join(text.split()))
    return any(_tells_of(name, one) and units.search(one) for one in sentences)


def _is_number(annotation: str) -> bool:
    kinds = re.sub(r"[ '\"]", "", annotation).split("|")
    return set(kinds) <= {"int", "float", "None"} and kinds != ["None"]


def _needs_unit(name: str, annotation: str) -> bool:
    if _SAID_BY_NAME.search(name) or not _is_number(annotation):
        return False
    return "float" in annotation or _MEASURES.search(name) is not None


def _options(node: Function) -> Iterator[ast.arg]:
    """What is given by name and may be left out."""
    for argument, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True):
        if default is not None and not argument.arg.startswith("_"):
            yield argument


def _numbers(node: Function) -> Iterator[tuple[str, str]]:
    for argument in [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]:
        annotation = ast.unparse(argument.annotation) if argument.annotation else ""
        if _is_number(annotation):
            yield argument.arg, annotation


def _functions() -> Iterator[tuple[str, Function, str]]:
    """Every public function and method, and how a class is made, with what is said of it."""
    for public in public_names():
        if isinstance(public.node, Function):
            yield public.name, public.node, public.text
        for member in public.members:
            if member.node is not None:
                yield f"{public.name}.{member.name}", member.node, member.text
        if isinstance(public.node, ast.ClassDef):
            attributes = " ".join(m.text for m in public.members if m.node is None)
            for node in public.node.body:
                if isinstance(node, Function) and node.name in ("__init__", "__new__"):
                    text = f"{public.text} {attributes} {ast.get_docstring(node) or ''}"
                    yield f"{public.name}.{node.name}", node, text


def _is_explained(public: Public, member: Member) -> bool:
    return bool(member.text.strip() and member.node) or (
        _tells_of(member.name, f"{public.text} {public.shared} {member.text}")
        or bool(member.text.strip())
    )


@pytest.fixture(scope="module")
def errors() -> set[str]:
    """The names of all errors of ours."""
    found, todo = set[str](), [TrouperError]
    while todo:
        error = todo.pop()
        found.add(error.__name__)
        todo += error.__subclasses__()
    return found - set(dir(builtins))


def test_every_public_name_says_what_it_is() -> None:
    names = public_names()
    silent = [public.name for public in names if not public.text]
    silent += [
        f"{public.name}.{member.name}"
        for public in names
        for member in public.members
        if member.node is not None and not member.text
    ]

    assert not silent, "\n".join(sorted(silent))


def test_no_docstring_sends_its_reader_to_a_file() -> None:
    # Whoever reads the reference, or a hint of an editor, has no source beside it.
    sent = [
        f"{public.name} {member}: {file[0]}"
        for public in public_names()
        for member, text in [("", public.text), *((m.name, m.text) for m in public.members)]
        if (file := re.search(r"\b[\w/]+\.py\b|\bdocs/", text))
    ]

    assert not sent, "\n".join(sorted(sent))


def test_every_attribute_of_a_public_class_is_explained() -> None:
    unexplained = [
        f"{public.name}.{member.name}"
        for public in public_names()
        for member in public.members
        if member.node is None and not _is_explained(public, member)
    ]

    assert not unexplained, "\n".join(sorted(unexplained))


def test_every_option_of_a_public_function_is_explained() -> None:
    unexplained = [
        f"{name}({option.arg})"
        for name, node, text in _functions()
        for option in _options(node)
        if not _tells_of(option.arg, _followed(text))
    ]

    assert not unexplained, "\n".join(sorted(unexplained))


def test_every_number_has_its_unit() -> None:
    without = [
        f"{name}({number})"
        for name, node, text in _functions()
        for number, annotation in _numbers(node)
        if _needs_unit(number, annotation) and not _has_unit(number, annotation, _followed(text))
    ]
    without += [
        f"{public.name}.{member.name}"
        for public in public_names()
        for member in public.members
        if _needs_unit(member.name, member.annotation)
        # What stands below an attribute is about it, whether it names it or not.
        and not _has_unit(member.name, member.annotation, f"{member.name}, {member.text}")
        and not _has_unit(member.name, member.annotation, f"{public.text} {public.shared}")
    ]

    assert not without, "\n".join(sorted(without))


def test_a_number_without_a_unit_is_found() -> None:
    assert _needs_unit("timeout", "float | None")
    assert not _has_unit("timeout", "float", "Waits for it. In seconds `age` counts.")
    assert not _has_unit("timeout", "float", "Wait, `timeout` being the most of it.")
    assert _has_unit("timeout", "float", "Wait at most `timeout` seconds.")
    assert _needs_unit("capacity", "int")
    assert not _has_unit("capacity", "int", "`capacity` is how large it is.")
    assert _has_unit("capacity", "int", "It has room for `capacity` messages.")


def test_every_error_of_ours_that_a_public_function_raises_is_named(errors: set[str]) -> None:
    unnamed: list[str] = []
    for public in public_names():
        nodes = [member.node for member in public.members if member.node is not None]
        if isinstance(public.node, ast.ClassDef):
            # What a class raises as it is made, entered or iterated, its own docstring says.
            own = (one for one in public.node.body if isinstance(one, Function))
            nodes += [node for node in own if node.name.startswith("__")]
        elif public.node is not None:
            nodes.append(public.node)
        for node in nodes:
            said = f"{public.text} {ast.get_docstring(node) or ''}"
            raised = raised_by(public, node) & errors
            unnamed += [
                f"{public.name}: {node.name} raises {error}"
                for error in raised
                if not _tells_of(error, said)
            ]

    assert not unnamed, "\n".join(sorted(unnamed))
