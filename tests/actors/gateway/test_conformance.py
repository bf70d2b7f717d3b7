"""Autobahn's cases 1 to 7 and 10: framing, pings, reserved bits, opcodes, fragments, UTF-8,
closing, and fragments of many sizes.

The cases are Autobahn's own files; kosoku drives them in place of its test
runner, which is for Python 2. All are run, some 2.5 s in a process of their own.
How the original is run against the same server is told in docs/reference/limits.md.
"""

import json
import sys
from collections import Counter

import trio

from tests.fakes.echo import ECHO
from tests.fakes.gateway import start_gateway

CASES = ("1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*")
HOW_MANY = 247
FINE = {"OK", "NON-STRICT", "INFORMATIONAL"}


async def test_no_case_of_autobahns_fails(nursery: trio.Nursery) -> None:
    running = await start_gateway(nursery, sockets=ECHO)
    url = running.acp.replace("/acp", "/echo")
    command = [sys.executable, "-m", "tests.fakes.autobahn", url, *CASES]
    with trio.fail_after(60):
        done = await trio.run_process(command, capture_stdout=True, check=False)
    results: dict[str, list[str]] = json.loads(done.stdout)
    await running.settled()

    bad = {case: told for case, told in results.items() if not FINE.issuperset(told[:2])}
    verdicts = Counter(behavior for behavior, _, _ in results.values())
    assert bad == {}
    assert len(results) == HOW_MANY
    # Where a frame must fail the connection, what came before it may be answered or not.
    assert verdicts["OK"] >= HOW_MANY - 13
