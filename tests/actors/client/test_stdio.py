"""Lines of a pipe become frames, and frames become lines."""

import json
import os
from collections.abc import Generator
from contextlib import contextmanager

import pytest
import trio

from tests.fakes.gateway import PATIENCE, start_gateway
from tests.fakes.severed import open_way
from trouper.actors.client import stdio
from trouper.actors.client.errors import ClientError, ConnectionLost
from trouper.actors.client.link import open_link
from trouper.actors.client.stdio import join, read_lines, write_all

HELLO = '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":1}}'


@contextmanager
def pipe() -> Generator[tuple[int, int]]:
    """Its two ends, of which a test may close the one to write."""
    read, write = os.pipe()
    try:
        yield read, write
    finally:
        for end in (read, write):
            try:
                os.close(end)
            except OSError:  # the test has closed it
                continue


async def test_a_client_talks_by_lines_until_it_closes_its_end(nursery: trio.Nursery) -> None:
    running = await start_gateway(nursery)
    with pipe() as (stdin, client_out), pipe() as (client_in, stdout), trio.fail_after(PATIENCE):
        async with open_link(running.acp) as link, trio.open_nursery() as joined:
            joined.start_soon(join, link, read_lines(stdin), write_all(stdout))
            answers = read_lines(client_in)
            os.write(client_out, f"\n{HELLO}\n".encode())
            answer = await answers()
            os.close(client_out)

    assert answer is not None
    assert json.loads(answer)["result"]["protocolVersion"] == 1


async def test_more_than_may_wait_is_sent_as_the_server_reads(nursery: trio.Nursery) -> None:
    running = await start_gateway(nursery)
    lines = [HELLO, *(HELLO.replace('"id":1', f'"id":{number}') for number in range(2, 180))]
    told: list[str] = []
    done = trio.Event()

    async def line() -> str | None:
        await trio.lowlevel.checkpoint()
        if lines:
            return lines.pop(0)
        await done.wait()
        return None

    async def write(text: str) -> None:
        await trio.lowlevel.checkpoint()
        told.extend(text.splitlines())
        if len(told) == 179:
            done.set()

    with trio.fail_after(PATIENCE):
        async with open_link(running.acp) as link:
            await join(link, line, write)

    assert [json.loads(one)["id"] for one in told] == list(range(1, 180))


async def test_a_server_that_is_gone_for_good_is_said(nursery: trio.Nursery) -> None:
    running = await start_gateway(nursery)
    with pipe() as (stdin, client_out), pipe() as (_, stdout), trio.fail_after(PATIENCE):
        async with open_way(running.listening.port) as way, open_link(way.acp) as link:
            os.write(client_out, f"{HELLO}\n".encode())
            with pytest.RaisesGroup(ConnectionLost):
                async with trio.open_nursery() as joined:
                    joined.start_soon(join, link, read_lines(stdin), write_all(stdout))
                    way.cut()


async def test_a_line_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stdio, "_MOST_LINE", 10)
    with pipe() as (read, write):
        os.write(write, b"x" * 11)
        with pytest.raises(ClientError, match="longer than 10 bytes"):
            await read_lines(read)()


async def test_what_is_cut_off_at_the_end_is_no_line() -> None:
    with pipe() as (read, write):
        os.write(write, b"one\ntw\xff")
        lines = read_lines(read)
        first = await lines()
        os.write(write, b"o\nthr")
        second = await lines()
        os.close(write)
        third = await lines()

    assert (first, second, third) == ("one", "tw\ufffdo", None)
