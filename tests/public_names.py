"""What is public, and what its docstrings say: the surface that the reference has to tell of.

Public is whatever a module of MODULES exports, an error of those of ERRORS, what a
document imports besides, what is named in BESIDES, and what such a thing hands
out: the class of what it returns or holds. Read from the sources, since a docstring below a field is in no
object.
"""

import ast
import importlib
import inspect
import re
import textwrap
import typing
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import attrs

__all__ = [
    "BESIDES",
    "ERRORS",
    "MODULES",
    "Member",
    "Public",
    "imported_by_documents",
    "public_names",
    "raised_by",
]

ROOT = Path(__file__).resolve().parents[1]

MODULES = (
    "trouper.runtime",
    "trouper.runtime.errors",
    "trouper.runtime.events",
    "trouper.runtime.portal",
    "trouper.runtime.testing",
    "trouper.runtime.testing.fixtures",
    "trouper.actors",
    "trouper.actors.bot",
    "trouper.actors.chat",
    "trouper.actors.client.errors",
    "trouper.actors.client.session",
    "trouper.actors.config",
    "trouper.actors.embed",
    "trouper.actors.errors",
    "trouper.actors.session.events",
    "trouper.actors.testing",
    "trouper.actors.testing.fixtures",
    "trouper.actors.tools",
    "trouper.actors.wire",
)
"""All that these export is for users."""

ERRORS = (
    "trouper.actors.batch.errors",
    "trouper.actors.local.errors",
    "trouper.actors.store.errors",
    "trouper.actors.tools.errors",
)
"""Modules that have errors for users, and functions for us."""

BESIDES = (
    ("trouper.runtime.cell", "Exit"),
    ("trouper.runtime.registry", "Registry"),
    ("trouper.actors.batch.batches", "Batches"),
    ("trouper.actors.gate.budget", "Budgets"),
    ("trouper.actors.store.ledger", "Ledger"),
    ("trouper.actors.store.ledger", "Selection"),
    ("trouper.actors.tree", "MakeTransport"),
)
"""What a user gives to a public function, or finds in an attribute that has no annotation."""

_BLOCK = re.compile(r"^( *)```python[^\n]*\n(.*?)^\s*```", re.MULTILINE | re.DOTALL)

Function = ast.FunctionDef | ast.AsyncFunctionDef


@attrs.frozen
class Member:
    """A method, property or attribute: `text` is what is said of it where it stands.

    `node` is the function, None for an attribute, whose type is `annotation`.
    """

    name: str
    text: str
    node: Function | None = None
    annotation: str = ""


@attrs.frozen
class Public:
    """A public name: where it is defined, its docstring, and for a class its members.

    `shared` is what is said of all the members of a union that it is one of.
    """

    name: str
    text: str
    node: Function | ast.ClassDef | None
    members: tuple[Member, ...] = ()
    shared: str = ""


# What is public.


def imported_by_documents() -> Iterator[tuple[str, str]]:
    """Every name of ours that an example imports, with its module."""
    documents = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    sources = [match[2] for page in documents for match in _BLOCK.finditer(page.read_text())]
    sources += [path.read_text() for path in (ROOT / "docs").rglob("*.py")]
    for source in sources:
        for node in ast.walk(ast.parse(textwrap.dedent(source))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("trouper."):
                yield from ((node.module or "", alias.name) for alias in node.names)


@cache
def public_names() -> tuple[Public, ...]:
    """All of them, each once, where it is defined."""
    exported = [(m, name) for m in MODULES for name in importlib.import_module(m).__all__]
    errors = [(module, name) for module in ERRORS for name in _errors(module)]
    named = [*exported, *errors, *BESIDES, *sorted(imported_by_documents())]
    todo = [_home(module, name) for module, name in named]
    found: dict[tuple[str, str], None] = {}
    while todo:
        place = todo.pop()
        if place not in found:
            found[place] = None
            todo += _handed_out(getattr(importlib.import_module(place[0]), place[1]))
    return tuple(_read(module, name) for module, name in sorted(found))


def _errors(module: str) -> Iterator[str]:
    errors = importlib.import_module(module)
    for name in errors.__all__:
        if inspect.isclass(getattr(errors, name)):
            yield name


def _home(module: str, name: str) -> tuple[str, str]:
    """The module that defines what `module` has by that name."""
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.ImportFrom) and node.level:
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    package = _package(module).split(".")
                    base = package[: len(package) - node.level + 1]
                    return _home(".".join([*base, *(node.module or "").split(".")]), alias.name)
    return module, name


def _handed_out(value: object) -> list[tuple[str, str]]:
    """The classes of ours that one gets from a public name."""
    found: set[type] = set()
    if inspect.isfunction(value):
        _classes_in(_hints(value).get("return"), found)
    elif isinstance(value, type):
        for name, hint in _hints(value).items():
            if not name.startswith("_"):
                _classes_in(hint, found)
        for name, member in vars(value).items():
            function = member.fget if isinstance(member, property) else member
            function = getattr(function, "__func__", function)
            if not name.startswith("_") and inspect.isfunction(function):
                _classes_in(_hints(function).get("return"), found)
    return [(c.__module__, c.__name__) for c in found if not c.__name__.startswith("_")]


def _hints(value: Any) -> dict[str, Any]:
    try:
        return typing.get_type_hints(value)
    except (NameError, TypeError):
        # A name that is imported for type checkers only.
        return dict(getattr(value, "__annotations__", {}))


def _classes_in(hint: object, found: set[type]) -> None:
    for one in (hint, typing.get_origin(hint)):
        if isinstance(one, type) and one.__module__.startswith("trouper."):
            found.add(one)
    for argument in typing.get_args(hint):
        _classes_in(argument, found)


# What is said of it.


@cache
def _tree(module: str) -> ast.Module:
    return ast.parse(inspect.getsource(importlib.import_module(module)))


def _package(module: str) -> str:
    return importlib.import_module(module).__package__ or ""


def _text_below(body: list[ast.stmt], at: int) -> str:
    after = body[at + 1] if at + 1 < len(body) else None
    if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
        return str(after.value.value)
    return ""


def _names_of(node: ast.stmt, *, of_self: bool = False) -> Iterator[str]:
    targets = node.targets if isinstance(node, ast.Assign) else []
    targets = [node.target] if isinstance(node, ast.AnnAssign) else targets
    for target in targets:
        for one in target.elts if isinstance(target, ast.Tuple) else [target]:
            if isinstance(one, ast.Name) and not of_self:
                yield one.id
            elif isinstance(one, ast.Attribute) and of_self and ast.unparse(one.value) == "self":
                yield one.attr


def _read(module: str, name: str) -> Public:
    body = _tree(module).body
    for at in reversed(range(len(body))):
        node = body[at]
        if isinstance(node, Function | ast.ClassDef) and node.name == name:
            text = ast.get_docstring(node) or ""
            if not isinstance(node, ast.ClassDef):
                return Public(f"{module}.{name}", text, node)
            bases = getattr(importlib.import_module(module), name).__mro__[1:]
            ours = [(b.__module__, b.__name__) for b in bases if b.__module__.startswith("trouper")]
            members: dict[str, Member] = {}
            for member in [*_members(module, name), *_of_bases(ours)]:
                known = members.setdefault(member.name, member)
                if known.node is None and not known.text:
                    # Another default is still the same thing.
                    members[member.name] = attrs.evolve(known, text=member.text)
            shared = " ".join(_unions(body, name))
            return Public(f"{module}.{name}", text, node, tuple(members.values()), shared)
        if name in _names_of(node):
            return Public(f"{module}.{name}", _text_below(body, at), None)
    raise AssertionError(f"{module} exports {name}, which its source does not define")


def _unions(body: list[ast.stmt], name: str) -> Iterator[str]:
    """What is said of each union in this module that has the class of that name."""
    for at, node in enumerate(body):
        value = node.value if isinstance(node, ast.Assign) else None
        if isinstance(value, ast.BinOp) and any(
            isinstance(one, ast.Name) and one.id == name for one in ast.walk(value)
        ):
            yield _text_below(body, at)


def raised_by(public: Public, node: Function) -> set[str]:
    """The names of all that a function of `public` raises, itself or by what is private beside it."""
    module = public.name.rpartition(".")[0]
    beside = {one.name: one for one in _tree(module).body if isinstance(one, Function)}
    if isinstance(public.node, ast.ClassDef):
        own = {one.name: one for one in public.node.body if isinstance(one, Function)}
        beside |= {f"self.{each}": one for each, one in own.items()}
    found: set[str] = set()
    todo, seen = [node], set[str]()
    while todo:
        for one in ast.walk(todo.pop()):
            if isinstance(one, ast.Raise) and one.exc is not None:
                error = one.exc.func if isinstance(one.exc, ast.Call) else one.exc
                found.add(ast.unparse(error))
            called = ast.unparse(one.func) if isinstance(one, ast.Call) else ""
            if called.removeprefix("self.").startswith("_") and called in beside.keys() - seen:
                seen.add(called)
                todo.append(beside[called])
    return found


def _of_bases(bases: list[tuple[str, str]]) -> Iterator[Member]:
    for module, name in bases:
        about = ast.get_docstring(_class(module, name)) or ""
        for member in _members(module, name):
            # What a base says of its attributes, it says of them in whatever derives from it.
            text = member.text if member.node else f"{member.text} {about}"
            yield attrs.evolve(member, text=text)


def _class(module: str, name: str) -> ast.ClassDef:
    return next(n for n in _tree(module).body if isinstance(n, ast.ClassDef) and n.name == name)


def _members(module: str, name: str) -> Iterator[Member]:
    body = _class(module, name).body
    yield from _attributes(body)
    for node in body:
        if isinstance(node, Function):
            if node.name == "__init__":
                yield from _attributes(node.body, of_self=True)
            elif not node.name.startswith("_") and "overload" not in _decorators(node):
                yield Member(node.name, ast.get_docstring(node) or "", node)


def _attributes(body: list[ast.stmt], *, of_self: bool = False) -> Iterator[Member]:
    for at, node in enumerate(body):
        annotation = ast.unparse(node.annotation) if isinstance(node, ast.AnnAssign) else ""
        for name in _names_of(node, of_self=of_self):
            if not name.startswith("_"):
                yield Member(name, _text_below(body, at), None, annotation)


def _decorators(node: Function) -> str:
    return " ".join(ast.unparse(decorator) for decorator in node.decorator_list)
