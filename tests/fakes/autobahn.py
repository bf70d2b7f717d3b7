"""Runs cases of Autobahn's suite against a URL: `python -m tests.fakes.autobahn URL CASE...`.

Prints what became of each as JSON. A process of its own: its runner (kosoku) is
an extension on threads of its own, and may go down when its interpreter ends.
"""

import asyncio
import json
import sys

from kosoku import FailureError, run_fuzzingclient


async def main(url: str, *cases: str) -> None:
    try:
        results = await run_fuzzingclient(url, cases=cases, concurrency=4)
    except FailureError as failed:
        results = failed.results
    told = {
        each.case_id: [each.behavior.value, each.behavior_close.value, each.result]
        for each in results
    }
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
