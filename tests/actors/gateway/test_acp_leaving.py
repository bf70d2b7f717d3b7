"""Clients that leave and come back: what they leave behind, and what they find."""

import trio

from tests.fakes.gateway import PATIENCE, acp_client, start_gateway
from trouper.actors.wire.session import NOT_FOUND


async def test_a_call_to_cancel_what_is_no_session_is_told_so(nursery: trio.Nursery) -> None:
    running = await start_gateway(nursery)
    async with acp_client(running) as client:
        await client.initialize()
        answer = await client.call("session/cancel", {"sessionId": "nobody's"})

    assert answer["error"]["code"] == NOT_FOUND


async def test_a_client_that_comes_back_can_cancel_its_turn(nursery: trio.Nursery) -> None:
    running = await start_gateway(nursery)
    async with acp_client(running) as client:
        session = await client.open()
        await client.prompt(session)
        with trio.fail_after(PATIENCE):
            while not running.sessions.only.prompts:  # noqa: ASYNC110 - a fake announces nothing
                await trio.sleep(0.001)
    async with acp_client(running) as again:
        await again.initialize()
        answer = await again.call("session/cancel", {"sessionId": session})

    assert answer["result"] is None
    assert running.sessions.only.cancels == 1
    assert running.sessions.only.turn is None


async def test_a_client_that_leaves_while_it_is_attached_leaves_no_attachment(
    nursery: trio.Nursery,
) -> None:
    running = await start_gateway(nursery)
    # The session has taken the attachment, and its answer is still on its way.
    running.sessions.hold_attach = trio.Event()
    async with acp_client(running) as client:
        await client.initialize()
        await client.begin("session/new", {"cwd": "/", "mcpServers": []})
        with trio.fail_after(PATIENCE):
            while not (  # noqa: ASYNC110 - a fake announces nothing
                running.sessions.opened and running.sessions.only.attachments
            ):
                await trio.sleep(0.001)
    with trio.fail_after(PATIENCE):
        while running.sessions.only.attachments:  # noqa: ASYNC110 - a fake announces nothing
            await trio.sleep(0.001)
