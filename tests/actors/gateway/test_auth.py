"""Who is let in, and what those hear who are not."""

import pytest

from trouper.actors.errors import ConfigError
from trouper.actors.gateway.auth import Access, Principal, Refused

TOKEN = "s3cret-token-of-alice"


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def test_without_tokens_everybody_is_local() -> None:
    assert Access().admit({}) == Principal("local")


def test_a_token_makes_a_principal_that_lasts_and_does_not_show_it() -> None:
    one, again = Access([TOKEN]), Access([TOKEN, "other"])

    principal = one.admit(bearer(TOKEN))

    assert principal == again.admit(bearer(TOKEN))
    assert principal != again.admit(bearer("other"))
    assert TOKEN not in principal.name
    assert TOKEN not in repr(vars(one))


def test_a_browser_offers_its_token_as_a_subprotocol() -> None:
    access = Access([TOKEN])

    offered = access.admit({}, ("acp", f"openai-insecure-api-key.{TOKEN}"))

    assert offered == access.admit(bearer(TOKEN))


@pytest.mark.parametrize(
    "headers",
    [{}, {"authorization": ""}, {"authorization": "Basic abc"}, {"authorization": "Bearer "}],
)
def test_a_missing_token_is_401_and_says_how_to_send_one(headers: dict[str, str]) -> None:
    with pytest.raises(Refused, match="Authorization: Bearer") as caught:
        Access([TOKEN]).admit(headers, ("acp",))

    assert caught.value.status == 401


@pytest.mark.parametrize("token", ["wrong", TOKEN[:-1], TOKEN + "x", "\u00e4\u00f6"])
def test_a_wrong_token_is_401_and_is_not_repeated(token: str) -> None:
    with pytest.raises(Refused, match="not accepted") as caught:
        Access([TOKEN]).admit(bearer(token))

    assert caught.value.status == 401
    assert token not in str(caught.value)


def test_no_page_may_connect_unless_its_origin_is_allowed() -> None:
    access = Access(origins=["https://Chat.example/"])

    assert access.admit({"origin": "https://chat.example"}) == Principal("local")
    with pytest.raises(Refused, match="evil") as caught:
        access.admit({"origin": "https://evil.example"})
    assert caught.value.status == 403
    with pytest.raises(Refused, match="localhost"):
        Access().admit({"origin": "http://localhost:8700"})
    with pytest.raises(Refused, match="null"):
        access.admit({"origin": "null"})


def test_a_good_token_does_not_help_a_strange_page() -> None:
    with pytest.raises(Refused) as caught:
        Access([TOKEN]).admit({**bearer(TOKEN), "origin": "https://evil.example"})

    assert caught.value.status == 403


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost"])
def test_this_machine_alone_needs_no_token(host: str) -> None:
    Access().check_bind(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org", ""])
def test_an_open_port_without_a_token_is_refused(host: str) -> None:
    with pytest.raises(ConfigError, match="Add a token"):
        Access().check_bind(host)

    Access([TOKEN]).check_bind(host)
