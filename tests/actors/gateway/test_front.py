"""The port as a whole: routes, bounds, malformed input, tokens and the orderly end."""

import json

import pytest
import trio
import trio.testing
from trio_websocket import ConnectionClosed, open_websocket_url

from tests.fakes.gateway import PATIENCE, Running, acp_client, start_gateway
from tests.fakes.sessions import FakeSessions, says
from trouper.actors.errors import ConfigError
from trouper.actors.gateway.auth import Access
from trouper.actors.gateway.front import Gateway, Listening
from trouper.actors.gateway.http import Request, Response, text
from trouper.actors.gateway.limits import Limits


async def everything(stream: trio.abc.ReceiveStream) -> bytes:
    """All that comes until the end, a reset included."""
    taken = b""
    with trio.fail_after(PATIENCE):
        try:
            async for data in stream:
                taken += data
        except trio.BrokenResourceError:
            pass
    return taken


async def exchange(running: Running, sent: bytes, *, half_close: bool = False) -> bytes:
    async with await running.connect() as stream:
        await stream.send_all(sent)
        if half_close:
            await stream.send_eof()
        return await everything(stream)


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer else 0


def words(answer: bytes) -> str:
    message: str = json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["message"]
    return message


def get(path: str, *lines: str) -> bytes:
    return "\r\n".join((f"GET {path} HTTP/1.1", "Host: x", *lines, "", "")).encode()


LAST = "Connection: close"


async def test_health_and_readiness_are_plain(nursery: trio.Nursery) -> None:
    reasons: list[str] = []
    running = await start_gateway(nursery, ready=lambda: reasons)

    healthy = await exchange(running, get("/healthz", LAST))
    ready = await exchange(running, get("/readyz?verbose", LAST))
    reasons.append("provider local is starting")
    not_ready = await exchange(running, get("/readyz", LAST))

    assert (status(healthy), healthy.rpartition(b"\r\n\r\n")[2]) == (200, b"ok")
    assert (status(ready), status(not_ready)) == (200, 503)
    assert b"provider local is starting" in not_ready


async def test_requests_follow_each_other_on_one_connection(nursery: trio.Nursery) -> None:
    async def echo(request: Request, body: bytes) -> Response:
        return text(200, f"{request.query}:{body.decode()}")

    running = await start_gateway(nursery, routes={"/echo": {"POST": echo}})
    post = b"POST /echo?q HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
    chunked = (
        b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"2\r\nde\r\n1\r\nf\r\n0\r\n\r\n"
    )
    answer = await exchange(
        running, get("/healthz") + post + chunked + b"HEAD /healthz HTTP/1.0\r\n\r\n"
    )

    assert answer.count(b"HTTP/1.1 200") == 4
    assert b"q:abc" in answer
    assert b":def" in answer
    assert answer.endswith(b"\r\n\r\n")
    assert b"Content-Length: 2" in answer.rpartition(b"HTTP/1.1 200")[2]


async def test_a_client_that_waits_for_100_continue_gets_it(nursery: trio.Nursery) -> None:
    async def echo(request: Request, body: bytes) -> Response:
        return text(200, body.decode())

    running = await start_gateway(nursery, routes={"/echo": {"POST": echo}})
    async with await running.connect() as stream:
        head = b"POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n"
        await stream.send_all(head + b"Connection: close\r\n\r\n")
        with trio.fail_after(PATIENCE):
            first = await stream.receive_some()
        await stream.send_all(b"hi")
        rest = await everything(stream)

    assert first.startswith(b"HTTP/1.1 100 ")
    assert rest.endswith(b"hi")


async def test_a_route_that_fails_is_500_and_the_server_goes_on(nursery: trio.Nursery) -> None:
    async def broken(request: Request, body: bytes) -> Response:
        raise RuntimeError("secret detail")

    running = await start_gateway(nursery, routes={"/broken": {"GET": broken}})
    answer = await exchange(running, get("/broken") + get("/healthz", LAST))

    assert status(answer) == 500
    assert b"secret" not in answer
    assert answer.endswith(b"ok")


LONG = "x" * 20_000
HTTP_CASES: list[tuple[str, bytes, int, str]] = [
    ("garbage", b"\x00\x01\x02\xff garbage\r\n\r\n", 400, "no HTTP/1.1"),
    ("a TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "no HTTP/1.1"),
    ("no host", b"GET /healthz HTTP/1.1\r\n\r\n", 400, "Host"),
    ("a bad header", b"GET / HTTP/1.1\r\nHost: x\r\nbad header\r\n\r\n", 400, "header"),
    ("a header with a NUL", b"GET / HTTP/1.1\r\nHost: x\r\nA: \x00\r\n\r\n", 400, "header"),
    ("HTTP/2", b"PRI * HTTP/2.0\r\nHost: x\r\n\r\nSM\r\n\r\n", 505, "HTTP/1.1"),
    ("a huge head", get("/", f"A: {LONG}"), 431, "16384"),
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


KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
VERSION = "Sec-WebSocket-Version: 13"
UPGRADE = ("Upgrade: websocket", "Connection: keep-alive, Upgrade")


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


async def refused(running: Running, *lines: str) -> tuple[int, str]:
    answer = await exchange(running, get("/acp", *UPGRADE, VERSION, KEY, *lines))
    return status(answer), words(answer)


async def test_tokens_and_origins_are_checked_before_a_websocket_exists(
    nursery: trio.Nursery,
) -> None:
    access = Access(["right"], ["https://chat.example"])
    running = await start_gateway(nursery, access=access)

    right = "Authorization: Bearer right"
    missing = await refused(running)
    wrong = await refused(running, "Authorization: Bearer wrong")
    strange = await refused(running, right, "Origin: https://evil.example")
    alone = await refused(running, "Sec-WebSocket-Protocol: openai-insecure-api-key.right")

    assert missing[0] == wrong[0] == 401
    assert "Authorization: Bearer" in missing[1]
    assert strange[0] == 403
    assert "evil.example" in strange[1]
    assert alone == (400, "offer the subprotocol 'acp' beside the token")
    async with open_websocket_url(
        running.acp, extra_headers=[(b"Authorization", b"Bearer right")]
    ) as plain:
        assert plain.subprotocol is None
    async with open_websocket_url(
        running.acp,
        subprotocols=["openai-insecure-api-key.right", "acp"],
        extra_headers=[(b"Origin", b"https://chat.example")],
    ) as browser:
        assert browser.subprotocol == "acp"
        assert dict(browser.handshake_headers)[b"acp-connection-id"]


async def test_a_connection_too_many_is_told_to_come_back(nursery: trio.Nursery) -> None:
    running = await start_gateway(nursery, limits=Limits(connections=1))
    async with acp_client(running) as client:
        await client.initialize()
        answer = await exchange(running, get("/healthz"))
        crowd = [await running.connect() for _ in range(80)]
        dropped = [await everything(stream) for stream in crowd[64:]]
        for stream in crowd:
            await stream.aclose()

        assert status(answer) == 503
        assert b"Retry-After: 5" in answer
        assert b"" in dropped
        await client.initialize()
    await running.settled()
    assert status(await exchange(running, get("/healthz", LAST))) == 200


@pytest.mark.parametrize("sent", [b"", b"GET /acp HTTP/1.1\r\nHost:"])
async def test_a_half_sent_head_is_given_ten_seconds(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, sent: bytes
) -> None:
    gateway = Gateway("", 0, FakeSessions(nursery), version="0")
    ours, theirs = trio.testing.memory_stream_pair()
    nursery.start_soon(gateway.serve_stream, theirs)
    begun = trio.current_time()
    if sent:
        await ours.send_all(sent)
    # Slowly, slowly: each byte is in time and the whole is not.
    with trio.move_on_after(9.5):
        while sent:
            await trio.sleep(2)
            await ours.send_all(b" ")
    answer = await ours.receive_some()

    assert trio.current_time() - begun == pytest.approx(10)
    assert status(bytes(answer)) == 408
    assert "10 s" in words(bytes(answer))
    await ours.aclose()


async def test_an_idle_connection_is_closed_without_a_word(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    gateway = Gateway("", 0, FakeSessions(nursery), version="0")
    ours, theirs = trio.testing.memory_stream_pair()
    nursery.start_soon(gateway.serve_stream, theirs)
    await ours.send_all(get("/healthz"))
    answer = await ours.receive_some()
    begun = trio.current_time()
    end = await ours.receive_some()

    assert status(bytes(answer)) == 200
    assert end == b""
    assert trio.current_time() - begun == pytest.approx(60)
    await ours.aclose()


async def test_a_body_that_never_comes_is_408(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    gateway = Gateway("", 0, FakeSessions(nursery), version="0")
    ours, theirs = trio.testing.memory_stream_pair()
    nursery.start_soon(gateway.serve_stream, theirs)
    await ours.send_all(get("/healthz", "Content-Length: 5"))
    answer = await ours.receive_some()

    assert status(bytes(answer)) == 408
    await ours.aclose()


async def test_at_the_end_every_websocket_is_told_to_come_back(nursery: trio.Nursery) -> None:
    running = await start_gateway(nursery)
    async with acp_client(running) as one, acp_client(running) as two:
        session = await one.open()
        await two.initialize()
        prompt = await one.prompt(session)
        while not running.sessions.only.prompts:  # noqa: ASYNC110 - a fake announces nothing
            await trio.sleep(0.001)
        running.sessions.only.say("half a")
        running.scope.cancel()
        with pytest.raises(ConnectionClosed) as first:
            await one.answer(prompt)
        with pytest.raises(ConnectionClosed) as second:
            await two.next()
        with trio.fail_after(PATIENCE):
            await running.ended.wait()

    assert one.said == "half a"
    for caught in (first, second):
        assert caught.value.reason is not None
        assert caught.value.reason.code == 1012
    with pytest.raises(OSError, match="failed"):
        await running.connect()


async def test_a_port_in_use_is_said_and_what_to_do(nursery: trio.Nursery) -> None:
    running = await start_gateway(nursery)
    port = running.listening.port
    second = Gateway("127.0.0.1", port, running.sessions, version="0")

    with pytest.raises(ConfigError, match=rf"127.0.0.1:{port} is in use; stop what listens"):
        await second.run()


async def test_an_address_that_is_not_ours_is_said(nursery: trio.Nursery) -> None:
    gateway = Gateway("192.0.2.1", 0, FakeSessions(nursery), version="0", access=Access(["t"]))

    with pytest.raises(ConfigError, match="cannot listen on 192"):
        await gateway.run()


async def test_an_open_port_without_a_token_is_refused(nursery: trio.Nursery) -> None:
    with pytest.raises(ConfigError, match="Add a token"):
        await Gateway("0.0.0.0", 0, FakeSessions(nursery), version="0").run()


async def test_a_restarted_gateway_takes_the_same_port(nursery: trio.Nursery) -> None:
    gateway = Gateway("localhost", 0, FakeSessions(nursery), version="0")
    seen: list[Listening] = []
    for _ in range(2):
        async with trio.open_nursery() as life:
            seen.append(await life.start(gateway.run))
            life.cancel_scope.cancel()

    assert seen[0] == seen[1]
    assert seen[0].port != 0


def test_a_url_is_one_also_for_ipv6() -> None:
    assert Listening("::1", 8700).url == "http://[::1]:8700"
    assert Listening("127.0.0.1", 1).url == "http://127.0.0.1:1"
