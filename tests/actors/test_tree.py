"""The supervision tree as data: what runs under whom, and what happens when it falls."""

from functools import partial
from pathlib import Path
from typing import cast

import attrs
import pytest

from trouper.actors.config import (
    AppConfig,
    AssistantConfig,
    BudgetConfig,
    LocalConfig,
    ModelConfig,
    ProviderConfig,
    ServerConfig,
    demo_config,
)
from trouper.actors.local.errors import ModelFileMissing
from trouper.actors.local.server import ModelServer
from trouper.actors.provider.connection import Connection
from trouper.actors.provider.pace import Pace
from trouper.actors.store.retention import Keep, Retention
from trouper.actors.store.store import Store
from trouper.actors.tree import (
    breaker_path,
    connection_path,
    keys_path,
    limiter_path,
    provider_spec,
    server_path,
    tree,
)
from trouper.runtime import ChildSpec
from trouper.runtime.restarts import Restart
from trouper.runtime.spec import Strategy

REMOTE = ProviderConfig(name="far", kind="openai", base_url="http://far.test/v1")


def local(**more: object) -> ProviderConfig:
    return ProviderConfig(name="near", kind="local", local=LocalConfig(**more))  # type: ignore[arg-type]


def below(spec: ChildSpec, path: str = "") -> dict[str, ChildSpec]:
    """All specs by path."""
    path = f"{path}/{spec.id}" if path else spec.id
    found = {path: spec}
    for each in spec.subtree.children if spec.subtree is not None else ():
        found |= below(each, path)
    return found


def test_only_a_store_in_a_file_has_something_that_forgets(tmp_path: Path) -> None:
    config = demo_config()

    in_memory = [spec.id for spec in tree(config, Pace(), Store(":memory:"))]
    in_file = [spec.id for spec in tree(config, Pace(), Store(tmp_path / "store.db"))]

    assert "retention" not in in_memory
    assert in_file.index("retention") == in_file.index("store") + 1


def kept(config: AppConfig, folder: Path) -> Keep:
    """What the tree's retention is to keep."""
    [spec] = [
        spec for spec in tree(config, Pace(), Store(folder / "s.db")) if spec.id == "retention"
    ]
    keep: Keep = cast(partial[Retention], spec.start).args[0]
    return keep


def test_what_clients_were_answered_is_forgotten_after_thirty_days(tmp_path: Path) -> None:
    assert kept(demo_config(), tmp_path).responses == 30


def test_sums_are_kept_for_whom_a_budget_without_an_end_is(tmp_path: Path) -> None:
    budgets = {
        "sessions": BudgetConfig(limit_usd=1, per="total", scope="session"),
        "guests": BudgetConfig(limit_usd=5, per="total", scope="user", only="guest"),
        "users": BudgetConfig(limit_usd=1, per="month", scope="user"),
    }

    config = attrs.evolve(demo_config(), budgets=budgets)

    assert kept(config, tmp_path).sums == {"session", "user:guest"}


def test_the_whole_tree() -> None:
    config = AppConfig(
        server=ServerConfig(max_sessions=7),
        providers={"far": attrs.evolve(REMOTE, api_keys=("one", "two")), "near": local()},
        models={
            "default": ModelConfig(targets=("far/m", "near/m")),
            "other": ModelConfig(targets=("far/m", "far/vendor/m")),
        },
        assistants={"default": AssistantConfig(model="default")},
    )
    specs = {
        path: spec
        for top in tree(config, Pace(), Store(config.store.path))
        for path, spec in below(top).items()
    }

    assert list(specs) == [
        "store",
        "store/writer",
        "pace",
        "router",
        "providers",
        "providers/far",
        "providers/far/gates",
        "providers/far/gates/keys",
        "providers/far/gates/limiter-7692c3ad",
        "providers/far/gates/limiter-3fc4ccfe",
        "providers/far/gates/breaker-m",
        "providers/far/gates/breaker-vendor|m",
        "providers/far/connection",
        "providers/near",
        "providers/near/gates",
        "providers/near/gates/limiter",
        "providers/near/gates/breaker-m",
        "providers/near/server",
        "providers/near/connection",
        "sessions",
    ]
    assert connection_path("near") in specs
    assert keys_path("far") in specs
    assert limiter_path("near") in specs
    assert breaker_path("far", "vendor/m") in specs
    assert server_path("near") in specs
    sessions = specs["sessions"].subtree
    assert sessions is not None
    assert sessions.max_children == 7
    assert sessions.template is not None
    # One that has crashed has forgotten all: nobody shall take it for the same.
    assert sessions.template.restart is Restart.TEMPORARY


def test_a_connection_builds_on_its_server_and_falls_with_it() -> None:
    spec = provider_spec(local(start_timeout=90.0), Pace())
    assert spec.subtree is not None
    assert spec.subtree.strategy is Strategy.REST_FOR_ONE
    gates, server, connection = spec.subtree.children
    assert connection.poison == 0
    assert isinstance(connection.start(), Connection)
    assert isinstance(server.start(), ModelServer)
    # The process has its whole time, and the actor the time to say that it was too slow.
    assert server.start_timeout > 90.0
    assert connection.shutdown < 1
    # A call that waits for the server to come back stands behind the gates.
    assert gates.subtree is not None
    assert [gate.id for gate in gates.subtree.children] == ["limiter", "breaker"]


@pytest.mark.parametrize("config", [REMOTE, local()], ids=["remote", "local"])
def test_what_crashes_again_and_again_never_brings_the_house_down(config: ProviderConfig) -> None:
    """With the backoff's shortest delays, each child's crashes in one period are few enough."""
    spec = provider_spec(config, Pace())
    assert spec.subtree is not None
    intensity = spec.subtree.intensity
    for child in spec.subtree.children:
        time, crashes = 0.0, 0
        while time <= intensity.period:
            time += child.backoff.delay(crashes, chance=1.0)
            crashes += 1
        assert crashes <= intensity.restarts
        # And yet it comes back in the time that a person waits.
        assert child.backoff.delay(1000, chance=0.0) <= 5.0


def test_a_server_is_told_what_the_configuration_says(tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(b"GGUF")
    config = local(model_file=file, slots=2, context_tokens=512, threads=3, start_timeout=9.0)
    spec = provider_spec(config, Pace())
    assert spec.subtree is not None
    settings = spec.subtree.children[1].start()._settings()

    assert (settings.model, settings.alias) == (file, "near")
    assert (settings.slots, settings.context, settings.threads) == (2, 512, 3)
    assert settings.start_timeout == 9.0


def test_a_server_is_given_the_chat_template_that_the_configuration_names(tmp_path: Path) -> None:
    file, template = tmp_path / "model.gguf", tmp_path / "tools.jinja"
    file.write_bytes(b"GGUF")
    template.write_text("{{ tools }}")
    spec = provider_spec(local(model_file=file, chat_template=template), Pace())
    assert spec.subtree is not None
    assert spec.subtree.children[1].start()._settings().chat_template == "{{ tools }}"
    plain = provider_spec(local(model_file=file), Pace())
    assert plain.subtree is not None
    assert plain.subtree.children[1].start()._settings().chat_template is None


def test_without_a_number_of_threads_the_provider_picks_one(tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(b"GGUF")
    spec = provider_spec(local(model_file=file), Pace())
    assert spec.subtree is not None
    assert spec.subtree.children[1].start()._settings().threads >= 1


def test_a_model_that_is_missing_is_found_out_when_the_server_starts(tmp_path: Path) -> None:
    spec = provider_spec(local(model_file=tmp_path / "none.gguf"), Pace())
    assert spec.subtree is not None
    server = spec.subtree.children[1].start()
    with pytest.raises(ModelFileMissing, match="trouper local install"):
        server._settings()


def test_the_demos_tree_has_a_local_model() -> None:
    ids = [path for top in tree(demo_config(), Pace(), Store(":memory:")) for path in below(top)]
    assert "providers/local/server" in ids
