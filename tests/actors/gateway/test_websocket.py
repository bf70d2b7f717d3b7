"""One websocket against clients that are slow, silent, hostile or gone."""

import json
from typing import Any

import pytest
import trio
import trio.testing
from trio_websocket import ConnectionClosed

from tests.fakes.gateway import (
    PATIENCE,
    AcpClient,
    Running,
    acp_client,
    acp_in_memory,
    acp_pausing,
    start_gateway,
)
from tests.fakes.sessions import FakeSession, says
from trouper.actors.gateway.stream import ClientStream
from trouper.actors.session.events import StopReason

HANDSHAKE = (
    b"GET /acp HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def masked(opcode: int, payload: bytes = b"") -> bytes:
    """A whole client frame; a mask of zeros leaves the payload readable."""
    length = len(payload)
    size = bytes([0x80 | length]) if length < 126 else bytes([0xFE]) + length.to_bytes(2, "big")
    return bytes([0x80 | opcode]) + size + bytes(4) + payload


def call(id: int, method: str, **params: Any) -> bytes:
    body = {"jsonrpc": "2.0", "id": id, "method": method, "params": params}
    return masked(1, json.dumps(body).encode())


CALLS = call(1, "initialize", protocolVersion=1) + call(2, "session/new", cwd="/", mcpServers=[])
PROMPT = call(3, "session/prompt", sessionId="session-1", prompt=[{"type": "text", "text": "x"}])


async def prompted(running: Running, prompts: int = 1) -> FakeSession:
    opened = running.sessions.opened
    with trio.fail_after(PATIENCE):
        while not opened or len(running.sessions.only.prompts) < prompts:  # noqa: ASYNC110 - a fake announces nothing
            await trio.sleep(0.001)
    return running.sessions.only


async def close_code(client: AcpClient) -> int:
    with pytest.raises(ConnectionClosed) as caught:
        while True:
            await client.next()
    assert caught.value.reason is not None
    return caught.value.reason.code


async def a_reader_that_stops(running: Running, nursery: trio.Nursery) -> trio.abc.Stream:
    """A client that prompts and then takes not one byte more; sends to it block at once."""
    ours, theirs = trio.testing.lockstep_stream_pair()
    nursery.start_soon(running.gateway.serve_stream, theirs)
    await ours.send_all(HANDSHAKE)
    while b"\r\n\r\n" not in await ours.receive_some():
        pass
    await ours.send_all(CALLS)
    taken = b""
    while b"session-1" not in taken:
        taken += await ours.receive_some()
    await ours.send_all(PROMPT)
    await prompted(running)
    return ours


async def test_a_reader_that_stopped_is_cut_off_and_its_session_goes_on(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    running = await start_gateway(nursery)
    await a_reader_that_stops(running, nursery)
    begun = trio.current_time()
    running.sessions.only.say("x")
    await trio.sleep(29)
    assert running.gateway.websockets == 1
    await trio.sleep(3)

    assert running.gateway.connections == 0
    assert trio.current_time() - begun < 33
    assert running.sessions.only.attachments == []
    assert running.sessions.only.turn == 1


async def test_what_waits_for_a_stopped_reader_is_bounded(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    running = await start_gateway(nursery)
    await a_reader_that_stops(running, nursery)
    session = running.sessions.only
    (line,) = session.attachments
    outbox: Any = line._lane._outbox  # type: ignore[attr-defined]
    most = 0
    for _ in range(20_000):
        session.say("word " * 10)
        most = max(most, outbox.waiting[1])
    session.say("x" * 10_000_000)

    assert most <= 256 * 1024
    assert outbox.waiting == (0, 0)
    # It is told why, if it reads on within the time of a closing handshake ...
    await trio.sleep(4)
    assert running.gateway.websockets == 1
    # ... and cut off if not.
    await trio.sleep(3)
    assert running.gateway.connections == 0
    assert session.turn == 1


async def test_a_reader_that_was_too_slow_is_told_so(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    running = await start_gateway(nursery)
    stream = await a_reader_that_stops(running, nursery)
    for _ in range(100):
        running.sessions.only.say("x" * 10_000)
        await trio.lowlevel.checkpoint()
    taken = b""
    with trio.move_on_after(1):
        while b"too slowly" not in taken:
            taken += await stream.receive_some()

    # 1013, "try again later", in a whole frame after whole frames.
    assert (1013).to_bytes(2, "big") + b"you read too slowly" in taken


async def test_a_client_that_answers_no_ping_is_cut_off(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    running = await start_gateway(nursery)
    ours, theirs = trio.testing.memory_stream_pair()
    nursery.start_soon(running.gateway.serve_stream, theirs)
    await ours.send_all(HANDSHAKE)
    await trio.sleep(1)
    begun = trio.current_time()
    pings = 0
    async for data in ours:
        pings += data.count(b"\x89\x04")

    assert pings == 1
    assert 38 <= trio.current_time() - begun <= 42
    assert running.gateway.websockets == 0
    await ours.aclose()


async def test_a_silent_client_that_answers_pings_may_stay(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    running = await start_gateway(nursery, says("still here"))
    async with acp_in_memory(running, nursery) as client:
        session = await client.open()
        await trio.sleep(3000)
        await client.answer(await client.prompt(session))

    assert client.said == "still here"


async def test_a_slow_reader_reads_every_word_in_fewer_frames(nursery: trio.Nursery) -> None:
    words = [f"word{n} " for n in range(20_000)]

    async def storm(session: FakeSession) -> None:
        for place, word in enumerate(words):
            session.say(word)
            if place % 10 == 0:
                await trio.lowlevel.checkpoint()
        session.end(StopReason.END_TURN)

    running = await start_gateway(nursery, storm)
    async with acp_client(running) as client:
        session = await client.open()
        prompt = await client.prompt(session)
        await trio.sleep(0.3)
        await client.answer(prompt)

    assert client.said == "".join(words)
    assert len(client.updates) < len(words) / 2


async def test_a_cancel_while_a_send_is_blocked_tears_no_frame(nursery: trio.Nursery) -> None:
    running = await start_gateway(nursery)
    async with acp_pausing(running, nursery) as (client, stream):
        session = await client.open()
        prompt = await client.prompt(session)
        fake = await prompted(running)
        stream.resumed = trio.Event()
        # More than the sockets take unread, and less than makes the outbox overflow.
        for letter in "xyz":
            fake.say(letter * 120_000)
            await trio.sleep(0.02)
        outbox: Any = fake.attachments[0]._lane._outbox  # type: ignore[attr-defined]
        blocked = outbox.waiting
        await client.notify("session/cancel", {"sessionId": session})
        await trio.sleep(0.05)
        stream.resumed.set()
        answer = await client.answer(prompt)

    assert blocked[0] > 0
    assert answer["result"]["stopReason"] == "cancelled"
    assert client.said == "".join(letter * 120_000 for letter in "xyz")


async def test_a_fault_of_ours_ends_one_connection_with_1011_and_no_other(
    nursery: trio.Nursery,
) -> None:
    running = await start_gateway(nursery, says("unharmed"))
    async with acp_client(running) as bystander, acp_client(running) as victim:
        session = await bystander.open()
        await victim.initialize()
        running.sessions.broken = RuntimeError("a bug")
        await victim.begin("session/new", {})
        first = await close_code(victim)
        running.sessions.broken = None
        async with acp_client(running) as second:
            await second.initialize()
            running.sessions.owners["odd"] = "local"  # find() will raise KeyError
            await second.prompt("odd")
            again = await close_code(second)
        await bystander.answer(await bystander.prompt(session))

    assert (first, again) == (1011, 1011)
    assert bystander.said == "unharmed"


async def test_a_fault_while_an_event_is_told_ends_that_connection_and_no_other(
    nursery: trio.Nursery,
) -> None:
    async def behave(session: FakeSession) -> None:
        session.say("first, ")
        unheard_of: Any = object()
        session.attachments[-1].deliver(unheard_of)
        session.say("then")
        session.end(StopReason.END_TURN)

    running = await start_gateway(nursery, behave)
    async with acp_client(running) as bystander, acp_client(running) as victim:
        session = await bystander.open()
        await victim.initialize()
        params = {"sessionId": session, "cwd": "/", "mcpServers": []}
        await victim.call("session/resume", params)
        prompt = await bystander.prompt(session)
        code = await close_code(victim)
        answer = await bystander.answer(prompt)

    assert code == 1011
    assert bystander.said == "first, then"
    assert answer["result"]["stopReason"] == "end_turn"


async def test_pings_are_answered_during_a_turn_and_a_flood(nursery: trio.Nursery) -> None:
    async def stream(session: FakeSession) -> None:
        while session.turn is not None:
            session.say("text ")
            await trio.lowlevel.checkpoint()

    running = await start_gateway(nursery, stream)
    async with acp_client(running) as client:
        session = await client.open()
        prompt = await client.prompt(session)
        await client.next()
        async with trio.open_nursery() as pinging:

            async def read() -> None:
                while True:
                    await client.next()

            pinging.start_soon(read)
            for _ in range(20):
                for _ in range(8):
                    await client.send("not json")
                with trio.fail_after(2):
                    await client.ws.ping()
            pinging.cancel_scope.cancel()
        await client.notify("session/cancel", {"sessionId": session})
        with trio.fail_after(PATIENCE):
            while (await client.next()).get("id") != prompt:
                pass


async def test_a_client_that_floods_is_closed_with_1008(nursery: trio.Nursery) -> None:
    running = await start_gateway(nursery)
    async with acp_client(running) as client:

        async def flood() -> None:
            try:
                while True:
                    await client.send("{}")
            except ConnectionClosed:
                pass

        nursery.start_soon(flood)
        code = await close_code(client)

    assert code == 1008
    await running.settled()


async def test_a_rate_within_the_allowance_is_borne_for_ever(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    running = await start_gateway(nursery)
    async with acp_in_memory(running, nursery) as client:
        for _ in range(2000):
            await client.initialize()
            await trio.sleep(0.021)


@pytest.mark.parametrize(
    "junk",
    [
        b"\x81\x02hi",  # not masked
        masked(1, b"\xff\xfe"),  # no UTF-8
        b"\xf1\x80\0\0\0\0",  # reserved bits
        masked(3),  # an unknown opcode
        masked(9, b"x" * 126),  # a ping too long
        b"\x81\xff" + b"\xff" * 8 + bytes(4),  # 2**64 bytes to come
        masked(1, b"{"[:0]) + b"\x81\x80",  # cut within a header
    ],
)
async def test_a_broken_frame_ends_its_connection_only(nursery: trio.Nursery, junk: bytes) -> None:
    running = await start_gateway(nursery, says("fine"))
    async with acp_client(running) as bystander:
        session = await bystander.open()
        async with await running.connect() as stream:
            await stream.send_all(HANDSHAKE)
            await stream.send_all(junk)
            await stream.send_eof()
            with trio.fail_after(PATIENCE):
                while await stream.receive_some():
                    pass
        await bystander.answer(await bystander.prompt(session))
    await running.settled()

    assert bystander.said == "fine"


async def test_a_client_that_vanishes_during_a_turn_leaves_nothing_behind(
    nursery: trio.Nursery,
) -> None:
    running = await start_gateway(nursery)
    stream = await running.connect()
    await stream.send_all(HANDSHAKE + CALLS)
    with trio.fail_after(PATIENCE):
        while b"session-1" not in await stream.receive_some():
            pass
    await stream.send_all(PROMPT)
    session = await prompted(running)
    ClientStream(stream).abort()
    for _ in range(100):
        session.say("x" * 1000)
        await trio.sleep(0.001)
    await running.settled()

    assert session.attachments == []
    assert session.turn == 1
