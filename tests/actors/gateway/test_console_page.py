"""The console's page and feed over HTTP: who comes in, from which pages, and what they are told."""

import json
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import httpx
import pytest
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, open_websocket_url

from tests.fakes.consoles import ConsoleClient, config, open_console
from tests.fakes.gateway import start_gateway
from trouper.actors.config.tokens import Scope
from trouper.actors.console.console import Console
from trouper.actors.console.entry import Entry
from trouper.actors.gateway.auth import Access, Credential
from trouper.actors.gateway.console_access import ConsoleAccess
from trouper.actors.gateway.console_page import FILES, ConsolePage

WEB = Path(__file__).resolve().parents[3] / "actors" / "console" / "web"
READER, OPERATOR, BOT = "token-of-a-reader", "token-of-an-operator", "token-of-a-bot"
FEED_PROTOCOL = "trouper.inspect.v1"


@attrs.define(eq=False)
class Served:
    """A console whose page is served, and a browser without a cookie yet."""

    url: str
    console: Console
    socket: ConsoleClient
    browser: httpx.AsyncClient

    @property
    def feed(self) -> str:
        return self.url.replace("http", "ws") + "/console/feed"

    async def code(self) -> str:
        told = await self.socket.ask("link")
        return str(told["url"]).partition("#enter=")[2]

    async def enter(self, **headers: str) -> httpx.Response:
        body = json.dumps({"code": await self.code()})
        return await self.post(body, **headers)

    async def post(self, body: str = "", **headers: str) -> httpx.Response:
        given = {"Origin": self.url, **{name.title(): value for name, value in headers.items()}}
        return await self.browser.post("/console/session", content=body, headers=given)

    async def refused(self, **headers: str) -> int:
        """The status that a handshake for the feed is answered with."""
        handshake = {
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
            "Origin": self.url,
            **{name.title(): value for name, value in headers.items()},
        }
        return (await self.browser.get("/console/feed", headers=handshake)).status_code

    async def hello(self, **headers: str) -> dict[str, Any]:
        """What the feed says first to a page with this browser's cookies."""
        cookies = "; ".join(f"{name}={value}" for name, value in self.browser.cookies.items())
        given = {"origin": self.url, "cookie": cookies, **headers}
        async with websocket(
            self.feed,
            subprotocols=[FEED_PROTOCOL],
            extra_headers=[(name.encode(), value.encode()) for name, value in given.items()],
        ) as ws:
            await ws.send_message('{"op":"hello"}')
            told: dict[str, Any] = json.loads(await ws.get_message())
            return told


@asynccontextmanager
async def websocket(url: str, **options: Any) -> AsyncGenerator[WebSocketConnection]:
    """A websocket whose socket is closed at the end, whoever says goodbye first."""
    async with open_websocket_url(url, **options) as ws:
        try:
            yield ws
        finally:
            await ws.aclose()
            await trio.aclose_forcefully(ws._stream)


@asynccontextmanager
async def served(
    *, role: str = "read", origins: tuple[str, ...] = (), tokens: bool = True
) -> AsyncGenerator[Served]:
    credentials = [
        Credential(READER, "reader", frozenset({Scope.CONSOLE_READ})),
        Credential(OPERATOR, "operator", frozenset({Scope.CONSOLE_READ, Scope.CONSOLE_OPERATE})),
        Credential(BOT, "bot"),
    ]
    access = Access(credentials if tokens else ())
    async with (
        open_console(settings=config(web=True, web_role=role)) as opened,
        trio.open_nursery() as nursery,
    ):
        console = opened.console
        page = ConsolePage(ConsoleAccess(console.entry, access, origins), console.converse)
        running = await start_gateway(
            nursery, access=access, routes=page.routes, sockets=page.sockets
        )
        console.entry.address = url = running.listening.url
        async with httpx.AsyncClient(base_url=url, trust_env=False) as browser:
            yield Served(url, console, opened.client, browser)
        nursery.cancel_scope.cancel()


# --- files


async def test_the_page_comes_with_headers_that_keep_everything_else_out() -> None:
    async with served() as here:
        answer = await here.browser.get("/console/")

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"


async def test_every_file_of_the_folder_is_in_the_table_and_nothing_else_is_served() -> None:
    there = {
        str(path.relative_to(WEB))
        for path in WEB.rglob("*")
        if path.suffix in (".js", ".mjs", ".css", ".html", ".svg")
    }
    async with served() as here:
        known = [await here.browser.get(f"/console/{name}") for name in FILES[1:]]
        moved = await here.browser.get("/console")
        strange = [
            await here.browser.get(f"/console/{name}")
            for name in ("vendor/vendored.json", "../console.py", "%2e%2e/console.py", "nothing")
        ]

    assert there == set(FILES)
    assert {answer.status_code for answer in known} == {200}
    assert (moved.status_code, moved.headers["location"]) == (308, "/console/")
    assert {answer.status_code for answer in strange} == {404}


async def test_a_file_that_has_not_changed_is_not_sent_again() -> None:
    async with served() as here:
        first = await here.browser.get("/console/app.js")
        tag = first.headers["etag"]
        again = await here.browser.get("/console/app.js", headers={"If-None-Match": tag})
        other = await here.browser.get("/console/style.css", headers={"If-None-Match": tag})

    assert (again.status_code, again.content) == (304, b"")
    assert other.status_code == 200


# --- names and pages


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "", "localhost.evil:80"]
)
async def test_under_a_name_that_is_not_ours_nothing_is_served(host: str) -> None:
    async with served() as here:
        headers = {"Host": host}
        answers = [
            await here.browser.get(path, headers=headers)
            for path in ("/console/", "/console", "/console/app.js", "/console/session")
        ]
        answers.append(await here.browser.post("/console/session", headers=headers))

    assert {answer.status_code for answer in answers} == {421}


@pytest.mark.parametrize("host", ["localhost:8700", "127.0.0.1", "[::1]:8700", "127.0.0.2:1"])
async def test_this_machine_has_several_names(host: str) -> None:
    async with served() as here:
        answer = await here.browser.get("/console/", headers={"Host": host})

    assert answer.status_code == 200


async def test_another_page_may_neither_come_in_nor_listen() -> None:
    async with served() as here:
        wrong = await here.enter(origin="http://localhost:9977")
        none = await here.browser.post("/console/session", content="{}")
        assert (await here.enter()).status_code == 200
        listens = await here.refused(origin="http://localhost:9977")

    assert (wrong.status_code, none.status_code, listens) == (403, 403, 403)


async def test_an_address_of_ones_own_is_served_where_it_is_configured() -> None:
    async with served(origins=("https://ops.example.org",)) as here:
        host = {"Host": "ops.example.org"}
        page = await here.browser.get("/console/", headers=host)
        entered = await here.enter(origin="https://ops.example.org", host="ops.example.org")
        plain = await here.enter(origin="http://evil.example", host="ops.example.org")

    assert page.status_code == 200
    assert entered.status_code == 200
    assert "; Secure" in entered.headers["set-cookie"]
    assert plain.status_code == 403


# --- links and cookies


async def test_a_link_of_the_socket_becomes_a_cookie_that_scripts_cannot_read() -> None:
    async with served() as here:
        answer = await here.enter()
        cookie = answer.headers["set-cookie"]
        told = await here.hello()
        who = await here.browser.get("/console/session")

    assert answer.json()["role"] == "read"
    assert "; HttpOnly; SameSite=Strict" in cookie
    assert "; Path=/console;" in cookie
    assert "Secure" not in cookie
    assert cookie.startswith(f"trouper-console-{here.url.rpartition(':')[2]}=")
    assert answer.headers["cache-control"] == "no-store"
    assert (told["t"], told["role"], told["caps"]) == ("hello", "read", [])
    assert who.json() == answer.json()


async def test_a_link_is_good_once() -> None:
    async with served() as here:
        body = json.dumps({"code": await here.code()})
        first, second = await here.post(body), await here.post(body)

    assert (first.status_code, second.status_code) == (200, 401)
    assert "trouper console" in second.json()["error"]["message"]


async def test_without_cookie_or_token_nobody_comes_in_also_from_this_machine() -> None:
    async with served(tokens=False) as here:
        who = await here.browser.get("/console/session")
        posted = await here.post()
        shown = await here.post(authorization="Bearer anything-at-all")
        listens = await here.refused()

    assert (who.status_code, posted.status_code, shown.status_code) == (401, 401, 401)
    assert listens == 401


async def test_who_leaves_is_out() -> None:
    async with served() as here:
        await here.enter()
        secret = next(iter(here.browser.cookies.values()))
        left = await here.browser.delete("/console/session", headers={"Origin": here.url})
        name = f"trouper-console-{here.url.rpartition(':')[2]}"
        after = await here.browser.get("/console/session", headers={"Cookie": f"{name}={secret}"})

    assert "Max-Age=0" in left.headers["set-cookie"]
    assert after.status_code == 401


async def test_guessed_links_are_soon_not_looked_at() -> None:
    async with served() as here:
        body = json.dumps({"code": "guessed"})
        answers = [await here.post(body) for _ in range(12)]
        good = await here.enter()

    assert [answer.status_code for answer in answers].count(401) == 5
    assert good.status_code == 429
    assert int(good.headers["retry-after"]) > 0


@pytest.mark.parametrize("body", ["{", "[]", '{"code":1}', '{"code":"' + "x" * 300 + '"}'])
async def test_a_code_that_is_none_is_a_bad_request(body: str) -> None:
    async with served() as here:
        assert (await here.post(body)).status_code == 400


async def test_a_broken_cookie_is_no_cookie() -> None:
    async with served() as here:
        name = f"trouper-console-{here.url.rpartition(':')[2]}"
        for value in (f"{name}=unknown", "a,b=1", f'{name}="'):
            answer = await here.browser.get("/console/session", headers={"Cookie": value})
            assert answer.status_code == 401


async def test_a_link_cannot_be_asked_for_on_the_page() -> None:
    async with served(role="admin") as here:
        await here.enter()
        cookies = "; ".join(f"{name}={value}" for name, value in here.browser.cookies.items())
        headers = [(b"origin", here.url.encode()), (b"cookie", cookies.encode())]
        async with websocket(here.feed, extra_headers=headers) as ws:
            await ws.send_message('{"op":"link","id":3}')
            told = json.loads(await ws.get_message())

    assert (told["id"], told["err"]["code"]) == (3, "denied")


async def test_a_client_that_asks_faster_than_it_is_answered_is_closed() -> None:
    async def busy(*_: object) -> None:
        await trio.sleep_forever()

    access = Access([Credential(READER, "reader", frozenset({Scope.CONSOLE_READ}))])
    page = ConsolePage(ConsoleAccess(Entry("read"), access), busy)
    async with trio.open_nursery() as nursery:
        running = await start_gateway(
            nursery, access=access, routes=page.routes, sockets=page.sockets
        )
        headers = [(b"authorization", f"Bearer {READER}".encode())]
        url = running.listening.url.replace("http", "ws") + "/console/feed"
        async with websocket(url, extra_headers=headers) as ws:
            with pytest.raises(ConnectionClosed) as closed:
                for _ in range(100):
                    await ws.send_message('{"op":"ping"}')
                await ws.get_message()
        nursery.cancel_scope.cancel()

    assert closed.value.reason is not None
    assert closed.value.reason.code == 1008


# --- tokens and roles


async def test_a_token_has_the_role_of_its_scopes() -> None:
    async with served() as here:
        reader = await here.hello(authorization=f"Bearer {READER}")
        operator = await here.hello(authorization=f"Bearer {OPERATOR}")
        entered = await here.post(authorization=f"Bearer {OPERATOR}")
        by_cookie = await here.hello()

    assert reader["role"] == "read"
    assert operator["role"] == by_cookie["role"] == "operate"
    assert entered.json() == {"by": "operator", "role": "operate"}


async def test_a_token_without_a_console_scope_or_a_wrong_one_opens_nothing() -> None:
    async with served() as here:
        bot = await here.post(authorization=f"Bearer {BOT}")
        wrong = await here.post(authorization="Bearer not-a-token-of-ours")
        many = [await here.post(authorization=f"Bearer wrong-{n}") for n in range(12)]
        listens = await here.refused(authorization=f"Bearer {BOT}")

    assert (bot.status_code, wrong.status_code, listens) == (403, 401, 403)
    assert "console:read" in bot.json()["error"]["message"]
    assert many[-1].status_code == 429


async def test_a_program_may_show_its_token_as_a_subprotocol() -> None:
    async with served() as here:
        protocols = [FEED_PROTOCOL, f"openai-insecure-api-key.{OPERATOR}"]
        async with websocket(here.feed, subprotocols=protocols) as ws:
            await ws.send_message('{"op":"hello"}')
            told = json.loads(await ws.get_message())
            spoken = ws.subprotocol

    assert (told["role"], spoken) == ("operate", FEED_PROTOCOL)


async def test_an_act_of_a_reader_is_refused_by_the_server() -> None:
    async with served() as here:
        await here.enter()
        cookies = "; ".join(f"{name}={value}" for name, value in here.browser.cookies.items())
        headers = [(b"origin", here.url.encode()), (b"cookie", cookies.encode())]
        async with websocket(here.feed, extra_headers=headers) as ws:
            await ws.send_message('{"op":"act","id":1,"act":"restart","path":"console"}')
            told = json.loads(await ws.get_message())
            await ws.send_message(b"bytes are no request")
            await ws.send_message('{"op":"ping","id":2}')
            pong = json.loads(await ws.get_message())
        events = (await here.socket.get("events"))["ev"]

    assert told["err"]["code"] == "read_only"
    assert (pong["t"], pong["id"]) == ("pong", 2)
    assert [each["msg"] for each in events if "read_only" in each["detail"]] == ["console action"]


async def test_a_seventh_page_that_only_looks_on_is_told_to_come_back() -> None:
    async with served() as here, AsyncExitStack() as crowd:
        headers = [(b"authorization", f"Bearer {READER}".encode())]
        for _ in range(6):
            one = await crowd.enter_async_context(websocket(here.feed, extra_headers=headers))
            await one.send_message('{"op":"ping"}')
            await one.get_message()
        async with websocket(here.feed, extra_headers=headers) as ws:
            with trio.fail_after(5):
                told = json.loads(await ws.get_message())
                with pytest.raises(ConnectionClosed) as closed:
                    await ws.get_message()

    assert told["err"]["code"] == "busy"
    assert closed.value.reason is not None
    assert closed.value.reason.code == 1013
