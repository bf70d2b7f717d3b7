"""GET /metrics: for those who may come in, in the format that they read."""

import trio

from tests.fakes.gateway import start_gateway
from tests.fakes.http_by_hand import LAST, exchange, get, status
from trouper.actors.gateway.auth import Access


async def shown(accept: str) -> tuple[str, bytes]:
    return "text/plain; version=0.0.4; charset=utf-8", f"# asked for {accept!r}\n".encode()


async def test_metrics_are_shown_in_the_format_that_is_asked_for(nursery: trio.Nursery) -> None:
    running = await start_gateway(nursery, metrics=shown)

    answer = await exchange(running, get("/metrics", "Accept: text/plain\r\n" + LAST))

    assert status(answer) == 200
    assert b"content-type: text/plain; version=0.0.4; charset=utf-8\r\n" in answer.lower()
    assert answer.endswith(b"# asked for 'text/plain'\n")


async def test_metrics_need_the_token_where_health_needs_none(nursery: trio.Nursery) -> None:
    running = await start_gateway(nursery, metrics=shown, access=Access(["s3cret-token"]))

    healthy = await exchange(running, get("/healthz", LAST))
    without = await exchange(running, get("/metrics", LAST))
    wrong = await exchange(running, get("/metrics", "Authorization: Bearer no\r\n" + LAST))
    right = await exchange(
        running, get("/metrics", "Authorization: Bearer s3cret-token\r\n" + LAST)
    )

    assert [status(each) for each in (healthy, without, wrong, right)] == [200, 401, 401, 200]
    assert b"www-authenticate: bearer" in without.lower()


async def test_a_page_of_another_origin_does_not_read_the_metrics(nursery: trio.Nursery) -> None:
    running = await start_gateway(nursery, metrics=shown)

    answer = await exchange(running, get("/metrics", "Origin: https://evil.example\r\n" + LAST))

    assert status(answer) == 403


async def test_who_serves_no_metrics_has_no_such_route(nursery: trio.Nursery) -> None:
    running = await start_gateway(nursery)

    answer = await exchange(running, get("/metrics", LAST))

    assert status(answer) == 404
