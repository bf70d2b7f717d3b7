"""The inbox: whole files only, for their owner's eyes, and nothing in it stops the others."""

import io
import os
import stat
import time
from pathlib import Path

import pytest
import structlog

from tests.fakes.batch_app import batch_config, requests, results, running
from tests.fakes.batches import BatchProvider
from trouper.actors.batch import inbox as module
from trouper.actors.batch.errors import BadBatch
from trouper.actors.batch.inbox import Inbox, Unreadable
from trouper.actors.batch.lines import ModelNames
from trouper.actors.store.errors import StoreUnusable


@pytest.fixture
def names(tmp_path: Path) -> ModelNames:
    return ModelNames(batch_config(tmp_path / "s.db", "http://localhost:1/"))


def submitted(inbox: Inbox, names: ModelNames, text: bytes) -> str:
    return inbox.submit(io.BytesIO(text), names, name="in", user="alice")


def test_what_was_submitted_is_read_as_it_was(tmp_path: Path, names: ModelNames) -> None:
    inbox = Inbox(tmp_path / "s.db")
    id = submitted(inbox, names, b'{"id": "a", "prompt": "x"}\n\n{"id": "b", "prompt": "y"}')
    assert inbox.submitted() == [id]
    batch, lines = inbox.open(id)
    assert (batch.id, batch.user, batch.state) == (id, "alice", "loading")
    assert [(line.custom_id, line.model) for line in lines] == [("a", "default"), ("b", "default")]
    inbox.done(id)
    assert inbox.submitted() == []


def test_only_their_owner_reads_what_is_asked(tmp_path: Path, names: ModelNames) -> None:
    inbox = Inbox(tmp_path / "s.db")
    id = submitted(inbox, names, b'{"prompt": "secret"}')
    assert stat.S_IMODE(inbox.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((inbox.folder / f"{id}.jsonl").stat().st_mode) == 0o600


def test_a_line_without_an_end_is_refused_before_it_fills_the_memory(
    tmp_path: Path, names: ModelNames, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_LINE", 100)
    with pytest.raises(BadBatch, match="line 2: is longer than 100 bytes"):
        submitted(Inbox(tmp_path / "s.db"), names, b'{"prompt": "x"}\n' + b"x" * 101)


def test_a_batch_has_a_bound(
    tmp_path: Path, names: ModelNames, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_REQUESTS", 2)
    with pytest.raises(BadBatch, match="has 3 requests; a batch has up to 2, split it"):
        submitted(Inbox(tmp_path / "s.db"), names, b'{"prompt": "x"}\n' * 3)


def test_of_very_many_faults_some_are_told_and_the_others_counted(
    tmp_path: Path, names: ModelNames
) -> None:
    with pytest.raises(BadBatch) as caught:
        submitted(Inbox(tmp_path / "s.db"), names, b"junk\n" * 80)
    assert len(caught.value.faults) == 50
    assert str(caught.value).endswith("in: and 30 more; nothing was submitted")


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path, names: ModelNames) -> None:
    (tmp_path / "s-batches").write_text("a file")
    with pytest.raises((StoreUnusable, OSError)):
        submitted(Inbox(tmp_path / "s.db"), names, b'{"prompt": "x"}')
    with pytest.raises(StoreUnusable, match="cannot be made"):
        submitted(Inbox(tmp_path / "none" / "s.db"), names, b'{"prompt": "x"}')


@pytest.mark.parametrize(
    "content", [b"", b"junk\n", b"[]\n", b'{"v": 7}\n', b'{"v": 1, "odd": 2}\n']
)
def test_what_was_not_submitted_is_not_read(
    content: bytes, tmp_path: Path, names: ModelNames
) -> None:
    inbox = Inbox(tmp_path / "s.db")
    inbox.folder.mkdir()
    (inbox.folder / "batch-1.jsonl").write_bytes(content)
    with pytest.raises(Unreadable):
        inbox.open("batch-1")


async def test_a_damaged_file_is_put_aside_and_the_others_go_on(tmp_path: Path) -> None:
    async with running(tmp_path / "s.db", BatchProvider()) as app:
        inbox = Inbox(tmp_path / "s.db")
        inbox.folder.mkdir(exist_ok=True)
        with structlog.testing.capture_logs() as logs:
            header = b'{"v":1,"id":"batch-0","at":1.0,"session":"","user":"","way":"auto","state":"loading","note":""}'
            (inbox.folder / "batch-0.jsonl").write_bytes(header + b"\n[1, 2]\n")
            id = await app.batches.submit(requests("one"))
            assert (await results(app, id))[0]["text"] == "You said: one"
            assert [batch.id for batch in await app.batches.all()] == [id]
        assert (inbox.folder / "batch-0.damaged").exists()
    assert [log["batch"] for log in logs if log["event"] == "batch cannot be read"] == ["batch-0"]


async def test_what_killed_programs_have_begun_to_submit_is_forgotten_after_a_day(
    tmp_path: Path,
) -> None:
    folder = Inbox(tmp_path / "s.db").folder
    folder.mkdir()
    old, new = folder / ".batch-1.draft", folder / ".batch-2.draft"
    old.touch()
    new.touch()
    os.utime(old, (time.time() - 100_000, time.time() - 100_000))
    async with running(tmp_path / "s.db", BatchProvider()) as app:
        await results(app, await app.batches.submit(requests("one")))
    assert (old.exists(), new.exists()) == (False, True)
