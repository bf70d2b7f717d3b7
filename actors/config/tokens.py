"""Tokens that clients show: whose each is, and what may be done with it.

A token is written as a reference to a secret, or as a table that says more.
"""

from collections.abc import Iterable, Iterator
from enum import Enum

import attrs

from ..errors import ConfigError
from ..wire.converter import ALLOWED, CHECK, Check, key_path, shown, suggestion
from . import checks
from .secret import Secret

__all__ = ["CLIENT_SCOPES", "LOCAL_SCOPES", "Scope", "TokenConfig", "tokens_of"]

# Shorter tokens are guessed too soon, and too short to be masked in logs.
_SHORTEST = 8


class Scope(Enum):
    """What somebody may do. Each console scope has those before it in it."""

    SESSION = "session"
    """Conversations over /acp: to open one, and to go on with one's own."""
    MODELS = "models"
    """Requests to models: everything below /v1."""
    METRICS = "metrics"
    """To read /metrics, which tells what is used and what that costs."""
    CONSOLE_READ = "console:read"
    """To see what all of the program does; not what is said in conversations."""
    CONSOLE_OPERATE = "console:operate"
    """To restart, drain, open and close circuits."""
    CONSOLE_ADMIN = "console:admin"
    """To read conversations of others, and to change limits."""


_CONSOLE = (Scope.CONSOLE_READ, Scope.CONSOLE_OPERATE, Scope.CONSOLE_ADMIN)
_SCOPES = {scope.value: scope for scope in Scope}

CLIENT_SCOPES = frozenset({Scope.SESSION, Scope.MODELS, Scope.METRICS})
"""Of a token of which no scopes are told: what a client needs. The console shows and changes
what belongs to others, so it is given by name only."""

LOCAL_SCOPES = frozenset(Scope) - {Scope.CONSOLE_ADMIN}
"""Of everybody on this machine, where there are no tokens: all but to read what others say."""


def _scopes_check(values: object) -> str | None:
    if not isinstance(values, list | tuple | set | frozenset):
        return f"must be a list of scopes, not {shown(values)}"
    scopes: Iterable[object] = values  # pyright: ignore[reportUnknownVariableType]
    for scope in scopes:
        if not isinstance(scope, Scope) and scope not in _SCOPES:
            return f"{shown(scope)} is no scope; {suggestion(str(scope), _SCOPES)}"
    return None if values else "names no scope; leave out the token, or this key"


def _scopes(values: Iterable[str | Scope]) -> frozenset[Scope]:
    # What fails the check is left as it is, for the check to say.
    check: Check = _scopes_check
    if check(values) is not None:
        return values  # type: ignore[return-value]
    named = {_SCOPES[scope] if isinstance(scope, str) else scope for scope in values}
    console = [_CONSOLE.index(scope) for scope in named if scope in _CONSOLE]
    return frozenset(named.union(_CONSOLE[: max(console, default=-1) + 1]))


def _secret(value: object) -> Secret:
    if not isinstance(value, str | Secret):
        raise ConfigError("TokenConfig", [f"secret: must be text, not {shown(value)}"])
    try:
        return value if isinstance(value, Secret) else Secret(value)
    except ValueError as error:
        # Without its context: a traceback with locals would show the value.
        raise ConfigError("TokenConfig", [f"secret: {error}"]) from None


def _token_name() -> checks.Metadata:
    # Principals of these names are not made by the configuration, and sessions are theirs.
    taken = ("local", "embedded")

    def check(value: object) -> str | None:
        if value == "":
            return None
        if not checks.is_name(value):
            return f"must be {wanted}, not {shown(value)}"
        if value in taken or str(value).startswith("token-"):
            return f"{shown(value)} is a name that the server itself gives; choose another"
        return None

    wanted = "a name of up to 64 letters, digits, dots, hyphens and underscores"
    return {CHECK: check, ALLOWED: wanted}


@attrs.frozen(kw_only=True)
class TokenConfig:
    """A token that clients may show, and what they may do with it."""

    secret: Secret = attrs.field(
        converter=_secret, metadata=checks.told("a reference to a secret of 8 characters or more")
    )
    """The token itself."""
    name: str = attrs.field(default="", metadata=_token_name())
    """Whose it is: sessions, stored responses and costs belong to this name, and limits are
    counted for it. Two tokens may have the same one, as when one takes the place of the other.
    Without it, they belong to the token and are out of reach when that is changed."""
    scopes: frozenset[Scope] = attrs.field(
        default=CLIENT_SCOPES,
        converter=_scopes,
        metadata={CHECK: _scopes_check, ALLOWED: f"a list of {', '.join(_SCOPES)}"},
    )
    """What may be done with it; without this key `session`, `models` and `metrics`."""

    def __attrs_post_init__(self) -> None:
        checks.refuse_faults(self, self._across)

    @classmethod
    def of(cls, secret: str | Secret) -> "TokenConfig":
        """A token of which nothing more is said. Raises ValueError, which says what is wrong."""
        try:
            return cls(secret=secret)
        except ConfigError as error:
            # Who wrote no table has written no key of it either.
            raise ValueError(error.faults[0].removeprefix("secret: ")) from None

    def _across(self) -> Iterator[str]:
        if len(self.secret.reveal()) < _SHORTEST:
            yield f"secret: has fewer than {_SHORTEST} characters"


def tokens_of(values: "Iterable[str | Secret | TokenConfig]") -> tuple[TokenConfig, ...]:
    """The tokens of a server. Raises ConfigError with all that is wrong in any."""
    tokens: list[TokenConfig] = []
    faults: list[str] = []
    for index, value in enumerate(checks.items("ServerConfig", "tokens", values)):
        path = key_path("tokens", index)
        try:
            token = value if isinstance(value, TokenConfig) else TokenConfig.of(value)
        except ValueError as error:
            faults.append(f"{path}: {error}")
            continue
        if any(token.secret == other.secret for other in tokens):
            faults.append(f"{path}: is the same as one before it; each needs a value of its own")
        tokens.append(token)
    if faults:
        raise ConfigError("ServerConfig", faults)
    return tuple(tokens)
