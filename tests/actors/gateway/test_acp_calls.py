"""What ACP takes for a call, and from whom: malformed ones, the wrong order, other people's sessions."""

import json
from typing import Any

import trio

from tests.fakes.gateway import acp_client, start_gateway
from tests.fakes.sessions import says
from trouper.actors.gateway.auth import Access
from trouper.actors.wire.session import NOT_FOUND

INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS, PARSE_ERROR = -32600, -32601, -32602, -32700

BAD: list[tuple[Any, int, Any, str]] = [
    ("{", PARSE_ERROR, None, "not JSON"),
    ("[]", INVALID_REQUEST, None, "one call a frame"),
    (b"{}", INVALID_REQUEST, None, "text frames"),
    ('{"jsonrpc":"2.0","id":9,"method":"session/fork"}', METHOD_NOT_FOUND, 9, "session/fork"),
    ('{"jsonrpc":"2.0","id":9,"method":"session/prompt"}', INVALID_PARAMS, 9, "sessionId"),
    ('{"jsonrpc":"2.0","method":"session/new"}', INVALID_REQUEST, None, "id"),
]


async def test_malformed_calls_get_their_code_and_the_connection_stays(
    nursery: trio.Nursery,
) -> None:
    running = await start_gateway(nursery, says("fine"))
    async with acp_client(running) as client:
        session = await client.open()
        for sent, code, id, words in BAD:
            await client.ws.send_message(sent)
            answer = await client.answer(id)
            assert (answer["error"]["code"], words in answer["error"]["message"]) == (code, True)
        await client.send('{"jsonrpc":"2.0","id":1,"result":{}}')
        await client.notify("some/thing", {})
        await client.answer(await client.prompt(session))

    assert client.said == "fine"


async def test_nothing_is_done_before_initialize(nursery: trio.Nursery) -> None:
    running = await start_gateway(nursery)
    async with acp_client(running) as client:
        refused = await client.call("session/new", {"cwd": "/", "mcpServers": []})

    assert refused["error"]["code"] == INVALID_REQUEST
    assert "initialize first" in refused["error"]["message"]
    assert running.sessions.opened == {}


async def test_an_unknown_version_is_answered_with_ours(nursery: trio.Nursery) -> None:
    running = await start_gateway(nursery)
    async with acp_client(running) as client:
        answer = await client.call("initialize", {"protocolVersion": 7})

    assert answer["result"]["protocolVersion"] == 1


async def test_sessions_belong_to_who_opened_them(nursery: trio.Nursery) -> None:
    running = await start_gateway(nursery, says("mine"), access=Access(["alice", "mallory"]))

    def as_user(token: str) -> Any:
        return acp_client(running, extra_headers=[(b"authorization", f"Bearer {token}".encode())])

    async with as_user("alice") as alice, as_user("mallory") as mallory:
        session = await alice.open()
        await mallory.initialize()
        stolen = await mallory.answer(await mallory.prompt(session))
        await alice.answer(await alice.prompt(session))

    assert stolen["error"]["code"] == NOT_FOUND
    assert alice.said == "mine"
    assert json.dumps(running.sessions.owners).count("alice") == 0
