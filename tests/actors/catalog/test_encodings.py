"""The encodings come out of the package, whole, and never from the network."""

import base64
import hashlib
import importlib
import lzma
import re
import sys
import threading
import types
from pathlib import Path

import pytest
import tiktoken
import tiktoken.load
import trio
from hypothesis import given, strategies as st

from trouper.actors.catalog import data, encodings, pack
from trouper.actors.catalog.encodings import (
    DataDamaged,
    EncodingName,
    encoding_for,
    is_loaded,
    load_encoding,
    load_encoding_async,
)

# The sha256 of the rank files as OpenAI publishes them.
PUBLISHED = {
    EncodingName.CL100K: "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
    EncodingName.O200K: "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
}


@pytest.fixture
def nothing_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encodings, "_LOADED", {})


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> bytes:
        raise AssertionError("tiktoken wants to download")

    monkeypatch.setattr(tiktoken.load, "read_file", refuse)
    monkeypatch.setattr(tiktoken.load, "read_file_cached", refuse)


@pytest.mark.parametrize("name", EncodingName)
def test_the_shipped_ranks_are_the_published_ones_byte_for_byte(name: EncodingName) -> None:
    packed = lzma.decompress((Path(data.__path__[0]) / f"{name.value}.xz").read_bytes())
    text = pack.rank_file(pack.unpack(packed))

    assert hashlib.sha256(text).hexdigest() == PUBLISHED[name]
    definition = vars(importlib.import_module("tiktoken_ext.openai_public"))[name.value]
    # ... and the ones that the installed tiktoken would download.
    assert PUBLISHED[name] in str(definition.__code__.co_consts)


@pytest.mark.parametrize(
    ("name", "tokens", "birthday"),
    [(EncodingName.CL100K, [15339, 1917], 9), (EncodingName.O200K, [24912, 2375], 8)],
)
def test_an_encoding_is_built_without_a_download(
    nothing_loaded: None, no_network: None, name: EncodingName, tokens: list[int], birthday: int
) -> None:
    encoding = load_encoding(name)

    assert encoding.encode("hello world") == tokens
    assert len(encoding.encode("お誕生日おめでとう")) == birthday
    assert encoding.encode("<|endoftext|>", allowed_special="all") == [encoding.eot_token]


async def test_it_is_loaded_once_and_off_the_loop(
    nothing_loaded: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    built_in: list[threading.Thread] = []
    build = encodings._build

    def watched(name: EncodingName) -> tiktoken.Encoding:
        built_in.append(threading.current_thread())
        return build(name)

    monkeypatch.setattr(encodings, "_build", watched)
    assert not is_loaded(EncodingName.CL100K)

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(load_encoding_async, EncodingName.CL100K)

    assert is_loaded(EncodingName.CL100K)
    assert len(built_in) == 1
    assert built_in[0] is not threading.current_thread()
    assert await load_encoding_async(EncodingName.CL100K) is load_encoding(EncodingName.CL100K)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "No such file"),
        (b"not xz at all", "Input format not supported"),
        (lzma.compress(b"other ranks"), "its hash is another"),
        (lzma.compress(bytes(4096))[:-40], "ended before"),
    ],
)
def test_a_damaged_file_is_told_by_name(
    nothing_loaded: None,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    content: bytes | None,
    why: str,
) -> None:
    folder = tmp_path / "damaged_ranks"
    folder.mkdir()
    (folder / "__init__.py").touch()
    if content is not None:
        (folder / "cl100k_base.xz").write_bytes(content)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "damaged_ranks", raising=False)
    monkeypatch.setattr(encodings, "data", __import__("damaged_ranks"))

    with pytest.raises(DataDamaged) as caught:
        load_encoding(EncodingName.CL100K)

    said = str(caught.value)
    assert re.match(rf"the package's file cl100k_base.xz is damaged \(.*{why}.*\); install", said)


def test_should_tiktoken_fetch_in_another_way_it_fails_and_does_not_fetch(
    nothing_loaded: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = 'def cl100k_base():\n    return {"mergeable_ranks": fetch("https://example.org")}\n'
    changed = types.ModuleType("changed")

    def fetch(url: str) -> dict[bytes, int]:
        raise AssertionError(f"fetched {url}")

    changed.__dict__["fetch"] = fetch
    exec(source, changed.__dict__)
    monkeypatch.setitem(sys.modules, "tiktoken_ext.openai_public", changed)

    with pytest.raises(NameError, match="fetch"):
        load_encoding(EncodingName.CL100K)


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("gpt-4", EncodingName.CL100K),
        ("gpt-4-turbo-2024-04-09", EncodingName.CL100K),
        ("gpt-3.5-turbo", EncodingName.CL100K),
        ("ft:gpt-4-0613:acme::x", EncodingName.CL100K),
        ("gpt-4o", EncodingName.O200K),
        ("gpt-4o-mini", EncodingName.O200K),
        ("gpt-4.1", EncodingName.O200K),
        ("gpt-5.4-mini", EncodingName.O200K),
        ("o3", EncodingName.O200K),
        ("claude-sonnet-5-5", EncodingName.O200K),
        ("", EncodingName.O200K),
    ],
)
def test_every_model_has_an_encoding(model: str, name: EncodingName) -> None:
    assert encoding_for(model) is name


@given(st.lists(st.binary(min_size=1, max_size=40), unique=True))
def test_packing_loses_nothing(tokens: list[bytes]) -> None:
    lines = [b"%b %d\n" % (base64.b64encode(token), at) for at, token in enumerate(tokens)]
    text = b"".join(lines)

    assert pack.unpack(pack.pack(text)) == {token: at for at, token in enumerate(tokens)}
    assert pack.rank_file(pack.unpack(pack.pack(text))) == text


def test_ranks_with_a_gap_are_not_packed() -> None:
    with pytest.raises(ValueError, match="without gaps"):
        pack.pack(b"YQ== 0\nYg== 2\n")


def test_the_command_packs_files_and_says_their_hash(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "small.tiktoken"
    source.write_bytes(b"YQ== 0\nYmM= 1\n")

    assert pack.main([str(source)], tmp_path) == 0

    packed = lzma.decompress((tmp_path / "small.xz").read_bytes())
    assert pack.unpack(packed) == {b"a": 0, b"bc": 1}
    assert hashlib.sha256(packed).hexdigest() in capsys.readouterr().err
