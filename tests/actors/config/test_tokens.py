"""The tokens of a server: whose they are, what they may do, and what is wrong with them."""

from typing import Any

import pytest

from trouper.actors.config import Scope, Secret, ServerConfig, TokenConfig, parse_config
from trouper.actors.config.tokens import CLIENT_SCOPES, LOCAL_SCOPES
from trouper.actors.errors import ConfigError

ENVIRON = {"A": "token-of-alice", "B": "token-of-the-bot", "SHORT": "short"}

REST = """
[providers.here]
kind = "openai"
base_url = "http://127.0.0.1:1/v1"
[models.default]
targets = ["here/m"]
[assistants.default]
model = "default"
"""


def tokens(written: str) -> tuple[TokenConfig, ...]:
    return parse_config(f"[server]\ntokens = {written}\n{REST}", environ=ENVIRON).server.tokens


def faults(written: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        tokens(written)
    return caught.value.faults


def test_a_reference_alone_is_a_token_for_what_a_client_needs() -> None:
    (token,) = tokens('["env:A"]')

    assert (token.secret.reveal(), token.name, token.scopes) == (ENVIRON["A"], "", CLIENT_SCOPES)
    assert not any(scope.value.startswith("console") for scope in CLIENT_SCOPES)


def test_a_table_says_whose_a_token_is_and_what_for() -> None:
    _, bot = tokens('["env:A", {secret = "env:B", name = "bot", scopes = ["models", "metrics"]}]')

    assert (bot.secret.reveal(), bot.name) == (ENVIRON["B"], "bot")
    assert bot.scopes == {Scope.MODELS, Scope.METRICS}


def test_each_console_scope_has_the_smaller_ones_in_it() -> None:
    def of(scope: str) -> frozenset[Scope]:
        return TokenConfig(secret=Secret("a-token-for-tests"), scopes=[scope]).scopes

    read, operate, admin = (of(f"console:{role}") for role in ("read", "operate", "admin"))

    assert len(read) == 1
    assert read < operate < admin
    assert admin - operate == {Scope.CONSOLE_ADMIN} == frozenset(Scope) - LOCAL_SCOPES


def test_all_faults_are_said_with_their_keys_and_without_a_secret() -> None:
    found = faults(
        '["env:SHORT", {secret = "env:SHORT"}, {secret = "in-clear", scopes = ["modls"]}, '
        '{name = "x y"}, {secret = "env:A", name = "local", scopes = [], size = 1}, '
        '{secret = "env:A", scopes = "models"}, 3]'
    )

    said = "\n".join(found)
    for fault in (
        "server.tokens[0]: has fewer than 8 characters",
        "server.tokens[1].secret: has fewer than 8 characters",
        "server.tokens[2].secret: a secret is not written into this file",
        "server.tokens[2].scopes: 'modls' is no scope; did you mean \"models\"?",
        "server.tokens[3].secret: is missing",
        "server.tokens[3].name: must be a name of up to 64 letters",
        "server.tokens[4].name: 'local' is a name that the server itself gives; choose another",
        "server.tokens[4].scopes: names no scope; leave out the token, or this key",
        "server.tokens[4].size: this version of trouper does not know this key",
        "server.tokens[5].scopes: must be a list of scopes, not 'models'",
        "server.tokens[6]: a secret is not written into this file",
    ):
        assert fault in said
    assert "in-clear" not in said


def test_the_same_token_twice_has_two_owners_and_is_refused() -> None:
    assert faults('["env:A", {secret = "env:A", name = "bot"}]') == (
        "server.tokens[1]: is the same as one before it; each needs a value of its own",
    )


def test_tokens_are_made_in_python_too() -> None:
    bot = TokenConfig(secret="token-of-the-bot", name="bot", scopes={Scope.MODELS})
    config = ServerConfig(tokens=["a-token-for-tests", Secret("another-token"), bot])

    assert [token.secret.reveal() for token in config.tokens] == [
        "a-token-for-tests",
        "another-token",
        "token-of-the-bot",
    ]
    assert "a-token-for-tests" not in repr(config)


@pytest.mark.parametrize(
    ("token", "fault"),
    [
        ("short", "tokens[0]: has fewer than 8 characters"),
        ("with a space", "tokens[0]: has a space"),
        (3, "tokens[0]: must be text, not 3"),
    ],
)
def test_what_no_token_can_be_is_said_without_it(token: Any, fault: str) -> None:
    with pytest.raises(ConfigError) as caught:
        ServerConfig(tokens=[token])

    assert caught.value.faults[0].startswith(fault)
    with pytest.raises(ConfigError, match="secret: "):
        TokenConfig(secret=token)


def test_scopes_are_looked_at_in_python_too() -> None:
    scopes: Any = "models"
    with pytest.raises(ConfigError, match="scopes: must be a list of scopes, not 'models'"):
        TokenConfig(secret="token-of-the-bot", scopes=scopes)
