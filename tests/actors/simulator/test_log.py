"""The log tells what each request was and how it ended."""

from tests.fakes.raw_client import chat_request, connect, converse
from tests.fakes.simulator import SimulatorProcess
from trouper.actors.simulator import Script, Simulator


async def test_a_client_that_leaves_in_mid_stream_is_noticed(simulator: SimulatorProcess) -> None:
    sim = {"reply": {"text": "word ", "repeat": 10_000, "pace": 0.01}}
    async with await connect(simulator.url) as stream:
        await stream.send_all(chat_request("go on", sim=sim, stream=True))
        while b"word" not in await stream.receive_some():
            pass

    log = await simulator.wait_requests(lambda log: log[-1]["outcome"] != "serving")
    assert log[0]["outcome"] == "client left"
    assert 0 < log[0]["tokens"] < 10_000
    assert (log[0]["last"], log[0]["stream"], log[0]["status"]) == ("go on", True, 200)


async def test_a_client_that_leaves_while_it_does_not_read_is_noticed(
    simulator: SimulatorProcess,
) -> None:
    sim = {"reply": {"text": "x" * 1000, "repeat": 10_000}}
    for stream in (True, False):
        async with await connect(simulator.url) as connection:
            await connection.send_all(chat_request(sim=sim, stream=stream))
            await connection.receive_some(1)

    await simulator.wait_requests(lambda log: [r["outcome"] for r in log] == ["client left"] * 2)


async def test_a_client_that_leaves_before_a_plain_reply_is_noticed(
    simulator: SimulatorProcess,
) -> None:
    async with await connect(simulator.url) as stream:
        await stream.send_all(chat_request(sim={"reply": {"delay": 1000}}))

    await simulator.wait_requests(lambda log: log and log[0]["outcome"] == "client left")


async def test_the_log_keeps_the_request_but_not_its_secrets(simulator: SimulatorProcess) -> None:
    key = "Bearer sk-secret-0123456789abcdef"
    headers = {"Authorization": key, "api-key": "short", "User-Agent": "me", "Connection": "close"}
    await converse(simulator.url, chat_request("hi", headers=headers, temperature=0.5))

    (record,) = simulator.requests()
    assert record["body"]["temperature"] == 0.5
    assert record["headers"]["user-agent"] == "me"
    assert (record["headers"]["authorization"], record["headers"]["api-key"]) == ("...cdef", "...")


async def test_a_refused_request_is_in_the_log(simulator: SimulatorProcess) -> None:
    await converse(simulator.url, chat_request(messages=[], headers={"Connection": "close"}))

    (record,) = simulator.requests()
    assert (record["status"], record["outcome"]) == (400, "refused")


async def test_a_large_request_is_not_kept(simulator: SimulatorProcess) -> None:
    await converse(simulator.url, chat_request("x" * 100_000, headers={"Connection": "close"}))

    (record,) = simulator.requests()
    assert record["body"] is None
    assert len(record["last"]) == 2000


def test_the_log_forgets_the_oldest() -> None:
    simulator = Simulator(Script())
    for second in range(1500):
        simulator.open_record(float(second), [])

    assert simulator.total == 1500
    assert [simulator.records[0].number, simulator.records[-1].number] == [501, 1500]
    assert len(simulator.records) == 1000
