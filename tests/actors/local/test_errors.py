"""Errors of a local model say what to do, and can be sent to another process."""

import pickle

import pytest

from trouper.actors.local.errors import (
    InstallFailed,
    LocalExtraMissing,
    LocalModelError,
    ModelFileMissing,
    ModelServerDied,
    ModelServerSlow,
)
from trouper.runtime.errors import ActorError

ALL = [
    LocalExtraMissing("python3", "No module named 'xllamacpp'"),
    ModelFileMissing("/m.gguf", fetched=True),
    ModelFileMissing("/m.gguf", fetched=False),
    InstallFailed("no network"),
    ModelServerDied(7, -9, ["last words"]),
    ModelServerSlow(7, 60.0, []),
]


@pytest.mark.parametrize("error", ALL, ids=lambda error: type(error).__name__)
def test_an_error_survives_pickling(error: LocalModelError) -> None:
    again = pickle.loads(pickle.dumps(error))

    assert type(again) is type(error)
    assert str(again) == str(error)
    assert vars(again) == vars(error)


@pytest.mark.parametrize("error", ALL, ids=lambda error: type(error).__name__)
def test_an_owner_that_lets_it_escape_crashes(error: LocalModelError) -> None:
    assert not isinstance(error, ActorError)


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (1, "exited with status 1"),
        (-9, "was killed by signal SIGKILL"),
        (-35, "was killed by signal 35"),
    ],
)
def test_a_death_says_how(status: int, said: str) -> None:
    assert str(ModelServerDied(7, status, [])) == f"the model's process 7 {said}"


def test_a_death_repeats_the_last_log_lines() -> None:
    assert str(ModelServerDied(7, 1, ["a", "b"])).splitlines()[1:] == ["a", "b"]
