"""What griffe does to our docstrings and classes before the reference is made of them.

Docstrings are prose. In it names are led to where the reference has them, and indented blocks
become code that is coloured. Classes of attrs get the signature that attrs gives them, and
an Enum says its members, of which most need no docstring of their own.
"""

import re
from collections.abc import Iterator

import griffe
from dialect import with_blocks_apart, with_code_fenced
from names import places
from sitemap import FENCES

__all__ = ["Docstrings", "prose"]

_WORD = re.compile(
    r"(?P<code>`(?P<name>@?[A-Za-z_][\w.]*)(?P<call>\([^`]*\))?`)"
    r"|(?P<other>`[^`]+`)"
    r"|(?P<bare>\b[A-Z][a-z]+(?:[A-Z][a-z]+)+(?:\.[a-z_]+)?\b|\b[A-Z][a-z]+\.[a-z_]+\b)"
    r"|(?P<link>\[[^\]]+\]\([^)]+\))"
    r"|(?P<bracket>[\[\]])"
)
_KEYWORD_ONLY = re.compile(r"kw_only=True")


class Docstrings(griffe.Extension):
    """Read by mkdocstrings from its options; see the module."""

    def on_package(self, *, pkg: griffe.Module, **kwargs: object) -> None:
        for each in list(_within(pkg)):
            if isinstance(each, griffe.Class):
                _set_signature(each)
                each.bases = [base for base in each.bases if not str(base).startswith("Generic[")]
            if isinstance(each, griffe.Attribute):
                each.value = _shown_value(each)
            if each.docstring is not None:
                each.docstring.value = prose(each.docstring.value, each)
            if isinstance(each, griffe.Class) and _is_enum(each):
                _tell_members(each)


def _within(parent: griffe.Module | griffe.Class) -> Iterator[griffe.Object]:
    yield parent
    for member in parent.members.values():
        if isinstance(member, griffe.Module | griffe.Class):
            yield from _within(member)
        elif isinstance(member, griffe.Object):
            yield member


# Prose.


def prose(text: str, about: griffe.Object) -> str:
    """A docstring as Markdown: its names lead somewhere, its indented blocks are code."""
    parts: list[str] = []
    end = 0
    text = with_code_fenced(text)
    for fence in FENCES.finditer(text):
        parts += [_led(text[end : fence.start()], about), fence[0]]
        end = fence.end()
    return with_blocks_apart("".join([*parts, _led(text[end:], about)]))


def _led(text: str, about: griffe.Object) -> str:
    def lead(match: re.Match[str]) -> str:
        if match["bracket"]:
            return "\\" + match[0]
        if match["other"] or match["link"]:
            return match[0]
        name = (match["bare"] or match["name"]).lstrip("@")
        target = _target(name, about)
        shown = match["code"] or (name if target is None else f"`{name}`")
        if target is None or target == about.path:
            return shown
        # Optional: what is not in the reference stays as it is written.
        return f'<autoref optional identifier="{target}">{shown}</autoref>'

    return _WORD.sub(lead, text)


def _target(name: str, about: griffe.Object) -> str | None:
    """The path of what is called `name` where `about` is defined, if it is one of ours."""
    if isinstance(about, griffe.Function) and name in about.parameters:
        return None
    first, _, rest = name.partition(".")
    try:
        path = about.resolve(first)
    except griffe.NameResolutionError:
        path = places().get(first, "")
    if not path.startswith("trouper."):
        return None
    return f"{path}.{rest}" if rest else path


# Classes.


def _set_signature(cls: griffe.Class) -> None:
    """The `__init__` that attrs makes, where it makes one."""
    if "__init__" in cls.members or _decorator(cls) is None:
        return
    parameters = {
        parameter.name: parameter
        for one in [*reversed(_bases(cls)), cls]
        if _decorator(one) is not None
        for parameter in _parameters(one)
    }
    ordered = sorted(parameters.values(), key=lambda p: p.kind is griffe.ParameterKind.keyword_only)
    self = griffe.Parameter("self", kind=griffe.ParameterKind.positional_or_keyword)
    init = griffe.Function("__init__", parameters=griffe.Parameters(self, *ordered), parent=cls)
    cls.set_member("__init__", init)


def _bases(cls: griffe.Class) -> list[griffe.Class]:
    try:
        return cls.mro()
    except ValueError:  # a base whose source is not read
        return []


def _decorator(cls: griffe.Class) -> str | None:
    for decorator in cls.decorators:
        if re.match(r"attrs\.(frozen|define|mutable)\b", str(decorator.value)):
            return str(decorator.value)
    return None


def _parameters(cls: griffe.Class) -> Iterator[griffe.Parameter]:
    keyword_only = bool(_KEYWORD_ONLY.search(_decorator(cls) or ""))
    for member in cls.members.values():
        if not isinstance(member, griffe.Attribute) or member.annotation is None:
            continue
        if "property" in member.labels or str(member.annotation).startswith("ClassVar"):
            continue
        value = str(member.value) if member.value is not None else None
        if value is not None and "init=False" in value:
            continue
        only = keyword_only or bool(value and _KEYWORD_ONLY.search(value))
        kind = griffe.ParameterKind
        yield griffe.Parameter(
            member.name.lstrip("_"),
            annotation=member.annotation,
            kind=kind.keyword_only if only else kind.positional_or_keyword,
            default=_default(member),
        )


def _default(member: griffe.Attribute) -> str | griffe.Expr | None:
    """The default of a field: its value, or what `attrs.field` says of it; ... where it is made."""
    value = member.value
    if not isinstance(value, griffe.ExprCall) or not str(value.function).endswith("field"):
        return value
    said = {one.name: one.value for one in value.arguments if isinstance(one, griffe.ExprKeyword)}
    if "default" in said:
        return said["default"]
    return "..." if "factory" in said else None


def _shown_value(member: griffe.Attribute) -> str | griffe.Expr | None:
    """What is worth showing of an attribute's value: no more than its default."""
    if "class-attribute" not in member.labels and "instance-attribute" in member.labels:
        return None  # it is set in __init__, to what only that knows
    default = _default(member)
    return None if default == "..." else default


def _is_enum(cls: griffe.Class) -> bool:
    return any(str(base).rpartition(".")[2] in {"Enum", "StrEnum", "IntEnum"} for base in cls.bases)


def _tell_members(cls: griffe.Class) -> None:
    bare = [
        member
        for member in cls.members.values()
        if isinstance(member, griffe.Attribute)
        and not member.name.startswith("_")
        and member.docstring is None
        and member.value is not None
        and member.annotation is None
    ]
    if not bare or cls.docstring is None:
        return
    said = [f"- `{one.name}` = `{one.value}`" for one in bare]
    cls.docstring.value += "\n\n" + "\n".join(said)
