"""Mistakes that users make. Each marked line, and no other, is reported by both checkers."""

import attrs

from tests.typing.api import Clock, Complete, Completion, Follow, Gate, Maybe, Provider, Tick
from trouper.actors.tools import Toolbox, tool
from trouper.runtime import (
    Actor,
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
class Unknown:
    pass


@attrs.frozen
class Count(Request[int]):
    pass


@attrs.frozen
class Numbers(Streams[int]):
    pass


class Wrong(Actor[Count | Numbers | Tick]):
    @on(Count)  # mistake: the answer is an int
    async def count(self, message: Count) -> str:
        return "one"

    @on(Numbers)  # mistake: the items are ints
    async def numbers(self, message: Numbers, sink: Sink[str]) -> None:
        await sink.send("one")

    @on(Tick)  # mistake: nobody waits for an answer
    async def tick(self, message: Tick) -> int:
        return 1


class Forgetful(Actor[Count | Numbers | Tick]):
    @on(Count)  # mistake: it forgets to answer
    async def count(self, message: Count) -> None:
        print(message)

    @on(Numbers)  # mistake: it has nowhere to put its items
    async def numbers(self, message: Numbers) -> None:
        print(message)

    @on(Tick)  # mistake: it handles another message than it says
    async def tick(self, message: Count) -> None:
        print(message)


class Plain(Actor[Count]):
    @on(Count)  # mistake: a plain handler owes the same answer
    def count(self, message: Count) -> str:
        return "1"


class Careless(Actor[Numbers]):
    @on(Numbers)
    async def numbers(self, message: Numbers, sink: Sink[int]) -> None:
        await sink.send("one")  # mistake: the items are ints


class Forwarder(Actor[Complete | Numbers]):
    def __init__(self, behind: Ref[Complete | Maybe | Follow]) -> None:
        self.behind = behind

    @on(Complete)
    async def complete(self, message: Complete) -> Completion:
        return self.behind.forward(Maybe("key"))  # mistake: its answer is no Completion

    @on(Numbers)
    async def numbers(self, message: Numbers, sink: Sink[int]) -> None:
        self.behind.forward(message)  # mistake: who is behind does not know it


class Mute(Actor[Tick]):
    def __init__(self, behind: Ref[Tick]) -> None:
        self.behind = behind

    @on(Tick)
    async def tick(self, message: Tick) -> None:
        self.behind.forward(message)  # mistake: there is no answer to be handed on


async def use(system: System, clock: Ref[Tick], provider: Ref[Complete | Follow | Tick]) -> None:
    clock.tell(Unknown())  # mistake: the clock does not know it
    await clock.send(Unknown())  # mistake: the clock does not know it
    await clock.ask(Count())  # mistake: the clock does not know it
    await clock.ask(Tick())  # mistake: a Tick has no answer
    await provider.ask(Follow("a"))  # mistake: its answer is a stream
    number: int = await provider.ask(Complete("a"))  # mistake: the answer is a Completion
    print(provider.ask(Complete("a")).text)  # mistake: not awaited
    async with provider.stream(Complete("a")):  # mistake: its answer is no stream
        pass
    async with provider.stream(Follow("a")) as parts:
        async for part in parts:
            part.encode()  # mistake: the items are bytes
    wider: Ref[Complete | Count] = provider  # mistake: it does not know Count
    print(number, wider, Gate(clock))  # mistake: a Gate needs more than a clock
    typed: Ref[Complete] = system.ref("clock", Clock)  # mistake: a Clock does not know it
    sessions = system.children("sessions", Provider)
    (await sessions.start("1", "alice")).tell(Unknown())  # mistake: a Provider does not know it
    print(typed)


child("five", int)  # mistake: that is neither an actor nor an async function
child("clock", Clock, restart="always")  # mistake: no such restart
child("clock", Clock())  # mistake: an actor, not what makes one
dynamic("many", Clock, strategy="one_for_all")  # mistake: children on demand have no order
supervisor("sub", Clock)  # mistake: that is no spec
supervisor("sub", strategy="all_for_one")  # mistake: no such strategy


@tool
async def weather(city: str) -> str:
    """Tell the weather."""
    return city


@tool(timeuot=5.0)  # mistake: there is no such policy
def area(width: float) -> float:
    """Tell the area of a square."""
    return width * width


@tool(approval="sometimes")  # mistake: never, always or a rule
def volume(width: float) -> float:
    """Tell the volume of a cube."""
    return width**3


async def use_tools() -> None:
    await weather(3)  # mistake: a city is text
    temperature: float = await weather("Oslo")  # mistake: the answer is text
    Toolbox(area, use_tools)  # mistake: that is a function and no tool
    print(temperature, volume)
