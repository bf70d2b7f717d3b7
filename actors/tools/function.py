"""Tools out of Python functions: the schema from type hints, the words from the docstring.

An async function runs on trio. Any other runs in a worker thread, so that it may
block; where it is cancelled or takes too long its thread is left to itself, since
Python cannot end one, and keeps its place until it is done.
"""

import functools
import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Generic, ParamSpec, TypeVar, Unpack, overload

import attrs
import structlog
import trio

from .context import ToolContext
from .definition import Policy, Tool, policy_of
from .errors import ToolDefinitionError
from .fields import Field, described_arguments, hints_of, json_default, summary_of
from .result import as_text
from .shapes import Read, Shapes, UnknownType, object_shape

__all__ = ["FunctionTool", "tool"]

_log = structlog.get_logger("trouper.tools")

P = ParamSpec("P")
R = TypeVar("R")

_REFUSED = {
    inspect.Parameter.VAR_POSITIONAL: "a model names its arguments; take a list instead",
    inspect.Parameter.VAR_KEYWORD: "a model has to be told the names; take a dict instead",
    inspect.Parameter.POSITIONAL_ONLY: "a model names its arguments; drop the / behind it",
}


@attrs.frozen(kw_only=True, eq=False)
class FunctionTool(Tool, Generic[P, R]):
    """A tool that is a Python `function`, and is called as one: `await weather("Paris")`."""

    function: Callable[P, R] = attrs.field(repr=False)

    @property
    def is_async(self) -> bool:
        """Whether it runs in an event loop, and not in a thread of its own."""
        return isinstance(self.body, _Async)

    def in_loop(self) -> "FunctionTool[P, R]":
        """The same tool without a thread: what blocks the loop, and lets no virtual time pass."""
        call = self.body
        if not isinstance(call, _InThread):
            return self
        return attrs.evolve(self, body=_InLoop(call.function, call.read, call.context))

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function itself: no checks, no limits, no thread."""
        return self.function(*args, **kwargs)


@overload
def tool(function: Callable[P, R], /) -> FunctionTool[P, R]: ...
@overload
def tool(
    *,
    name: str | None = None,
    description: str | None = None,
    strict: bool = False,
    **policy: Unpack[Policy],
) -> Callable[[Callable[P, R]], FunctionTool[P, R]]: ...
def tool(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    strict: bool = False,
    **policy: Unpack[Policy],
) -> Any:
    """Make a function a tool, as `@tool` or `@tool(timeout=5, approval="always")`.

    Its name and the first paragraph of its docstring are what a model is told, in
    place of which `name` and `description` may be given, and its `Args:` section
    describes the arguments. Those may be of the types of JSON, lists, dicts, Literals,
    Enums, unions, TypedDicts, attrs classes and dataclasses of them. A parameter of
    type ToolContext is filled in and not told. `strict` is as for `Tool`.
    The further keywords are those of `ToolPolicy`. Raises ToolDefinitionError.
    """
    if function is None:
        return functools.partial(
            _make, name=name, description=description, strict=strict, policy=policy
        )
    return _make(function, name=None, description=None, strict=False, policy={})


def _make(
    function: Callable[..., Any],
    *,
    name: str | None,
    description: str | None,
    strict: bool,
    policy: Policy,
) -> FunctionTool[..., Any]:
    target = _innermost(function)
    own: str = getattr(target, "__name__", "")
    name = own if name is None else name
    fields, context = _parameters(name, function, target)
    shapes = Shapes()
    try:
        shape = object_shape(shapes, fields, dict)
    except (UnknownType, NameError) as fault:
        raise ToolDefinitionError(name, "parameters", str(fault)) from None
    schema = {**shape.schema, **({"$defs": shapes.defs} if shapes.defs else {})}
    body = _Async if inspect.iscoroutinefunction(target) else _InThread
    return FunctionTool(
        name=name,
        description=description if description is not None else summary_of(target),
        schema=schema,
        body=body(function, shape.read, context),
        policy=policy_of(name, policy),
        strict=strict,
        function=function,
    )


def _innermost(function: Any) -> Any:
    """The function or method that holds the hints and the docstring."""
    if not callable(function) or isinstance(function, type):
        raise ToolDefinitionError(repr(function)[:64], "function", "it is a function or method")
    while isinstance(function, functools.partial):
        function = function.func
    return function if inspect.isroutine(function) else type(function).__call__


def _parameters(
    tool: str, function: Callable[..., Any], target: Callable[..., Any]
) -> tuple[list[Field], str | None]:
    """What the model is asked for, and the name of the parameter that takes the context."""
    try:
        hints = hints_of(target)
    except NameError as fault:
        raise ToolDefinitionError(
            tool, "parameters", f"a type hint cannot be looked up: {fault}"
        ) from None
    words = described_arguments(target)
    bound = function.keywords if isinstance(function, functools.partial) else {}
    fields: list[Field] = []
    context: str | None = None
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in _REFUSED:
            raise ToolDefinitionError(
                tool, f"parameters.{parameter.name}", f"{parameter}: {_REFUSED[parameter.kind]}"
            )
        if parameter.name in bound:
            continue
        hint = hints.get(parameter.name)
        if hint is ToolContext:
            context = parameter.name
        elif parameter.name not in hints:
            raise ToolDefinitionError(
                tool, f"parameters.{parameter.name}", "it has no type hint; a model needs its type"
            )
        else:
            required = parameter.default is inspect.Parameter.empty
            default = None if required else json_default(parameter.default)
            text = words.get(parameter.name, "")
            fields.append(Field(parameter.name, hint, required, text, default))
    return fields, context


@attrs.frozen
class _Call:
    """A function with what turns JSON into its arguments."""

    function: Callable[..., Any]
    read: Read
    context: str | None

    def arguments(self, arguments: Mapping[str, Any], context: ToolContext) -> dict[str, Any]:
        values: dict[str, Any] = self.read(dict(arguments))
        if self.context is not None:
            values[self.context] = context
        return values


class _Async(_Call):
    async def __call__(self, arguments: Mapping[str, Any], context: ToolContext) -> object:
        awaitable: Awaitable[object] = self.function(**self.arguments(arguments, context))
        return await awaitable


class _InLoop(_Call):
    async def __call__(self, arguments: Mapping[str, Any], context: ToolContext) -> object:
        return self.function(**self.arguments(arguments, context))


class _InThread(_Call):
    async def __call__(self, arguments: Mapping[str, Any], context: ToolContext) -> object:
        values = self.arguments(arguments, context)
        begun = False

        def work() -> str:
            nonlocal begun
            begun = True
            # The text is made here, too: a large one takes its time.
            return as_text(self.function(**values))

        try:
            return await trio.to_thread.run_sync(
                work, abandon_on_cancel=True, limiter=context.threads, thread_name=context.tool
            )
        except trio.Cancelled:
            if begun:
                _log.warning(
                    "tool thread is left to itself", tool=context.tool, call=context.call_id
                )
            raise
