"""The runtime with its counters compiled out, so that what they cost can be measured.

`uncounted()` puts other versions of the functions on a message's way in place,
made of their own source: without the lines that only the console, metrics and
`snapshot` read (how many were handled, when a message was put in, when its
handler began). Nothing of this is for use: ages and counts are wrong meanwhile.
"""

import ast
import inspect
import textwrap
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from typing import Any, Final
from unittest.mock import patch

from trouper.runtime.actor_life import ActorLife
from trouper.runtime.ref import Ref

__all__ = ["CountersMoved", "uncounted"]

# Attributes and variables that nobody but who looks on reads.
_COUNTERS: Final = frozenset({"handled", "since", "late"})

_COUNTED: Final[tuple[tuple[type, str], ...]] = (
    (Ref, "tell"),
    (Ref, "send"),
    (ActorLife, "_read_on"),
    (ActorLife, "_plainly"),
    (ActorLife, "_rest"),
)


class CountersMoved(Exception):
    """A function has no counter to leave out: the list here is to be brought up to date."""


class _WithoutCounters(ast.NodeTransformer):
    def __init__(self) -> None:
        self.left_out = 0

    def _is_counter(self, node: ast.expr) -> bool:
        match node:
            case ast.Attribute(attr=name) | ast.Name(id=name):
                return name in _COUNTERS
            case _:
                return False

    def _drop(self, node: ast.stmt) -> ast.stmt:
        self.left_out += 1
        return ast.copy_location(ast.Pass(), node)

    def visit_Assign(self, node: ast.Assign) -> ast.stmt:
        if all(map(self._is_counter, node.targets)):
            return self._drop(node)
        self.generic_visit(node)
        return node

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.stmt:
        return self._drop(node) if self._is_counter(node.target) else node

    def visit_If(self, node: ast.If) -> ast.stmt:
        if any(isinstance(each, ast.Name) and each.id == "late" for each in ast.walk(node.test)):
            return self._drop(node)
        self.generic_visit(node)
        return node

    def visit_Expr(self, node: ast.Expr) -> ast.stmt:
        match node.value:
            case ast.Call(func=ast.Attribute(attr="_took")):
                return self._drop(node)
            case _:
                self.generic_visit(node)
                return node

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        match node.func:
            case ast.Attribute(attr="now", value=ast.Attribute(attr="env") | ast.Name(id="env")):
                self.left_out += 1
                return ast.copy_location(ast.Constant(0.0), node)
            case _:
                return node


def _without_counters(function: Callable[..., Any]) -> Callable[..., Any]:
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    counters = _WithoutCounters()
    compiled = compile(
        ast.fix_missing_locations(counters.visit(tree)), f"<uncounted {function.__name__}>", "exec"
    )
    if not counters.left_out:
        raise CountersMoved(f"{function.__qualname__} counts nothing any more")
    # The same globals as the function's own, so that a patched one is seen here, too.
    made: dict[str, Any] = {}
    exec(compiled, function.__globals__, made)
    version: Callable[..., Any] = made[function.__name__]
    return version


@contextmanager
def uncounted() -> Generator[None]:
    """Run what is started in this block without counters."""
    with ExitStack() as stack:
        for owner, name in _COUNTED:
            version = _without_counters(getattr(owner, name))
            stack.enter_context(patch.object(owner, name, version))
        yield
