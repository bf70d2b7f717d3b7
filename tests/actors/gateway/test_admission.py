"""How much one client may have at once, and that others have what is left."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
import trio.testing
from structlog.testing import capture_logs
from trio_websocket import ConnectionClosed, open_websocket_url

from tests.fakes.gateway import PATIENCE, Running, acp_client, acp_in_memory, start_gateway
from tests.fakes.http_by_hand import GOOD_HANDSHAKE, LAST, exchange, get, status, words
from tests.fakes.sessions import FakeSessions
from trouper.actors.config import Scope
from trouper.actors.gateway.admission import Admission
from trouper.actors.gateway.auth import Access, Credential, Principal
from trouper.actors.gateway.front import Gateway
from trouper.actors.gateway.http import HttpConnection, HttpFault, Request, Response, text
from trouper.actors.gateway.limits import Limits
from trouper.actors.gateway.routes import PlainRoute, SocketRoute
from trouper.actors.gateway.stream import ClientStream
from trouper.actors.gateway.websocket import TurnHold, Websocket
from trouper.actors.session.events import StopReason

ONE, TWO = "one-s-token", "two-s-token"
AS_ONE = (b"Authorization", f"Bearer {ONE}".encode())
BEARER_ONE = f"Authorization: Bearer {ONE}"
BEARER_TWO = f"Authorization: Bearer {TWO}"


def tokens() -> Access:
    return Access([Credential(ONE, "one"), Credential(TWO, "two")])


class Turns:
    """A conversation of turns that begin and end by a word."""

    def __init__(self, websocket: Websocket, principal: Principal) -> None:
        self._websocket = websocket
        self._turns: list[TurnHold] = []

    def receive(self, message: str | bytes) -> None:
        answer = str(message)
        try:
            if message == "begin":
                self._turns.append(self._websocket.begin_turn())
        except HttpFault as fault:
            answer = f"{fault.status} {fault.code}"
        self._websocket.outbox.frame(answer)
        if message == "end":
            turn = self._turns.pop()
            turn.end()
            turn.end()

    def gone(self) -> None:
        """Nothing is ended here: the websocket's end is its turns' end."""


TURNS = {"/turns": SocketRoute(begin=Turns, scope=Scope.SESSION)}


@asynccontextmanager
async def turns(running: Running, token: str) -> AsyncGenerator[Any]:
    url = running.acp.replace("/acp", "/turns")
    headers = [(b"Authorization", f"Bearer {token}".encode())]
    async with open_websocket_url(url, extra_headers=headers) as ws:
        yield ws


async def say(ws: Any, word: str) -> str:
    await ws.send_message(word)
    answer: str = await ws.get_message()
    return answer


async def test_a_websocket_too_many_of_one_token_is_429_before_it_exists(
    nursery: trio.Nursery,
) -> None:
    limits = Limits(connections_per_client=2)
    running = await start_gateway(nursery, access=tokens(), limits=limits, sockets=TURNS)
    async with turns(running, ONE), turns(running, ONE), turns(running, TWO):
        answer = await exchange(running, get("/acp", *GOOD_HANDSHAKE, BEARER_ONE))
        plain = await exchange(running, get("/healthz", LAST))
    await running.settled()
    async with turns(running, ONE) as again:
        assert await say(again, "hello") == "hello"

    assert status(answer) == 429
    assert b"Retry-After: 1\r\n" in answer
    assert b'"code":"websocket_connection_limit_reached"' in answer
    assert "max_connections_per_client" in words(answer)
    assert status(plain) == 200


async def test_where_nobody_is_told_from_another_only_the_whole_is_bounded(
    nursery: trio.Nursery,
) -> None:
    limits = Limits(connections_per_client=1, requests_per_client=1)
    running = await start_gateway(nursery, limits=limits, sockets=TURNS)
    async with turns(running, ONE) as one, turns(running, TWO) as two:
        assert [await say(ws, "begin") for ws in (one, one, two)] == ["begin"] * 3


async def test_turns_are_counted_over_all_websockets_of_a_client(nursery: trio.Nursery) -> None:
    limits = Limits(requests_per_client=2)
    running = await start_gateway(nursery, access=tokens(), limits=limits, sockets=TURNS)
    async with turns(running, ONE) as a, turns(running, ONE) as b, turns(running, TWO) as other:
        begun = [await say(a, "begin"), await say(b, "begin")]
        refused = [await say(a, "begin"), await say(b, "begin")]
        others = await say(other, "begin")
        await say(a, "end")
        again = await say(b, "begin")
    await running.settled()
    async with turns(running, ONE) as later:
        after = [await say(later, "begin"), await say(later, "begin")]

    assert begun == after == ["begin"] * 2
    assert refused == ["429 rate_limit_exceeded"] * 2
    assert (others, again) == ("begin", "begin")


@pytest.mark.parametrize(
    ("address", "room"), [("192.0.2.1", False), ("127.0.0.1", True), ("::1", True), ("", True)]
)
def test_another_machine_has_so_many_connections_and_this_one_all(
    address: str, *, room: bool
) -> None:
    admission = Admission(Access(), Limits(connections_per_client=1))
    with admission.connection(address):
        assert admission.has_room(address) is room
        assert admission.has_room("192.0.2.2")

    assert admission.has_room(address)


def test_one_machine_has_no_more_connections_for_its_many_addresses() -> None:
    admission = Admission(Access(), Limits(connections_per_client=1))
    with admission.connection("2001:db8:1:2::1"):
        assert not admission.has_room("2001:db8:1:2:ffff::9")
        assert admission.has_room("2001:db8:1:3::1")

    assert admission.has_room("2001:db8:1:2:ffff::9")


async def test_a_token_without_the_scope_is_403_and_named_what_it_needs(
    nursery: trio.Nursery,
) -> None:
    reader = Credential(ONE, "reader", frozenset({Scope.METRICS}))

    async def shown(accept: str) -> tuple[str, bytes]:
        return "text/plain", b"all is well"

    async def act(request: Request, body: bytes) -> Response:
        return text(200, request.address)

    guarded = {"/act": PlainRoute({"POST": act}, Scope.CONSOLE_OPERATE)}
    running = await start_gateway(
        nursery,
        access=Access([reader, Credential(TWO, "boss", frozenset(Scope))]),
        metrics=shown,
        routes=guarded,
    )
    post = f"POST /act HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n{LAST}\r\n"
    metrics = await exchange(running, get("/metrics", BEARER_ONE, LAST))
    acp = await exchange(running, get("/acp", *GOOD_HANDSHAKE, BEARER_ONE))
    refused = await exchange(running, f"{post}{BEARER_ONE}\r\n\r\n".encode())
    done = await exchange(running, f"{post}{BEARER_TWO}\r\n\r\n".encode())

    assert [status(each) for each in (metrics, acp, refused, done)] == [200, 403, 403, 200]
    assert "session is needed" in words(acp)
    assert "console:operate is needed" in words(refused)
    assert done.endswith(b"127.0.0.1")


async def test_wrong_tokens_without_end_are_told_to_wait(nursery: trio.Nursery) -> None:
    running = await start_gateway(nursery, access=tokens())
    wrong = get("/acp", *GOOD_HANDSHAKE, "Authorization: Bearer guess")
    with capture_logs() as logs:
        answers = [await exchange(running, wrong) for _ in range(11)]
    first = await exchange(running, get("/acp", *GOOD_HANDSHAKE, BEARER_ONE))

    assert [status(each) for each in answers] == [401] * 10 + [429]
    assert status(first) == 429
    assert b"Retry-After: 6\r\n" in answers[-1]
    # Who looks after the server sees that somebody guesses, and not each guess of thousands.
    assert [line["address"] for line in logs if line["event"] == "wrong token"] == [
        "127.0.0.1"
    ] * 10
    assert "guess" not in repr(logs)


async def test_a_page_of_the_server_connects_where_it_is_meant_to(nursery: trio.Nursery) -> None:
    page = SocketRoute(begin=Turns, scope=Scope.SESSION, own_pages=True)
    running = await start_gateway(nursery, sockets={"/turns": page})
    own = f"127.0.0.1:{running.listening.port}"

    async def opened(path: str, host: str, origin: str) -> int:
        head = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{origin}\r\n"
        lines = "\r\n".join(GOOD_HANDSHAKE)
        answer = await exchange(running, f"{head}{lines}\r\n\r\n".encode(), half_close=True)
        return status(answer)

    assert await opened("/turns", own, own) == 101
    assert await opened("/acp", own, own) == 403
    assert await opened("/turns", own, "evil.example") == 403
    assert await opened("/turns", "evil.example", "evil.example") == 403


async def close_code(ws: Any) -> int:
    with pytest.raises(ConnectionClosed) as caught:
        await ws.get_message()
    assert caught.value.reason is not None
    return caught.value.reason.code


async def test_an_old_websocket_is_told_to_come_back(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    running = await start_gateway(nursery)
    async with acp_in_memory(running, nursery) as client:
        await client.initialize()
        begun = trio.current_time()
        code = await close_code(client.ws)

    assert code == 1012
    assert trio.current_time() - begun == pytest.approx(3600, abs=2)


@asynccontextmanager
async def turns_in_memory(running: Running, nursery: trio.Nursery) -> AsyncGenerator[Any]:
    async with acp_in_memory(running, nursery, "/turns") as client:
        yield client.ws


async def test_an_old_websocket_lives_until_its_turn_has_ended(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    running = await start_gateway(nursery, sockets=TURNS)
    async with turns_in_memory(running, nursery) as ws:
        await say(ws, "begin")
        await trio.sleep(3700)
        assert await say(ws, "hello") == "hello"
        assert await say(ws, "end") == "end"
        assert await close_code(ws) == 1012


async def test_a_turn_without_an_end_does_not_keep_a_websocket_for_ever(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    running = await start_gateway(nursery, sockets=TURNS)
    async with turns_in_memory(running, nursery) as ws:
        await say(ws, "begin")
        begun = trio.current_time()
        assert await close_code(ws) == 1012

    assert trio.current_time() - begun == pytest.approx(3600 + 1800, abs=2)


async def test_an_old_plain_connection_ends_with_its_next_answer(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    limits = Limits(connection_seconds=100)
    gateway = Gateway("", 0, FakeSessions(nursery).as_sessions, version="0", limits=limits)
    ours, theirs = trio.testing.memory_stream_pair()
    nursery.start_soon(gateway.serve_stream, theirs)
    heads: list[bytes] = []
    for _ in range(3):
        await ours.send_all(get("/healthz"))
        heads.append(bytes(await ours.receive_some()))
        await trio.sleep(50)
    end = await ours.receive_some()

    assert [b"Connection: close" in head for head in heads] == [False, False, True]
    assert end == b""
    await ours.aclose()


async def test_a_prompt_is_a_turn_of_its_client_until_it_is_answered(
    nursery: trio.Nursery,
) -> None:
    limits = Limits(requests_per_client=1)
    running = await start_gateway(nursery, access=tokens(), limits=limits)
    async with acp_client(running, extra_headers=[AS_ONE]) as client:
        session = await client.open()
        prompt = await client.prompt(session)
        async with acp_client(running, extra_headers=[AS_ONE]) as other:
            another = await other.open()
            refused = await other.answer(await other.prompt(another))
            await client.notify("session/cancel", {"sessionId": session})
            await client.answer(prompt)
            await other.prompt(another)
        await running.wait_connections(1)
        # Who left waits for nothing any more, though the turn goes on.
        prompt = await client.prompt(session)
        await client.notify("session/cancel", {"sessionId": session})
        again = await client.answer(prompt)

    assert again["result"]["stopReason"] == "cancelled"
    assert "max_requests_per_client" in refused["error"]["message"]


async def test_an_old_websocket_of_acp_closes_behind_the_answer(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    running = await start_gateway(nursery)
    async with acp_in_memory(running, nursery) as client:
        session = await client.open()
        prompt = await client.prompt(session)
        await trio.sleep(3700)
        running.sessions.only.say("at last")
        running.sessions.only.end(StopReason.END_TURN)
        await client.answer(prompt)
        code = await close_code(client.ws)

    assert (client.said, code) == ("at last", 1012)


async def test_an_old_plain_connection_ends_behind_a_stream(
    autojump_clock: trio.testing.MockClock,
) -> None:
    ours, theirs = trio.testing.memory_stream_pair()
    http = HttpConnection(ClientStream(theirs), Limits(connection_seconds=100))
    again: list[bool] = []
    for _ in range(2):
        await ours.send_all(get("/story"))
        await http.next_request(first=False)
        assert await http.body() == b""
        await http.begin_events((), b"data: once upon a time")
        await trio.sleep(60)
        again.append(await http.end_events())

    assert again == [True, False]
    await ours.aclose()


def frame_of(size: int) -> bytes:
    """The beginning of a text message of `size` bytes, without its end."""
    return b"\x81\xff" + size.to_bytes(8, "big") + bytes(4) + b"x" * (size - 1)


async def test_large_messages_of_all_clients_together_are_bounded(nursery: trio.Nursery) -> None:
    async def post(request: Request, body: bytes) -> Response:
        return text(200, str(len(body)))

    running = await start_gateway(
        nursery,
        limits=Limits(unread_bytes=600_000),
        sockets=TURNS,
        routes={"/post": PlainRoute({"POST": post})},
    )
    head = get("/turns", *GOOD_HANDSHAKE)
    async with turns(running, ONE) as small, await running.connect() as first:
        await first.send_all(head + frame_of(500_000))
        await unread(running, 500_000)
        cut = await exchange(running, head + frame_of(200_000))
        body = f"POST /post HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n{LAST}\r\n\r\n"
        refused = await exchange(running, body.encode() + b"x" * 200_000)
        assert await say(small, "x" * 60_000) == "x" * 60_000
        await first.send_all(b"x")
        await unread(running, 0)
    again = await exchange(running, body.encode() + b"x" * 200_000)
    await running.settled()

    assert status(cut) == 101
    assert b"\x88" not in cut.partition(b"\r\n\r\n")[2]
    assert (status(refused), status(again)) == (503, 200)
    assert b"Retry-After: 1\r\n" in refused
    assert running.gateway._unread.held == 0


async def unread(running: Running, size: int) -> None:
    """Wait until about so much has come of what is not whole."""
    held = running.gateway._unread
    with trio.fail_after(PATIENCE):
        while not size <= held.held < size + 1000:  # noqa: ASYNC110 - nobody is told
            await trio.sleep(0.01)
