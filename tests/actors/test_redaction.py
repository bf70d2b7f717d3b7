"""No secret passes: by its field's name, by its look, or because this process holds it."""

import pytest
from hypothesis import given, strategies as st

from trouper.actors.config import Secret
from trouper.actors.redaction import MASK, LiveSecrets, is_secret_name, redact_text


@pytest.mark.parametrize(
    "name",
    ["api_key", "api_keys", "X-Api-Key", "Authorization", "proxy-authorization", "Set-Cookie",
     "cookie", "token", "access_token", "tokens", "password", "client secret", "apikey"],
)  # fmt: skip
def test_the_name_of_a_field_may_say_that_it_holds_a_secret(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize("name", ["key", "tokens_per_minute", "monkey", "secretary", "msg", ""])
def test_other_names_do_not(name: str) -> None:
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("key sk-proj-abcDEF_123456 rejected", "key [redacted] rejected"),
        ("sk-ant-api03-abcdefgh-ij", "[redacted]"),
        ("ghp_0123456789abcdefghij", "[redacted]"),
        ("github_pat_0123456789abcdefghij", "[redacted]"),
        ("xoxb-12345678-abc", "[redacted]"),
        ("AIzaSyA0123456789abcdef", "[redacted]"),
        ("a eyJhbGciOiJIUzI1.eyJzdWIiOiIx.c2ln b", "a [redacted] b"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer [redacted]"),
        ("authorization: basic dXNlcjpwYXNz", "authorization: basic [redacted]"),
        ("http://user:pass@host/x", "http://[redacted]@host/x"),
    ],
)
def test_what_looks_like_a_secret_is_masked(text: str, masked: str) -> None:
    assert redact_text(text) == masked


def test_words_stay_what_they_are() -> None:
    text = "risk-based task-force at http://host:80/a@b: 3 tokens, the bearer of news"

    assert redact_text(text) == text


def test_a_secret_of_any_look_is_masked_once_it_exists() -> None:
    text = "said open/sesame+1234 and open%2Fsesame%2B1234"
    assert redact_text(text) == text

    Secret("open/sesame+1234")

    assert redact_text(text) == f"said {MASK} and {MASK}"


def test_a_secret_that_begins_another_one_does_not_leave_its_rest() -> None:
    live = LiveSecrets()
    live.add("long-enough")
    live.add("long-enough-and-longer")

    assert live.mask("x long-enough-and-longer y") == f"x {MASK} y"


def test_a_short_secret_is_not_searched_for() -> None:
    live = LiveSecrets()
    live.add("key")

    assert live.mask("the key") == "the key"


def test_the_oldest_secret_is_forgotten_at_the_capacity() -> None:
    live = LiveSecrets(capacity=2)
    for value in ("secret-one", "secret-two", "secret-one", "secret-three"):
        live.add(value)

    assert live.mask("secret-one secret-two secret-three") == f"{MASK} secret-two {MASK}"


@given(st.text(), st.text("abcXYZ019-._~+/=", min_size=8), st.text())
def test_no_live_secret_is_left_in_any_text(before: str, secret: str, after: str) -> None:
    live = LiveSecrets()
    live.add(secret)

    assert secret not in live.mask(before + secret + after).replace(MASK, "")
