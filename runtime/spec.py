"""A tree as data: what runs under whom, and what happens when it falls.

A spec can be printed, compared and tested without running. `child`,
`supervisor` and `dynamic` make them; `System` runs them.
"""

import functools
import inspect
from collections.abc import Awaitable, Callable, Sequence
from enum import Enum
from math import inf
from typing import Any, Literal, TypeVar

import attrs
from attrs.validators import ge, gt

from .actor import Actor
from .dynamic_children import DYNAMIC
from .errors import SpecError
from .mailbox import Mailbox
from .restarts import Backoff, Intensity, Restart

__all__ = [
    "AutoShutdown",
    "ChildSpec",
    "Startable",
    "Strategy",
    "StrategyName",
    "SubtreeSpec",
    "child",
    "dynamic",
    "supervisor",
]

E = TypeVar("E", bound=Enum)

RestartName = Literal["permanent", "transient", "temporary"]
StrategyName = Literal["one_for_one", "one_for_all", "rest_for_one"]
AutoShutdownName = Literal["never", "any", "all"]
WhileDownName = Literal["queue", "reject"]

Startable = Callable[..., Actor[Any] | Awaitable[object]]
"""An actor class, a callable that makes an actor, or an async function."""

# Seconds. OTP's for a worker: long enough to finish a request, short enough
# for a person who waits for a program to end.
SHUTDOWN = 5.0
# Seconds that `init` may take: it opens files and parses, it does not call out.
START_TIMEOUT = 10.0


class Strategy(Enum):
    """Who restarts with a child that crashed."""

    ONE_FOR_ONE = "one_for_one"
    """It alone."""
    ONE_FOR_ALL = "one_for_all"
    """All its siblings: none of them can do without the others."""
    REST_FOR_ONE = "rest_for_one"
    """It and those that were started after it: they build on it."""


class AutoShutdown(Enum):
    """When the end of significant children ends their supervisor."""

    NEVER = "never"
    """It goes on, be it with no child left."""
    ANY = "any"
    """When the first of them has ended for good."""
    ALL = "all"
    """When the last of them has."""


@attrs.frozen
class SubtreeSpec:
    """What makes a child a supervisor.

    It has `children`, or, where it is dynamic, at most `max_children` of them, each
    made by `template`. `strategy` says who restarts with one that crashed,
    `intensity` when there were too many restarts, `auto_shutdown` whether it ends
    with its significant children.
    """

    children: "tuple[ChildSpec, ...]" = ()
    strategy: Strategy = Strategy.ONE_FOR_ONE
    intensity: Intensity = Intensity()
    auto_shutdown: AutoShutdown = AutoShutdown.NEVER
    max_children: int | None = None
    template: "ChildSpec | None" = None


def _valid_id(_spec: object, _field: object, id: str) -> None:
    if not id or "/" in id:
        raise SpecError(f"a child's id is not empty and has no slash, not {id!r}")


@attrs.frozen
class ChildSpec:
    """One child, as `child`, `supervisor` and `dynamic` make it.

    `id` is its name among its siblings, not empty and without a slash. `start`
    makes the actor, or is the async function to run (`is_function`), which may say
    itself when it is ready (`tells_when_ready`); `kind` is what that is called: its
    class, or the function's name (that of its class where it is called `run`).
    `subtree` is set where it is a supervisor.

    `restart` says which ends bring it back, `backoff` after how many seconds.
    `shutdown` is how many seconds an orderly stop may take before the child is
    cancelled; 0 cancels at once. `start_timeout` is how many seconds its `init` may take.
    `mailbox` bounds what waits for it; with `while_down_rejects` asks fail while it
    is between two lives. `significant` ones end a supervisor that has
    `auto_shutdown`. `poison` is after how many equal crashes in a row on the same
    type of message the child is given up; 0 is never.

    Raises SpecError for such an id, and ValueError for a number that is out of range.
    """

    id: str = attrs.field(validator=_valid_id)
    start: Callable[..., Any]
    kind: str
    is_function: bool = False
    tells_when_ready: bool = False
    subtree: SubtreeSpec | None = None
    restart: Restart = Restart.PERMANENT
    shutdown: float = attrs.field(default=SHUTDOWN, validator=ge(0))
    start_timeout: float = attrs.field(default=START_TIMEOUT, validator=gt(0))
    backoff: Backoff = Backoff()
    mailbox: Mailbox = Mailbox()
    while_down_rejects: bool = False
    significant: bool = False
    poison: int = attrs.field(default=3, validator=ge(0))


def child(
    id: str,
    start: Startable,
    *,
    restart: RestartName = "permanent",
    shutdown: float = SHUTDOWN,
    start_timeout: float = START_TIMEOUT,
    backoff: Backoff | None = None,
    mailbox: Mailbox | None = None,
    while_down: WhileDownName = "queue",
    significant: bool = False,
    poison: int = 3,
) -> ChildSpec:
    """A supervised child: an actor class, a callable that makes an actor, or an async function.

    An async function that takes `task_status` is ready when it calls
    `task_status.started()`, any other at once; its arguments are bound by
    functools.partial.

    `restart` is "permanent" (any end brings it back), "transient" (a crash only)
    or "temporary" (none); `backoff` says after how many seconds. `shutdown` is how
    many seconds an orderly stop may take before it is cancelled: 5, as OTP gives a
    worker, is long enough to finish a request and short enough for a person who
    waits; 0 cancels at once. `start_timeout` is how many seconds its `init` may
    take, or the function until it is ready: 10 are enough to open files. `mailbox`
    bounds what waits for it, by default 1,024 messages.
    `while_down="reject"` fails asks while the child is between two lives instead of
    keeping them for the next. A `significant` child may end its supervisor (see
    there). After `poison` equal crashes in a row on the same type of message it is
    given up; 0 is never.

    Raises SpecError where one of these is out of its range, and where `start` can start nothing.
    """
    is_function = _is_async(start)
    if while_down not in ("queue", "reject"):
        raise SpecError(f"child {id!r}: while_down is 'queue' or 'reject', not {while_down!r}")
    try:
        return ChildSpec(
            id=id,
            start=start,
            kind=_name(start),
            is_function=is_function,
            tells_when_ready=is_function and "task_status" in inspect.signature(start).parameters,
            restart=_member(Restart, "restart", restart),
            shutdown=shutdown,
            start_timeout=start_timeout,
            backoff=backoff or Backoff(),
            mailbox=mailbox or Mailbox(),
            while_down_rejects=while_down == "reject",
            significant=significant,
            poison=poison,
        )
    except ValueError as error:
        raise SpecError(f"child {id!r}: {error.args[0]}") from None


def supervisor(
    id: str,
    *children: ChildSpec,
    strategy: StrategyName = "one_for_one",
    intensity: int = 3,
    period: float = 5.0,
    auto_shutdown: AutoShutdownName = "never",
    restart: RestartName = "permanent",
    backoff: Backoff | None = None,
    significant: bool = False,
) -> ChildSpec:
    """A supervisor of `children`, started left to right and stopped right to left.

    With a child that crashed `strategy` restarts it alone ("one_for_one"), all
    ("one_for_all"), or those that were started after it ("rest_for_one"). More than
    `intensity` restarts within `period` seconds end it as a crash, which its own
    supervisor then counts, and answers by its `restart` and `backoff`; 3 in 5 s
    are Elixir's (see `Intensity`). Raises SpecError for two children of one id, and
    for significant children of a supervisor that does not look.

    `auto_shutdown` ends it in order when "any" or "all" of its significant
    children have ended for good; its own `restart` then says whether it comes
    back, so it is mostly transient.
    """
    subtree = SubtreeSpec(
        children=_distinct(id, children),
        strategy=_member(Strategy, "strategy", strategy),
        intensity=_intensity(id, intensity, period),
        auto_shutdown=_member(AutoShutdown, "auto_shutdown", auto_shutdown),
    )
    if subtree.auto_shutdown is AutoShutdown.NEVER and any(c.significant for c in children):
        raise SpecError(f"supervisor {id!r} has a significant child: say auto_shutdown='any'")
    return _subtree_child(id, subtree, restart, backoff, significant)


def dynamic(
    id: str,
    start: Startable,
    *,
    restart: RestartName = "temporary",
    max_children: int = 10_000,
    shutdown: float = SHUTDOWN,
    start_timeout: float = START_TIMEOUT,
    backoff: Backoff | None = None,
    mailbox: Mailbox | None = None,
    while_down: WhileDownName = "queue",
    poison: int = 3,
    intensity: int = 3,
    period: float = 5.0,
) -> ChildSpec:
    """A supervisor whose children come and go: one a conversation, one a job.

    `start` makes a child from the arguments given to `System.children(...).start`.
    At most `max_children` children are there at once: 10,000 idle actors are some 90 MB,
    and more is mostly a leak. At the stop all are stopped at once, within
    `shutdown` seconds. `restart` is "temporary", since who wants a child again
    mostly starts it again. `intensity` and `period` are as for `supervisor`; the other
    options are for each of the children, as for `child`. Raises SpecError.
    """
    template = child(
        id,
        start,
        restart=restart,
        shutdown=shutdown,
        start_timeout=start_timeout,
        backoff=backoff,
        mailbox=mailbox,
        while_down=while_down,
        poison=poison,
    )
    if max_children < 1:
        raise SpecError(f"dynamic {id!r}: max_children is at least 1")
    subtree = SubtreeSpec(
        intensity=_intensity(id, intensity, period),
        max_children=max_children,
        template=template,
    )
    return _subtree_child(id, subtree, "permanent", None, significant=False)


def _subtree_child(
    id: str,
    subtree: SubtreeSpec,
    restart: RestartName,
    backoff: Backoff | None,
    significant: bool,
) -> ChildSpec:
    return ChildSpec(
        id=id,
        start=_never,
        kind=DYNAMIC if subtree.template else "supervisor",
        subtree=subtree,
        restart=_member(Restart, "restart", restart),
        # Its children have bounds of their own.
        shutdown=inf,
        start_timeout=inf,
        backoff=backoff or Backoff(),
        significant=significant,
    )


def _member(kind: type[E], what: str, name: str) -> E:
    try:
        return kind(name)
    except ValueError:
        names = ", ".join(repr(member.value) for member in kind)
        raise SpecError(f"{what} is one of {names}, not {name!r}") from None


def _intensity(id: str, restarts: int, period: float) -> Intensity:
    try:
        return Intensity(restarts, period)
    except ValueError as error:
        raise SpecError(f"supervisor {id!r}: {error.args[0]}") from None


def _distinct(id: str, children: Sequence[ChildSpec]) -> tuple[ChildSpec, ...]:
    seen: set[str] = set()
    for spec in children:
        if spec.id in seen:
            raise SpecError(f"supervisor {id!r} has two children called {spec.id!r}")
        seen.add(spec.id)
    return tuple(children)


def _never() -> None:
    raise AssertionError("a supervisor is not made by its spec's start")


def _is_async(start: Callable[..., Any]) -> bool:
    while isinstance(start, functools.partial):
        start = start.func
    if not callable(start):
        raise SpecError(f"a child starts from a class or function, not from {start!r}")
    return inspect.iscoroutinefunction(start)


def _name(start: Callable[..., Any]) -> str:
    while isinstance(start, functools.partial):
        start = start.func
    if isinstance(start, type):
        if not issubclass(start, Actor):
            raise SpecError(f"{start.__qualname__} is not an Actor")
        return start.__qualname__
    return _noun(getattr(start, "__qualname__", type(start).__qualname__))


def _noun(qualified: str) -> str:
    """What a function is called in a list of kinds: `Pace` of `Pace.run`, `serve` of `App._serve`."""
    names = [name for name in qualified.split(".") if name != "<locals>"]
    # Neither of these says what it is: who made it does.
    while len(names) > 1 and names[-1] in ("run", "__call__", "<lambda>"):
        names.pop()
    return names[-1].strip("_")
