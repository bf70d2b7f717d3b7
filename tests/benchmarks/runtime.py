"""What supervision costs: actors against raw trio channels and nurseries."""

import gc
import resource
from collections.abc import Awaitable, Callable, Iterator
from math import inf
from pathlib import Path

import attrs
import trio

from trouper.runtime import Actor, Backoff, Mailbox, Request, System, child, dynamic, on

from .harness import Row, at_most, compare, cpu, measure

MESSAGES = 50_000
ASKS = 10_000
IDLE = 10_000
CRASHES = 500
CAPACITY = 1024


@attrs.frozen
class Note:
    pass


@attrs.frozen
class Ping(Request[int]):
    pass


@attrs.frozen
class Break:
    pass


class Echo(Actor[Note | Ping | Break]):
    @on(Note)
    async def note(self, message: Note) -> None:
        pass

    @on(Ping)
    async def ping(self, message: Ping) -> int:
        return 1

    @on(Break)
    async def break_(self, message: Break) -> None:
        raise ValueError


async def actor_tell() -> float:
    note, ping = Note(), Ping()
    async with System(child("echo", Echo, mailbox=Mailbox(CAPACITY)), signals=False) as system:
        ref = system.ref("echo", Echo)
        await ref.ask(ping)
        with cpu() as spent:
            for _ in range(MESSAGES // 1000):
                for _ in range(1000):
                    ref.tell(note)
                await ref.ask(ping)
    return spent.microseconds / MESSAGES


async def channel_tell() -> float:
    send, receive = trio.open_memory_channel[Note](CAPACITY)
    note = Note()

    async def read() -> None:
        async for _ in receive:
            pass

    with cpu() as spent:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            async with send:
                for _ in range(MESSAGES):
                    await send.send(note)
    return spent.microseconds / MESSAGES


async def actor_ask() -> float:
    ping = Ping()
    async with System(child("echo", Echo), signals=False) as system:
        ref = system.ref("echo", Echo)
        await ref.ask(ping)
        with cpu() as spent:
            for _ in range(ASKS):
                await ref.ask(ping)
    return spent.microseconds / ASKS


async def channel_ask() -> float:
    send, receive = trio.open_memory_channel[Ping](CAPACITY)
    back, answers = trio.open_memory_channel[int](CAPACITY)
    ping = Ping()

    async def answer() -> None:
        async for _ in receive:
            await back.send(1)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(answer)
        with cpu() as spent:
            for _ in range(ASKS):
                await send.send(ping)
                await answers.receive()
        send.close()
    return spent.microseconds / ASKS


async def actor_spawn() -> float:
    async with System(dynamic("idle", Echo, max_children=IDLE), signals=False) as system:
        idle = system.children("idle", Echo)
        with cpu() as spent:
            for number in range(IDLE):
                await idle.start(str(number))
            system.stop()
            await system.stopped()
    return spent.microseconds / IDLE


async def nursery_spawn() -> float:
    async def one(receive: trio.MemoryReceiveChannel[Note], ready: trio.Event) -> None:
        ready.set()
        async for _ in receive:
            pass

    with cpu() as spent:
        async with trio.open_nursery() as nursery:
            for _ in range(IDLE):
                _send, receive = trio.open_memory_channel[Note](CAPACITY)
                ready = trio.Event()
                nursery.start_soon(one, receive, ready)
                await ready.wait()
            nursery.cancel_scope.cancel()
    return spent.microseconds / IDLE


async def actor_stop() -> float:
    async with System(dynamic("idle", Echo, max_children=IDLE), signals=False) as system:
        idle = system.children("idle", Echo)
        for number in range(IDLE):
            await idle.start(str(number))
        with cpu() as spent:
            system.stop()
            await system.stopped()
    return spent.seconds


def resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1024


async def actor_memory() -> float:
    async with System(dynamic("idle", Echo, max_children=IDLE), signals=False) as system:
        idle = system.children("idle", Echo)
        await idle.start("first")
        gc.collect()
        before = resident()
        for number in range(IDLE - 1):
            await idle.start(str(number))
        gc.collect()
        return (resident() - before) / (IDLE - 1)


async def actor_crash() -> float:
    spec = child(
        "echo", Echo, backoff=Backoff(initial=0, maximum=0, jitter=0), mailbox=Mailbox(8), poison=0
    )
    async with System(spec, intensity=CRASHES + 1, period=inf, signals=False) as system:
        ref = system.ref("echo", Echo)
        await ref.ask(Ping())
        with cpu() as spent:
            for _ in range(CRASHES):
                ref.tell(Break())
                await ref.ask(Ping())
    return spent.microseconds / CRASHES


async def nursery_crash() -> float:
    send, receive = trio.open_memory_channel[Break | trio.MemorySendChannel[int]](8)

    async def life() -> None:
        async for message in receive:
            if isinstance(message, Break):
                raise ValueError  # noqa: TRY004 - a crash, of any kind
            message.send_nowait(1)

    async def supervise() -> None:
        while True:
            try:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(life)
            except* ValueError:
                pass
            else:
                return

    async with trio.open_nursery() as nursery:
        nursery.start_soon(supervise)
        with cpu() as spent:
            for _ in range(CRASHES):
                await send.send(Break())
                back, answer = trio.open_memory_channel[int](1)
                await send.send(back)
                await answer.receive()
        send.close()
    return spent.microseconds / CRASHES


def run(side: Callable[[], Awaitable[float]]) -> Callable[[], float]:
    return lambda: trio.run(side)


def rows() -> Iterator[Row]:
    # "at least 4 times a channel's rate" is at most a quarter of its cost.
    yield compare("tell", run(actor_tell), run(channel_tell), goal=at_most(1 / 4.0), unit="us")
    yield compare("ask", run(actor_ask), run(channel_ask), goal=at_most(1 / 1.2), unit="us")
    yield compare(
        "spawn and stop one of 10,000",
        run(actor_spawn),
        run(nursery_spawn),
        goal=at_most(4.0),
        unit="us",
    )
    yield measure("stop 10,000 idle actors", run(actor_stop), goal=at_most(1.5), unit="s")
    yield measure("an idle actor", run(actor_memory), goal=at_most(9.0), unit="KiB", rounds=1)
    yield compare(
        "crash to answering again",
        run(actor_crash),
        run(nursery_crash),
        goal=at_most(1.5),
        unit="us",
    )
