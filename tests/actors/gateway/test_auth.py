"""Who is let in, and what those hear who are not."""

import pytest

from trouper.actors.config import Scope
from trouper.actors.config.tokens import CLIENT_SCOPES, LOCAL_SCOPES
from trouper.actors.errors import ConfigError
from trouper.actors.gateway.auth import Access, Credential, Principal, Refused

TOKEN = "s3cret-token-of-alice"


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def test_without_tokens_everybody_is_local() -> None:
    everybody = Access().admit({})

    assert everybody == Principal("local", LOCAL_SCOPES)
    assert everybody.anybody
    with pytest.raises(Refused):
        everybody.check(Scope.CONSOLE_ADMIN)


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


def test_two_tokens_of_one_name_are_one_principal() -> None:
    access = Access([Credential("old-token", "bot"), Credential("new-token", "bot")])

    assert access.admit(bearer("old-token")) == access.admit(bearer("new-token"))
    assert access.admit(bearer("new-token")) == Principal("bot", CLIENT_SCOPES)
    assert not access.admit(bearer("new-token")).anybody


def test_a_token_is_good_for_its_scopes_only() -> None:
    access = Access([Credential(TOKEN, "bot", frozenset({Scope.MODELS, Scope.METRICS}))])
    bot = access.admit(bearer(TOKEN))

    bot.check(Scope.MODELS)
    with pytest.raises(Refused, match="has the scopes metrics, models, and session is") as caught:
        bot.check(Scope.SESSION)
    assert caught.value.status == 403


def test_a_cookie_opens_nothing() -> None:
    with pytest.raises(Refused, match="a token is needed"):
        Access([TOKEN]).admit({"cookie": f"token={TOKEN}; Authorization=Bearer {TOKEN}"})


def test_who_shows_many_wrong_tokens_is_not_heard_for_a_while() -> None:
    access = Access([TOKEN, "another-token"])
    access.admit(bearer("another-token"), address="192.0.2.1")

    def status(token: str, now: float = 0.0, address: str = "192.0.2.1") -> int:
        try:
            access.admit(bearer(token), address=address, now=now)
        except Refused as refused:
            return refused.status if refused.wait == 0 else -refused.status
        return 200

    assert [status("wrong") for _ in range(12)] == [401] * 10 + [-429] * 2
    assert status(TOKEN) == -429
    # From there a token was good before, and elsewhere nobody has guessed.
    assert status("another-token") == 200
    assert status(TOKEN, address="192.0.2.9") == 200
    assert status(TOKEN, now=7.0) == 200


def test_no_token_at_all_is_no_guess() -> None:
    access = Access([TOKEN])
    for _ in range(20):
        with pytest.raises(Refused, match="a token is needed"):
            access.admit({}, address="192.0.2.1")

    assert access.admit(bearer(TOKEN), address="192.0.2.1").name


@pytest.mark.parametrize(
    ("host", "origin", "allowed"),
    [
        ("127.0.0.1:8700", "http://127.0.0.1:8700", True),
        ("localhost:8700", "http://localhost:8700", True),
        ("[::1]:8700", "http://[::1]:8700", True),
        ("localhost", "http://localhost", True),
        ("localhost:8700", "http://localhost:3000", False),
        ("evil.example:8700", "http://evil.example:8700", False),
        ("", "http://", False),
    ],
)
def test_pages_of_the_server_itself_may_connect_where_they_are_meant_to(
    host: str, origin: str, *, allowed: bool
) -> None:
    headers = {"host": host, "origin": origin}
    with pytest.raises(Refused):
        Access().admit(headers)

    if allowed:
        assert Access().admit(headers, own_pages=True).anybody
    else:
        with pytest.raises(Refused, match="may not connect"):
            Access().admit(headers, own_pages=True)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost"])
def test_this_machine_alone_needs_no_token(host: str) -> None:
    Access().check_bind(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org", ""])
def test_an_open_port_without_a_token_is_refused(host: str) -> None:
    with pytest.raises(ConfigError, match="Add a token"):
        Access().check_bind(host)

    Access([TOKEN]).check_bind(host)
