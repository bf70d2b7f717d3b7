"""`trouper batch`: what a person submits, sees and gets, also when programs are killed."""

import io
import json
import os
import signal
import time
from pathlib import Path

import pytest

from tests.fakes.batch_app import half_price
from tests.fakes.batch_place import Place, place
from tests.fakes.batches import BatchProvider
from tests.fakes.commands import trouper
from tests.fakes.http_server import Peer
from trouper.actors import AppConfig, load_config
from trouper.actors.batch.inbox import Inbox
from trouper.actors.batch.lines import ModelNames


def load_config_of(here: Place) -> AppConfig:
    text = (here.folder / "trouper.toml").read_text().replace("env:FAKE_KEY", "file:key")
    (here.folder / "key").write_text("k-1")
    (here.folder / "other.toml").write_text(text)
    return load_config(here.folder / "other.toml")


def test_a_batch_is_submitted_followed_and_written_out(tmp_path: Path) -> None:
    with place(tmp_path, BatchProvider()) as here:
        submitted = here.trouper("submit", here.file("one", "two", "fail three"))
        id = submitted.out.strip()
        assert (submitted.code, id[:6]) == (0, "batch-")
        assert "is with its provider" in submitted.err
        assert "2 waiting" not in here.trouper("status", id).out
        early = here.trouper("results", id)
        assert early.code == 1
        assert "is not done (3 with the provider (of 3))" in early.err
        assert here.results(id, "--partial") == []

        followed = here.trouper("status", id, "--follow")
        assert followed.code == 0, followed.err
        assert f"{id}: 2 done, 1 failed (of 3)" in followed.err
        out = tmp_path / "out.jsonl"
        assert here.trouper("results", id, "--output", str(out)).code == 0
        one, two, three = map(json.loads, out.read_text().splitlines())
        status = here.trouper("status", id).out
        listed = here.trouper("status").out
        usage = trouper("usage", "--store", str(tmp_path / "trouper.db"), "--format", "json")

    assert (one["text"], two["text"]) == ("You said: one", "You said: two")
    assert three["error"]["kind"] == "invalid_request"
    assert "fake/model-x: ended as b0" in status
    assert listed == f"{id}  done        2 done, 1 failed (of 3)\n"
    (sums,) = json.loads(usage.out)
    assert sums["cost_nano"] == half_price("one") + half_price("two")
    assert not list(tmp_path.glob(".*")), "no draft is left behind"
    assert list((tmp_path / "trouper-batches").iterdir()) == []


def test_openais_own_lines_are_understood(tmp_path: Path) -> None:
    line = {
        "custom_id": "mine/1",
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": {"model": "model-x", "messages": [{"role": "user", "content": "hi"}]},
    }
    (tmp_path / "in.jsonl").write_text(json.dumps(line))
    with place(tmp_path, BatchProvider()) as here:
        done = here.trouper("submit", "--follow", str(tmp_path / "in.jsonl"))
        assert done.code == 0, done.err
        (found,) = here.results(done.out.strip())
    assert (found["custom_id"], found["text"]) == ("mine/1", "You said: hi")


def test_every_fault_of_a_file_is_said_by_its_line_and_nothing_is_submitted(tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text(
        '{"id": "a", "prompt": "good"}\n'
        "not json\n"
        "\n"
        '{"id": "a", "prompt": "the same id"}\n'
        '{"id": "b", "prompt": "x", "model": "nobody"}\n'
        '{"custom_id": "c", "body": {"messages": [], "temperature": "warm"}}\n'
        '{"id": "d", "promt": "x"}\n'
        '["no object"]\n'
    )
    with place(tmp_path, BatchProvider()) as here:
        done = here.trouper("submit", str(path))
        assert here.provider.asked == []
        assert list((tmp_path / "trouper-batches").iterdir()) == []

    assert (done.code, done.out) == (1, "")
    said = [line.removeprefix(f"{path}: ") for line in done.err.splitlines()]
    assert said[0].startswith("line 2: is not valid JSON")
    assert said[1] == "line 4: id 'a' is that of line 1 already"
    assert said[2].startswith("line 5: model: no model 'nobody' is configured")
    assert said[3] == "line 6: body.messages: is missing or empty"
    assert said[4] == "line 6: body.temperature: must be a number, not 'warm'"
    assert said[5].startswith("line 7: 'promt' is not known here")
    assert said[-2] == "line 7: has no prompt"
    assert said[-1] == "line 8: must be an object, not a list"


def test_what_is_no_batch_is_said_to_be_none(tmp_path: Path) -> None:
    with place(tmp_path, BatchProvider()) as here:
        (tmp_path / "empty.jsonl").write_text("\n\n")
        assert "has no request in it" in here.trouper("submit", str(tmp_path / "empty.jsonl")).err
        assert "No such file" in here.trouper("submit", str(tmp_path / "none.jsonl")).err
        unknown = here.trouper("status", "batch-0")
        assert (unknown.code, "no batch 'batch-0'" in unknown.err) == (1, True)
        assert here.trouper("status", "--follow").code == 2


def test_what_the_provider_does_not_take_now_is_kept(tmp_path: Path) -> None:
    with place(tmp_path, BatchProvider(keys=frozenset({"another"}))) as here:
        done = here.trouper("submit", here.file("one"))
        id = done.out.strip()
        assert done.code == 1
        assert f"{id} is kept, but waits" in done.err
        assert "auth (HTTP 401)" in done.err
        here.provider.keys = None
        assert here.trouper("status", id, "--follow").code == 0
        assert here.results(id)[0]["text"] == "You said: one"


def test_a_server_that_has_the_store_takes_a_batch_in(tmp_path: Path) -> None:
    with place(tmp_path, BatchProvider()) as here:
        server = here.start("serve")
        assert server.stdout is not None
        server.stdout.readline()
        try:
            done = here.trouper("submit", here.file("one"))
            id = done.out.strip()
            assert done.code == 0
            assert (
                f"the process {server.pid} has {tmp_path}/trouper.db, and carries it on" in done.err
            )
            followed = here.trouper("status", id, "--follow")
            assert followed.code == 0
            assert f"the process {server.pid}" in followed.err
            assert here.results(id)[0]["text"] == "You said: one"
        finally:
            server.terminate()
            server.communicate(timeout=30)


def test_a_batch_is_called_off(tmp_path: Path) -> None:
    with place(tmp_path, BatchProvider(looks=10**6)) as here:
        id = here.trouper("submit", here.file("one", "two")).out.strip()
        done = here.trouper("cancel", id)
        assert (done.code, f"{id} is called off" in done.err) == (0, True)
        followed = here.trouper("status", id, "--follow")
        assert followed.code == 0
        assert f"{id}: 2 cancelled (of 2)" in followed.err
        assert [one["error"]["kind"] for one in here.results(id)] == ["cancelled", "cancelled"]
        assert "is done already" in here.trouper("cancel", id).err


def test_what_is_asked_one_by_one_waits_for_who_stays(tmp_path: Path) -> None:
    provider = BatchProvider(batching=False)
    with place(tmp_path, provider) as here:
        done = here.trouper("submit", here.file("one", "two"))
        id = done.out.strip()
        assert done.code == 0
        assert f"{id}: 2 requests are asked one by one, by `trouper serve" in done.err
        # Whoever leaves at once asks nothing that would be broken off.
        assert provider.plain == []
        assert here.trouper("status", id, "--follow").code == 0
        assert [one["text"] for one in here.results(id)] == ["You said: one", "You said: two"]


def test_what_nobody_has_taken_in_yet_is_shown(tmp_path: Path) -> None:
    with place(tmp_path, BatchProvider()) as here:
        config = load_config_of(here)
        inbox = Inbox(tmp_path / "trouper.db")
        id = inbox.submit(io.BytesIO(b'{"prompt": "x"}'), ModelNames(config))
        for words in (("status",), ("status", id)):
            assert f"{id} " in here.trouper(*words).out
        early = here.trouper("results", id)
        assert (early.code, "it is submitted" in early.err) == (1, True)
        assert here.trouper("cancel", id).code == 0
        assert here.trouper("status", id, "--follow").code == 0
        assert here.results(id)[0]["error"]["kind"] == "cancelled"


def test_results_need_a_folder_to_be_written_to(tmp_path: Path) -> None:
    with place(tmp_path, BatchProvider()) as here:
        id = here.trouper("submit", "--follow", here.file("one")).out.strip()
        done = here.trouper("results", id, "--output", str(tmp_path / "none" / "out.jsonl"))
    assert (done.code, done.out) == (1, "")
    assert "it cannot be written there: No such file or directory" in done.err


def test_a_store_in_memory_keeps_no_batch(tmp_path: Path) -> None:
    with place(tmp_path, BatchProvider()) as here:
        file = tmp_path / "trouper.toml"
        file.write_text(file.read_text().replace("trouper.db", ":memory:"))
        done = here.trouper("submit", here.file("one"))
        assert (done.code, "a batch is kept in a file" in done.err) == (1, True)
        assert "the store is in memory" in here.trouper("status").err


def test_ctrl_c_leaves_the_batch_as_it_is(tmp_path: Path) -> None:
    provider = BatchProvider(looks=10**6)
    with place(tmp_path, provider) as here:
        id = here.trouper("submit", here.file("one")).out.strip()
        process = here.start("batch", "status", id, "--follow")
        assert process.stderr is not None
        process.stderr.readline()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
        assert process.returncode == 130
        provider.looks = 0
        assert here.trouper("status", id, "--follow").code == 0


# kill -9.


@pytest.mark.parametrize("kind", ["openai", "anthropic"])
def test_a_program_that_is_killed_as_the_provider_begins_submits_nothing_twice(
    tmp_path: Path, kind: str
) -> None:
    provider = BatchProvider()
    prompts = [f"prompt {n}" for n in range(20)]
    killed: list[int] = []

    async def kill_at_its_beginning(peer: Peer, asked: str) -> bool:
        if asked in ("POST /batches", "POST /messages/batches") and not killed:
            killed.append(process.pid)
            os.kill(process.pid, signal.SIGKILL)
            await peer.hang_up()
            return True
        return False

    provider.hook = kill_at_its_beginning
    with place(tmp_path, provider, kind) as here:
        process = here.start("batch", "submit", here.file(*prompts))
        out, _ = process.communicate(timeout=30)
        id = out.strip()
        assert (process.returncode, len(killed)) == (-signal.SIGKILL, 1)
        done = here.trouper("status", id, "--follow")
        assert done.code == 0, done.err
        found = here.results(id)
        costs = here.costs()

    assert len(provider.batches) == 1
    assert sorted(provider.served) == sorted(prompts)
    assert [one["text"] for one in found] == [f"You said: {prompt}" for prompt in prompts]
    assert sum(filter(None, costs)) == sum(map(half_price, prompts))
    assert len(costs) == len(prompts)


def test_a_program_that_is_killed_anywhere_loses_nothing_and_pays_nothing_twice(
    tmp_path: Path,
) -> None:
    """Killed after 40 ms, 80 ms, ... of its life, until one comes to the end."""
    provider = BatchProvider(looks=3)
    prompts = [f"prompt {n}" for n in range(300)]
    with place(tmp_path, provider) as here:
        first = here.start("batch", "submit", "--follow", here.file(*prompts))
        assert first.stdout is not None
        id = first.stdout.readline().strip()
        process, lives = first, 1
        while True:
            time.sleep(0.4 + 0.4 * lives)
            if process.poll() is not None:
                break
            process.kill()
            process.communicate()
            lives += 1
            process = here.start("batch", "status", id, "--follow")
        _, err = process.communicate()
        assert process.returncode == 0, err
        found = here.results(id)
        costs = here.costs()

    assert lives > 2
    assert sorted(provider.served) == sorted(prompts)
    assert [one["text"] for one in found] == [f"You said: {prompt}" for prompt in prompts]
    assert [one["cost_nano_dollars"] for one in found] == list(map(half_price, prompts))
    assert sum(filter(None, costs)) == sum(map(half_price, prompts))
