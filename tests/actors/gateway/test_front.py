"""The port as a whole: routes, bounds, malformed input, tokens and the orderly end."""

import pytest
import trio
import trio.testing
from trio_websocket import ConnectionClosed, open_websocket_url

from tests.fakes.gateway import PATIENCE, Running, acp_client, start_gateway
from tests.fakes.http_by_hand import (
    GOOD_HANDSHAKE,
    LAST,
    everything,
    exchange,
    get,
    status,
    words,
)
from tests.fakes.sessions import FakeSessions
from trouper.actors.errors import ConfigError
from trouper.actors.gateway.auth import Access
from trouper.actors.gateway.front import Gateway
from trouper.actors.gateway.http import Request, Response, text
from trouper.actors.gateway.limits import Limits
from trouper.actors.gateway.listening import Listening
from trouper.actors.gateway.readiness import Readiness
from trouper.actors.gateway.routes import PlainRoute
from trouper.actors.gateway.stream import ClientStream


async def test_health_and_readiness_are_plain(nursery: trio.Nursery) -> None:
    state = Readiness(warnings=("provider b is restarting",))

    async def readiness() -> Readiness:
        return state

    running = await start_gateway(nursery, ready=readiness)

    healthy = await exchange(running, get("/healthz", LAST))
    ready = await exchange(running, get("/readyz?verbose", LAST))
    state = Readiness(reasons=("provider local is starting",))
    not_ready = await exchange(running, get("/readyz", LAST))

    assert (status(healthy), healthy.rpartition(b"\r\n\r\n")[2]) == (200, b"ok")
    assert (status(ready), status(not_ready)) == (200, 503)
    assert ready.endswith(b'{"ready":true,"reasons":[],"warnings":["provider b is restarting"]}')
    assert not_ready.endswith(
        b'{"ready":false,"reasons":["provider local is starting"],"warnings":[]}'
    )


async def test_liveness_is_that_of_the_event_loop(nursery: trio.Nursery) -> None:
    running = await start_gateway(nursery)
    alive = await exchange(running, get("/livez", LAST))
    watchdog = running.gateway._watchdog
    watchdog.looked = trio.current_time() - 2.5
    hung = await exchange(running, get("/livez", LAST))

    assert (status(alive), alive.rpartition(b"\r\n\r\n")[2]) == (200, b"ok")
    assert status(hung) == 503
    assert b"the event loop has stood still for 2." in hung


async def test_requests_follow_each_other_on_one_connection(nursery: trio.Nursery) -> None:
    async def echo(request: Request, body: bytes) -> Response:
        return text(200, f"{request.query}:{body.decode()}")

    running = await start_gateway(nursery, routes={"/echo": PlainRoute({"POST": echo})})
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

    running = await start_gateway(nursery, routes={"/echo": PlainRoute({"POST": echo})})
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

    running = await start_gateway(nursery, routes={"/broken": PlainRoute({"GET": broken})})
    answer = await exchange(running, get("/broken") + get("/healthz", LAST))

    assert status(answer) == 500
    assert b"secret" not in answer
    assert answer.endswith(b"ok")


async def refused(running: Running, *lines: str) -> tuple[int, str]:
    answer = await exchange(running, get("/acp", *GOOD_HANDSHAKE, *lines))
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
    gateway = Gateway("", 0, FakeSessions(nursery).as_sessions, version="0")
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
    gateway = Gateway("", 0, FakeSessions(nursery).as_sessions, version="0")
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


async def test_a_second_request_is_given_ten_seconds_from_its_first_byte(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    gateway = Gateway("", 0, FakeSessions(nursery).as_sessions, version="0")
    ours, theirs = trio.testing.memory_stream_pair()
    nursery.start_soon(gateway.serve_stream, theirs)
    await ours.send_all(get("/readyz"))
    first = await ours.receive_some()
    await trio.sleep(40)
    begun = trio.current_time()
    await ours.send_all(b"GET")
    second = await ours.receive_some()

    assert (status(bytes(first)), status(bytes(second))) == (200, 408)
    assert trio.current_time() - begun == pytest.approx(10)
    await ours.aclose()


class Broken(trio.abc.ReceiveStream):
    """A stream with a fault in it."""

    async def receive_some(self, max_bytes: int | None = None) -> bytearray:
        raise RuntimeError("a bug")

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


@pytest.mark.parametrize("connections", [0, 10])
async def test_no_exception_of_a_connection_gets_out(
    nursery: trio.Nursery, connections: int
) -> None:
    limits = Limits(connections=connections)
    gateway = Gateway("", 0, FakeSessions(nursery).as_sessions, version="0", limits=limits)
    ours, theirs = trio.testing.memory_stream_pair()
    await ours.send_all(get("/healthz"))
    await ours.aclose()
    await gateway.serve_stream(theirs)
    await gateway.serve_stream(trio.StapledStream(trio.testing.MemorySendStream(), Broken()))

    assert gateway.connections == 0


async def test_a_client_that_resets_before_its_request_harms_nobody(
    nursery: trio.Nursery,
) -> None:
    running = await start_gateway(nursery)
    for sent in (b"", b"GET /hea", get("/acp", *GOOD_HANDSHAKE)):
        stream = await running.connect()
        await stream.send_all(sent)
        await trio.sleep(0.01)
        ClientStream(stream).abort()
    await running.settled()

    assert status(await exchange(running, get("/healthz", LAST))) == 200


async def test_a_body_that_never_comes_is_408(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    gateway = Gateway("", 0, FakeSessions(nursery).as_sessions, version="0")
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
    second = Gateway("127.0.0.1", port, running.sessions.as_sessions, version="0")

    with pytest.raises(ConfigError, match=rf"127.0.0.1:{port} is in use; stop what listens"):
        await second.run()


async def test_an_address_that_is_not_ours_is_said(nursery: trio.Nursery) -> None:
    gateway = Gateway(
        "192.0.2.1", 0, FakeSessions(nursery).as_sessions, version="0", access=Access(["t"])
    )

    with pytest.raises(ConfigError, match="cannot listen on 192"):
        await gateway.run()


async def test_an_open_port_without_a_token_is_refused(nursery: trio.Nursery) -> None:
    with pytest.raises(ConfigError, match="Add a token"):
        await Gateway("0.0.0.0", 0, FakeSessions(nursery).as_sessions, version="0").run()


async def test_a_restarted_gateway_takes_the_same_port(nursery: trio.Nursery) -> None:
    gateway = Gateway("localhost", 0, FakeSessions(nursery).as_sessions, version="0")
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
