"""A folder with a configuration of a batch provider, and `trouper batch` run in it."""

import json
import os
import subprocess
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import attrs
import trio

from tests.fakes.background_trio import BackgroundTrio
from tests.fakes.batches import BatchProvider
from tests.fakes.commands import TROUPER, Done, trouper
from tests.fakes.http_server import start_server
from trouper.actors.store.ledger import Selection
from trouper.actors.store.reading import LedgerReader

__all__ = ["Place", "place"]

CONFIG = """
[server]
listen = "127.0.0.1:0"
[store]
path = "trouper.db"
[providers.fake]
kind = "{kind}"
base_url = "{url}v1"
api_keys = ["env:FAKE_KEY"]
[models.default]
targets = ["fake/model-x"]
max_output_tokens = 100
[assistants.default]
model = "default"
[prices."fake/model-x"]
input = 2.0
output = 10.0
tiers.batch = {{input = 1.0, output = 5.0}}
"""


@attrs.define(eq=False)
class Place:
    """A folder with a configuration, and the provider that it names."""

    folder: Path
    provider: BatchProvider

    def trouper(self, *words: str) -> Done:
        """Run `trouper batch WORDS` with the configuration."""
        config = ("--config", str(self.folder / "trouper.toml"))
        return trouper("batch", *words, *config, environ={"FAKE_KEY": "k-1"})

    def start(self, *words: str) -> "subprocess.Popen[str]":
        """The same of any command, without waiting for it."""
        return subprocess.Popen(
            [*TROUPER, *words, "--config", str(self.folder / "trouper.toml")],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "FAKE_KEY": "k-1"},
        )

    def file(self, *prompts: str) -> str:
        """A batch file of these prompts."""
        path = self.folder / "in.jsonl"
        lines = (json.dumps({"id": f"q{n}", "prompt": p}) for n, p in enumerate(prompts))
        path.write_text("\n".join(lines) + "\n")
        return str(path)

    def results(self, id: str, *words: str) -> list[dict[str, Any]]:
        """What `results` prints."""
        done = self.trouper("results", id, *words)
        assert done.code == 0, done.err
        return [json.loads(line) for line in done.out.splitlines()]

    def costs(self) -> list[int | None]:
        """What the ledger says that each attempt has cost."""
        with LedgerReader(self.folder / "trouper.db") as reader:
            rows = list(reader.rows(Selection()))
        return [None if row.closing is None else row.closing.cost for row in rows]


@contextmanager
def place(folder: Path, provider: BatchProvider, kind: str = "openai") -> Generator[Place]:
    @asynccontextmanager
    async def serving() -> AsyncGenerator[str]:
        async with trio.open_nursery() as nursery:
            server = await start_server(nursery, provider.handle)
            yield server.url
            nursery.cancel_scope.cancel()

    with BackgroundTrio(serving) as background:
        (folder / "trouper.toml").write_text(CONFIG.format(kind=kind, url=background.value))
        yield Place(folder, provider)
