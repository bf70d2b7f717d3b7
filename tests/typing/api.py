"""What users write. Checked by mypy --strict and pyright strict, and never run."""

import functools
from typing import assert_type

import attrs
import trio

from trouper.actors.tools import Tool, Toolbox, ToolContext, tool
from trouper.runtime import (
    Actor,
    ActorSnapshot,
    Backoff,
    Children,
    Down,
    Mailbox,
    Ref,
    Request,
    Sink,
    Streams,
    System,
    child,
    dynamic,
    on,
    supervisor,
)


@attrs.frozen
class Completion:
    text: str


@attrs.frozen
class Complete(Request[Completion]):
    prompt: str


@attrs.frozen
class Maybe(Request[str | None]):
    key: str


@attrs.frozen
class Follow(Streams[bytes]):
    prompt: str


@attrs.frozen
class Tick:
    pass


@attrs.frozen
class Urgent(Tick):
    pass


class Provider(Actor[Complete | Maybe | Follow | Tick | Down]):
    def __init__(self, name: str, retries: int = 3) -> None:
        self.name = name
        self.retries = retries

    async def init(self) -> None:
        assert_type(self.ref, Ref[Complete | Maybe | Follow | Tick | Down])

    @on(Complete, task=True, limit=8)
    async def complete(self, message: Complete) -> Completion:
        return Completion(message.prompt)

    @on(Maybe)
    async def maybe(self, message: Maybe) -> str | None:
        return None

    @on(Follow, limit=2)
    async def follow(self, message: Follow, sink: Sink[bytes]) -> None:
        await sink.send(b"x")

    @on(Tick)
    async def tick(self, message: Tick) -> None:
        self.ref.tell(Tick())

    @on(Down)
    async def down(self, message: Down) -> None:
        print(message.ref.path, message.reason)


class Gate(Actor[Complete | Follow]):
    """Hands on what it is asked."""

    def __init__(self, behind: Ref[Complete | Follow]) -> None:
        self.behind = behind

    @on(Complete)
    async def complete(self, message: Complete) -> Completion:
        return self.behind.forward(message)

    @on(Follow)
    async def follow(self, message: Follow, sink: Sink[bytes]) -> None:
        self.behind.forward(message)


class Clock(Actor[Tick], background=True):
    """An actor with one message and tasks in the background."""

    @on(Tick)
    async def tick(self, message: Tick) -> None:
        self.start_soon(trio.sleep, 1.0)


async def pump(every: float) -> None:
    await trio.sleep(every)


async def listen(*, task_status: trio.TaskStatus[None]) -> None:
    task_status.started()


def tree(config: str) -> System:
    return System(
        child("clock", Clock),
        child("provider", lambda: Provider(config), restart="transient", shutdown=3.0),
        child("partial", functools.partial(Provider, config, retries=1), mailbox=Mailbox(16)),
        child("pump", functools.partial(pump, 2.0), backoff=Backoff(initial=1.0)),
        child("listen", listen, significant=False, while_down="reject"),
        supervisor(
            "sub", child("a", Clock, significant=True), strategy="rest_for_one", auto_shutdown="any"
        ),
        dynamic("sessions", Provider, max_children=10),
        strategy="one_for_all",
        intensity=5,
        period=10.0,
        observer=print,
    )


def one(ref: Ref[Tick]) -> None:
    ref.tell(Tick())
    ref.tell(Urgent())


async def use(system: System) -> None:
    provider = system.ref("provider", Provider)
    assert_type(provider, Ref[Complete | Maybe | Follow | Tick | Down])
    assert_type(await provider.ask(Complete("hello")), Completion)
    assert_type(await provider.ask(Maybe("key"), timeout=1.0), str | None)
    print(await provider.ask(Complete("hello")))
    provider.tell(Tick())
    await provider.send(Tick())
    async with provider.stream(Follow("hello"), buffer=2) as items:
        async for item in items:
            assert_type(item, bytes)

    # A ref to more is a ref to less: hand out only what may be used.
    one(provider)
    narrowed: Ref[Complete] = provider
    assert_type(await narrowed.ask(Complete("hello")), Completion)
    either: Ref[Complete | Follow] = provider
    print(Gate(either), {provider: 1, narrowed: 2}, provider == narrowed)

    sessions = system.children("sessions", Provider)
    assert_type(sessions, Children[Complete | Maybe | Follow | Tick | Down])
    session = await sessions.start("1", "alice", retries=2)
    assert_type(session, Ref[Complete | Maybe | Follow | Tick | Down])
    found = sessions.get("1")
    if found is not None:
        assert_type(await found.ask(Complete("hello")), Completion)
    for id in sessions:
        assert_type(id, str)
    assert_type(system.snapshot(), tuple[ActorSnapshot, ...])
    system.registry.register("star", session)


# Tools: a function stays what it was, with its own types.


@tool
async def weather(city: str, days: int = 3) -> str:
    """Tell the weather."""
    return city * days


@tool(timeout=5.0, approval=lambda arguments: bool(arguments["path"]), idempotent=True)
def size(path: str, *, context: ToolContext) -> int:
    """Tell the size of a file."""
    context.report("looking", 0.5)
    return len(path)


async def use_tools() -> Toolbox:
    assert_type(await weather("Oslo", days=2), str)
    assert_type(size("x", context=ToolContext()), int)
    tools: list[Tool] = [weather, size]
    return Toolbox(*tools)
