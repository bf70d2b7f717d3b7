"""No bytes that a client sends end the simulator, and where it can it says what was wrong."""

import pytest

from tests.fakes.raw_client import chat_request, connect, converse
from tests.fakes.simulator import SimulatorProcess

HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: sim\r\n"


def post(body: bytes, *headers: bytes) -> bytes:
    lines = b"".join(header + b"\r\n" for header in headers)
    return HEAD + lines + b"Content-Length: %d\r\n\r\n" % len(body) + body


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 64 + b"\r\n\r\n", 400),
        (b"hello\r\n\r\n", 400),
        (b"GET / HTTP/9\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nbad header\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nx: \x00\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nx: " + b"y" * 100_000 + b"\r\n\r\n", 431),
        (HEAD + b"Content-Length: -1\r\n\r\n", 400),
        (HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (HEAD + b"Content-Length: 99999999999\r\n\r\n", 413),
        (HEAD + b"Transfer-Encoding: gzip\r\n\r\n", 501),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n", 400),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"100000\r\n" + b"x" * (1 << 20), 400),
        (b"GET /sim/requests HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab", 400),
    ],
)
async def test_malformed_http_is_refused_and_the_connection_ends(
    simulator: SimulatorProcess, request_: bytes, status: int
) -> None:
    async with await connect(simulator.url) as stream:
        await stream.send_all(request_)
        await stream.send_eof()
        wire = b"".join([bytes(data) async for data in stream])

    assert int(wire.split(b" ")[1]) == status
    assert b'{"error":{"message":' in wire
    assert (await converse(simulator.url, chat_request(headers={"Connection": "close"}))).complete


@pytest.mark.parametrize(
    ("request_", "status", "words"),
    [
        (post(b""), 400, b"the body of the request is not valid JSON"),
        (post(b"{"), 400, b"the body of the request is not valid JSON"),
        (post(b"\xff\xfe"), 400, b"not valid JSON"),
        (post(b"[" * 5000), 400, b"not valid JSON"),
        (post(b"[]"), 400, b"must be a JSON object"),
        (post(b'{"messages":[]}'), 400, b"you must provide a model parameter"),
        (post(b'{"model":"m"}'), 400, b"'messages' must be a list"),
        (post(b'{"model":"m","messages":[1]}'), 400, b"must be an object with a role"),
        (post(b'{"model":"m","messages":[{"role":"user"}]}', b"x-sim: {"), 400, b"header x-sim"),
        (
            post(b'{"model":"m","messages":[{"role":"user"}],"x_sim":{"fault":{"kind":1}}}'),
            400,
            b"x-sim: fault: kind must be one of",
        ),
        (chat_request(sim={"reply": {"text": "x" * 99, "repeat": 1_000_000}}), 400, b"characters"),
        (
            chat_request(sim={"reply": {"text": "x" * 99, "repeat": 1_000_000}}, stream=True),
            400,
            b"characters",
        ),
        (b"POST /sim/script HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n{", 400, b"valid JSON"),
        (
            b'POST /sim/script HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n\r\n{"a":1}',
            400,
            b"unknown key a",
        ),
        (b"GET /v1/nothing HTTP/1.1\r\nHost: a\r\n\r\n", 404, b"GET /v1/nothing"),
        (b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 404, b"CONNECT a:1"),
        (b"PUT /healthz HTTP/1.1\r\nHost: a\r\n\r\n", 405, b"takes GET, not PUT"),
        (b"HEAD /healthz HTTP/1.1\r\nHost: a\r\n\r\n", 405, b"allow: GET"),
    ],
)
async def test_a_request_that_makes_no_sense_is_told_why_and_may_be_followed_by_another(
    simulator: SimulatorProcess, request_: bytes, status: int, words: bytes
) -> None:
    async with await connect(simulator.url) as stream:
        await stream.send_all(request_)
        first = await stream.receive_some()
        if not request_.startswith(b"CONNECT"):  # whose connection is a tunnel or nothing
            await stream.send_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
            assert b'{"status":"ok"}' in await stream.receive_some()

    assert int(first.split(b" ")[1]) == status
    assert words in first


async def test_a_client_that_says_nothing_or_vanishes_harms_nobody(
    simulator: SimulatorProcess,
) -> None:
    for part in (b"", b"GET /heal", HEAD + b"Content-Length: 10\r\n\r\nab"):
        async with await connect(simulator.url) as stream:
            await stream.send_all(part)

    assert (await converse(simulator.url, chat_request(headers={"Connection": "close"}))).complete


async def test_an_upgrade_that_is_not_served_is_answered_as_a_plain_request(
    simulator: SimulatorProcess,
) -> None:
    request = b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nxyz"
    answer = await converse(simulator.url, request, patience=0.2)

    assert answer.status == 404


async def test_a_client_that_waits_for_leave_to_send_its_body_gets_it(
    simulator: SimulatorProcess,
) -> None:
    head, _, body = chat_request(
        "hi", headers={"Expect": "100-continue", "Connection": "close"}
    ).partition(b"\r\n\r\n")
    async with await connect(simulator.url) as stream:
        await stream.send_all(head + b"\r\n\r\n")
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 100 ")
        await stream.send_all(body)
        wire = b"".join([bytes(data) async for data in stream])

    assert b"You said: hi" in wire


async def test_requests_sent_ahead_are_answered_in_order(simulator: SimulatorProcess) -> None:
    requests = [chat_request(f"number {n}", stream=n % 2 == 0) for n in range(5)]
    requests.append(chat_request("last", headers={"Connection": "close"}))
    answer = await converse(simulator.url, b"".join(requests))

    said = [answer.wire.find(word) for word in (b"0", b"last")]
    assert answer.wire.count(b"HTTP/1.1 200 OK") == 6
    assert said == sorted(said)


async def test_an_old_client_gets_its_stream_without_chunks(simulator: SimulatorProcess) -> None:
    answer = await converse(simulator.url, chat_request("hi", stream=True, version="1.0"))

    assert b"transfer-encoding" not in answer.head
    assert (answer.text, answer.ended) == ("You said: hi", "eof")


async def test_a_proxy_s_request_line_is_understood(simulator: SimulatorProcess) -> None:
    request = b"GET http://sim:1/healthz?x=1 HTTP/1.1\r\nHost: sim\r\nConnection: close\r\n\r\n"

    assert (await converse(simulator.url, request)).body == b'{"status":"ok"}'


async def test_a_body_that_grows_beyond_its_bound_is_refused_in_mid_stream(
    simulator: SimulatorProcess,
) -> None:
    chunk = b"100000\r\n" + b"x" * (1 << 20) + b"\r\n"
    request = HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 9
    answer = await converse(simulator.url, request)

    assert (answer.status, answer.ended) == (413, "eof")
