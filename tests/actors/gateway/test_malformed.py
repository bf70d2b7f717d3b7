"""Malformed requests and handshakes: clear errors, a living server, bystanders unharmed."""

import trio

from tests.fakes.gateway import PATIENCE, acp_client, start_gateway
from tests.fakes.http_by_hand import (
    KEY,
    LAST,
    UPGRADE,
    VERSION,
    everything,
    exchange,
    get,
    status,
    words,
)
from tests.fakes.sessions import says

LONG = "x" * 40_000
HTTP_CASES: list[tuple[str, bytes, int, str]] = [
    ("garbage", b"\x00\x01\x02\xff garbage\r\n\r\n", 400, "no HTTP/1.1"),
    ("a TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "no HTTP/1.1"),
    ("no host", b"GET /healthz HTTP/1.1\r\n\r\n", 400, "Host"),
    ("a bad header", b"GET / HTTP/1.1\r\nHost: x\r\nbad header\r\n\r\n", 400, "header"),
    ("a header with a NUL", b"GET / HTTP/1.1\r\nHost: x\r\nA: \x00\r\n\r\n", 400, "header"),
    ("HTTP/2", b"PRI * HTTP/2.0\r\nHost: x\r\n\r\nSM\r\n\r\n", 505, "HTTP/1.1"),
    ("a huge head", get("/", f"A: {LONG}"), 431, "16384"),
    ("a huge head without end", get("/", f"A: {LONG}")[:-4], 431, "16384"),
    ("a head just too large", get("/", f"A: {LONG[:16_384]}"), 431, "16384"),
    ("a huge target", get("/" + LONG), 431, "16384"),
    ("two lengths", get("/healthz", "Content-Length: 1", "Content-Length: 2"), 400, "Length"),
    ("a length of letters", get("/healthz", "Content-Length: abc"), 400, "Length"),
    ("a negative length", get("/healthz", "Content-Length: -1"), 400, "Length"),
    ("a length of 4300 digits", get("/healthz", f"Content-Length: {'9' * 4300}"), 400, "Length"),
    ("a body too large", get("/healthz", "Content-Length: 20000000") + b"x" * 9999, 413, "1048576"),
    (
        "chunks too large",
        get("/healthz", "Transfer-Encoding: chunked") + b"200000\r\n" + b"x" * 0x200000 + b"\r\n",
        413,
        "1048576",
    ),
    (
        "a bad chunk",
        get("/healthz", "Transfer-Encoding: chunked") + b"zz\r\nabc\r\n",
        400,
        "chunk",
    ),
    ("an odd coding", get("/healthz", "Transfer-Encoding: gzip"), 400, "Transfer-Encoding"),
    ("a bad target", get("http://[/x"), 400, "target"),
    ("no such path", get("/nope"), 404, "/healthz"),
    ("no such method", b"DELETE /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 405, "GET, HEAD"),
    ("no upgrade", get("/acp"), 426, "ws://"),
    ("an early end", b"GET /heal", 400, "no HTTP/1.1"),
]


async def test_malformed_requests_get_clear_errors_and_harm_nobody(
    nursery: trio.Nursery,
) -> None:
    running = await start_gateway(nursery, says("still here"))
    async with acp_client(running) as bystander:
        session = await bystander.open()
        for name, sent, expected, word in HTTP_CASES:
            answer = await exchange(running, sent, half_close=True)
            assert (name, status(answer)) == (name, expected)
            assert (name, word in words(answer)) == (name, True), words(answer)
            assert b"connection: close" in answer.lower()
        assert await exchange(running, b"", half_close=True) == b""
        await bystander.answer(await bystander.prompt(session))

        assert bystander.said == "still here"
        assert status(await exchange(running, get("/healthz", LAST))) == 200
    await running.settled()


def bad_host(path: str, host: bytes) -> bytes:
    return get(path, *UPGRADE, VERSION, KEY).replace(b"Host: x", b"Host: " + host)


HANDSHAKE_CASES: list[tuple[str, bytes, int, str]] = [
    ("good", get("/acp", *UPGRADE, VERSION, KEY), 101, ""),
    ("good, odd host", bad_host("/acp", b"xn--\xc3\xa4" + b"a" * 300), 101, ""),
    ("good, with early frames", get("/acp", *UPGRADE, VERSION, KEY) + b"\x88\x80abcd", 101, ""),
    ("wrong path", get("/chat", *UPGRADE, VERSION, KEY), 404, "/acp"),
    ("a plain route", get("/healthz", *UPGRADE, VERSION, KEY), 404, "/acp"),
    ("no version", get("/acp", *UPGRADE, KEY), 426, "version 13"),
    ("an old version", get("/acp", *UPGRADE, KEY, "Sec-WebSocket-Version: 8"), 426, "version 13"),
    ("no key", get("/acp", *UPGRADE, VERSION), 400, "Sec-WebSocket-Key"),
    ("a short key", get("/acp", *UPGRADE, VERSION, "Sec-WebSocket-Key: abcd"), 400, "16 bytes"),
    ("a key of junk", get("/acp", *UPGRADE, VERSION, "Sec-WebSocket-Key: \xe4!"), 400, "base64"),
    ("no connection header", get("/acp", UPGRADE[0], VERSION, KEY), 426, "ws://"),
    ("another upgrade", get("/acp", "Upgrade: h2c", UPGRADE[1], VERSION, KEY), 426, "ws://"),
    ("a body", get("/acp", *UPGRADE, VERSION, KEY, "Content-Length: 3") + b"abc", 400, "body"),
    (
        "POST",
        get("/acp", *UPGRADE, VERSION, KEY).replace(b"GET", b"POST"),
        405,
        "GET",
    ),
    (
        "HTTP/1.0",
        get("/acp", *UPGRADE, VERSION, KEY).replace(b"HTTP/1.1", b"HTTP/1.0"),
        400,
        "HTTP/1.1",
    ),
    (
        "odd subprotocols",
        get("/acp", *UPGRADE, VERSION, KEY, "Sec-WebSocket-Protocol: a b, \xe4"),
        400,
        "Protocol",
    ),
    ("junk behind a refusal", get("/chat", *UPGRADE, VERSION, KEY) + b"\xff\xfe\xfd", 404, ""),
    ("junk behind the head", get("/acp", *UPGRADE, VERSION, KEY) + b"\xff\xfe\xfd", 101, ""),
    ("no end", get("/acp", *UPGRADE, VERSION, KEY)[:-2], 400, "no HTTP/1.1"),
]


async def test_malformed_handshakes_get_clear_errors_and_harm_nobody(
    nursery: trio.Nursery,
) -> None:
    running = await start_gateway(nursery, says("still here"))
    async with acp_client(running) as bystander:
        session = await bystander.open()
        for name, sent, expected, word in HANDSHAKE_CASES:
            answer = await exchange(running, sent, half_close=True)
            assert (name, status(answer)) == (name, expected)
            if expected != 101:
                assert (name, word in words(answer)) == (name, True), words(answer)
        await bystander.answer(await bystander.prompt(session))

        assert bystander.said == "still here"
    await running.settled()


async def test_frames_sent_before_the_handshake_was_answered_are_read(
    nursery: trio.Nursery,
) -> None:
    running = await start_gateway(nursery)
    call = b'{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":1}}'
    frame = bytes([0x81, 0x80 | len(call), 0, 0, 0, 0]) + call
    goodbye = b"\x88\x80\0\0\0\0"
    async with await running.connect() as stream:
        await stream.send_all(get("/acp", *UPGRADE, VERSION, KEY) + frame)
        answer = b""
        with trio.fail_after(PATIENCE):
            while not answer.endswith(b"}"):
                answer += await stream.receive_some()
        await stream.send_all(goodbye)
        answer += await everything(stream)

    assert status(answer) == 101
    assert b'"protocolVersion":1' in answer
    assert b"Acp-Connection-Id: " in answer
