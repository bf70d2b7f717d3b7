"""The configuration made in Python: the same checks, and everything frozen."""

from pathlib import Path
from typing import Any

import attrs
import pytest

from trouper.actors.config import (
    AppConfig,
    AssistantConfig,
    BreakerConfig,
    LocalConfig,
    ModelConfig,
    ProviderConfig,
    RetryConfig,
    Secret,
    ServerConfig,
    Target,
    TimeoutConfig,
    demo_config,
    is_loopback,
    split_listen,
)
from trouper.actors.errors import ConfigError
from trouper.actors.policy.breaker import BreakerPolicy
from trouper.actors.policy.bucket import RateLimits

URL = "https://api.example.org/v1"


def provider(**changes: Any) -> ProviderConfig:
    arguments: dict[str, Any] = {"name": "here", "kind": "openai", "base_url": URL} | changes
    return ProviderConfig(**arguments)


def faults_of(make: Any, **arguments: Any) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        make(**arguments)
    return caught.value.faults


@pytest.mark.parametrize("key", ["key-for-tests", Secret("key-for-tests")])
def test_a_provider_takes_plain_strings_and_lists(key: str | Secret) -> None:
    here = provider(api_keys=[key])

    assert [one.reveal() for one in here.api_keys] == ["key-for-tests"]


def test_limits_and_breaker_are_what_the_gates_take() -> None:
    here = provider(requests_per_minute=500, breaker=BreakerConfig(min_calls=3))

    assert here.limits == RateLimits(requests_per_minute=500)
    assert here.breaker.policy == BreakerPolicy(min_calls=3)
    assert provider().breaker.policy == BreakerPolicy()


@pytest.mark.parametrize("time", ["10m", "1h30m", "-1m", "0.5s", 300, 0, -1])
def test_ollama_may_be_told_how_long_a_model_stays_loaded(time: str | int) -> None:
    assert provider(kind="ollama", keep_alive=time).keep_alive == time


def test_a_fault_names_the_class_and_the_field() -> None:
    with pytest.raises(ConfigError) as caught:
        provider(max_connections=0)

    assert str(caught.value) == (
        "ProviderConfig: max_connections: must be a whole number from 1 to 1024, not 0"
    )


def test_all_fields_that_are_wrong_are_named_at_once() -> None:
    said = faults_of(RetryConfig, attempts=99, base_delay=float("nan"), max_delay="8")

    assert said == (
        "attempts: must be a whole number from 1 to 20, not 99",
        "base_delay: must be a number of seconds above 0 and up to 86400, not nan",
        "max_delay: must be a number of seconds above 0 and up to 86400, not '8'",
    )


@pytest.mark.parametrize(
    ("make", "arguments", "sentence"),
    [
        (
            RetryConfig,
            {"base_delay": 9.0},
            "max_delay: 8 s is less than base_delay, 9 s",
        ),
        (
            TimeoutConfig,
            {"total": float("inf")},
            "total: must be a number of seconds above 0 and up to 86400, not inf",
        ),
        (LocalConfig, {"model_file": ""}, "model_file: must be a path, not ''"),
        (LocalConfig, {"model_file": 3}, "model_file: must be a path, not 3"),
        (LocalConfig, {"chat_template": ""}, "chat_template: must be a path, not ''"),
        (LocalConfig, {"threads": 0}, "threads: must be a whole number from 1 to 1024, not 0"),
        (provider, {"api_keys": "key"}, "api_keys: must be a list, not 'key'"),
        (
            provider,
            {"api_keys": ["key-one-for-tests", "key-two-for-tests", "key-one-for-tests"]},
            "api_keys[2]: is the same key as api_keys[0]; leave it out",
        ),
        (
            provider,
            {"options": {"region": "eu"}},
            (
                "options.region: a provider of kind openai has no options of its own; "
                "they are for plug-ins"
            ),
        ),
        (provider, {"options": 3}, "options: must be a table, not 3"),
        (
            provider,
            {"keep_alive": "10m"},
            'keep_alive: only a provider with kind = "ollama" has this key',
        ),
        (
            provider,
            {"kind": "ollama", "keep_alive": "10 minutes"},
            (
                'keep_alive: must be a time such as "10m" or "1h30m", or a whole number of '
                "seconds; below 0 is for ever, not '10 minutes'"
            ),
        ),
        (
            provider,
            {"tokens_per_minute": 0},
            "tokens_per_minute: must be a whole number from 1 to 1000000000000, not 0",
        ),
        (
            BreakerConfig,
            {"failure_ratio": 0},
            "failure_ratio: must be a number above 0 and up to 1, not 0",
        ),
        (
            BreakerConfig,
            {"open_for": 61},
            "open_for: must be a number of seconds above 0 and up to 60, not 61",
        ),
        (RetryConfig, {"ambiguous": 1}, "ambiguous: must be true or false, not 1"),
        (provider, {"api_keys": None}, "api_keys: must be a list, not a NoneType"),
        (provider, {"api_keys": [""]}, "api_keys[0]: is empty"),
        (
            provider,
            {"api_keys": ["two words"]},
            (
                "api_keys[0]: has a space, a line break or a character beyond ASCII in it, "
                "which no HTTP header can carry"
            ),
        ),
        (
            provider,
            {"name": "a/b"},
            (
                "name: must be a name of up to 64 letters, digits, dots, hyphens and underscores, "
                "not 'a/b'"
            ),
        ),
        (
            provider,
            {"local": LocalConfig(slots=2)},
            'local: only a provider with kind = "local" has this table',
        ),
        (
            provider,
            {"kind": "local"},
            "base_url: a local provider listens where it likes; leave this key out",
        ),
        (
            provider,
            {"kind": "local", "base_url": "", "api_keys": ["key-for-tests"]},
            "api_keys: a local provider needs no key; leave this one out",
        ),
        (
            ModelConfig,
            {"targets": []},
            'targets: names nothing; at least one "provider/model" is needed',
        ),
        (
            ModelConfig,
            {"targets": ["a/b", "a/b"]},
            'targets[1]: "a/b" is in this chain already',
        ),
        (
            ModelConfig,
            {"targets": ["a/b", "c"]},
            "targets[1]: must be \"provider/model\", not 'c'",
        ),
        (
            AssistantConfig,
            {"model": "m", "prompt": "x" * 1_000_001},
            f"prompt: must be text of up to 1000000 characters, not '{'x' * 57}...'",
        ),
        (ServerConfig, {"tokens": ["short"]}, "tokens[0]: has fewer than 8 characters"),
        (
            ServerConfig,
            {"allowed_origins": ["*"]},
            (
                "allowed_origins[0]: must be an origin as a browser sends it, such as "
                "\"https://chat.example.org\": scheme and host in full, no path, no wildcard; not '*'"
            ),
        ),
        (
            AppConfig,
            {
                "providers": {"there": provider()},
                "models": {"m": ModelConfig(targets=["there/x"])},
                "assistants": {"a": AssistantConfig(model="m")},
            },
            'providers.there: holds the provider "here"',
        ),
    ],
)
def test_what_does_not_fit_is_said_in_one_sentence(
    make: Any, arguments: dict[str, Any], sentence: str
) -> None:
    assert faults_of(make, **arguments) == (sentence,)


@pytest.mark.parametrize(
    "url",
    [
        "api.example.org",
        "ws://api.example.org",
        "https://",
        "https://user:password@api.example.org",
        "https://api.example.org/v1?key=1",
        "https://api.example.org/v1#x",
        "https://api.example.org:99999",
        "https://api.example.org/\x1b",
        "https://api.example.org/a b",
        "http://[::1",
        3,
    ],
)
def test_a_base_url_is_plain_http_and_never_quoted(url: object) -> None:
    (said,) = faults_of(provider, base_url=url)

    assert said.startswith("base_url: must be an http or https URL")
    assert "password" not in said


@pytest.mark.parametrize("url", [URL, "http://127.0.0.1:8080", "http://[::1]:1/v1/", "http://x"])
def test_a_base_url_may_have_a_port_and_a_path(url: str) -> None:
    assert provider(base_url=url).base_url == url


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("127.0.0.1:8700", ("127.0.0.1", 8700)),
        ("localhost:0", ("localhost", 0)),
        ("[::1]:65535", ("::1", 65535)),
    ],
)
def test_a_listen_address_has_a_host_and_a_port(address: str, parts: tuple[str, int]) -> None:
    server = ServerConfig(listen=address)

    assert (server.host, server.port) == split_listen(address) == parts


@pytest.mark.parametrize("address", ["8700", ":8700", "::1:8700", "a:b", "a:65536", "a b:1", ""])
def test_an_address_without_host_or_port_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match=r'^must be HOST:PORT, such as "127\.0\.0\.1:8700"'):
        split_listen(address)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_the_loopback_needs_no_token(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "localhost.example.org"])
def test_what_others_may_reach_needs_a_token(host: str) -> None:
    listen = f"[{host}]:1" if ":" in host else f"{host}:1"

    (said,) = faults_of(ServerConfig, listen=listen)

    assert said.startswith(f"listen: {listen} can be reached from other machines")
    assert ServerConfig(listen=listen, tokens=["a-token-for-tests"]).host == host


def test_a_change_of_one_field_is_checked_like_the_first_one() -> None:
    server = demo_config().server

    with pytest.raises(ConfigError, match=r"^ServerConfig: listen: 0\.0\.0\.0:1 can be reached"):
        attrs.evolve(server, listen="0.0.0.0:1")


def test_a_configuration_cannot_be_changed() -> None:
    config = demo_config()

    with pytest.raises(TypeError):
        config.providers["x"] = provider()  # type: ignore[index]
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        config.server = ServerConfig()  # type: ignore[misc]


def test_equal_configurations_are_equal_and_have_one_hash() -> None:
    assert demo_config() == demo_config()
    assert hash(demo_config()) == hash(demo_config())


def test_the_demo_asks_a_model_on_this_machine_and_listens_for_it_alone() -> None:
    config = demo_config()
    assistant = config.assistants[config.default_assistant]
    (target,) = config.models[assistant.model].targets

    assert str(target) == "local/smollm2"
    assert config.providers[target.provider].kind == "local"
    assert (config.server.host, config.server.port) == ("127.0.0.1", 0)


def test_without_an_assistant_called_default_the_first_one_is_it() -> None:
    config = attrs.evolve(
        demo_config(),
        assistants={"b": AssistantConfig(model="default"), "a": AssistantConfig(model="default")},
    )

    assert config.default_assistant == "b"


def test_a_model_file_may_be_below_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/alice")

    assert LocalConfig(model_file="~/m.gguf").model_file == Path("/home/alice/m.gguf")
    assert LocalConfig(model_file=Path("m.gguf")).model_file == Path("m.gguf")


def test_a_targets_model_may_have_slashes() -> None:
    assert Target.parse("router/vendor/model") == Target("router", "vendor/model")
