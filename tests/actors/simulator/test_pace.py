"""Time passes in the simulator as its script says; here it is virtual time, without sockets."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest
import trio
from trio.testing import MockClock

from tests.fakes.raw_client import RawAnswer, chat_request
from trouper.actors.simulator import Outcome, Script, Simulator, serve_simulator
from trouper.actors.simulator.memory import MemoryListener, Stream


@attrs.define
class House:
    """A simulator in this process, and the way in."""

    simulator: Simulator
    listener: MemoryListener


@asynccontextmanager
async def open_house() -> AsyncGenerator[House]:
    listener = MemoryListener()
    async with trio.open_nursery() as nursery:
        simulator: Simulator = await nursery.start(serve_simulator, [listener], Script())
        yield House(simulator, listener)
        nursery.cancel_scope.cancel()


async def arrivals(stream: Stream) -> list[tuple[float, bytes]]:
    """What comes until the server closes, with the seconds since now."""
    start = trio.current_time()
    return [(round(trio.current_time() - start, 6), bytes(data)) async for data in stream]


async def timed(house: House, sim: Mapping[str, Any], *, stream: bool) -> list[tuple[float, bytes]]:
    connection = house.listener.connect()
    request = chat_request(sim=sim, stream=stream, headers={"Connection": "close"})
    await connection.send_all(request)
    return await arrivals(connection)


REPLY = {"text": "a b c d", "delay": 2.0, "pace": 0.5}


async def test_the_first_word_comes_after_the_delay_and_each_other_at_its_pace(
    autojump_clock: MockClock,
) -> None:
    async with open_house() as house:
        came = await timed(house, {"reply": REPLY}, stream=True)

    heard = [at for at, data in came if b'"content":' in data]
    assert came[0][0] == 0.0
    assert came[0][1].endswith(b"\r\n\r\n")  # the head alone, at once
    assert heard == [2.0, 2.5, 3.0, 3.5]
    assert b"[DONE]" in b"".join(data for at, data in came if at == 3.5)


async def test_a_plain_reply_takes_as_long_as_its_stream(autojump_clock: MockClock) -> None:
    async with open_house() as house:
        came = await timed(house, {"reply": REPLY}, stream=False)

    assert [at for at, _ in came] == [3.5]
    assert RawAnswer(came[0][1], "eof").complete


async def test_each_word_of_the_answer_is_one_send(autojump_clock: MockClock) -> None:
    async with open_house() as house:
        came = await timed(house, {"reply": {**REPLY, "text": "word " * 50}}, stream=True)

    # The head, fifty words, and the tail: the spaces at the end with the end itself.
    assert len(came) <= 53


async def test_a_drip_comes_byte_by_byte(autojump_clock: MockClock) -> None:
    fault = {"kind": "drip", "bytes": 3, "seconds": 1.0}
    async with open_house() as house:
        came = await timed(house, {"reply": {"text": "a"}, "fault": fault}, stream=False)

    assert {len(data) for _, data in came[:-1]} == {3}
    assert [at for at, _ in came] == [float(second) for second in range(len(came))]


@pytest.mark.parametrize("fault", [{"kind": "silence"}, {"kind": "stall", "after": 0}])
async def test_a_stall_ends_after_an_hour_at_the_latest(
    autojump_clock: MockClock, fault: dict[str, Any]
) -> None:
    async with open_house() as house:
        await timed(house, {"fault": fault}, stream=True)

        assert trio.current_time() == pytest.approx(3600)
        assert house.simulator.records[0].outcome is Outcome.TIMED_OUT


@pytest.mark.parametrize(
    ("sent", "seconds", "answer"),
    [
        (b"", 75.0, b""),
        (b"POST / HTTP/1.1\r\n", 10.0, b"HTTP/1.1 408 "),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nab", 30.0, b"HTTP/1.1 408 "),
    ],
)
async def test_a_request_that_never_becomes_whole_is_given_up(
    autojump_clock: MockClock, sent: bytes, seconds: float, answer: bytes
) -> None:
    async with open_house() as house:
        connection = house.listener.connect()
        if sent:
            await connection.send_all(sent)
        came = await arrivals(connection)

    assert b"".join(data for _, data in came).startswith(answer)
    assert trio.current_time() == pytest.approx(seconds, abs=1.5)


async def test_a_request_that_comes_byte_by_byte_is_a_request(autojump_clock: MockClock) -> None:
    async with open_house() as house:
        connection = house.listener.connect()
        for byte in chat_request("hi", headers={"Connection": "close"}):
            await connection.send_all(bytes([byte]))
            await trio.sleep(0.01)
        came = await arrivals(connection)

    assert b"You said: hi" in came[0][1]


async def test_the_end_of_the_server_ends_its_answers(autojump_clock: MockClock) -> None:
    async with open_house() as house:
        connection = house.listener.connect()
        await connection.send_all(chat_request(sim={"fault": {"kind": "silence"}}))
        await trio.testing.wait_all_tasks_blocked()

    assert house.simulator.records[0].outcome is Outcome.STOPPED
    assert await connection.receive_some() == b""


async def test_a_client_that_sends_too_far_ahead_is_not_read(autojump_clock: MockClock) -> None:
    async with open_house() as house:
        connection = house.listener.connect()
        await connection.send_all(chat_request(sim={"fault": {"kind": "silence"}}))
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(20):
            await connection.send_all(b"x" * 64 * 1024)
            await trio.testing.wait_all_tasks_blocked()
        await connection.aclose()
        await trio.testing.wait_all_tasks_blocked()

        assert house.simulator.records[0].outcome is Outcome.SERVING


async def test_a_connection_that_crashes_ends_alone(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def fault_of_ours() -> None:
        raise RuntimeError("a bug")

    async with open_house() as house:
        crashed = await arrivals(house.listener.connect(fault_of_ours))
        came = await timed(house, {}, stream=False)

    assert crashed == []
    assert b"You said: hello" in came[0][1]
    assert "a connection of the simulator crashed" in caplog.text
