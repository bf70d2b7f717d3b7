"""The examples of the documentation that want a client of others (`py`) run with that client."""

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.clients.environments import Client, install
from tests.fakes.commands import Server

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "docs").rglob("*.md"))

pytestmark = pytest.mark.clients

# Where the program stands in a coroutine of its reader's, whose loop runs.
_IN_A_LOOP = """\
import ast, asyncio, inspect, sys
code = compile(sys.argv[1], "example", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
if code.co_flags & inspect.CO_COROUTINE:
    asyncio.run(eval(code, {}))
else:
    exec(code, {"__name__": "example"})
"""


def examples() -> dict[str, str]:
    return {
        f"{page.relative_to(ROOT)}:{at}": text
        for page in PAGES
        for at, text in enumerate(
            re.findall(r"^```py\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
        )
    }


def client_for(text: str) -> Client:
    """The same environments that the other tests have."""
    if "from agents" in text:
        return install("openai-agents", "openai-agents==0.20.0", "websockets<16")
    return install("openai-realtime", "openai[realtime]==3.52.0")


def test_the_examples_do_what_they_say(served: Server, token: str) -> None:
    found = examples()
    clients = [client_for(text) for text in found.values()]

    def run(client: Client, text: str) -> str:
        asked = re.sub(r"your \w+_TOKEN", token, text).replace("http://127.0.0.1:8700", served.url)
        assert asked.count(token) == asked.count(served.url) == 1
        done = client.run("python", "-c", _IN_A_LOOP, asked)
        return done.stdout or done.stderr

    # All against one server and at once: each of them takes seconds to import its client.
    with ThreadPoolExecutor() as pool:
        said = dict(zip(found, pool.map(run, clients, found.values()), strict=True))

    assert len(said) >= 3
    assert {name: text for name, text in said.items() if "You said: " not in text} == {}
