"""The client's stream: what it plays back, what it notes, and how it is cut off."""

from typing import Any

import pytest
import trio
import trio.testing

from trouper.actors.gateway.stream import ClientStream


class Endless(trio.abc.Stream):
    """Gives empty fragments of a message that never ends."""

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        await trio.lowlevel.checkpoint()
        return b"\x00\x80\0\0\0\0" * 100_000

    async def send_all(self, data: Any) -> None:
        await trio.lowlevel.checkpoint()

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


async def test_fragments_without_end_are_not_collected() -> None:
    stream = ClientStream(Endless())
    stream.open_gate(4_000_000)
    taken = 0
    for _ in range(20):
        taken += len(await stream.receive_some())
        stream.whole_message()
    with pytest.raises(trio.BrokenResourceError, match="without end"):
        while True:
            taken += len(await stream.receive_some())

    assert taken < 32 * 1024 * 1024
    await stream.wait_send_all_might_not_block()
    stream.abort()
    await stream.finish(1)


async def test_the_stall_of_a_large_send_is_told_from_a_slow_one(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    ours, theirs = trio.testing.lockstep_stream_pair()
    stream = ClientStream(theirs)
    nursery.start_soon(stream.send_all, b"x" * 300_000)
    await trio.testing.wait_all_tasks_blocked()
    stamps: list[float] = []
    taken = 0
    while taken < 300_000:
        stamps.append(stream.progress)
        await trio.sleep(10)
        taken += len(await ours.receive_some(64 * 1024))
        await trio.testing.wait_all_tasks_blocked()

    assert stamps == sorted(set(stamps))
    assert len(stamps) == 5
    assert not stream.sending


async def test_what_was_read_before_is_read_again_and_the_rest_behind_the_gate() -> None:
    ours, theirs = trio.testing.memory_stream_pair()
    stream = ClientStream(theirs)
    stream.replay(b"head", b"early")
    await ours.send_all(b"live")
    taken = [await stream.receive_some()]
    with trio.move_on_after(0.01) as waiting:
        await stream.receive_some()
    stream.open_gate(4_000_000)
    stream.open_gate(4_000_000)
    taken += [await stream.receive_some(), await stream.receive_some()]

    assert taken == [b"head", b"early", b"live"]
    assert waiting.cancelled_caught


async def test_a_cut_connection_wakes_who_reads_and_who_sends() -> None:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    client = await trio.testing.open_stream_to_socket_listener(listeners[0])
    server = ClientStream(await listeners[0].accept())
    woken: list[str] = []

    async def read() -> None:
        with pytest.raises(trio.ClosedResourceError):
            await server.receive_some()
        woken.append("reader")

    async def send() -> None:
        with pytest.raises(trio.ClosedResourceError):
            while True:
                await server.send_all(b"x" * 1_000_000)
        woken.append("sender")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        nursery.start_soon(send)
        await trio.testing.wait_all_tasks_blocked(0.05)
        server.abort()
    await server.finish(60)

    assert sorted(woken) == ["reader", "sender"]
    with pytest.raises(trio.BrokenResourceError):
        while await client.receive_some():
            pass
    await client.aclose()
    await listeners[0].aclose()


async def test_our_last_words_arrive_although_the_client_has_much_to_say() -> None:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    client = await trio.testing.open_stream_to_socket_listener(listeners[0])
    server = ClientStream(await listeners[0].accept())

    async def talk() -> None:
        await client.send_all(b"x" * 5_000_000)
        await client.send_eof()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(talk)
        await server.receive_some(10)
        await server.send_all(b"last words")
        nursery.start_soon(server.finish, 30)
        taken = b""
        async for data in client:
            taken += data

    assert taken == b"last words"
    await client.aclose()
    await listeners[0].aclose()


async def connected() -> tuple[ClientStream, trio.SocketStream]:
    """Ours and theirs, over sockets with small buffers."""
    ours, theirs = trio.socket.socketpair()
    for end in ours, theirs:
        end.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_SNDBUF, 8192)
    return ClientStream(trio.SocketStream(ours)), trio.SocketStream(theirs)


async def test_what_the_kernel_has_room_for_is_sent_without_giving_others_their_turn() -> None:
    stream, theirs = await connected()
    sent = False
    with trio.CancelScope() as scope:
        scope.cancel()  # a checkpoint would end the block
        sent = await stream.send_at_once(b"hello")

    assert sent
    assert await theirs.receive_some() == b"hello"
    await theirs.aclose()
    await stream.finish(0)


async def test_nobody_comes_between_the_halves_of_what_the_kernel_takes_in_two(
    nursery: trio.Nursery,
) -> None:
    stream, theirs = await connected()
    nursery.start_soon(stream.send_at_once, b"x" * 300_000)
    await trio.testing.wait_all_tasks_blocked()
    nursery.start_soon(stream.send_all, b"y" * 3)
    refused = not await stream.send_at_once(b"z")
    taken = b""
    while len(taken) < 300_003:
        taken += await theirs.receive_some()
    await trio.testing.wait_all_tasks_blocked()

    assert refused
    assert taken == b"x" * 300_000 + b"yyy"
    assert not stream.sending
    await theirs.aclose()
    await stream.finish(0)


async def test_who_waits_for_a_frame_waits_for_the_next_one_too(nursery: trio.Nursery) -> None:
    stream, theirs = await connected()
    frames = [letter * 100_000 for letter in (b"a", b"b", b"c")]

    async def send() -> None:
        for frame in frames:
            assert await stream.send_at_once(frame)

    nursery.start_soon(send)
    await trio.testing.wait_all_tasks_blocked()
    nursery.start_soon(stream.send_all, b"pong")
    taken = b""
    while len(taken) < 300_004:
        taken += await theirs.receive_some()

    assert taken.replace(b"pong", b"") == b"".join(frames)
    assert taken.index(b"pong") % 100_000 == 0
    await theirs.aclose()
    await stream.finish(0)


async def test_what_cannot_be_sent_at_once_is_left_to_who_can_say_why() -> None:
    stream, theirs = await connected()
    await theirs.aclose()
    stream.abort()

    assert not await stream.send_at_once(b"hello")
    with pytest.raises(trio.ClosedResourceError):
        await stream.send_all(b"hello")
    no_socket, _ = trio.testing.memory_stream_pair()
    assert not await ClientStream(no_socket).send_at_once(b"hello")
