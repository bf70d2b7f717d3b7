"""A configuration file: what it gives, and what is said of each thing that is wrong in it."""

from pathlib import Path

import pytest

from trouper.actors.config import AppConfig, Target, load_config, parse_config
from trouper.actors.errors import ConfigError

WHOLE = """
[server]
listen = "0.0.0.0:8700"
tokens = ["env:TROUPER_TOKEN"]
allowed_origins = ["https://chat.example.org"]

[providers.openai]
kind = "openai"
base_url = "https://api.openai.com/v1"
api_keys = ["file:key.txt"]
max_connections = 8
[providers.openai.retry]
attempts = 5
base_delay = 0.25
max_delay = 4
[providers.openai.timeouts]
connect = 1
first_event = 2.5
idle = 3.0
total = 4.0

[providers.small]
kind = "local"
[providers.small.local]
model_file = "models/small.gguf"
chat_template = "models/tools.jinja"
slots = 2

[models.default]
targets = ["openai/gpt-6.1-sol", "small/any/name"]
temperature = 0.2
max_output_tokens = 1024

[assistants.default]
model = "default"
prompt = "You are a helpful assistant."
"""
ENVIRON = {"TROUPER_TOKEN": "a-token-for-tests", "OPENAI_API_KEY": " key-from-environment\n"}

MINIMAL = """
[providers.here]
kind = "openai"
base_url = "http://127.0.0.1:1/v1"
[models.default]
targets = ["here/m"]
[assistants.default]
model = "default"
"""


@pytest.fixture
def whole(tmp_path: Path) -> AppConfig:
    (tmp_path / "key.txt").write_text("key-from-file\n")
    (tmp_path / "trouper.toml").write_text(WHOLE)
    return load_config(tmp_path / "trouper.toml", environ=ENVIRON)


def test_every_key_of_the_file_arrives_in_the_configuration(whole: AppConfig) -> None:
    openai = whole.providers["openai"]

    assert (whole.server.host, whole.server.port) == ("0.0.0.0", 8700)
    assert whole.server.allowed_origins == ("https://chat.example.org",)
    assert (openai.name, openai.kind) == ("openai", "openai")
    assert (openai.base_url, openai.max_connections) == ("https://api.openai.com/v1", 8)
    assert (openai.retry.attempts, openai.retry.base_delay, openai.retry.max_delay) == (5, 0.25, 4)
    assert openai.timeouts.connect == 1
    assert (openai.timeouts.first_event, openai.timeouts.idle, openai.timeouts.total) == (2.5, 3, 4)
    assert whole.providers["small"].local.slots == 2
    assert whole.models["default"].targets == (
        Target("openai", "gpt-6.1-sol"),
        Target("small", "any/name"),
    )
    assert whole.models["default"].temperature == 0.2
    assert whole.models["default"].max_output_tokens == 1024
    assert whole.assistants["default"].prompt == "You are a helpful assistant."


def test_secrets_come_from_the_environment_and_from_files_beside_the_configuration(
    whole: AppConfig,
) -> None:
    keys = [key.reveal() for key in whole.providers["openai"].api_keys]

    assert keys == ["key-from-file"]
    assert [token.secret.reveal() for token in whole.server.tokens] == ["a-token-for-tests"]


def test_a_model_file_is_seen_from_the_folder_of_the_configuration(
    whole: AppConfig, tmp_path: Path
) -> None:
    small = whole.providers["small"].local
    assert small.model_file == tmp_path / "models/small.gguf"
    assert small.chat_template == tmp_path / "models/tools.jinja"


def test_a_byte_order_mark_at_the_beginning_does_not_matter(tmp_path: Path) -> None:
    (tmp_path / "t.toml").write_bytes(b"\xef\xbb\xbf" + MINIMAL.encode())

    assert load_config(tmp_path / "t.toml", environ={}).default_assistant == "default"


def test_what_the_file_leaves_out_has_its_default() -> None:
    config = parse_config(MINIMAL, environ={})

    assert config.server.listen == "127.0.0.1:8700"
    assert config.providers["here"].retry.attempts == 3


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path / "no.toml")

    assert str(caught.value) == f"{tmp_path / 'no.toml'}: there is no such file"


def test_a_folder_is_not_a_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot be read: Is a directory$"):
        load_config(tmp_path)


def test_a_file_without_end_is_not_read_to_its_end() -> None:
    with pytest.raises(ConfigError, match=r"/dev/zero: is larger than 8,388,608 bytes$"):
        load_config("/dev/zero")


def test_bytes_that_are_no_text_are_named_by_their_line(tmp_path: Path) -> None:
    (tmp_path / "t.toml").write_bytes(b"[server]\n# caf\xe9\n")

    with pytest.raises(ConfigError, match=r"line 2: is not UTF-8 text$"):
        load_config(tmp_path / "t.toml")
