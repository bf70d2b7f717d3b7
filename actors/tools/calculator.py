"""Arithmetic, for models, which are bad at it.

An expression is parsed as Python's and walked by hand: numbers, + - * / // % **,
parentheses, some functions and pi and e, and nothing else that the language has.
A few characters can ask for more than there is memory, so every step is bounded:
the length of the text, its depth, and the bits of each whole number, those of a
power before it is raised. At these bounds the worst takes some milliseconds.
"""

import ast
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

from .errors import ToolFailed
from .function import tool

__all__ = ["calculator", "evaluate"]

Number = int | float

_LONGEST = 1_000
"""Characters. What a person would type has fifty."""
_DEEPEST = 50
_MOST_BITS = 10_000
"""Of a whole number: 3,000 decimal digits, below the 4,300 that Python turns into text."""

_BINARY: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_UNARY: Mapping[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
}
_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "abs": abs,
    "ceil": math.ceil,
    "cos": math.cos,
    "degrees": math.degrees,
    "exp": math.exp,
    "floor": math.floor,
    "gcd": math.gcd,
    "log": math.log,
    "log10": math.log10,
    "log2": math.log2,
    "max": max,
    "min": min,
    "radians": math.radians,
    "round": round,
    "sin": math.sin,
    "sqrt": math.sqrt,
    "tan": math.tan,
}
_CONSTANTS: Mapping[str, float] = {"e": math.e, "pi": math.pi}


@tool(idempotent=True, timeout=5.0)
def calculator(expression: str) -> str:
    """Calculate an arithmetic expression exactly, such as (17 * 23) ** 2 / 4.

    Args:
        expression: Numbers, + - * / // % **, parentheses, pi, e, and the functions
            abs ceil cos degrees exp floor gcd log log10 log2 max min radians round
            sin sqrt tan.
    """
    return str(evaluate(expression))


def evaluate(expression: str) -> Number:
    """The value of an expression. Raises ToolFailed, with words for a model."""
    if len(expression) > _LONGEST:
        raise ToolFailed(f"the expression is longer than {_LONGEST} characters")
    try:
        tree = ast.parse(expression.strip(), mode="eval")
        return _value(tree.body, 0)
    except ToolFailed:
        raise
    except SyntaxError as fault:
        raise ToolFailed(f"{expression[:64]!r} is no expression: {fault.msg}") from None
    except (ArithmeticError, ValueError, TypeError) as fault:
        raise ToolFailed(f"it cannot be calculated: {fault}") from None
    except (MemoryError, RecursionError):  # of the parser, which says so of deep parentheses
        raise ToolFailed("the expression is nested too deeply") from None


def _value(node: ast.expr, depth: int) -> Number:
    if depth > _DEEPEST:
        raise ToolFailed(f"the expression is nested more than {_DEEPEST} deep")
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return _bounded(value)
        case ast.Name(id=name) if name in _CONSTANTS:
            return _CONSTANTS[name]
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _UNARY:
            return _bounded(_UNARY[type(op)](_value(operand, depth + 1)))
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            return _power(_value(left, depth + 1), _value(right, depth + 1))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            return _bounded(_BINARY[type(op)](_value(left, depth + 1), _value(right, depth + 1)))
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in _FUNCTIONS:
            return _bounded(_FUNCTIONS[name](*(_value(arg, depth + 1) for arg in args)))
        case _:
            raise ToolFailed(f"{ast.unparse(node)[:64]!r} is not allowed in an expression")


def _power(base: Number, exponent: Number) -> Number:
    if isinstance(base, int) and isinstance(exponent, int) and exponent > 0:
        # Before it is raised: 9 ** 9 ** 9 would take all memory there is.
        if (base.bit_length() - 1) * exponent > _MOST_BITS:
            raise _too_large()
        return _bounded(int(base**exponent))
    return _bounded(base**exponent)


def _bounded(value: Any) -> Number:
    if isinstance(value, complex):
        raise ToolFailed("the result is no real number")
    if isinstance(value, int) and value.bit_length() > _MOST_BITS:
        raise _too_large()
    if isinstance(value, float) and not math.isfinite(value):
        raise _too_large()
    return value  # type: ignore[no-any-return]


def _too_large() -> ToolFailed:
    return ToolFailed("a number in it is too large; it may have 3,000 digits")
