"""A secret is shown to nobody but the one that it is for."""

import copy
import pickle
import traceback
from pathlib import Path

import attrs
import pytest

from trouper.actors.config import ProviderConfig, Secret
from trouper.actors.config.secret import resolve_secret
from trouper.actors.errors import ConfigError

VALUE = "open-sesame-for-tests"


def resolve(reference: object, folder: Path = Path(), **environ: str) -> Secret:
    return resolve_secret(reference, environ=environ, folder=folder)


def refused(reference: object, folder: Path = Path(), **environ: str) -> str:
    with pytest.raises(ValueError, match=r"\w") as caught:
        resolve(reference, folder, **environ)
    return str(caught.value)


def test_a_secret_prints_as_where_it_comes_from() -> None:
    secret = resolve("env:KEY", KEY=VALUE)

    assert [repr(secret), str(secret), f"{secret}"] == ["Secret(env:KEY)"] * 3
    assert str(Secret(VALUE)) == "Secret([redacted])"
    assert secret.reveal() == VALUE


def test_what_holds_a_secret_does_not_print_it() -> None:
    here = ProviderConfig(name="x", kind="openai", base_url="http://x", api_keys=[VALUE])

    assert VALUE not in repr(here)
    assert VALUE not in repr(attrs.asdict(here))


def test_a_secret_matches_its_value_and_nothing_else() -> None:
    secret = Secret(VALUE)

    assert secret.matches(VALUE)
    assert not secret.matches(VALUE + "!")
    assert not secret.matches("\ud800 sent by a hostile client")


def test_secrets_are_equal_if_their_values_are() -> None:
    assert Secret(VALUE) == Secret(VALUE, source="env:KEY")
    assert hash(Secret(VALUE)) == hash(Secret(VALUE))
    assert Secret(VALUE) != Secret(VALUE[1:])
    assert Secret(VALUE) != VALUE


def test_a_secret_is_not_written_out_by_pickle() -> None:
    with pytest.raises(TypeError, match="written out in clear"):
        pickle.dumps(Secret(VALUE))
    secret = Secret(VALUE)
    assert copy.copy(secret) is copy.deepcopy(secret) is secret


def test_the_error_about_a_bad_secret_does_not_show_it() -> None:
    with pytest.raises(ConfigError) as caught:
        ProviderConfig(name="x", kind="openai", base_url="http://x", api_keys=[VALUE + " "])

    assert VALUE not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("reference", "sentence"),
    [
        ("env:NO", "the environment variable NO is not set"),
        ("env:EMPTY", "the environment variable EMPTY is empty"),
        ("env:BLANK", "the environment variable BLANK is empty"),
        (
            "env:TWO",
            (
                "the environment variable TWO has a space, a line break or a character beyond "
                "ASCII in it, which no HTTP header can carry"
            ),
        ),
        ("env:LONG", "the environment variable LONG is longer than 4,096 characters"),
        ("file:bytes", "the file bytes is not UTF-8 text"),
        ("file:empty", "the file empty is empty"),
        ("file:/dev/zero", "the file /dev/zero is longer than 4,096 characters"),
    ],
)
def test_a_reference_that_leads_to_no_secret_says_why(
    reference: str, sentence: str, tmp_path: Path
) -> None:
    (tmp_path / "bytes").write_bytes(b"\xff")
    (tmp_path / "empty").write_text("\n")

    said = refused(reference, tmp_path, EMPTY="", BLANK=" ", TWO="a b", LONG="x" * 5_000)

    assert said.replace(f"{tmp_path}/", "") == sentence


def test_a_missing_file_is_named_in_full(tmp_path: Path) -> None:
    assert refused("file:key.txt", tmp_path) == (
        f"the file {tmp_path}/key.txt cannot be read: No such file or directory"
    )


@pytest.mark.parametrize("reference", [VALUE, "env:", "file:", "ENV:X", f"env:{VALUE}", "", 3, []])
def test_what_is_no_reference_is_refused_and_not_quoted(reference: object) -> None:
    said = refused(reference)

    assert said.startswith("a secret is not written into this file")
    assert VALUE not in said
